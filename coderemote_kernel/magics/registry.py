"""The table of the relay's magics: run one, explain one, complete one."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderemote_kernel.magics.model import HelpAsked, MagicResult, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coderemote_kernel.magics.model import Magic, MagicCall, SessionView

__all__ = ["Completions", "Registry"]

_log = logging.getLogger(__name__)

_WORD = re.compile(r"\S*\Z")
_NAME = re.compile(r"[ \t]*(?P<percent>%{1,2})(?P<name>[\w.]*)\Z")
_CALLED = re.compile(r"[ \t]*%{1,2}(?P<name>[^\W\d][\w.]*)[ \t]")


@dataclass(frozen=True, slots=True)
class Completions:
    """What may stand in place of ``line[start:end]``; `start` and `end` count code points."""

    matches: tuple[str, ...]
    start: int
    end: int


class Registry:
    """Magics by name. One more magic is one more object with the shape of `Magic`.

    Examples
    --------
    >>> from coderemote_kernel.magics import default_registry
    >>> default_registry().complete("%limits --j", 11).matches
    ('--json',)
    """

    def __init__(self, magics: Iterable[Magic] = ()) -> None:
        self._magics: dict[str, Magic] = {}
        for magic in magics:
            self.add(magic)

    def __iter__(self) -> Iterator[Magic]:
        return iter(self._magics.values())

    def add(self, magic: Magic) -> None:
        """Add a magic.

        Raises
        ------
        ValueError
            If one of that name is there already.
        """
        if magic.name in self._magics:
            msg = f"a magic named {magic.name!r} is registered already"
            raise ValueError(msg)
        self._magics[magic.name] = magic

    def get(self, name: str) -> Magic | None:
        """Return the magic of that name, or None if it is not the relay's."""
        return self._magics.get(name)

    def run(self, call: MagicCall, session: SessionView) -> MagicResult:
        """Run one call; whatever goes wrong becomes the result's `error`."""
        magic = self._magics.get(call.name)
        if magic is None:
            return _failed(f"UsageError: there is no magic named %{call.name} here.")
        try:
            if call.args == "--help":
                return MagicResult(magic.help_text())
            return magic.run(call, session)
        except HelpAsked as asked:
            return MagicResult(asked.text)
        except UsageError as error:
            return _failed(f"UsageError: {error}")
        except Exception as error:  # noqa: BLE001 - logged
            # A border: a fault in one magic must answer the cell, not end the relay.
            _log.exception("the magic %s failed", call.name)
            return _failed(f"{type(error).__name__}: %{call.name} failed: {error}")

    def complete(self, line: str, cursor: int) -> Completions:
        """Complete the name or an option of a magic at `cursor` in `line`.

        A line that is not a call of one of these magics completes to nothing; the worker then
        answers for its own magics.
        """
        cursor = max(0, min(cursor, len(line)))
        before = line[:cursor]
        if naming := _NAME.fullmatch(before):
            return Completions(
                tuple(sorted(self._names(naming["percent"], naming["name"]))),
                start=naming.start("percent"),
                end=cursor,
            )
        start = cursor
        matches: tuple[str, ...] = ()
        called = _CALLED.match(before)
        magic = self._magics.get(called["name"]) if called else None
        if magic is not None and (word := _WORD.search(before)):
            start = word.start()
            options = {*magic.options, "--help"}
            matches = tuple(sorted(o for o in options if o.startswith(word.group())))
        return Completions(matches, start=start, end=cursor)

    def _names(self, percent: str, beginning: str) -> Iterator[str]:
        for magic in self:
            if not magic.name.startswith(beginning):
                continue
            if "line" in magic.forms and percent == "%":
                yield "%" + magic.name
            if "cell" in magic.forms:
                yield "%%" + magic.name


def _failed(error: str) -> MagicResult:
    return MagicResult(text_plain="", error=error)
