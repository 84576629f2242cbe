"""How much memory a kernel takes, with everything that runs below it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import processes
from .kernels import BOTH, OURS, STOCK
from .results import Section, compare

if TYPE_CHECKING:
    from .kernels import Bench

IMPORTS = "import numpy, pandas, matplotlib.pyplot"
MIB = 1024 * 1024


def measure(bench: Bench) -> Section:
    """Weigh both kernels in turn, one at a time: shared pages are counted by who shares them."""
    pairs = bench.times(5, 2)
    fresh: dict[str, list[float]] = {STOCK: [], OURS: []}
    loaded: dict[str, list[float]] = {STOCK: [], OURS: []}
    count: dict[str, int] = {}
    for _ in range(pairs):
        for name in BOTH:
            with bench.kernel(name) as kernel:
                kernel.settle()
                kernel.run_ok("1+1")
                fresh[name].append(_settled_pss(kernel.process.pid) / MIB)
                count[name] = 1 + len(processes.descendants(kernel.process.pid))
                kernel.run_ok(IMPORTS)
                loaded[name].append(_settled_pss(kernel.process.pid) / MIB)
    return Section(
        "Memory",
        [
            compare("memory, fresh", fresh[STOCK], fresh[OURS], unit="MiB", must=1.5, aim=1.2),
            compare("memory, numpy + pandas + matplotlib", loaded[STOCK], loaded[OURS], unit="MiB"),
        ],
        how=f"{pairs} interleaved pairs; proportional set size of the whole process tree "
        f"({count[STOCK]} process for stock, {count[OURS]} for ours), after the first reply",
    )


def _settled_pss(pid: int) -> int:
    """Read until two readings agree: the last imports of a start go on after the first reply."""
    deadline = time.monotonic() + 10
    before = processes.pss_bytes(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        after = processes.pss_bytes(pid)
        if abs(after - before) < MIB // 10:
            return after
        before = after
    return before
