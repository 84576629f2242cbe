"""Turn IPython's own syntax into Python without losing where each piece stood.

IPython's transformer may drop empty lines, prompts and indentation, and joins continued lines of an
escape such as ``!ls``. Here each of its steps is taken by itself and what it dropped is noted, so
that a violation can be shown at the place the user typed it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from IPython.core.inputtransformer2 import TransformerManager

    _Cleanup = Callable[[list[str]], list[str]]

__all__ = ["CellMagic", "Translation", "Untranslatable", "translate"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_CELL_MAGIC_HELP = re.compile(r"%%\w+\?")

# Every escape in a cell makes IPython read the whole cell again. This many characters take a
# second or two, and no cell that people write comes near.
_MOST_READ = 1_000_000


class Untranslatable(Exception):
    """The cell holds more of IPython's syntax than can be looked through in reasonable time."""


@dataclass(frozen=True, slots=True)
class CellMagic:
    """A cell that is one ``%%`` magic; `line` counts from 1."""

    name: str
    args: str
    body: str
    line: int


@dataclass(frozen=True, slots=True)
class Translation:
    """Python code with, for each of its lines, the line it came from and the columns it lost."""

    code: str
    origins: dict[int, tuple[int, int]]

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Return where the code at `line` (from 1) and `column` (from 0) stood, both from 1."""
        origin, lost = self.origins.get(line, (line, 0))
        return origin, column + lost + 1


def translate(source: str) -> CellMagic | Translation:
    """Translate a cell as IPython does before it compiles it.

    Raises
    ------
    Untranslatable
        If that would take too long.
    """
    # This imports all of IPython, a good part of a second; plain Python never comes here.
    from IPython.core.inputtransformer2 import TransformerManager

    manager = TransformerManager()  # type: ignore[no-untyped-call]
    original = (source if source.endswith("\n") else source + "\n").splitlines(keepends=True)
    cleaned = original
    for cleanup in cast("list[_Cleanup]", manager.cleanup_transforms):
        cleaned = cleanup(cleaned)
    # Of whole lines, cleaning drops only the empty ones at the top.
    dropped = max(0, len(original) - len(cleaned))
    above = _number_of_lines(original[:dropped])
    first = cleaned[0] if cleaned else ""
    if first.startswith("%%") and not _CELL_MAGIC_HELP.match(first):
        name, _, args = first[2:].rstrip().partition(" ")
        return CellMagic(name, args, "".join(cleaned[1:]), above + 1)
    transformed = _without_escapes(manager, cleaned)
    origins = _origins(original[dropped:], cleaned, transformed, above)
    return Translation("".join(transformed), origins)


def _without_escapes(manager: TransformerManager, lines: list[str]) -> list[str]:
    """Replace escapes, with an empty line for each that a continued escape has lost."""
    left = _MOST_READ
    while True:
        left -= sum(map(len, lines))
        if left < 0:
            raise Untranslatable
        changed, after = manager.do_one_token_transform(lines)  # type: ignore[no-untyped-call]
        if not changed:
            return lines
        lost = len(lines) - len(after)
        if lost > 0:
            pairs = enumerate(zip(lines, after, strict=False))
            here = next((index for index, (old, new) in pairs if old != new), len(after) - 1)
            after[here + 1 : here + 1] = ["\n"] * lost
        lines = after


def _origins(
    original: Sequence[str], cleaned: Sequence[str], transformed: Sequence[str], above: int
) -> dict[int, tuple[int, int]]:
    """Map lines as Python counts them.

    IPython's lines also end at form feeds and Unicode separators, where Python's do not; the first
    piece of a line stands for all of it.
    """
    origins: dict[int, tuple[int, int]] = {}
    line, origin = 1, above + 1
    for old, clean, new in zip(original, cleaned, transformed, strict=False):
        lost = len(old) - len(clean) if old.endswith(clean) else 0
        origins.setdefault(line, (origin, lost))
        line += _number_of_lines([new])
        origin += _number_of_lines([old])
    return origins


def _number_of_lines(lines: Sequence[str]) -> int:
    return sum(len(_LINE_END.findall(line)) for line in lines)
