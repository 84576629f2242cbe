"""The report for a person: an aligned table, with what to do below each row that needs it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.report import Report, Row

__all__ = ["as_table"]

_HEAD = ("", "layer", "wanted", "got")
_MARKS = {True: "ok", False: "MISSING", None: "-"}
_COLOURS = {True: "32", False: "1;31", None: "2"}


def as_table(report: Report, *, width: int = 100, colour: bool = False) -> str:
    """Return the report as text.

    Parameters
    ----------
    width
        Columns to stay within; a word longer than that still stays whole, so that it can be copied.
    colour
        Whether to use a terminal's colours.
    """
    firsts = [(_MARKS[row.ok], row.layer, row.wanted) for row in report.rows]
    widths = [max(map(len, column)) for column in zip(_HEAD[:3], *firsts, strict=True)]
    indent = sum(widths) + 6
    lines = [_line(_HEAD[:3], widths) + _HEAD[3]]
    for row, cells in zip(report.rows, firsts, strict=True):
        text = _wrapped(row.got, indent, width)
        first = _line(cells, widths)
        if colour:
            mark = cells[0].ljust(widths[0])
            first = f"\x1b[{_COLOURS[row.ok]}m{mark}\x1b[0m{first[widths[0] :]}"
        lines.append((first + text[0]).rstrip())
        lines += [" " * indent + more for more in text[1:]]
        lines += _fix(row, widths[0] + 2, width)
    return "\n".join([*lines, "", _verdict(report)])


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        max(width - indent, 30),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _fix(row: Row, indent: int, width: int) -> list[str]:
    if not row.fix:
        return []
    lines = _wrapped(row.fix, indent + 5, width)
    return [" " * indent + "fix: " + lines[0], *(" " * (indent + 5) + line for line in lines[1:])]


def _verdict(report: Report) -> str:
    missing = report.missing()
    if not missing:
        return f"Everything the configuration asks for is here (tier {report.tier})."
    names = ", ".join(dict.fromkeys(row.layer for row in missing))
    return f"Missing for tier {report.tier}: {names}."
