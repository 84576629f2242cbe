"""The stop button."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def notebook(kernel_name, kernelspecs, tmp_path_factory, start_notebook):
    """A kernel that only these tests try to stop."""
    with start_notebook(kernel_name, tmp_path_factory.mktemp("interrupt")) as notebook:
        yield notebook


WORK = {
    "a sleep": "import time\nprint('on it', flush=True)\ntime.sleep(120)",
    "a busy loop": "print('on it', flush=True)\nwhile True: pass",
    "a subprocess": (
        "import subprocess\nprint('on it', flush=True)\n_ = subprocess.run(['sleep', '120'])"
    ),
    "a shell command": "print('on it', flush=True)\n!sleep 120",
    "a numpy loop": (
        "import numpy as np\na = np.ones((200, 200))\nprint('on it', flush=True)\n"
        "while True: a = np.tanh(a @ a)"
    ),
    "an await": "import asyncio\nprint('on it', flush=True)\nawait asyncio.sleep(120)",
    "a select": "import select\nprint('on it', flush=True)\n_ = select.select([], [], [], 120)",
}


@pytest.mark.parametrize("work", WORK)
def test_work_is_stopped_and_the_session_kept(notebook, work):
    if "numpy" in work:
        pytest.importorskip("numpy")
    notebook.ok("kept = 'still here'")
    msg_id = notebook.execute(WORK[work])
    notebook.wait_for_text(msg_id, "on it")
    notebook.interrupt()
    # an awaiting loop that sleeps looks at the interrupt when something wakes it: on the stock
    # kernel too, and there the next message does
    notebook.send("kernel_info_request")
    reply = notebook.finish(msg_id).reply
    # IPython takes the interrupt of a shell command for the command's own end, and that of an
    # awaited cell for a cancellation
    if work == "a shell command":
        assert reply["status"] in {"ok", "error"}
    else:
        assert reply["ename"] in {"KeyboardInterrupt", "CancelledError"}
    assert notebook.ok("kept").result == "'still here'"


def test_a_question_is_taken_back(notebook):
    msg_id = notebook.execute("answer = input('well? ')", allow_stdin=True)
    assert notebook.receive("stdin", msg_id)["content"]["prompt"] == "well? "
    notebook.interrupt()
    assert notebook.finish(msg_id).reply["ename"] == "KeyboardInterrupt"
    assert notebook.ok("'alive'").result == "'alive'"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(notebook):
    asked = notebook.execute("input('first? ')", allow_stdin=True)
    notebook.receive("stdin", asked)
    notebook.interrupt()
    notebook.finish(asked)
    notebook.client.input("too late")
    again = notebook.execute("input('second? ')", allow_stdin=True)
    notebook.receive("stdin", again)
    notebook.client.input("in time")
    assert notebook.finish(again).result == "'in time'"


def test_cells_that_wait_behind_an_interrupted_one_are_aborted(notebook):
    running = notebook.execute("import time\nprint('on it', flush=True)\ntime.sleep(120)")
    waiting = notebook.execute("'never'")
    notebook.wait_for_text(running, "on it")
    notebook.interrupt()
    assert notebook.finish(running).reply["ename"] == "KeyboardInterrupt"
    assert notebook.finish(waiting).reply["status"] == "aborted"
    assert notebook.ok("'after'").result == "'after'"


def test_a_cell_may_handle_the_interrupt_itself(notebook):
    code = (
        "import time\ntry:\n  print('on it', flush=True)\n  time.sleep(120)\n"
        "except KeyboardInterrupt:\n  print('put away')"
    )
    msg_id = notebook.execute(code)
    notebook.wait_for_text(msg_id, "on it")
    notebook.interrupt()
    notebook.wait_for_text(msg_id, "put away")
    assert notebook.reply(msg_id)["content"]["status"] == "ok"


def test_an_interrupt_of_an_idle_kernel_does_nothing(notebook):
    notebook.ok("kept = 1")
    notebook.interrupt()
    assert notebook.ok("kept").result == "1"


def test_an_interrupt_request_is_answered(notebook):
    assert notebook.ask("interrupt_request", channel="control")["status"] == "ok"
