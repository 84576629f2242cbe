"""What the browser wall answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FilteredBundle", "Held"]


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that was not let through to the page.

    Parameters
    ----------
    mime
        The MIME type, or the comm target or widget module it came for.
    reason
        A short English phrase, fit to be shown to the user.
    """

    mime: str
    reason: str


@dataclass(frozen=True, slots=True)
class FilteredBundle:
    """A MIME bundle as the page may see it, and what was taken out of it."""

    data: dict[str, Any]
    metadata: dict[str, Any]
    held: list[Held] = field(default_factory=list)
