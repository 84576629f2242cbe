"""Find the relay's magics at the head of a cell and leave the rest to the worker.

Only leading magics are taken: they run before the cell, in the order they are written, and nothing
the worker does can bring one about. Lines are blanked, never removed, so that a traceback from the
worker still points at the line the user sees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from coderemote_kernel.magics.model import MagicCall

if TYPE_CHECKING:
    from coderemote_kernel.magics.registry import Registry

__all__ = ["split"]

# Python's own line ends. `str.splitlines` also breaks at form feeds and Unicode separators, which
# may stand inside a line of code.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_MAGIC = re.compile(r"[ \t]*(?P<percent>%{1,2})(?P<name>[^\W\d][\w.]*)(?P<args>.*)", re.DOTALL)
_HELP_BEFORE = re.compile(r"[ \t]*\?{1,2}[ \t]*%{1,2}(?P<name>[^\W\d][\w.]*)[ \t]*")
_HELP = "--help"


def split(source: str, registry: Registry) -> tuple[list[MagicCall], str]:
    r"""Take the leading magics of the relay out of a cell.

    Blank lines and comments may stand between them; the first other line ends the search. A cell
    magic takes the whole rest of the cell as its body and, as in IPython, may follow only blank
    lines and other magics.

    Returns
    -------
    tuple
        The calls in order, and the source with their lines emptied.

    Examples
    --------
    >>> from coderemote_kernel.magics import default_registry
    >>> split("%limits --json\nprint(1)", default_registry())
    ([MagicCall(name='limits', args='--json', line=1, cell_body=None)], '\nprint(1)')
    """
    if "%" not in source:
        return [], source
    lines = _LINE.findall(source)
    calls: list[MagicCall] = []
    kept: list[str] = []
    after_comment = False
    index = 0
    while index < len(lines):
        text = lines[index].strip()
        if not text or text.startswith("#"):
            after_comment = after_comment or bool(text)
            kept.append(lines[index])
            index += 1
            continue
        end = _end_of_statement(lines, index)
        call = _call(lines, index, end, registry, cell_allowed=not after_comment)
        if call is None:
            break
        calls.append(call)
        if call.cell_body is not None:
            end = len(lines)
        kept += [_line_end(line) for line in lines[index:end]]
        index = end
    return calls, "".join(kept + lines[index:]) if calls else source


def _call(
    lines: list[str], start: int, end: int, registry: Registry, *, cell_allowed: bool
) -> MagicCall | None:
    statement = _joined(lines[start:end])
    if asked := _HELP_BEFORE.fullmatch(statement):
        name, cell, args = asked["name"], False, _HELP
    elif found := _MAGIC.fullmatch(statement):
        name, cell, args = found["name"], found["percent"] == "%%", found["args"]
    else:
        return None
    magic = registry.get(name)
    if magic is None or (args and not args[0].isspace() and args not in {_HELP, "?", "??"}):
        return None
    args = args.strip()
    if args in {"?", "??", _HELP}:
        # Help needs neither a body nor the right number of percent signs.
        return MagicCall(name, _HELP, start + 1)
    if not cell:
        return MagicCall(name, args, start + 1) if "line" in magic.forms else None
    if not cell_allowed or "cell" not in magic.forms:
        return None
    return MagicCall(name, args, start + 1, cell_body="".join(lines[end:]))


def _end_of_statement(lines: list[str], start: int) -> int:
    """Return the index behind the lines that backslashes join to the one at `start`."""
    end = start + 1
    while end < len(lines) and lines[end - 1].rstrip("\r\n").endswith("\\"):
        end += 1
    return end


def _joined(lines: list[str]) -> str:
    bare = [line.rstrip("\r\n") for line in lines]
    return " ".join([line.removesuffix("\\") for line in bare[:-1]] + bare[-1:])


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
