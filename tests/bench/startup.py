"""How long until a kernel answers, from the moment its process is started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .kernels import BOTH, OURS, STOCK, BenchError
from .results import Section, compare

if TYPE_CHECKING:
    from .kernels import Bench


def measure(bench: Bench) -> Section:
    """Start both kernels in turn, again and again."""
    pairs = bench.times(20, 5)
    executed: dict[str, list[float]] = {STOCK: [], OURS: []}
    informed: dict[str, list[float]] = {STOCK: [], OURS: []}
    for turn in range(pairs + 1):
        for name in BOTH if turn % 2 else reversed(BOTH):
            first_execute = _first_execute(bench, name)
            first_info = _first_info(bench, name)
            if turn:  # the first turn fills caches
                executed[name].append(first_execute)
                informed[name].append(first_info)
    return Section(
        "Start",
        [
            compare("start to first reply", executed[STOCK], executed[OURS], must=1.15, aim=0.9),
            compare("start to first kernel_info_reply", informed[STOCK], informed[OURS]),
        ],
        how=f"{pairs} interleaved pairs; from before the process is started to the reply to `1+1`, "
        "sent at once; the client tries to connect every 5 ms",
    )


def _first_execute(bench: Bench, name: str) -> float:
    with bench.kernel(name) as kernel:
        content = kernel.reply(kernel.execute("1+1"))
        took = time.perf_counter() - kernel.started_at
        if content["status"] != "ok":
            msg = f"{name}: the first cell ended as {content['status']}"
            raise BenchError(msg)
        return took * 1000


def _first_info(bench: Bench, name: str) -> float:
    with bench.kernel(name) as kernel:
        kernel.reply(kernel.send("kernel_info_request", {}))
        return (time.perf_counter() - kernel.started_at) * 1000
