"""Trials: bounded in time, telling what went wrong, leaving nothing behind."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from coderemote_sandbox import nsjail, usage
from coderemote_sandbox.doctor import examination, examine
from coderemote_sandbox.doctor.report import Report, Row
from coderemote_sandbox.doctor.table import as_table
from coderemote_sandbox.doctor.trial import in_child, run_nsjail
from coderemote_sandbox.launcher import Plan


def test_a_trial_returns_what_its_work_found():
    assert in_child(lambda: {"answer": [1, 2]}).value == {"answer": [1, 2]}


def test_a_trial_that_fails_says_with_what():
    def fail() -> None:
        raise PermissionError(1, "Operation not permitted")

    outcome = in_child(fail)

    assert not outcome
    assert (outcome.code, outcome.problem) == (1, "Operation not permitted")


def test_a_trial_whose_work_is_broken_fails_and_no_more():
    assert in_child(lambda: 1 / 0).problem == "ZeroDivisionError: division by zero"


def test_a_trial_whose_process_dies_fails_and_no_more():
    assert in_child(lambda: os._exit(3)).problem == "the trial's process died"


def test_a_trial_that_hangs_is_ended_in_time():
    began = time.monotonic()
    before = set(usage.descendants(os.getpid()))

    outcome = in_child(lambda: time.sleep(60), seconds=0.1)

    assert "0.1 s" in outcome.problem
    assert time.monotonic() - began < 5
    assert set(usage.descendants(os.getpid())) <= before


@pytest.mark.sandbox
def test_an_nsjail_that_fails_says_why_in_a_line():
    config = {"mode": "ONCE", "mount": [{"src": "/nonexistent", "dst": "/x", "is_bind": True}]}
    config["exec_bin"] = {"path": "/bin/true"}

    outcome = run_nsjail(nsjail.find_nsjail(), config)

    assert outcome.problem
    assert "\n" not in outcome.problem
    assert not outcome.problem.startswith("[")


@pytest.mark.sandbox
def test_an_nsjail_that_cannot_be_run_is_a_failed_trial():
    assert "nonexistent" in run_nsjail("/nonexistent/nsjail", {}).problem


def test_a_probe_that_breaks_hides_no_other(monkeypatch):
    def broken(ground, rows):
        raise RuntimeError("boom")

    def fine(ground, rows):
        rows.add("fine", "yes", "yes", ok=True)

    monkeypatch.setattr(examination, "_PROBES", (("broken", broken), ("fine", fine)))

    report = examine(Plan())

    assert [(row.layer, row.ok) for row in report.rows] == [("broken", False), ("fine", True)]
    assert "boom" in report.rows[0].got


@pytest.mark.sandbox
def test_nothing_is_left_behind():
    def traces() -> tuple[list[str], int]:
        folders = sorted(map(str, Path(tempfile.gettempdir()).glob("coderemote-doctor-*")))
        return folders, len(list(Path("/proc/self/fd").iterdir()))

    examine(Plan())
    before = traces()
    examine(Plan())

    assert traces() == before


ROWS = (
    Row("short", "yes", "yes", ok=True),
    Row("a longer name", "yes", "no", ok=False, fix="do this " * 30),
    Row("other", "-", "known", ok=None),
)


def test_the_table_is_aligned_and_within_its_width():
    lines = as_table(Report("full", (), ROWS), width=80).splitlines()

    assert len({line.index("yes") for line in lines if " yes " in line}) == 1
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Missing for tier full: a longer name."


def test_the_table_has_colours_only_when_asked():
    report = Report("full", (), ROWS)

    assert "\x1b" not in as_table(report)
    assert "\x1b[1;31mMISSING\x1b[0m" in as_table(report, colour=True)


def test_the_json_has_its_promised_form():
    data = Report("full", ("full",), ROWS, ms=12.34).as_json()

    assert {**data, "rows": None} == {
        "schema": 1,
        "ok": False,
        "tier": "full",
        "possible": ["full"],
        "ms": 12.3,
        "rows": None,
    }
    assert data["rows"][0] == {
        "layer": "short",
        "wanted": "yes",
        "got": "yes",
        "ok": True,
        "fix": "",
    }
