"""The jail dies in the middle of work, and the notebook goes on."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def kernel(start_kernel, tmp_path_factory):
    with start_kernel(tmp_path_factory.mktemp("deaths")) as kernel:
        yield kernel


DEATHS = [
    ("import os; os._exit(3)", "SandboxExit", "exit status 3"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SandboxCrash", "SIGSEGV"),
    ("import ctypes; ctypes.string_at(0)", "SandboxCrash", "SIGSEGV"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SandboxCrash", "SIGKILL"),
    ("import os; os.abort()", "SandboxCrash", "SIGABRT"),
]


@pytest.mark.parametrize(("code", "name", "words"), DEATHS, ids=[code for code, *_ in DEATHS])
def test_a_death_is_an_error_that_says_why_and_what_is_left(kernel, code, name, words):
    cell = kernel.run(code)
    assert cell.error == name
    assert words in cell.reply["evalue"]
    assert "Variables are gone; history and files are kept" in cell.reply["evalue"]
    assert [error["ename"] for error in cell.of("error")] == [name]
    assert cell.cost["death"] in ("exit", "signal")
    assert kernel.ok("print(1 + 1)").text() == "2\n"


def test_leaving_politely_is_a_death_like_any_other(kernel):
    """IPython turns SystemExit into an error of the cell; exit() asks the kernel to stop."""
    assert kernel.run("import sys; sys.exit(4)").error == "SystemExit"
    kernel.ok("x = 1")
    kernel.run("exit()")
    assert kernel.ok("print(1 + 1)").text() == "2\n"


def test_cells_are_numbered_on_and_the_echo_is_the_users_text(kernel):
    before = kernel.ok("1").reply["execution_count"]
    cell = kernel.run("import os; os._exit(1)")
    assert cell.of("execute_input")[0] == {
        "code": "import os; os._exit(1)",
        "execution_count": before + 1,
    }
    after = kernel.ok("In[-1]")
    assert after.reply["execution_count"] == before + 2


def test_history_and_files_outlive_a_death(kernel):
    kernel.ok("open('kept.txt', 'w').write('still there')  # marker one")
    kernel.run("import os; os._exit(1)  # marker two")
    assert kernel.ok("print(open('kept.txt').read())").text() == "still there\n"
    content = {"output": False, "raw": True, "hist_access_type": "tail", "n": 5}
    lines = [entry[2] for entry in kernel.ask("history_request", **content)["history"]]
    assert any("marker one" in line for line in lines)
    assert any("marker two" in line for line in lines)


def test_cells_behind_a_dead_one_are_aborted(kernel):
    ids = [kernel.send(code) for code in ("import os; os._exit(1)", "x = 1", "y = 2")]
    cells = [kernel.finish(msg_id) for msg_id in ids]
    assert [cell.reply["status"] for cell in cells] == ["error", "aborted", "aborted"]
    assert kernel.ok("print('x' in globals())").text() == "False\n"


def test_cells_behind_a_dead_one_run_where_errors_do_not_stop(kernel):
    first = kernel.send("import os; os._exit(1)", stop_on_error=False)
    second = kernel.send("print('ran')")
    kernel.finish(first)
    assert kernel.finish(second).text() == "ran\n"


def test_other_questions_behind_a_dead_cell_are_answered(kernel):
    cell = kernel.send("import os; os._exit(1)")
    question = kernel.request("complete_request", {"code": "impo", "cursor_pos": 4})
    kernel.finish(cell)
    assert kernel.receive("shell", question)["content"]["status"] in ("ok", "error")


def test_a_death_while_nothing_runs_is_told_with_the_next_cell(kernel):
    kernel.ok("import os, threading, time; threading.Timer(0.2, os._exit, (5,)).start()")
    before = set(kernel.jailed())
    while before & set(kernel.jailed()):
        pass  # until the old jail is gone
    cell = kernel.ok("print(1 + 1)")
    assert cell.text("stdout") == "2\n"
    assert "[coderemote] The sandbox was restarted" in cell.text("stderr")
    assert "exit status 5" in cell.text("stderr")
    assert kernel.ok("print(2)").text("stderr") == ""


def test_a_silent_cell_dies_in_silence_and_is_answered(kernel):
    cell = kernel.run("import os; os._exit(1)", silent=True)
    assert cell.error == "SandboxExit"
    assert cell.of("execute_input") == []
    assert kernel.ok("print(1)").text("stdout") == "1\n"


def test_last_words_are_heard(kernel):
    cell = kernel.run("import os; print('last words', flush=True); os._exit(1)")
    assert "last words" in cell.text("stdout")


def test_a_death_forgets_the_widgets_of_the_dead_and_leaves_their_outputs(kernel):
    pytest.importorskip("ipywidgets")
    cell = kernel.ok("import ipywidgets; slider = ipywidgets.IntSlider(); slider")
    assert cell.of("comm_open")
    assert kernel.run("import os; os._exit(1)").of("comm_close") == []
    assert kernel.ask("comm_info_request")["comms"] == {}


def test_the_reason_is_known_though_the_relay_comes_late(kernel):
    """As on a busy machine: when the relay runs again, everything has happened already."""
    msg_id = kernel.send("print('now', flush=True); import time; time.sleep(30)")
    kernel.wait_for_text(msg_id, "now")
    nsjail, _, worker = kernel.jailed()
    os.kill(kernel.process.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGSEGV)
    while not ended(nsjail):
        pass
    os.kill(kernel.process.pid, signal.SIGCONT)
    assert kernel.finish(msg_id).error == "SandboxCrash"


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def test_a_jail_killed_from_outside_is_replaced(kernel):
    msg_id = kernel.send("print('now', flush=True); import time; time.sleep(30)")
    kernel.wait_for_text(msg_id, "now")
    os.kill(kernel.jailed()[0], signal.SIGKILL)
    cell = kernel.finish(msg_id)
    assert cell.error == "SandboxLost"
    assert kernel.ok("print(1)").text("stdout") == "1\n"


def test_every_death_gives_back_what_the_jail_held(kernel):
    def held() -> tuple[int, int]:
        return len(os.listdir(f"/proc/{kernel.process.pid}/fd")), len(kernel.jailed())

    kernel.ok("1")
    before = held()
    for _ in range(5):
        assert kernel.run("import os; os._exit(1)").error == "SandboxExit"
    kernel.ok("1")
    assert held() == before


def test_a_worker_that_loses_a_request_does_not_hold_up_the_notebook(kernel):
    """An interrupt at the very start of a cell makes ipykernel forget it: idle, and no reply."""
    kernel.ok(
        """
