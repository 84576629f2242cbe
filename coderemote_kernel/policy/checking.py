"""Check a cell against a profile, before it runs."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from coderemote_kernel.policy.checks import InnerCode, find, magic_problem
from coderemote_kernel.policy.ipython_syntax import (
    CellMagic,
    Translation,
    Untranslatable,
    translate,
)
from coderemote_kernel.policy.rules import (
    PYTHON_CELL_MAGICS,
    Rules,
    Violation,
    allowed_modules,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coderemote_kernel.policy.rules import Profile

__all__ = ["check"]

# A tree takes about a hundred times the memory of its text, in the relay.
_LONGEST = 500_000
_DEEPEST = 5

# What %timeit and its like take before the code: -n 10 -r3 -q --no-raise-error
_OPTIONS = re.compile(r"(?:\s*-(?:[nrp]\s*\d+|-?[\w-]+)(?=\s|\Z))*\s*")


class _Uncheckable(Exception):
    """The text says why, to follow "this cell could not be checked: "."""


def check(source: str, profile: Profile, extra: Iterable[str] = ()) -> list[Violation]:
    r"""Find everything in a cell that the profile refuses.

    Parameters
    ----------
    source
        The cell, with IPython's syntax in it, without the relay's own magics.
    profile
        ``open`` refuses nothing; ``teaching`` refuses imports beyond the list, shell commands and
        most magics; ``strict`` also blocks builtins and names that reach around the list.
    extra
        Modules to allow beside the list.

    Returns
    -------
    list of Violation
        All of them, in the order of the text; empty where the cell may run. A cell that is not
        Python at all may run: the worker tells its author better what is wrong with it.

    Notes
    -----
    This is a teaching aid. It is never what isolates: Python has more ways around such a list than
    any list can hold.

    Examples
    --------
    >>> check("import math\nimport os", "teaching")
    [Violation(line=2, column=8, message='the module os is not available here')]
    """
    if profile == "open":
        return []
    rules = Rules(allowed_modules(extra), strict=profile == "strict")
    try:
        with warnings.catch_warnings():
            # The cell's own warnings are the worker's to show.
            warnings.simplefilter("ignore")
            return sorted(set(_violations(source, rules, depth=0)))
    except _Uncheckable as error:
        return [Violation(1, 1, f"this cell could not be checked: {error}")]
    except (RecursionError, MemoryError):
        return [Violation(1, 1, "this cell could not be checked: it is nested too deeply")]
    except Untranslatable:
        return [Violation(1, 1, "this cell could not be checked: it has too many magics")]
    except ValueError:
        # Half a surrogate pair, for one.
        return [Violation(1, 1, "this cell could not be checked: it is not proper text")]


def _violations(source: str, rules: Rules, depth: int) -> Iterator[Violation]:
    if len(source) > _LONGEST:
        msg = f"it is longer than {_LONGEST:,} characters"
        raise _Uncheckable(msg)
    if "\0" in source:
        msg = "it has a null character in it"
        raise _Uncheckable(msg)
    if depth > _DEEPEST:
        msg = "it has magics within magics within magics"
        raise _Uncheckable(msg)
    if tree := _parse(source):
        # What Python can read as it is, IPython leaves as it is.
        yield from _in_tree(tree, Translation(source, {}), rules, depth)
        return
    translation = translate(source)
    if isinstance(translation, CellMagic):
        yield from _cell_magic(translation, rules, depth)
    elif tree := _parse(translation.code):
        yield from _in_tree(tree, translation, rules, depth)


def _in_tree(
    tree: ast.Module, translation: Translation, rules: Rules, depth: int
) -> Iterator[Violation]:
    lines = re.split(r"\r\n|\r|\n", translation.code)
    for found in find(tree, rules):
        line, offset = found.node.lineno, found.node.col_offset
        # Python counts columns in bytes.
        text = lines[line - 1] if line <= len(lines) else ""
        column = len(text.encode()[:offset].decode(errors="ignore"))
        place = translation.place(line, column)
        if isinstance(found, InnerCode):
            code = found.source[_end_of_options(found.source) :]
            for inner in _violations(code, rules, depth + 1):
                yield Violation(*place, inner.message)
        else:
            yield Violation(*place, found.message)


def _cell_magic(magic: CellMagic, rules: Rules, depth: int) -> Iterator[Violation]:
    if problem := magic_problem(magic.name, cell=True):
        yield Violation(magic.line, 1, problem)
    elif magic.name in PYTHON_CELL_MAGICS:
        # The line of %%timeit is code too; that of %%capture only names a variable.
        for inner in _violations(magic.args[_end_of_options(magic.args) :], rules, depth + 1):
            yield replace(inner, line=magic.line, column=1)
        for inner in _violations(magic.body, rules, depth + 1):
            yield replace(inner, line=inner.line + magic.line)


def _end_of_options(text: str) -> int:
    found = _OPTIONS.match(text)
    return found.end() if found else 0


def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None
