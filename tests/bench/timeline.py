"""When each process of a start appears, and when the first answers come."""

from __future__ import annotations

# ruff: noqa: T201 - a command-line tool prints
import contextlib
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import processes
from .kernels import BOTH

if TYPE_CHECKING:
    from .kernels import Bench


def show(bench: Bench, starts: int = 7) -> None:
    """Print for both kernels what happened when, in ms after the start, as medians."""
    for name in BOTH:
        seen: dict[str, list[float]] = {}
        for _ in range(starts):
            for event, at_ms in _one_start(bench, name):
                seen.setdefault(event, []).append(at_ms)
        print(f"\n{name}, {starts} starts")
        for event, times in sorted(seen.items(), key=lambda item: statistics.median(item[1])):
            print(f"  {statistics.median(times):7.1f} ms (min {min(times):6.1f})  {event}")


def _one_start(bench: Bench, name: str) -> list[tuple[str, float]]:
    with bench.kernel(name) as kernel:
        events: list[tuple[str, float]] = []
        over = threading.Event()

        def note(event: str) -> None:
            events.append((event, (time.perf_counter() - kernel.started_at) * 1000))

        def watch() -> None:
            known: set[str] = set()
            while not over.is_set():
                for event in _below(kernel.process.pid) - known:
                    known.add(event)
                    note(event)
                time.sleep(0.001)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            kernel.reply(kernel.execute("1+1"))
            note("reply to 1+1")
        finally:
            over.set()
            watcher.join()
        return events


def _below(pid: int) -> set[str]:
    """Name the processes below one, by depth and command; threads and arguments left out."""
    found = set()
    level = [pid]
    depth = 0
    while level:
        below = []
        for process in level:
            with contextlib.suppress(OSError):
                below += [
                    int(child)
                    for task in Path(f"/proc/{process}/task").iterdir()
                    for child in (task / "children").read_text().split()
                ]
        depth += 1
        for process in below:
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                words = " ".join(Path(word.decode(errors="replace")).name for word in command[:3])
                if processes.is_running(process):
                    found.add(f"depth {depth}: {words or '(no command)'}")
        level = below
    return found
