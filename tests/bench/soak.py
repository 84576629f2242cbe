"""Whether anything grows: many cells in one session, many jails in one relay, many restarts."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_client.manager import KernelManager

from . import processes
from .kernels import OURS, BenchError, environment
from .results import Row, Section, slope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .kernels import Bench, Kernel
    from .results import Verdict

    Sample = tuple[int, processes.Usage]

SAMPLES = 20
MIB = 1024 * 1024
# Memory of a Python process creeps while its allocator fills its arenas; a leak goes on at the same
# rate. What the second half of a run adds is held against this.
CREEP_BYTES = 2 * MIB


def measure_cells(bench: Bench) -> Section:
    """Run small cells, a great many of them, in one session."""
    cells = bench.times(20_000, 1_000)
    with bench.kernel(OURS) as kernel:
        kernel.settle()
        samples = _sample(kernel, cells, lambda number: kernel.run_ok(f"x = {number}; x"))
    return _section("Soak: cells", f"{cells:,} cells in one session", samples, "cells")


def measure_jails(bench: Bench) -> Section:
    """Let the jail die again and again, and go on in the next, all in one relay."""
    deaths = bench.times(500, 20)
    with bench.kernel(OURS) as kernel:
        kernel.settle()
        samples = _sample(kernel, deaths, lambda _: _die_and_go_on(kernel))
    what = f"{deaths} jails in a row in one relay"
    return _section("Soak: jails", what, samples, "jails")


def _die_and_go_on(kernel: Kernel) -> None:
    content = kernel.run("import os; os._exit(1)")
    if content["status"] != "error":
        msg = f"a cell that ended its process was answered with {content['status']!r}"
        raise BenchError(msg)
    kernel.run_ok("1+1")


def _sample(kernel: Kernel, times: int, act: Callable[[int], None]) -> list[Sample]:
    warm_up = max(3, times // 20)
    for number in range(warm_up):
        act(number)
    samples = [(0, processes.usage(kernel.process.pid))]
    for number in range(1, times + 1):
        act(number)
        if number % max(1, times // SAMPLES) == 0:
            samples.append((number, processes.usage(kernel.process.pid)))
    return samples


def _section(name: str, what: str, samples: Sequence[Sample], unit: str) -> Section:
    first, middle, last = samples[0][1], samples[len(samples) // 2][1], samples[-1][1]
    per_thousand = slope([(number / 1000, used.rss_bytes / 1024) for number, used in samples])
    steady = last.rss_bytes - middle.rss_bytes <= CREEP_BYTES and not any(
        _grew([used[kind] for _, used in samples]) for kind in range(3)
    )
    verdict: Verdict = "reached" if steady else "missed"
    measured = (
        f"fds {first.fds} → {last.fds}, threads {first.threads} → {last.threads}, "
        f"processes below it {first.children} → {last.children}, "
        f"RSS {first.rss_bytes / MIB:.1f} → {last.rss_bytes / MIB:.1f} MiB "
        f"({per_thousand:+.0f} KiB per 1,000 {unit})"
    )
    row = Row(what, measured, verdict, must="no growth in the relay")
    how = (
        "the relay's own descriptors, threads, children and resident memory, first reading after a "
        f"warm-up, {len(samples)} readings; memory counts as grown when the second half of the run "
        f"adds more than {CREEP_BYTES // MIB} MiB"
    )
    return Section(name, [row], how)


def _grew(counts: Sequence[int]) -> bool:
    """Say whether a count is higher at the end for good, and not by chance at one reading."""
    few = max(1, len(counts) // 4)
    return min(counts[-few:]) > max(counts[:few])


def measure_restarts(bench: Bench) -> Section:
    """Restart the kernel as a person does, and look at what is left behind on the machine."""
    restarts = bench.times(500, 10)
    manager = KernelManager(kernel_name=OURS)
    manager.start_kernel(cwd=str(bench.home), env=environment(bench.home))
    try:
        _answer(manager)
        before = _left_on_the_machine()
        started = time.monotonic()
        for _ in range(restarts):
            manager.restart_kernel(now=False)
            _answer(manager)
        each_s = (time.monotonic() - started) / restarts
        after = _left_on_the_machine()
    finally:
        manager.shutdown_kernel(now=True)
    # another session may come and go meanwhile: a leak would show as one or more for each restart
    grown = {
        key: (before[key], after[key])
        for key in before
        if after[key] - before[key] > max(10, restarts // 10)
    }
    measured = ", ".join(f"{key} {before[key]} → {after[key]}" for key in before)
    row = Row(
        f"{restarts} kernel restarts in a row",
        f"{measured}; {each_s:.2f} s each",
        "missed" if grown else "reached",
        must="nothing left behind",
    )
    how = (
        "restarts through jupyter_client's KernelManager, each answered by a cell; every restart "
        "is a new relay, so what is counted is what the machine holds of ours: processes, mounts, "
        "control groups, entries in the temporary folder, and descriptors of the managing process"
    )
    return Section("Soak: restarts", [row], how)


def _answer(manager: KernelManager) -> None:
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        reply = client.execute_interactive("1+1", timeout=60, output_hook=lambda _: None)
        if reply["content"]["status"] != "ok":
            msg = f"after a restart `1+1` was answered with {reply['content']}"
            raise BenchError(msg)
    finally:
        client.stop_channels()


def _left_on_the_machine() -> dict[str, int]:
    time.sleep(1)  # the reaping of the last jail may take a second
    return {
        "processes": sum(map(_is_ours, processes.parents())),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "control groups": sum(1 for _ in Path("/sys/fs/cgroup").rglob("*coderemote*")),
        "temporary entries": sum(1 for _ in Path(tempfile.gettempdir()).glob("coderemote*")),
        "own descriptors": processes.usage(os.getpid()).fds,
    }


def _is_ours(pid: int) -> bool:
    try:
        return b"coderemote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
