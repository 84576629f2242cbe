"""Who may import whom: kernel and server use the sandbox, the sandbox uses nothing of ours."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MAY_IMPORT = {
    "coderemote_kernel": {"coderemote_kernel", "coderemote_sandbox"},
    "coderemote_server": {"coderemote_server", "coderemote_sandbox"},
    "coderemote_sandbox": {"coderemote_sandbox"},
}
WORKER = "coderemote_sandbox.worker"


def imported_modules(source: str, module: str, *, is_package: bool) -> set[str]:
    """The absolute names of what a module imports, anywhere in its text."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from package import name` may name a module: both readings count.
            found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    return found


def modules_of(package: str, folder: Path):
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join([package, *(parts[:-1] if is_package else parts)])
        yield name, imported_modules(path.read_text("utf-8"), name, is_package=is_package)


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0].startswith("coderemote")}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_follow_the_arrows(package, packages):
    wrong = {
        (importer, imported)
        for importer, modules in modules_of(package, packages[package])
        for imported in ours(modules)
        if imported.split(".")[0] not in MAY_IMPORT[package]
    }

    assert wrong == set()


def test_what_runs_in_the_jail_imports_nothing_else_of_ours(packages):
    wrong = {
        (importer, imported)
        for importer, modules in modules_of("coderemote_sandbox", packages["coderemote_sandbox"])
        if importer == WORKER or importer.startswith(f"{WORKER}.")
        for imported in ours(modules)
        if not f"{imported}.".startswith(f"{WORKER}.")
    }

    assert wrong == set()


def test_the_kernel_does_not_import_jupyter_server(packages):
    # Importing it takes longer than all the rest of a kernel's start.
    wrong = {
        importer
        for importer, modules in modules_of("coderemote_kernel", packages["coderemote_kernel"])
        if any(name.split(".")[0] == "jupyter_server" for name in modules)
    }

    assert wrong == set()


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import coderemote_server.app", "coderemote_server.app"),
        ("from coderemote_server import app", "coderemote_server.app"),
        ("def f():\n    from ..jail import Jail", "coderemote_sandbox.jail"),
        ("from .. import jail", "coderemote_sandbox.jail"),
        ("from . import frames", "coderemote_sandbox.worker.frames"),
    ],
)
def test_each_way_to_import_is_seen(source, imported):
    seen = imported_modules(source, "coderemote_sandbox.worker.init", is_package=False)

    assert imported in seen
