"""The history outlives kernels, answers as IPython does, and never stands in the way of a cell."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coderemote_kernel.history.database import MOST_INPUTS, HistoryDatabase

TAIL = {"hist_access_type": "tail", "output": False, "raw": True, "n": 100}


def inputs(reply):
    assert reply["status"] == "ok"
    return [source for _, _, source in reply["history"]]


def test_a_new_kernel_sees_the_inputs_of_earlier_ones(open_store, problems):
    first = open_store()
    first.record(1, "x = 1\n")
    first.record(2, "y = '\N{SNOWMAN}'")
    first.close()
    second = open_store()
    second.record(1, "z = 3")
    assert second.reply(TAIL) == {
        "status": "ok",
        "history": [(1, 1, "x = 1"), (1, 2, "y = '\N{SNOWMAN}'"), (2, 1, "z = 3")],
    }
    assert problems == []


def test_file_and_folder_are_private_whatever_the_umask(open_store, tmp_path):
    old = os.umask(0)
    try:
        store = open_store()
        store.record(1, "secret")
        assert store.flush()
    finally:
        os.umask(old)
    folder = tmp_path / "folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "history.sqlite").stat().st_mode) == 0o600


def test_nothing_is_opened_before_the_first_input(open_store, tmp_path):
    store = open_store()
    assert store.flush()
    assert store.close()
    assert not (tmp_path / "folder").exists()


def test_two_kernels_share_a_file(open_store, problems):
    stores = [open_store(busy_timeout_s=60) for _ in range(4)]

    def use(store):
        for line in range(1, 101):
            store.record(line, f"x = {line}")
        return store.flush(60)

    with ThreadPoolExecutor(len(stores)) as pool:
        assert all(pool.map(use, stores))
    found = stores[0].reply(TAIL | {"n": 1000}, 60)["history"]
    assert len(found) == 400
    assert len({session for session, _, _ in found}) == 4
    assert problems == []


def test_blank_cells_and_the_commands_to_leave_are_not_kept(open_store):
    store = open_store()
    for line, source in enumerate(["  \n", "exit", "quit()", "exit ( 3 )", "exit_code = 1"], 1):
        store.record(line, source)
    assert inputs(store.reply(TAIL)) == ["exit_code = 1"]


def test_outputs_of_this_session_are_shown_on_request(open_store):
    store = open_store()
    store.record(1, "1 + 1")
    store.record_output(1, "2")
    store.record(2, "pass")
    content = {"hist_access_type": "range", "output": True, "raw": True, "session": 0, "start": 1}
    assert store.reply(content)["history"] == [(0, 1, ("1 + 1", "2")), (0, 2, ("pass", None))]


def test_a_line_that_comes_again_begins_a_new_session(open_store, problems):
    store = open_store()
    store.record(1, "a")
    store.record(2, "b")
    store.record(1, "c")
    assert store.reply(TAIL)["history"] == [(1, 1, "a"), (1, 2, "b"), (2, 1, "c")]
    store.record(1, "d")
    assert store.reply(TAIL)["history"][-2:] == [(2, 1, "c"), (3, 1, "d")]
    assert problems == []


def test_half_a_surrogate_pair_is_kept_as_a_question_mark(open_store):
    store = open_store()
    store.record(1, "x = '\ud800'")
    assert inputs(store.reply(TAIL)) == ["x = '?'"]


def test_the_file_keeps_a_bounded_number_of_inputs(tmp_path):
    database = HistoryDatabase(str(tmp_path / "h.sqlite"), 5)
    session = database.start_session()
    database.add(session, ((line, "x") for line in range(1, MOST_INPUTS + 501)))
    newer = database.start_session()
    assert database.last_line(session) == MOST_INPUTS + 500
    assert len(database.tail(newer, -1)) == MOST_INPUTS
    database.close()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"hist_access_type": 3},
        {"hist_access_type": "tail", "n": "ten"},
        {"hist_access_type": "tail", "n": True},
        {"hist_access_type": "tail", "n": 2**80},
        {"hist_access_type": "tail", "output": "yes"},
        {"hist_access_type": "range", "session": [1]},
        {"hist_access_type": "search", "pattern": 5},
        {"hist_access_type": "search", "pattern": "*" * 10_000},
    ],
    ids=str,
)
def test_a_senseless_request_gets_an_error(open_store, content):
    reply = open_store().reply(content)
    assert reply["status"] == "error"
    assert reply["ename"] == "ValueError"
    assert reply["evalue"]
    assert reply["history"] == []


def test_an_unknown_kind_of_request_finds_nothing_as_in_ipykernel(open_store):
    reply = open_store().reply({"hist_access_type": "all", "output": False, "raw": True})
    assert reply == {"status": "ok", "history": []}


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["hist_access_type", "n", "session", "start", "stop", "pattern", "unique", "output"]
        ),
        st.sampled_from(["tail", "range", "search"])
        | st.integers()
        | st.text(max_size=20)
        | st.none()
        | st.booleans()
        | st.lists(st.integers(), max_size=2),
    ),
    st.lists(st.tuples(st.integers(0, 5), st.text(max_size=20)), max_size=5),
)
def test_any_content_gets_a_reply(open_store, content, lines):
    store = open_store(":memory:")
    for line, source in lines:
        store.record(line, source)
        store.record_output(line, source)
    assert store.reply(content)["status"] in {"ok", "error"}
    assert store.close()


def test_a_damaged_file_is_moved_aside_and_the_session_goes_on(open_store, problems, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "history.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    store = open_store()
    store.record(1, "x = 1")
    assert inputs(store.reply(TAIL)) == ["x = 1"]
    assert store.close()
    assert len(problems) == 1
    assert "moved to" in problems[0]
    (aside,) = [entry for entry in folder.iterdir() if "corrupt" in entry.name]
    assert aside.read_bytes().endswith(b"\xff")
    assert inputs(open_store().reply(TAIL)) == ["x = 1"]


def test_a_file_damaged_during_a_session_loses_nothing_of_it(open_store, problems, tmp_path):
    store = open_store()
    for line in range(1, 20):
        store.record(line, f"x = {line}")
    assert store.flush()
    with (tmp_path / "folder" / "history.sqlite").open("r+b") as file:
        file.truncate(4096)
        file.seek(100)
        file.write(b"\xff" * 3000)
    store.record(20, "x = 20")
    store.record(21, "x = 21")
    assert len(inputs(store.reply(TAIL, 10))) == 21
    assert len(problems) == 1


def test_a_file_of_something_else_is_left_alone(open_store, problems, tmp_path):
    path = tmp_path / "grades.sqlite"
    with sqlite3.connect(path) as grades:
        grades.execute("CREATE TABLE history (student, grade)")
    grades.close()
    before = path.read_bytes()
    store = open_store(path)
    store.record(1, "x = 1")
    assert inputs(store.reply(TAIL)) == ["x = 1"]
    assert path.read_bytes() == before
    (problem,) = problems
    assert f"cannot be kept in {path} (it is a database, but not a history" in problem


def test_a_file_of_a_newer_version_is_left_alone(open_store, problems, tmp_path):
    open_store().reply(TAIL)
    with sqlite3.connect(tmp_path / "folder" / "history.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert open_store().reply(TAIL) == {"status": "ok", "history": []}
    assert "format 99" in problems[0]


def test_a_locked_file_is_given_up_after_a_while(open_store, problems, tmp_path):
    first = open_store()
    first.record(1, "x = 1")
    assert first.flush()
    path = tmp_path / "folder" / "history.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    second = open_store(busy_timeout_s=0.05)
    second.record(1, "y = 2")
    assert inputs(second.reply(TAIL, 10)) == ["y = 2"]
    holder.execute("ROLLBACK")
    holder.close()
    second.record(2, "y = 3")
    assert inputs(second.reply(TAIL, 10)) == ["y = 2", "y = 3"]
    assert len(problems) == 1
    assert "locked" in problems[0]


def test_a_question_does_not_wait_for_a_lock_for_ever(open_store, tmp_path):
    first = open_store()
    assert first.reply(TAIL)["status"] == "ok"
    holder = sqlite3.connect(tmp_path / "folder" / "history.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert first.reply(TAIL, 0.05)["ename"] == "HistoryTimeout"
    assert first.close(0.05) is False
    holder.execute("ROLLBACK")
    holder.close()
    assert first.close(10) is True


@pytest.mark.parametrize("path", ["/proc/nowhere/history.sqlite", "/dev/null/history.sqlite"])
def test_a_place_that_cannot_be_written_gives_a_history_in_memory(open_store, problems, path):
    store = open_store(path)
    store.record(1, "x = 1")
    assert inputs(store.reply(TAIL)) == ["x = 1"]
    assert len(problems) == 1
    assert path in problems[0]


FULL_DISK = """
import resource, signal, sys
from coderemote_kernel.history import HistoryStore
problems = []
store = HistoryStore(sys.argv[1], problems.append)
store.record(1, "first = 1")
assert store.flush(10)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (16384, resource.RLIM_INFINITY))
for line in range(2, 40):
    store.record(line, "x" * 2000)
