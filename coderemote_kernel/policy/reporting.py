"""Tell the author of a cell why it was not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coderemote_kernel.policy.rules import Violation

__all__ = ["as_error"]

_MOST_SHOWN = 50
_WHAT_IT_IS = (
    "This check is a teaching aid that whoever set up the notebook has chosen. It looks at the "
    "text of a cell only; the sandbox is what keeps the computer safe."
)
_NAME = "NotAllowedHere"


def as_error(violations: Sequence[Violation], allowed: Iterable[str]) -> tuple[str, str, list[str]]:
    """Return the name, value and traceback of an ``error`` message.

    Parameters
    ----------
    violations
        What `check` found; at least one.
    allowed
        The modules that may be imported, as `allowed_modules` returns them.
    """
    count = len(violations)
    things = "one thing" if count == 1 else f"{count} things"
    verb = "is" if count == 1 else "are"
    value = f"{things} in this cell {verb} not allowed in this notebook; the cell was not run"
    shown = [f"  line {v.line}, column {v.column}: {v.message}" for v in violations[:_MOST_SHOWN]]
    if count > _MOST_SHOWN:
        shown.append(f"  ... and {count - _MOST_SHOWN} more")
    traceback = [
        f"\x1b[31m{_NAME}\x1b[0m: {value}",
        *shown,
        "",
        f"Modules you can import here: {', '.join(sorted(allowed))}.",
        _WHAT_IT_IS,
    ]
    return _NAME, value, traceback
