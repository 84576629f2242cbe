"""How long a small cell takes, and a cell that says a great deal."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .kernels import BOTH, OURS, STOCK, BenchError
from .results import Section, compare

if TYPE_CHECKING:
    from .kernels import Bench, Kernel

BLOCK_CELLS = 25
PRINT_BYTES = 10_000_000
DISPLAYS = 2_000

PRINT_ONCE = f"print('x' * {PRINT_BYTES - 1})"
PRINT_LINES = f"for _ in range({PRINT_BYTES // 100}): print('x' * 99)"
# the plainest display there is, and the one people make
DISPLAY_RAW = (
    "from IPython.display import display\n"
    f"for i in range({DISPLAYS}): display({{'text/plain': str(i)}}, raw=True)"
)
DISPLAY_OBJECTS = (
    "from IPython.display import display, HTML\n"
    f"for i in range({DISPLAYS}): display(HTML(f'<b>{{i}}</b>'))"
)


def measure(bench: Bench) -> Section:
    """Run `1+1` in both kernels, in blocks that take turns."""
    blocks = bench.times(300, 100) // BLOCK_CELLS
    done: dict[str, list[float]] = {STOCK: [], OURS: []}
    replied: dict[str, list[float]] = {STOCK: [], OURS: []}
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(bench.kernel(name)) for name in BOTH}
        for kernel in kernels.values():
            kernel.settle()
            for _ in range(BLOCK_CELLS):
                _small_cell(kernel)
        for block in range(blocks):
            for name in BOTH if block % 2 else reversed(BOTH):
                for _ in range(BLOCK_CELLS):
                    reply_ms, done_ms = _small_cell(kernels[name])
                    replied[name].append(reply_ms)
                    done[name].append(done_ms)
    return Section(
        "Round trip",
        [
            compare("`1+1` round trip, p50", done[STOCK], done[OURS], must=1.3, aim=1.0),
            compare("the same, to the reply only", replied[STOCK], replied[OURS]),
        ],
        how=f"{blocks * BLOCK_CELLS} cells each, in blocks of {BLOCK_CELLS} that take turns; from "
        "sending `1+1` until both its reply and its `idle` have come, over bare ZMQ",
    )


def _small_cell(kernel: Kernel) -> tuple[float, float]:
    started = time.perf_counter()
    msg_id = kernel.execute("1+1")
    content = kernel.reply(msg_id)
    reply_ms = (time.perf_counter() - started) * 1000
    kinds = [message.kind for message in kernel.outputs(msg_id)]
    done_ms = (time.perf_counter() - started) * 1000
    if content["status"] != "ok" or "execute_result" not in kinds:
        msg = f"{kernel.name}: `1+1` gave {content['status']} and {kinds}"
        raise BenchError(msg)
    return reply_ms, done_ms


def measure_output(bench: Bench) -> Section:
    """Run cells that print or display much, in turns."""
    turns = bench.times(25, 5)
    cells = {
        "10 MB print": (PRINT_ONCE, 1.5, 1.1),
        "2,000 display_data": (DISPLAY_RAW, 1.5, 1.1),
        "10 MB print, in 100,000 lines": (PRINT_LINES, None, None),
        "2,000 display_data of HTML": (DISPLAY_OBJECTS, None, None),
    }
    rows = []
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(bench.kernel(name)) for name in BOTH}
        for kernel in kernels.values():
            kernel.settle()
        for what, (code, must, aim) in cells.items():
            took: dict[str, list[float]] = {STOCK: [], OURS: []}
            for turn in range(turns + 1):
                for name in BOTH if turn % 2 else reversed(BOTH):
                    duration = _loud_cell(kernels[name], code)
                    if turn:
                        took[name].append(duration)
            rows.append(compare(what, took[STOCK], took[OURS], must=must, aim=aim))
    return Section(
        "Output",
        rows,
        how=f"{turns} interleaved pairs; from sending the cell until its `idle` has come and the "
        "client holds every byte of text and every display",
    )


def _loud_cell(kernel: Kernel, code: str) -> float:
    started = time.perf_counter()
    msg_id = kernel.execute(code)
    received = list(kernel.outputs(msg_id))
    content = kernel.reply(msg_id)
    took_ms = (time.perf_counter() - started) * 1000
    text_bytes = sum(
        len(message.content["text"])
        for message in received
        if message.kind == "stream" and message.content["name"] == "stdout"
    )
    displays = sum(message.kind == "display_data" for message in received)
    complete = text_bytes == PRINT_BYTES if "print(" in code else displays == DISPLAYS
    if content["status"] != "ok" or not complete:
        msg = f"{kernel.name}: {content['status']}, {text_bytes} bytes and {displays} displays came"
        raise BenchError(msg)
    return took_ms
