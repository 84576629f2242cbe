"""When its starter is killed, nothing of a jail is left."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from coderemote_sandbox import usage

pytestmark = pytest.mark.sandbox


def wait_until(condition, timeout_s: float = 10.0) -> None:
    """Wait for a condition of the process table, which nobody announces."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        select.select([], [], [], 0.005)


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run; a zombie does not."""
    running = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
            if state not in (b"Z", b"X"):
                running.append(pid)
    return running


STARTER = """
import os, select, sys, time
sys.path[:0] = json_path
from coderemote_sandbox import _kernel_calls as kernel
from coderemote_sandbox import jail as jail_module, launcher
{before}
session = launcher.Launcher(launcher.Plan(read_only={read_only!r}))
session.prepare()
jail = session.start({{"execution_count": 1, "relay_magics": []}})
{after}
select.select([jail.wall], [], [], 30)
print(jail.pid, flush=True)
time.sleep(60)
"""

VARIANTS = {
    "both": ("", ""),
    "lifeline alone": ("kernel.die_with_parent = lambda signal: None", ""),
    # A copy of our end of the leash that outlives us: its end of file never comes.
    "parent's death alone": (
        "",
        "if os.fork() == 0:\n    os.setsid(); time.sleep(20); os._exit(0)",
    ),
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_when_its_starter_is_killed_everything_in_the_jail_is_gone_within_a_second(
    variant, make_plan
):
    before, after = VARIANTS[variant]
    code = textwrap.dedent(STARTER).replace("json_path", repr(sys.path))
    code = code.format(before=before, after=after, read_only=make_plan().read_only)
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    nsjail = int(starter.stdout.readline())
    inside = [nsjail, *usage.descendants(nsjail)]
    holders = [pid for pid in usage.descendants(starter.pid) if pid not in inside]
    assert len(inside) >= 3
    starter.kill()
    try:
        wait_until(lambda: not alive(inside), 1)
    finally:
        for pid in holders:
            os.kill(pid, signal.SIGKILL)
        starter.wait()
        starter.stdout.close()
