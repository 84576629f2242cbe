"""The audit log writes what was run and how it ended, and never stands in the way of a cell."""

import hashlib
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from traitlets.config import Config

import coderemote_kernel.audit
from coderemote_kernel.audit import AuditLog, CellRecord, hash_of_cell

SECRET = "password = 'hunter2'"


def record(**changes):
    values = {
        "user": "ada",
        "kernel_id": "kernel-1",
        "session_id": "s1",
        "cell_hash": hash_of_cell(SECRET),
        "outcome": "ok",
        "wall_ms": 12.5,
        "cpu_ms": 10.0,
        "peak_memory_bytes": 2**27,
        "output_bytes": 3,
        "tier": "full",
    }
    return CellRecord(**(values | changes))


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture
def problems():
    return []


@pytest.fixture
def open_log(problems):
    opened = []

    def opening(path, config=None):
        log = AuditLog(str(path), problems.append, config)
        opened.append(log)
        return log

    yield opening
    for log in opened:
        assert log.close(30)


def test_a_cell_becomes_one_line(open_log, tmp_path, problems):
    path = tmp_path / "folder" / "audit.jsonl"
    log = open_log(path)
    log.emit(record(ended_at=1.5, truncated=True, held_back=2))
    assert log.close(30)
    (line,) = lines(path)
    assert line["__schema__"] == "urn:coderemote:events:cell-run:v1"
    assert line["__timestamp__"] == "1970-01-01T00:00:01.500000Z"
    data = {key: value for key, value in line.items() if not key.startswith("__")}
    expected = asdict(record(truncated=True, held_back=2)) | {"time": "1970-01-01T00:00:01.500Z"}
    del expected["ended_at"]
    assert data.pop("taskName", None) is None
    assert data == expected
    assert problems == []


def test_neither_code_nor_output_is_written(open_log, tmp_path):
    log = open_log(tmp_path / "audit.jsonl")
    log.emit(record())
    assert log.close(30)
    text = (tmp_path / "audit.jsonl").read_text()
    assert "hunter2" not in text
    assert hashlib.sha256(SECRET.encode()).hexdigest() in text


def test_half_a_surrogate_pair_has_a_hash():
    assert len(hash_of_cell("x = '\ud800'")) == 64


@pytest.mark.parametrize(
    "outcome",
    ["ok", "error", "timeout", "memory", "died", "policy", "aborted", "interrupted"],
)
def test_every_outcome_fits_the_schema(open_log, tmp_path, problems, outcome):
    log = open_log(tmp_path / "audit.jsonl")
    log.emit(record(outcome=outcome, cpu_ms=None, peak_memory_bytes=None))
    assert log.close(30)
    assert [line["outcome"] for line in lines(tmp_path / "audit.jsonl")] == [outcome]
    assert problems == []


def test_the_time_is_now_unless_it_is_given(open_log, tmp_path):
    log = open_log(tmp_path / "audit.jsonl")
    log.emit(record())
    assert log.close(30)
    written = datetime.fromisoformat(lines(tmp_path / "audit.jsonl")[0]["time"])
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60


def test_the_file_is_private_whatever_the_umask(open_log, tmp_path):
    old = os.umask(0)
    try:
        log = open_log(tmp_path / "folder" / "audit.jsonl")
        log.emit(record())
        assert log.flush(30)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "folder" / "audit.jsonl").stat().st_mode) == 0o600


def test_several_kernels_share_a_file(open_log, tmp_path):
    path = tmp_path / "audit.jsonl"
    logs = [open_log(path) for _ in range(3)]
    for number in range(100):
        for log in logs:
            log.emit(record(kernel_id=f"kernel-{number}"))
    assert all(log.close(30) for log in logs)
    assert len(lines(path)) == 300


def test_a_rotated_file_is_begun_anew(open_log, tmp_path):
    path = tmp_path / "audit.jsonl"
    log = open_log(path)
    log.emit(record(session_id="before"))
    assert log.flush(30)
    path.rename(tmp_path / "audit.jsonl.1")
    log.emit(record(session_id="after"))
    assert log.flush(30)
    assert [line["session_id"] for line in lines(path)] == ["after"]


def test_without_anywhere_to_write_nothing_is_started(open_log):
    log = open_log("", Config())
    before = threading.active_count()
    log.emit(record())
    assert not log.enabled
    assert log.flush()
    assert threading.active_count() == before


class Listener(logging.Handler):
    """A handler such as a site would configure."""

    def __init__(self):
        super().__init__()
        self.events = []

    def emit(self, event):
        self.events.append(json.loads(self.format(event)))


@pytest.mark.parametrize("with_file", [True, False])
def test_a_sites_own_handlers_get_every_event(open_log, tmp_path, problems, with_file):
    listener = Listener()
    config = Config(EventLogger={"handlers": [listener]})
    path = tmp_path / "audit.jsonl"
    log = open_log(path if with_file else "", config)
    log.emit(record())
    assert log.close(30)
    assert [event["user"] for event in listener.events] == ["ada"]
    assert path.exists() == with_file
    assert problems == []


