"""Trait types whose ``info()`` says in plain words what they take.

traitlets' own types would do the checking, but their messages speak to programmers ("a float",
"an instance of a list"); these are read by whoever runs a classroom.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from traitlets import Bool, Enum, TraitError, TraitType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Amount",
    "Choice",
    "Count",
    "FilePath",
    "Names",
    "Size",
    "Switch",
    "Variables",
    "size_text",
]

_N = TypeVar("_N", int, float)

_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_STEPS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _refuse(trait: TraitType[Any, Any]) -> NoReturn:
    # Only the reason: `loading` names the setting and the value, as it knows where both come from.
    raise TraitError(trait.info())


class Amount(TraitType[float, float]):
    """A finite number, `low` or more."""

    default_value = 0.0

    def __init__(self, default: float, *, unit: str, low: float = 0.0, help: str) -> None:  # noqa: A002 - traitlets' word
        super().__init__(default, help=help)
        self.unit = unit
        self.low = low

    def info(self) -> str:
        """Say what it takes."""
        return f"{self.unit}, {self.low:g} or more"

    def validate(self, obj: object, value: object) -> float:
        """Return the number, or raise."""
        del obj
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(self)
        try:
            number = float(value)
        except OverflowError:
            _refuse(self)
        if not math.isfinite(number) or number < self.low:
            _refuse(self)
        return number

    def from_string(self, s: str) -> float:
        """Read a command line's text."""
        return self.validate(None, _number(s, float, self))


class Count(TraitType[int, int]):
    """A whole number, `low` or more."""

    default_value = 0

    def __init__(self, default: int, *, what: str, low: int, help: str) -> None:  # noqa: A002
        super().__init__(default, help=help)
        self.what = what
        self.low = low

    def info(self) -> str:
        """Say what it takes."""
        return f"a whole number of {self.what}, {self.low:,} or more"

    def validate(self, obj: object, value: object) -> int:
        """Return the number, or raise."""
        del obj
        # 2**31 is far above any count a kernel of Linux can hold, and below what C code can take.
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value < 2**31:
            _refuse(self)
        return value

    def from_string(self, s: str) -> int:
        """Read a command line's text."""
        return self.validate(None, _number(s, int, self))


class Size(TraitType[int, int | str]):
    """A number of bytes, also written as ``"512M"`` or ``"1.5 GiB"``; every unit is binary."""

    default_value = 0

    def __init__(self, default: int, *, low: int, help: str) -> None:  # noqa: A002
        super().__init__(default, help=help)
        self.low = low

    def info(self) -> str:
        """Say what it takes."""
        return (
            f"{size_text(self.low)} or more: a number of bytes, "
            'or text such as "512M" or "1GiB" (powers of 1024)'
        )

    def validate(self, obj: object, value: object) -> int:
        """Return the number of bytes, or raise."""
        del obj
        if isinstance(value, str):
            value = self._bytes(value)
        # Above 2**60 the kernel's own arithmetic on limits begins to overflow.
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= 2**60:
            _refuse(self)
        return value

    def from_string(self, s: str) -> int:
        """Read a command line's text."""
        return self.validate(None, s)

    def _bytes(self, text: str) -> int:
        found = _SIZE.fullmatch(text) if len(text) <= 64 else None
        if found is None:
            _refuse(self)
        return int(float(found["number"]) * 1024 ** _STEPS[found["unit"].upper()])


class Choice(Enum[str]):
    """One of a few words."""

    def info(self) -> str:
        """Say what it takes."""
        *others, last = [repr(value) for value in self.values or ()]
        return f"{', '.join(others)} or {last}"


class Switch(Bool[bool, bool]):
    """True or False."""

    def info(self) -> str:
        """Say what it takes."""
        return "True or False"


class FilePath(TraitType[str, str]):
    """An absolute path (``~`` is the home directory), empty, or one of `special`."""

    default_value = ""

    def __init__(self, what: str, *, special: Sequence[str] = (), help: str) -> None:  # noqa: A002
        super().__init__("", help=help)
        self.what = what
        self.special = tuple(special)

    def info(self) -> str:
        """Say what it takes."""
        words = " or ".join(["empty", *(repr(word) for word in self.special)])
        return f"the absolute path of {self.what}, or {words}"

    def validate(self, obj: object, value: object) -> str:
        """Return the path with ``~`` expanded, or raise."""
        del obj
        if not isinstance(value, str | Path):
            _refuse(self)
        text = str(value)
        if text == "" or text in self.special:
            return text
        return _absolute(text, self)

    def from_string(self, s: str) -> str:
        """Read a command line's text."""
        return self.validate(None, s)


class Names(TraitType[tuple[str, ...], Any]):
    """Names, as a list or as text with commas between them; each must pass `fits`."""

    default_value = ()

    def __init__(self, what: str, *, fits: Callable[[str], bool], help: str) -> None:  # noqa: A002
        super().__init__((), help=help)
        self.what = what
        self.fits = fits

    def info(self) -> str:
        """Say what it takes."""
        return f"a list of {self.what}, or one text with commas between them"

    def validate(self, obj: object, value: object) -> tuple[str, ...]:
        """Return the names without repetitions, or raise."""
        del obj
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple | set | frozenset):
            _refuse(self)
        if not all(isinstance(name, str) and self.fits(name) for name in value):
            _refuse(self)
        names = sorted(value) if isinstance(value, set | frozenset) else value
        return tuple(dict.fromkeys(names))

    def from_string(self, s: str) -> tuple[str, ...]:
        """Read a command line's text."""
        return self.validate(None, s)

    def from_string_list(self, s_list: list[str]) -> tuple[str, ...]:
        """Read an option that was given more than once."""
        return self.validate(None, ",".join(s_list))


class Variables(TraitType[dict[str, str], Any]):
    """Environment variables and their values."""

    def __init__(self, *, help: str) -> None:  # noqa: A002
        super().__init__({}, help=help)

    def info(self) -> str:
        """Say what it takes."""
        return "a dictionary of variable names and texts; on the command line NAME=TEXT"

    def validate(self, obj: object, value: object) -> dict[str, str]:
        """Return a copy, or raise."""
        del obj
        if not isinstance(value, dict):
            _refuse(self)
        for name, text in value.items():
            if not (isinstance(name, str) and isinstance(text, str)):
                _refuse(self)
            if not _VARIABLE.fullmatch(name) or "\0" in text:
                _refuse(self)
        return dict(value)

    def from_string(self, s: str) -> dict[str, str]:
        """Read a command line's text."""
        return self.from_string_list([s])

    def from_string_list(self, s_list: list[str]) -> dict[str, str]:
        """Read an option that was given more than once."""
        pairs = [text.partition("=") for text in s_list]
        if not all(equals for _, equals, _ in pairs):
            _refuse(self)
        return self.validate(None, {name: text for name, _, text in pairs})


def _number(text: str, kind: type[_N], trait: TraitType[_N, _N]) -> _N:
    try:
        return kind(text)
    except ValueError:
        _refuse(trait)


def _absolute(text: str, trait: TraitType[str, str]) -> str:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        # There is no home directory to put in place of "~".
        _refuse(trait)
    if not path.is_absolute() or "\0" in text:
        _refuse(trait)
    return str(path)


def size_text(size: int) -> str:
    """Write a number of bytes with the largest unit that divides it."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= step and size % step == 0:
            return f"{size // step} {unit}"
    return f"{size:,} bytes"