kernel = get_ipython().kernel
honest = kernel.do_execute
async def forgetful(*args, **options):
    kernel.do_execute = honest
    raise KeyboardInterrupt
kernel.do_execute = forgetful
"""
    )
    lost = kernel.send("print('never run')")
    following = kernel.send("print('next')", stop_on_error=False)
    assert kernel.receive("shell", lost, 15)["content"]["status"] == "error"
    assert kernel.receive("shell", following, 15)["content"]["status"] in ("ok", "aborted")


def test_a_jail_that_does_not_come_up_any_more_is_given_up(start_kernel, tmp_path):
    """An nsjail that works once: after three failures in a row every cell says so at once."""
    from coderemote_sandbox.nsjail import find_nsjail

    flaky, spent = tmp_path / "nsjail", tmp_path / "spent"
    flaky.write_text(
        f'#!/bin/sh\n[ -e {spent} ] && {{ echo "no more" >&2; exit 255; }}\n'
        f'exec {find_nsjail()} "$@"\n'
    )
    flaky.chmod(0o755)
    tmp_path.chmod(0o755)
    folder = tmp_path / "notebook"
    folder.mkdir()
    with start_kernel(folder, nsjail=str(flaky)) as kernel:
        kernel.ok("x = 1")
        spent.write_text("")
        assert kernel.run("import os; os._exit(1)").error == "SandboxExit"
        cell = kernel.run("print(1)")
        assert cell.error == "SandboxUnavailable"
        assert "no more" in cell.reply["evalue"]
        assert kernel.run("print(1)", 5).error == "SandboxUnavailable"
        info = kernel.ask("complete_request", code="a", cursor_pos=1)
        assert info["status"] == "error"
        assert kernel.jailed() == []
