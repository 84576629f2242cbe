"""What the doctor found, as data: rows of a table, and the same as JSON of a stable form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coderemote_sandbox.tiers import TierName

__all__ = ["SCHEMA", "Report", "Row", "Rows", "yes_or_no"]

SCHEMA = 1
"""Goes up when a reader of the JSON would have to change; new rows and keys do not raise it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was tried.

    Attributes
    ----------
    layer
        Its name; stable, so that a script may look for it.
    wanted
        What the configuration asks for.
    got
        What this machine gave.
    ok
        False if a kernel with this configuration would not start, or would be weaker than it was
        asked to be; True if all is well; None if it is good to know and no more.
    fix
        What to do about it, in one line; empty where there is nothing to do.
    """

    layer: str
    wanted: str
    got: str
    ok: bool | None
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One look at a machine.

    Attributes
    ----------
    tier
        The tier the configuration asks for.
    possible
        The tiers that were tried and held, strongest first.
    rows
        What was tried, in the order of the table.
    ms
        How long it all took.
    """

    tier: TierName
    possible: tuple[str, ...]
    rows: tuple[Row, ...]
    ms: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything the configuration asks for is there."""
        return all(row.ok is not False for row in self.rows)

    def missing(self) -> tuple[Row, ...]:
        """Return the rows that keep a kernel from starting as configured."""
        return tuple(row for row in self.rows if row.ok is False)

    def as_json(self) -> dict[str, Any]:
        """Return plain data: ``schema``, ``ok``, ``tier``, ``possible``, ``ms`` and ``rows``."""
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "tier": self.tier,
            "possible": list(self.possible),
            "ms": round(self.ms, 1),
            "rows": [asdict(row) for row in self.rows],
        }


def yes_or_no(wanted: bool) -> str:
    """Write a choice as a word."""
    return "yes" if wanted else "no"


@dataclass(slots=True)
class Rows:
    """Rows as they come in, and what later ones need to know of earlier ones."""

    all: list[Row] = field(default_factory=list)

    def add(self, layer: str, wanted: str, got: str, ok: bool | None, fix: str = "") -> None:
        """Add a row; the fix of what is well is dropped."""
        self.all.append(Row(layer, wanted, got, ok, "" if ok else fix))
