"""What a jail uses, seen from outside: its processes are descendants of nsjail, whatever they do.

An orphan goes to the jail's own PID 1, never to the host's, so a walk from nsjail finds them all.
Costs 0.25 to 0.4 ms a sweep.
"""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Sweep", "descendants", "sweep"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Sweep(NamedTuple):
    """One look at a jail: resident bytes and CPU nanoseconds summed, and its processes."""

    memory_bytes: int
    cpu_ns: int
    pids: list[int]


def descendants(root: int) -> list[int]:
    """Return the processes below `root`, without `root` itself."""
    found: list[int] = []
    queue = [root]
    while queue:
        pid = queue.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for task in tasks:
            try:
                with open(f"/proc/{pid}/task/{task}/children", "rb") as listing:
                    children = [int(child) for child in listing.read().split()]
            except OSError:
                continue
            found += children
            queue += children
    return found


def sweep(root: int) -> Sweep:
    """Add up what the processes below `root` use; one that ends meanwhile counts for nothing."""
    pids = descendants(root)
    memory = cpu = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as statm:
                memory += int(statm.read().split()[1]) * _PAGE
            with open(f"/proc/{pid}/stat", "rb") as stat:
                # The name, in brackets, may hold anything; what follows the last one is ours.
                ticks = stat.read().rpartition(b")")[2].split()[11:15]
            cpu += sum(map(int, ticks)) * _TICK_NS
        except (OSError, IndexError, ValueError):
            continue
    return Sweep(memory, cpu, pids)


def proportional_bytes(pids: list[int]) -> int:
    """Return memory with shared pages shared out: 17 ms per 500 MB, so ask only when in doubt."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
                for line in rollup:
                    if line.startswith(b"Pss:"):
                        total += int(line.split()[1]) * 1024
                        break
        except OSError:
            continue
    return total
