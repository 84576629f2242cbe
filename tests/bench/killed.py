"""How long jailed processes outlive a relay that was killed."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from . import processes
from .kernels import OURS, BenchError
from .results import Row, Section, judge

if TYPE_CHECKING:
    from .kernels import Bench

CLINGERS = 8
# leaves its session, its parent and its signals behind, and keeps a core busy now and then
CLING = f"""
import os, signal, time
def cling():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        sum(range(10_000))
        time.sleep(0.001)
for _ in range({CLINGERS}):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        cling()
    os.wait()
"""
LIMIT_MS = 1000.0


def measure(bench: Bench) -> Section:
    """Kill the relay of a jail full of processes that do not want to go."""
    runs = bench.times(10, 3)
    took = [_outlived_ms(bench) for _ in range(runs)]
    slowest = max(took)
    return Section(
        "Relay killed",
        [
            Row(
                "relay killed with SIGKILL: every jailed process gone",
                f"{slowest:.0f} ms at most",
                judge(slowest, LIMIT_MS),
                ours=f"{sorted(took)[len(took) // 2]:.0f} ms",
                must="≤ 1 s",
            )
        ],
        how=f"{runs} runs; the jail holds {CLINGERS} double-forked processes in sessions of their "
        "own that ignore every signal; the time is until no process runs in the jail's pid "
        "namespaces, nor any that was below the relay",
    )


def _outlived_ms(bench: Bench) -> float:
    with bench.kernel(OURS) as kernel:
        kernel.settle()
        kernel.run_ok(CLING)
        relay = kernel.process.pid
        own = processes.pid_namespace(os.getpid())
        below = processes.descendants(relay)
        jails = {ns for pid in below if (ns := processes.pid_namespace(pid)) and ns != own}
        if len(processes.running_in(jails)) < CLINGERS:
            msg = f"only {len(below)} processes below the relay: the payload did not take"
            raise BenchError(msg)
        os.kill(relay, signal.SIGKILL)
        started = time.perf_counter()
        kernel.process.wait(10)
        while any(map(processes.is_running, below)) or processes.running_in(jails):
            if time.perf_counter() - started > 30:
                _clear_away(below | processes.running_in(jails))
                return float("inf")
            time.sleep(0.002)
        return (time.perf_counter() - started) * 1000


def _clear_away(left: set[int]) -> None:
    for pid in left:
        if processes.is_running(pid):
            os.kill(pid, signal.SIGKILL)