found = store.reply({"hist_access_type": "tail", "n": -1, "output": False, "raw": True}, 10)
assert len(found["history"]) == 39, found
assert found["history"][0][2] == "first = 1"
assert store.close(10)
# Whatever else writes when this process ends, coverage's data for one, must be able to.
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(problems), problems)
"""


def test_a_full_disk_moves_the_session_to_memory(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "h.sqlite")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.startswith("1 ")
    assert "kept in memory" in finished.stdout


NO_SQLITE = """
import sys
sys.modules["sqlite3"] = None
from coderemote_kernel.history import HistoryStore
problems = []
store = HistoryStore(":memory:", problems.append)
store.record(1, "x")
print(store.reply({"hist_access_type": "tail"}), len(problems), store.close())
"""


def test_a_python_without_sqlite_has_no_history_and_says_so():
    finished = subprocess.run(
        [sys.executable, "-c", NO_SQLITE], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "{'status': 'ok', 'history': []} 1 True\n"


def test_importing_the_store_does_not_import_sqlite():
    script = "import sys, coderemote_kernel.history; print('sqlite3' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "False\n"


def test_a_closed_history_answers_and_takes_nothing(open_store):
    store = open_store()
    store.record(1, "x")
    assert store.close()
    store.record(2, "y")
    assert store.reply(TAIL)["ename"] == "HistoryUnavailable"
    assert inputs(open_store().reply(TAIL)) == ["x"]


def test_closing_writes_what_is_waiting(open_store, tmp_path):
    store = open_store()
    for line in range(1, 2001):
        store.record(line, f"x = {line}")
    assert store.close(30)
    assert len(inputs(open_store().reply(TAIL | {"n": -1}))) == 2000


def test_a_stuck_disk_does_not_fill_the_memory(open_store, problems, tmp_path):
    assert open_store().reply(TAIL)["status"] == "ok"
    holder = sqlite3.connect(tmp_path / "folder" / "history.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    store = open_store(busy_timeout_s=60)
    for line in range(1, 30_000):
        store.record(line, "x")
    holder.execute("ROLLBACK")
    holder.close()
    assert store.close(60)
    assert len(problems) == 1
    assert "slower than the cells" in problems[0]


def test_the_memory_of_a_long_session_stays_bounded(open_store):
    store = open_store(":memory:")
    for line in range(1, 3001):
        store.record_output(line, "x" * 20_000)
    store.record(1, "x")
    assert store.flush(10)
    content = {"hist_access_type": "range", "output": True, "raw": True, "start": 1}
    assert store.reply(content)["history"] == [(0, 1, ("x", None))]
