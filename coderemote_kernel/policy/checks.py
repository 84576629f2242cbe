"""Look through a parsed cell for what the policy refuses.

Nothing here recurses: a cell may nest deeper than Python's stack.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coderemote_kernel.policy.rules import (
    BLOCKED_ATTRIBUTES,
    BLOCKED_BUILTINS,
    HARMLESS_MAGICS,
    PYTHON_CELL_MAGICS,
    PYTHON_LINE_MAGICS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coderemote_kernel.policy.rules import Rules

__all__ = ["Finding", "InnerCode", "find", "magic_problem"]

_SHELL_METHODS = frozenset({"system", "getoutput", "system_raw", "system_piped"})
_REFUSED_SLEEP = "time.sleep() is not available here: there is nothing to wait for"
_MAGIC_METHODS = frozenset({"run_line_magic", "run_cell_magic"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A refused piece of a cell, at the node where it begins."""

    node: ast.expr | ast.stmt | ast.alias | ast.pattern
    message: str


@dataclass(frozen=True, slots=True)
class InnerCode:
    """Python inside a line magic, still to be checked; it counts as standing at `node`."""

    node: ast.expr
    source: str


@dataclass(slots=True)
class _Context:
    rules: Rules
    time_names: frozenset[str]
    # `get_ipython` names that belong to a magic already judged. Parents come before children.
    judged: set[int] = field(default_factory=set)


def find(tree: ast.Module, rules: Rules) -> Iterator[Finding | InnerCode]:
    """Give everything in a cell that the rules refuse, and the code that is yet to be checked."""
    context = _Context(rules, frozenset(_names_of_time(tree)))
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from _import(node, rules)
            case ast.ImportFrom():
                yield from _import_from(node, rules)
            case ast.Call():
                yield from _call(node, context)
            case ast.Name(ctx=ast.Load()):
                yield from _name(node, context)
            case ast.Attribute() if rules.strict:
                yield from _attribute(node, context)
            case ast.MatchClass() if rules.strict:
                for name in BLOCKED_ATTRIBUTES.intersection(node.kwd_attrs):
                    yield Finding(node, _refused_attribute(name))
            case _:
                pass


def _import(node: ast.Import, rules: Rules) -> Iterator[Finding]:
    for alias in node.names:
        if not rules.allows(alias.name):
            yield Finding(alias, _refused_module(alias.name))


def _import_from(node: ast.ImportFrom, rules: Rules) -> Iterator[Finding]:
    if node.level:
        yield Finding(
            node, "relative imports do not work here: a notebook is not part of a package"
        )
    elif not rules.allows(node.module or ""):
        yield Finding(node, _refused_module(node.module or ""))
    elif rules.strict and node.module == "time":
        for alias in node.names:
            if alias.name in {"sleep", "*"}:
                yield Finding(alias, _REFUSED_SLEEP)


def _call(node: ast.Call, context: _Context) -> Iterator[Finding | InnerCode]:
    match node.func:
        case ast.Name(id="__import__") if not context.rules.strict:
            yield from _import_by_call(node, "__import__", context.rules)
        case ast.Attribute(attr="__import__" | "import_module" as name):
            yield from _import_by_call(node, name, context.rules)
        case ast.Name(id="import_module"):
            yield from _import_by_call(node, "import_module", context.rules)
        case ast.Attribute(
            value=ast.Call(func=ast.Name(id="get_ipython") as shell), attr=method
        ) if method in _SHELL_METHODS | _MAGIC_METHODS:
            context.judged.add(id(shell))
            yield from _shell_call(node, method)


def _import_by_call(node: ast.Call, name: str, rules: Rules) -> Iterator[Finding]:
    named = node.args[0] if node.args else None
    if not isinstance(named, ast.Constant) or not isinstance(named.value, str):
        yield Finding(node, f"{name}() is available here only with a name written out")
    elif not rules.allows(named.value):
        yield Finding(node, _refused_module(named.value))


def _shell_call(node: ast.Call, method: str) -> Iterator[Finding | InnerCode]:
    if method in _SHELL_METHODS:
        yield Finding(node, "shell commands (!) are not available here, only Python")
        return
    texts = [value.value for value in node.args if isinstance(value, ast.Constant)]
    if len(texts) < len(node.args) or not all(isinstance(text, str) for text in texts):
        yield Finding(node, "magics are available here only with a name written out")
        return
    name, *arguments = [str(text) for text in texts] or [""]
    if problem := magic_problem(name, cell=method == "run_cell_magic"):
        yield Finding(node, problem)
    elif name in PYTHON_LINE_MAGICS | PYTHON_CELL_MAGICS:
        for argument in arguments:
            yield InnerCode(node, argument)


def magic_problem(name: str, *, cell: bool) -> str | None:
    """Return why a magic is refused, or None if it is not (or if its code decides)."""
    looked_into = PYTHON_CELL_MAGICS if cell else PYTHON_LINE_MAGICS
    if name in HARMLESS_MAGICS | looked_into:
        return None
    return f"the magic {'%%' if cell else '%'}{name:.80} is not available here"


def _name(node: ast.Name, context: _Context) -> Iterator[Finding]:
    if node.id == "get_ipython" and id(node) not in context.judged:
        yield Finding(node, "get_ipython() is not available here")
    elif context.rules.strict and node.id in BLOCKED_BUILTINS:
        yield Finding(node, f"the function {node.id}() is not available here")
    elif context.rules.strict and node.id in BLOCKED_ATTRIBUTES:
        yield Finding(node, _refused_attribute(node.id))


def _attribute(node: ast.Attribute, context: _Context) -> Iterator[Finding]:
    if node.attr in BLOCKED_ATTRIBUTES:
        yield Finding(node, _refused_attribute(node.attr))
        return
    match node:
        case ast.Attribute(attr="sleep", value=ast.Name(id=name)) if name in context.time_names:
            yield Finding(node, _REFUSED_SLEEP)


def _names_of_time(tree: ast.Module) -> Iterator[str]:
    # The module may have been imported by an earlier cell, under its own name most likely.
    yield "time"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.asname for a in node.names if a.name == "time" and a.asname)


def _refused_module(name: str) -> str:
    return f"the module {name:.80} is not available here"


def _refused_attribute(name: str) -> str:
    return f"{name} is not available here: it reaches into Python's own workings"
