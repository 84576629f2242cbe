"""What a cell may ask for, and what it may show."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox


def test_a_cell_has_a_value_and_a_number(own_notebook):
    first = own_notebook.ok("6 * 7")
    assert first.result == "42"
    assert [output["msg_type"] for output in first.outputs] == ["execute_input", "execute_result"]
    assert own_notebook.ok("_").result == "42"
    assert own_notebook.ok("1").reply["execution_count"] == first.reply["execution_count"] + 2


def test_variables_live_on_from_cell_to_cell(notebook):
    notebook.ok("kept = [1, 2]\ndef double(): return [2 * n for n in kept]")
    assert notebook.ok("double()").result == "[2, 4]"


def test_a_silent_cell_shows_no_value_and_has_no_number(notebook):
    before = notebook.ok("1").reply["execution_count"]
    silent = notebook.ok("silent_value = 5; silent_value", silent=True)
    assert [output["msg_type"] for output in silent.outputs] == []
    assert notebook.ok("silent_value").reply["execution_count"] == before + 1


def test_a_cell_without_history_has_no_number_of_its_own(notebook):
    before = notebook.ok("1").reply["execution_count"]
    assert notebook.ok("'unrecorded'", store_history=False).result == "'unrecorded'"
    assert notebook.ok("1").reply["execution_count"] == before + 1


def test_user_expressions_are_evaluated_one_by_one(notebook):
    cell = notebook.ok(
        "seen = 3", user_expressions={"good": "seen + 1", "bad": "1/0", "unknown": "nowhere"}
    )
    expressions = cell.reply["user_expressions"]
    assert expressions["good"]["data"]["text/plain"] == "4"
    assert expressions["bad"]["ename"] == "ZeroDivisionError"
    assert expressions["unknown"]["ename"] == "NameError"


def test_an_error_is_told_in_reply_and_output(notebook):
    cell = notebook.run("def f():\n    raise KeyError('gone')\nf()")
    (error,) = cell.of("error")
    for told in (cell.reply, error):
        assert told["ename"] == "KeyError"
        assert told["evalue"] == "'gone'"
        assert "KeyError" in told["traceback"][-1]
        assert len(told["traceback"]) >= 3
    assert cell.reply["status"] == "error"


def test_a_syntax_error_is_told_as_one(notebook):
    assert notebook.run("def broken(:\n  pass").reply["ename"] == "SyntaxError"


def test_an_error_aborts_the_cells_that_wait_behind_it(notebook):
    sent = [notebook.execute(code) for code in ("import time; time.sleep(0.3); 1/0", "'a'", "'b'")]
    statuses = [notebook.finish(msg_id).reply["status"] for msg_id in sent]
    assert statuses == ["error", "aborted", "aborted"]
    assert notebook.ok("'after'").result == "'after'"


def test_an_error_aborts_nothing_when_asked_not_to(notebook):
    sent = [
        notebook.execute("import time; time.sleep(0.3); 1/0", stop_on_error=False),
        notebook.execute("'goes on'"),
    ]
    statuses = [notebook.finish(msg_id).reply["status"] for msg_id in sent]
    assert statuses == ["error", "ok"]


def test_both_streams_arrive_whole_and_in_order(notebook):
    cell = notebook.ok("import sys\nfor n in range(200):\n  print(n)\nprint('oh', file=sys.stderr)")
    assert cell.text() == "".join(f"{n}\n" for n in range(200))
    assert cell.text("stderr") == "oh\n"


def test_text_of_every_plane_of_unicode_arrives(notebook):
    assert notebook.ok("print('é ж 漢 𝛑 🐍\\x00\\x7f')").text() == "é ж 漢 𝛑 🐍\x00\x7f\n"


def test_a_lone_surrogate_does_not_stop_the_kernel(notebook):
    notebook.run(r"print('\ud800')")
    assert notebook.ok("'alive'").result == "'alive'"


def test_infinite_numbers_in_a_display_do_not_stop_the_kernel(notebook):
    notebook.run("display({'application/json': {'x': float('inf')}}, raw=True)")
    assert notebook.ok("'alive'").result == "'alive'"


def test_output_of_commands_and_of_forked_children_is_shown(notebook):
    assert notebook.ok("!echo hi").text().strip() == "hi"
    assert notebook.ok("lines = !printf 'a\\nb'\nlines.l").result == "['a', 'b']"
    code = """
import os, sys
child = os.fork()
if child == 0:
    print("from the child", flush=True)
    os._exit(0)
