"""The command line: ``coderemote doctor``, ``escape-test``, ``demo`` and ``version``."""

# A command prints; that is what it is for.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from coderemote_kernel.settings import TIERS
from coderemote_sandbox.errors import CodeRemoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderemote_sandbox.launcher import Plan

__all__ = ["main"]

_DESCRIPTION = "Run Python you do not trust from an ordinary Jupyter notebook."
_COMMANDS = {
    "doctor": "say which isolation layers this machine gives, and how to get the missing ones",
    "escape-test": "attack a kernel of this installation, and print what held",
    "demo": "run a notebook without a browser, and print every cell and its output",
    "version": "print the version",
}

_DOCTOR_DESCRIPTION = """\
Try out on this machine every isolation layer that the configuration asks for, and say how to get
the ones that are missing. The exit status is 0 if a kernel would start as configured, 1 if not, and
2 if the configuration itself is wrong.
"""
_DOCTOR_EPILOG = """\
Every setting of the kernel may be given besides: --CodeRemoteKernel.require_cgroup=True. Without
them, what is wanted comes from the configuration files that a kernel reads.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = _parser().parse_args(arguments[:1]).command
    try:
        return _run(command, arguments[1:])
    except CodeRemoteError as error:
        print(f"coderemote: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); nor may the interpreter complain when
        # it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<12}{text}" for name, text in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="coderemote",
        usage="coderemote COMMAND [OPTIONS]",
        description=_DESCRIPTION,
        epilog=f"commands:\n{lines}\n\n'coderemote COMMAND --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("command", choices=list(_COMMANDS), metavar="COMMAND", help="see below")
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("coderemote")
    except PackageNotFoundError:
        return "unknown: it is not installed"


def _run(command: str, arguments: list[str]) -> int:
    # Each command is imported when it is run: none should pay for the others.
    if command == "doctor":
        return _doctor(arguments)
    if command == "escape-test":
        from coderemote_kernel import escape

        return escape.main(arguments)
    if command == "demo":
        from coderemote_kernel import demo

        return demo.main(arguments)
    argparse.ArgumentParser(
        prog="coderemote version", description="Print the version of coderemote."
    ).parse_args(arguments)
    print(_version())
    return 0


def _doctor_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coderemote doctor",
        description=_DOCTOR_DESCRIPTION,
        epilog=_DOCTOR_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--tier", choices=TIERS, help="ask for this tier, whatever the configuration says"
    )
    parser.add_argument(
        "--config", metavar="FILE", action="append", default=[], help="read this file alone"
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="install the AppArmor profile that Ubuntu 23.10 and later want, with sudo",
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    return parser


def _doctor(arguments: list[str]) -> int:
    parser = _doctor_parser()
    options, settings = parser.parse_known_args(arguments)
    if stray := _stray(settings):
        parser.error(f"unrecognized argument: {stray}")
    settings += [f"--config={file}" for file in options.config]
    if options.tier:
        settings.append(f"--CodeRemoteKernel.tier={options.tier}")
    plan = _plan(settings)
    if options.fix:
        return _fix(plan, agreed=options.yes)
    from coderemote_sandbox.doctor import examine

    report = examine(plan)
    if options.json:
        import json

        print(json.dumps(report.as_json(), indent=2))
    else:
        import shutil

        from coderemote_sandbox.doctor.table import as_table

        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(as_table(report, width=width, colour=colour))
    return 0 if report.ok else 1


def _stray(settings: list[str]) -> str:
    """Return the first argument that is no setting and no setting's value; empty if there is none.

    A kernel passes over such words, because Jupyter's own commands may leave some.
    """
    is_value = False
    for argument in settings:
        if not argument.startswith("-") and not is_value:
            return argument
        is_value = argument.startswith("-") and "=" not in argument
    return ""


def _plan(arguments: list[str]) -> Plan:
    """Return what the configuration asks for; without a folder unless it names one."""
    from coderemote_kernel.config import load
    from coderemote_kernel.planning import plan_from

    settings = load(arguments)
    plan = plan_from(settings)
    # A kernel shows the folder it is started in. Where the doctor is started means nothing.
    return plan if settings.workspace else plan._replace(folder=None)


def _fix(plan: Plan, *, agreed: bool) -> int:
    from coderemote_sandbox.doctor.repair import repair
    from coderemote_sandbox.nsjail import find_nsjail

    done = repair(find_nsjail(plan.nsjail), agreed=lambda text: agreed or _ask(text), say=print)
    return 0 if done else 1


def _ask(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        # Nobody there to ask.
        print()
        return False


if __name__ == "__main__":
    sys.exit(main())
