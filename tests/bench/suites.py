"""The two suites whose outcome belongs in the report: conformance and escapes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from .kernels import BenchError
from .results import Row, Section

if TYPE_CHECKING:
    from .kernels import Bench
    from .results import Verdict

ROOT = Path(__file__).parents[2]
CONFORMANCE = "tests/kernel/parity/test_jupyter_kernel_test.py"
ESCAPES = "tests/escape"


class Outcome(NamedTuple):
    """How many tests ended in which way."""

    run: int
    failed: int
    skipped: int


def measure_conformance(_bench: Bench) -> Section:
    """Run jupyter_kernel_test with every sample filled in."""
    outcome = _run(CONFORMANCE)
    clean: Verdict = "missed" if outcome.failed or outcome.skipped else "reached"
    row = Row(
        "`jupyter_kernel_test`, all samples filled",
        f"{outcome.run - outcome.failed - outcome.skipped} of {outcome.run} pass",
        clean,
        must="all pass",
    )
    return Section("Conformance", [row], how=f"`pytest {CONFORMANCE}`")


def measure_escapes(_bench: Bench) -> Section:
    """Run the escape suite at the full tier."""
    outcome = _run(ESCAPES)
    row = Row(
        "escape suite",
        f"{outcome.failed} of {outcome.run} tests failed, {outcome.skipped} skipped",
        "missed" if outcome.failed else "reached",
        must="0 escapes, 0 dead kernels",
    )
    return Section("Escapes", [row], how=f"`pytest {ESCAPES}`")


def _run(path: str) -> Outcome:
    if not (ROOT / path).exists():
        msg = f"{path} does not exist"
        raise BenchError(msg)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "junit.xml")
        command = [sys.executable, "-m", "pytest", "-q", path, f"--junitxml={record}"]
        ended = subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=3600
        )
        if not record.exists():
            msg = f"pytest {path} ended with {ended.returncode}: {ended.stdout[-400:]}"
            raise BenchError(msg)
        suites = list(ET.parse(record).getroot().iter("testsuite"))

    def count(key: str) -> int:
        return sum(int(suite.get(key, "0")) for suite in suites)

    return Outcome(count("tests"), count("failures") + count("errors"), count("skipped"))
