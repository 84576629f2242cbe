"""What the import policy allows and refuses, as plain tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ALLOWED_MODULES",
    "BLOCKED_ATTRIBUTES",
    "BLOCKED_BUILTINS",
    "HARMLESS_MAGICS",
    "PYTHON_CELL_MAGICS",
    "PYTHON_LINE_MAGICS",
    "Profile",
    "Rules",
    "Violation",
    "allowed_modules",
]

Profile = Literal["open", "teaching", "strict"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED_MODULES = _words(
    "math cmath decimal fractions random statistics collections heapq bisect array itertools "
    "functools operator string re textwrap json csv datetime calendar time typing dataclasses "
    "copy pprint enum abc"
)

BLOCKED_BUILTINS = _words(
    "eval exec compile open input __import__ globals locals vars dir getattr setattr delattr "
    "hasattr breakpoint help memoryview"
)

BLOCKED_ATTRIBUTES = _words(
    "__class__ __bases__ __subclasses__ __mro__ __globals__ __code__ __builtins__ __import__"
)

HARMLESS_MAGICS = _words(
    "matplotlib precision pprint pinfo pinfo2 psearch who whos who_ls xmode lsmagic quickref html "
    "latex markdown svg"
)
"""Magics that neither run code nor leave the notebook."""

PYTHON_LINE_MAGICS = frozenset({"time", "timeit"})
"""Line magics whose argument is Python: it is looked into as if it stood there by itself."""

PYTHON_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun"})
"""Cell magics whose body is Python."""


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One thing in a cell that the policy refuses.

    Attributes
    ----------
    line, column
        Where it begins in the cell as the user sees it, both counted from 1.
    message
        For students: what it is that cannot be used here, and perhaps why.
    """

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A profile together with a site's own additions."""

    modules: frozenset[str]
    strict: bool

    def allows(self, module: str) -> bool:
        """Tell whether a module may be imported; a submodule counts as its top-level module."""
        return module.partition(".")[0] in self.modules


def allowed_modules(extra: Iterable[str] = ()) -> frozenset[str]:
    """Return the top-level modules that may be imported."""
    return ALLOWED_MODULES | {name.partition(".")[0] for name in extra}
