"""What a client may ask a kernel without running anything: names, signatures, the past, itself."""

from __future__ import annotations

import pytest
import zmq

pytestmark = pytest.mark.sandbox


def complete(notebook, code, cursor_pos=None):
    position = len(code) if cursor_pos is None else cursor_pos
    return notebook.ask("complete_request", {"code": code, "cursor_pos": position})


def inspect(notebook, code, detail_level=0):
    content = {"code": code, "cursor_pos": len(code), "detail_level": detail_level}
    return notebook.ask("inspect_request", content)


def history(notebook, kind, **content):
    asked = {"output": False, "raw": True, "hist_access_type": kind, **content}
    return notebook.ask("history_request", asked)["history"]


def test_names_of_the_session_are_completed(notebook):
    notebook.ok("class Deep: inner_value = 3\ndeep_object = Deep()")
    reply = complete(notebook, "deep_object.inn")
    assert reply["status"] == "ok"
    assert [match.rpartition(".")[2] for match in reply["matches"]] == ["inner_value"]
    assert reply["cursor_end"] == len("deep_object.inn")


def test_completions_say_what_they_are(notebook):
    reply = complete(notebook, "def some_function(): pass\nsome_fun")
    types = reply["metadata"]["_jupyter_types_experimental"]
    assert [(match["text"], match["type"]) for match in types] == [("some_function", "function")]


def test_completion_looks_at_the_place_of_the_cursor(notebook):
    code = "import itertools\nitertools.accum\nzip()"
    position = code.index("accum") + len("accum")
    reply = complete(notebook, code, position)
    assert any("accumulate" in match for match in reply["matches"])
    assert reply["cursor_end"] == position


def test_completion_counts_characters_beyond_the_basic_plane_as_one(notebook):
    code = "'🐍'; zi"
    reply = complete(notebook, code)
    assert "zip" in reply["matches"]
    assert reply["cursor_start"] == code.index("zi")


def test_files_of_the_folder_and_magics_are_completed(notebook):
    notebook.ok("open('peculiar_name.csv', 'w').close()")
    assert any(
        "peculiar_name.csv" in match for match in complete(notebook, "open('pecul")["matches"]
    )
    assert "%timeit" in complete(notebook, "%timei")["matches"]


def test_an_object_is_described(notebook):
    notebook.ok("def documented(first, second=2):\n  'Says something useful.'\n  return first")
    reply = inspect(notebook, "documented")
    assert reply["found"]
    text = reply["data"]["text/plain"]
    assert "Says something useful." in text
    assert "second" in text
    assert "Source" in inspect(notebook, "documented", detail_level=1)["data"]["text/plain"]


def test_what_is_not_there_is_not_found(notebook):
    reply = inspect(notebook, "nowhere_to_be_seen")
    assert (reply["status"], reply["found"], reply["data"]) == ("ok", False, {})


@pytest.mark.parametrize(
    ("code", "status", "indent"),
    [
        ("1 + 1", "complete", None),
        ("for n in range(3):", "incomplete", "    "),
        ("print('''open", "incomplete", ""),
        ("1 +* 2", "invalid", None),
        ("%time 1", "complete", None),
    ],
)
def test_a_client_learns_whether_a_cell_is_complete(notebook, code, status, indent):
    reply = notebook.ask("is_complete_request", {"code": code})
    assert reply["status"] == status
    if indent is not None:
        assert reply["indent"] == indent


def test_history_is_found_by_place_end_and_pattern(own_notebook):
    for number in range(4):
        own_notebook.ok(f"marked = {number} + 100\nmarked")
    codes = [f"marked = {number} + 100\nmarked" for number in range(4)]
    assert [line for _, _, line in history(own_notebook, "tail", n=4)] == codes
    ranged = history(own_notebook, "range", session=0, start=2, stop=4)
    assert [(number, line) for _, number, line in ranged] == [(2, codes[1]), (3, codes[2])]
    found = history(own_notebook, "search", pattern="marked = 2*", n=10)
    assert [line for _, _, line in found][-1] == codes[2]
    unique = history(own_notebook, "search", pattern="marked = 3*", n=10, unique=True)
    assert [line for _, _, line in unique] == [codes[3]]


def test_history_can_come_with_what_the_cells_gave(own_notebook):
    own_notebook.ok("6 * 7")
    ((_, number, pair),) = history(own_notebook, "range", output=True, session=0, start=1, stop=2)
    assert (number, pair) == (1, ["6 * 7", "42"])


def test_history_outlives_a_restart(own_notebook):
    own_notebook.ok("'said before the restart'")
    own_notebook.manager.restart_kernel()
    own_notebook.client.wait_for_ready(timeout=60)
    own_notebook.ok("'said after it'")
    lines = [line for _, _, line in history(own_notebook, "tail", n=2)]
    assert lines == ["'said before the restart'", "'said after it'"]
    earlier = history(own_notebook, "range", session=-1, start=1, stop=2)
    assert [line for _, _, line in earlier] == ["'said before the restart'"]


def test_silent_and_unrecorded_cells_leave_no_history(own_notebook):
    own_notebook.ok("'recorded'")
    own_notebook.ok("'silent'", silent=True)
    own_notebook.ok("'unrecorded'", store_history=False)
    own_notebook.ok("'recorded too'")
    lines = [line for _, _, line in history(own_notebook, "tail", n=4)]
    assert lines[-2:] == ["'recorded'", "'recorded too'"]


def test_the_session_reads_its_own_history(own_notebook):
    own_notebook.ok("first_line = 1")
    own_notebook.ok("first_line + 1")
    assert own_notebook.ok("In[1], Out[2]").result == "('first_line = 1', 2)"
    assert "first_line = 1" in own_notebook.ok("%history").text()


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_kernel_describes_itself(notebook, channel):
    info = notebook.ask("kernel_info_request", channel=channel)
    assert info["status"] == "ok"
    assert info["protocol_version"].startswith("5.")
    assert info["language_info"]["name"] == "python"
    assert info["language_info"]["file_extension"] == ".py"
    assert info["language_info"]["mimetype"] == "text/x-python"
    assert {"debugger", "kernel subshells"} <= set(info["supported_features"])
    assert info["banner"]


def test_a_kernel_says_what_it_uses(notebook):
    usage = notebook.ask("usage_request", channel="control")
    assert usage["kernel_memory"] > 10_000_000
    assert usage["pid"]


def test_a_kernel_says_where_it_listens(notebook):
    reply = notebook.ask("connect_request")
    ports = notebook.client.get_connection_info()
    assert reply["shell_port"] == ports["shell_port"]
    assert reply["iopub_port"] == ports["iopub_port"]


def test_a_kernel_keeps_its_heart_beating_while_it_works(own_notebook):
    ports = own_notebook.client.get_connection_info()
    with zmq.Context() as context, context.socket(zmq.REQ) as heart:
        heart.linger = 0
        heart.connect(f"tcp://127.0.0.1:{ports['hb_port']}")
        busy = own_notebook.execute("n = 0\nwhile n < 20_000_000: n += 1")
        heart.send(b"ping")
        assert heart.poll(30_000)
        assert heart.recv() == b"ping"
        own_notebook.finish(busy)


def test_messages_can_be_encrypted_on_their_way(kernel_name, launch):
    notebook = launch(kernel_name, transport_encryption="required")
    assert notebook.ok("1 + 1").result == "2"