def test_a_handler_that_makes_no_sense_does_not_cost_the_file(open_log, tmp_path, problems):
    path = tmp_path / "audit.jsonl"
    log = open_log(path, Config(EventLogger={"handlers": ["not a handler"]}))
    log.emit(record())
    assert log.close(30)
    assert len(lines(path)) == 1
    assert len(problems) == 1


class Failing(logging.Handler):
    def handle(self, event):
        raise RuntimeError("out of order")


def test_a_handler_that_fails_is_said_once(open_log, problems, caplog):
    log = open_log("", Config(EventLogger={"handlers": [Failing()]}))
    for _ in range(3):
        log.emit(record())
    assert log.close(30)
    assert len(problems) == 1
    assert "out of order" in problems[0]


def test_a_record_that_does_not_fit_the_schema_is_counted(open_log, tmp_path, problems, caplog):
    log = open_log(tmp_path / "audit.jsonl")
    log.emit(record(outcome="exploded"))
    log.emit(record())
    assert log.close(30)
    gap, line = lines(tmp_path / "audit.jsonl")
    assert gap["__schema__"] == "urn:coderemote:events:records-lost:v1"
    assert (gap["lost"], gap["user"], line["outcome"]) == (1, "ada", "ok")
    assert len(problems) == 1


def test_what_came_too_fast_is_counted(open_log, tmp_path, problems):
    blocked = threading.Event()

    class Slow(logging.Handler):
        def emit(self, event):
            assert blocked.wait(60)

    path = tmp_path / "audit.jsonl"
    log = open_log(path, Config(EventLogger={"handlers": [Slow()]}))
    for _ in range(3000):
        log.emit(record())
    assert not log.flush(0.01)
    blocked.set()
    assert log.close(60)
    written = lines(path)
    lost = [line["lost"] for line in written if "lost" in line]
    assert sum(lost) + len(written) - len(lost) == 3000
    assert len(written) < 1100


def test_a_full_disk_is_said_once_and_the_loss_counted(open_log, tmp_path, problems):
    path = tmp_path / "audit.jsonl"
    path.symlink_to("/dev/full")
    log = open_log(path)
    for _ in range(3):
        log.emit(record())
    assert log.flush(30)
    path.unlink()
    log.emit(record())
    assert log.close(30)
    gap, line = lines(path)
    assert gap["lost"] == 3
    assert line["outcome"] == "ok"
    assert len(problems) == 1
    assert "No space left" in problems[0]


def test_a_place_that_cannot_be_written_is_said_once(open_log, problems):
    log = open_log("/proc/nowhere/audit.jsonl")
    log.emit(record())
    log.emit(record())
    assert log.close(30)
    assert len(problems) == 1
    assert "/proc/nowhere" in problems[0]


TORN = """
import json, resource, signal, sys
from pathlib import Path
from coderemote_kernel.audit import AuditLog, CellRecord
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cell = CellRecord(user="ada", kernel_id="k", session_id="s", cell_hash="0" * 64, outcome="ok",
                  wall_ms=1, output_bytes=0, tier="full")
log = AuditLog(str(path), lambda problem: None)
log.emit(cell)
assert log.flush(30)
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
log.emit(cell)
assert log.flush(30)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.emit(cell)
assert log.close(30)
first, torn, gap, last = path.read_text().splitlines()
assert len(torn) == 10, torn
assert json.loads(gap)["lost"] == 1
assert json.loads(first)["outcome"] == json.loads(last)["outcome"] == "ok"
"""


def test_half_a_line_does_not_spoil_the_next(tmp_path):
    subprocess.run([sys.executable, "-c", TORN, str(tmp_path / "audit.jsonl")], check=True)


IMPORTS = """
import sys, time
from coderemote_kernel.audit import AuditLog
print("jupyter_events" in sys.modules)
from coderemote_kernel.audit.sink import AuditSink
began = time.perf_counter()
AuditSink("", print)
print("rfc3987_syntax" in sys.modules, "jupyter_events" in sys.modules)
import rfc3987_syntax
"""


def test_jupyter_events_is_imported_late_and_without_its_slowest_part():
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["False", "False", "True"]


def test_a_closed_log_takes_nothing_and_does_not_complain(open_log, tmp_path):
    path = tmp_path / "audit.jsonl"
    log = open_log(path)
    log.emit(record())
    assert log.close(30)
    log.emit(record())
    assert log.flush()
    assert len(lines(path)) == 1


def test_the_schemas_are_part_of_the_package():
    folder = Path(coderemote_kernel.audit.__file__).parent
    assert {file.name for file in folder.glob("*.yaml")} == {
        "cell-run.v1.yaml",
        "records-lost.v1.yaml",
    }
