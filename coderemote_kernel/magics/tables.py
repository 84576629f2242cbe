"""Show rows to a person: an aligned text table, an inert HTML table, amounts with their units."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderemote_kernel.magics.model import Unit

__all__ = ["amount", "html_table", "text_table"]

_BINARY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def amount(value: float | None, unit: Unit, *, none: str) -> str:
    """Write a value with its unit; `none` is what stands for None.

    Examples
    --------
    >>> amount(1 << 30, "bytes", none="no limit")
    '1 GiB'
    >>> amount(100_000, "count", none="no limit")
    '100,000'
    >>> amount(0.25, "s", none="no limit")
    '0.25 s'
    """
    if value is None:
        return none
    if unit == "bytes":
        return _bytes(value)
    number = f"{value:,.2f}".rstrip("0").rstrip(".")
    return number if unit == "count" else f"{number} {unit}"


def _bytes(value: float) -> str:
    step = 0
    while abs(value) >= 1024 and step < len(_BINARY_UNITS) - 1:
        value /= 1024
        step += 1
    return f"{value:,.1f}".removesuffix(".0") + " " + _BINARY_UNITS[step]


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under their heads, columns aligned to the left, without trailing spaces."""
    cells = [[_one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the same as a table without scripts, styles or links; every cell is escaped.

    The class is the one pandas gives its tables, so that notebooks draw it the same way.
    """
    left = ' style="text-align: left"'  # notebooks align tables to the right, for their numbers
    heads = "".join(f"<th{left}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td{left}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        '<table border="1" class="dataframe">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
