"""What a start is made of: the imports of each process, largest first."""

# ruff: noqa: T201 - a command-line tool prints

from __future__ import annotations

import re
import subprocess
import sys

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")
TARGETS = {
    "stock kernel": "import ipykernel.kernelapp",
    "relay": "import coderemote_kernel.__main__",
}


def show(largest: int = 15) -> None:
    """Print the slowest imports of the two kernels' main processes."""
    for name, statement in TARGETS.items():
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", statement],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        rows = [(int(m[1]), int(m[2]), m[4]) for m in LINE.finditer(ended.stderr)]
        total_ms = sum(self_us for self_us, _, _ in rows) / 1000
        print(f"\n{name}: {len(rows)} modules, {total_ms:.0f} ms under the tracer")
        if ended.returncode:
            print(ended.stderr.splitlines()[-1])
        for self_us, cumulative_us, module in sorted(rows, reverse=True)[:largest]:
            own, whole = self_us / 1000, cumulative_us / 1000
            print(f"  {own:7.1f} ms itself  {whole:7.1f} ms with what it imports  {module}")
