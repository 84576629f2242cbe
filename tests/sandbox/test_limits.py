"""Limits as a value: ranges, and what this machine can hold."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from coderemote_sandbox.errors import LimitsError
from coderemote_sandbox.limits import GIB, MIB, Limits

FIELDS = list(Limits._fields)
SWITCHES = {"cell_timeout_s", "interrupt_grace_s", "cpu_time_s", "cpus"}


def test_the_defaults_are_those_that_were_promised():
    limits = Limits()
    assert limits.cell_timeout_s == 120
    assert limits.memory_bytes == GIB
    assert limits.processes == 256
    assert limits.workspace_bytes == 256 * MIB
    assert limits.text_output_bytes == 32 * MIB
    assert limits.rich_output_bytes == 128 * MIB


def test_the_defaults_are_in_range():
    Limits().check()


@pytest.mark.parametrize("name", FIELDS)
def test_nothing_may_be_negative(name):
    with pytest.raises(LimitsError, match=rf"^{name} is -1"):
        Limits()._replace(**{name: -1}).check()


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in SWITCHES])
def test_sizes_and_counts_cannot_be_switched_off(name):
    with pytest.raises(LimitsError, match=rf"^{name} is 0"):
        Limits()._replace(**{name: 0}).check()


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_times_and_processors_can_be_switched_off(name):
    Limits()._replace(**{name: 0.0}).check()


def test_more_memory_than_there_is_is_refused_with_the_setting_to_correct():
    with pytest.raises(LimitsError, match=r"Set CodeRemoteKernel\.memory_bytes to less"):
        Limits(memory_bytes=1 << 50).check()


@pytest.mark.parametrize(
    ("name", "which", "value"),
    [
        ("open_files", resource.RLIMIT_NOFILE, 300),
        ("file_size_bytes", resource.RLIMIT_FSIZE, 5 * MIB),
        ("processes", resource.RLIMIT_NPROC, 200),
    ],
)
def test_a_limit_above_the_starters_own_is_refused_before_nsjail_would(name, which, value):
    """In a process of its own: a hard limit cannot be raised again."""
    code = f"""
import resource
from coderemote_sandbox.errors import LimitsError
from coderemote_sandbox.limits import Limits
resource.setrlimit({int(which)}, ({value}, {value}))
Limits(open_files=100, file_size_bytes=1 << 20, processes=100).check()
try:
    low = {{"open_files": 100, "file_size_bytes": 1 << 20, "processes": 100}}
    Limits(**{{**low, "{name}": {value + 1}}}).check()
except LimitsError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert f"CodeRemoteKernel.{name} to {value} or less" in done.stdout, done.stderr


def test_limits_cannot_be_changed_once_made():
    with pytest.raises(AttributeError):
        Limits().cpus = 3  # type: ignore[misc]


def test_a_limit_that_is_not_a_number_is_refused():
    with pytest.raises(LimitsError):
        Limits(cell_timeout_s=float("nan")).check()
