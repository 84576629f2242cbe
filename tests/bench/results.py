"""Numbers, and what they are held against."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMES = "\u00d7"  # the sign, not the letter

Verdict = Literal["aim reached", "reached", "missed", "—"]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    what
        What was measured, in words.
    measured
        The number that is judged, as it is to be printed.
    verdict
        What came of it.
    stock, ours
        Medians of the two kernels, with unit, where there are two.
    minima
        Ratio of the two minima: what is left when other work on the machine is taken out.
    must, aim
        What was asked.
    """

    what: str
    measured: str
    verdict: Verdict
    stock: str = ""
    ours: str = ""
    minima: str = ""
    must: str = ""
    aim: str = ""


@dataclass(frozen=True)
class Section:
    """What one part of the bench found."""

    name: str
    rows: list[Row]
    how: str
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Say it in a form that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Section:
        """Read what `as_json` wrote."""
        rows = [Row(**row) for row in data["rows"]]
        return cls(data["name"], rows, data["how"], list(data["notes"]))


def compare(
    what: str,
    stock: Sequence[float],
    ours: Sequence[float],
    *,
    unit: str = "ms",
    must: float | None = None,
    aim: float | None = None,
) -> Row:
    """Judge the ratio of two medians."""
    stock_median, our_median = statistics.median(stock), statistics.median(ours)
    ratio = our_median / stock_median
    return Row(
        what=what,
        measured=f"{ratio:.2f}{TIMES}",
        verdict=judge(ratio, must, aim),
        stock=f"{stock_median:.3g} {unit}" if stock_median < 1000 else f"{stock_median:.0f} {unit}",
        ours=f"{our_median:.3g} {unit}" if our_median < 1000 else f"{our_median:.0f} {unit}",
        minima=f"{min(ours) / min(stock):.2f}{TIMES}",
        must="" if must is None else f"≤ {must:g}{TIMES}",
        aim="" if aim is None else f"≤ {aim:g}{TIMES}",
    )


def judge(value: float, must: float | None, aim: float | None = None) -> Verdict:
    """Say how a number stands to the two it is held against."""
    if aim is not None and value <= aim:
        return "aim reached"
    if must is None:
        return "—"
    return "reached" if value <= must else "missed"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line through points, and return its rise per unit."""
    if len(points) < 2:
        return 0.0
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope
