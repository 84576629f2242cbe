"""The command line: ``coderemote escape-test``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .attack import Category, Outcome, Tier
from .report import as_json, as_table, expectations, unexpected
from .runner import chosen, run
from .session import Kernel, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_DESCRIPTION = """\
Attack a kernel of this installation and say whether its walls hold. Every attack is a cell; every
oracle is outside the jail. Leaves nothing behind.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="coderemote escape-test", description=_DESCRIPTION)
    parser.add_argument("--tier", choices=list(Tier), help="the tier to run the kernel in")
    parser.add_argument(
        "--category", action="append", default=[], choices=list(Category), help="may be repeated"
    )
    parser.add_argument("--attack", action="append", default=[], help="one attack, by its name")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--list", action="store_true", help="list the attacks and run none")
    parser.add_argument(
        "--stock",
        action="store_true",
        help="run the harmless attacks on stock ipykernel, to see that they are able to succeed",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite; return 0 if everything went as the tier promises."""
    options = _parser().parse_args(argv)
    if options.list:
        print(expectations())  # noqa: T201 - this is a command
        return 0
    attacks = chosen(categories=options.category, ids=options.attack, stock=options.stock)
    tier = Tier(options.tier or Tier.FULL)
    if not attacks:
        print("no such attack", file=sys.stderr)  # noqa: T201
        return 2
    results: list[Result] = []
    try:
        for result in run(
            attacks, Kernel(stock=options.stock, tier=None if options.stock else tier)
        ):
            results.append(result)
            _progress(result, len(results), len(attacks))
    except RuntimeError as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    show = as_json if options.json else as_table
    print(show(results, tier, stock=options.stock))  # noqa: T201
    if options.stock:
        # A suite that nothing gets through on a kernel without walls is blind.
        return int(not any(result.outcome is Outcome.ESCAPED for result in results))
    return int(bool(unexpected(results, tier)))


def _progress(result: Result, number: int, total: int) -> None:
    line = f"[{number:>3}/{total}] {result.outcome:<8}{result.attack.id}"
    if sys.stderr.isatty():
        print(f"\r{line:<72}", end="\n" if number == total else "", file=sys.stderr)  # noqa: T201
    else:
        print(line, file=sys.stderr)  # noqa: T201