_ = os.waitpid(child, 0)
"""
    msg_id = notebook.execute(code)
    notebook.wait_for_text(msg_id, "from the child")
    notebook.reply(msg_id)


def test_what_is_written_to_the_bare_descriptors_is_shown(notebook):
    msg_id = notebook.execute("import os; _ = os.write(1, b'by descriptor\\n')")
    notebook.wait_for_text(msg_id, "by descriptor")
    notebook.reply(msg_id)


def test_a_thread_prints_after_its_cell_has_ended(notebook):
    code = "import threading; threading.Timer(0.3, print, ['late news']).start()"
    starter = notebook.execute(code)
    assert notebook.outputs(starter)[-1]["msg_type"] == "execute_input"
    notebook.reply(starter)
    notebook.wait_for_text(starter, "late news")


def test_a_thread_prints_below_the_cell_that_runs(notebook):
    waiting = "threading.Thread(target=lambda: (go.wait(30), print('news'), done.set())).start()"
    notebook.ok(f"import threading\ngo, done = threading.Event(), threading.Event()\n{waiting}")
    assert notebook.ok("go.set(); _ = done.wait(30)").text() == "news\n"


def test_displays_are_shown_and_updated_by_their_name(notebook):
    notebook.ok("handle = display('first', display_id='named')")
    cell = notebook.ok("handle.update('second')")
    (update,) = cell.of("update_display_data")
    assert update["transient"] == {"display_id": "named"}
    assert update["data"]["text/plain"] == "'second'"


def test_output_is_cleared_now_or_with_the_next(notebook):
    notebook.ok("from IPython.display import clear_output")
    assert notebook.ok("clear_output()").of("clear_output") == [{"wait": False}]
    assert notebook.ok("clear_output(wait=True)").of("clear_output") == [{"wait": True}]


def test_an_image_arrives_with_its_metadata(notebook):
    notebook.ok("from IPython.display import Image")
    # the smallest picture there is: one transparent pixel
    pixel = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    code = f"import base64; Image(base64.b64decode('{pixel}'), format='gif', width=5)"
    (result,) = notebook.ok(code).of("execute_result")
    assert result["data"]["image/gif"].strip() == pixel
    assert result["metadata"]["image/gif"] == {"width": 5}


def test_a_figure_is_drawn_below_its_cell(notebook):
    pytest.importorskip("matplotlib")
    cell = notebook.ok(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);\nplt.title('t');"
    )
    assert any("image/png" in shown["data"] for shown in cell.of("display_data"))


def test_a_data_frame_is_shown_as_a_table(notebook):
    pytest.importorskip("pandas")
    cell = notebook.ok("import pandas as pd; pd.DataFrame({'a': [1, 2]})")
    (result,) = cell.of("execute_result")
    assert "<table" in result["data"]["text/html"]
    assert "a" in result["data"]["text/plain"]


def test_a_cell_may_await(notebook):
    code = (
        "import asyncio\nasync def answer():\n  await asyncio.sleep(0)\n  return 42\nawait answer()"
    )
    assert notebook.ok(code).result == "42"
    notebook.ok("background = asyncio.create_task(answer())")
    assert notebook.ok("await background").result == "42"


def test_magics_that_time_a_cell_work(notebook):
    assert "loop" in notebook.ok("%%timeit -n 2 -r 2\nsum(range(10))").text()
    assert "time" in notebook.ok("%time sum(range(10))").text()
    assert "time" in notebook.ok("%%time\nsum(range(10))").text()


def test_magics_that_write_and_run_files_work(notebook):
    assert "Writing" in notebook.ok("%%writefile part.py\nstated = 7\nprint('ran')").text()
    assert notebook.ok("%run part.py").text() == "ran\n"
    assert notebook.ok("stated").result == "7"
    assert notebook.ok("import part; part.stated").text() == "ran\n"


def test_magics_that_capture_and_script_work(notebook):
    notebook.ok("%%capture taken\nprint('hidden')")
    assert notebook.ok("taken.stdout").result == r"'hidden\n'"
    assert notebook.ok("%%bash\necho $((40 + 2))").text() == "42\n"


def test_a_pager_is_a_payload(notebook):
    (payload,) = notebook.ok("zip?").reply["payload"]
    assert payload["source"] == "page"
    assert "text/plain" in payload["data"]


def test_set_next_input_is_a_payload(notebook):
    cell = notebook.ok("get_ipython().set_next_input('1 + 1')")
    assert any(part["source"] == "set_next_input" for part in cell.reply["payload"])


def test_the_reply_says_when_the_cell_began_and_whether_all_is_well(notebook):
    metadata = notebook.ok("1").message["metadata"]
    assert {"started", "dependencies_met", "status"} <= set(metadata)


def test_a_cell_of_a_megabyte_runs(notebook):
    code = f"text = '''{'x' * 1_000_000}'''\nlen(text)"
    assert notebook.ok(code).result == "1000000"


@pytest.mark.parametrize("code", ["", "   \n", "# only a comment"])
def test_an_empty_cell_is_no_error(notebook, code):
    assert notebook.ok(code).result is None
