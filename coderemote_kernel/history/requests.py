"""What a ``history_request`` asks for, checked before a database sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BadRequest", "RangeRequest", "Request", "SearchRequest", "TailRequest", "parse"]

_LARGEST = 2**31
_LONGEST_PATTERN = 1000


class BadRequest(Exception):
    """The content of a history request makes no sense; the text says what."""


@dataclass(frozen=True, slots=True)
class TailRequest:
    """The last `n` inputs; those of this session first."""

    n: int
    output: bool


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Lines `start` to `stop` (not included) of one session; 0 is this one, -1 the one before."""

    session: int
    start: int
    stop: int | None
    output: bool


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Inputs that match a glob pattern; without a pattern, none."""

    pattern: str | None
    n: int | None
    unique: bool
    output: bool


Request = TailRequest | RangeRequest | SearchRequest


def parse(content: Mapping[str, object]) -> Request | None:
    """Return what is asked for, or None for an access type that nobody knows.

    A negative `n` asks for everything. ``raw`` is not looked at: only inputs as they were typed
    are kept.

    Raises
    ------
    BadRequest
        If a value is of the wrong type or beyond all sense.
    """
    output = _flag(content, "output")
    _flag(content, "raw")
    match content.get("hist_access_type"):
        case "tail":
            n = _number(content, "n")
            return TailRequest(10 if n is None else n, output)
        case "range":
            return RangeRequest(
                session=_number(content, "session") or 0,
                start=_number(content, "start") or 0,
                stop=_number(content, "stop"),
                output=output,
            )
        case "search":
            return SearchRequest(
                _pattern(content), _number(content, "n"), _flag(content, "unique"), output
            )
        case str():
            return None
        case other:
            msg = f"hist_access_type must be 'tail', 'range' or 'search', not {other!r:.80}"
            raise BadRequest(msg)


def _flag(content: Mapping[str, object], key: str) -> bool:
    value = content.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    msg = f"{key} must be true or false, not {value!r:.80}"
    raise BadRequest(msg)


def _number(content: Mapping[str, object], key: str) -> int | None:
    value = content.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        msg = f"{key} must be a whole number, not {value!r:.80}"
        raise BadRequest(msg)
    return value


def _pattern(content: Mapping[str, object]) -> str | None:
    value = content.get("pattern")
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_PATTERN):
        msg = f"pattern must be a text of at most {_LONGEST_PATTERN} characters"
        raise BadRequest(msg)
    return value
