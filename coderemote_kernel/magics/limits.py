"""``%limits``: every limit of the session, how it is enforced, and how much of it has been used."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from coderemote_kernel.magics.model import MagicResult
from coderemote_kernel.magics.tables import amount, html_table, text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderemote_kernel.magics.model import LimitRow, MagicCall, SessionView
    from coderemote_kernel.magics.parsing import MagicParser

__all__ = ["LimitsMagic"]

_HEAD = ("limit", "value", "used", "bounds", "means")


class LimitsMagic:
    """Show the limits as a table or, with ``--json``, as data."""

    name = "limits"
    forms: frozenset[Literal["line", "cell"]] = frozenset({"line"})
    options = ("--json",)

    def help_text(self) -> str:
        """Return what ``%limits --help`` shows."""
        return _parser().format_help().rstrip()

    def run(self, call: MagicCall, session: SessionView) -> MagicResult:
        """Show every limit of the session."""
        from coderemote_kernel.magics.parsing import arguments_of

        arguments = arguments_of(_parser(), call.args)
        limits = session.limits()
        if arguments.json:
            return MagicResult(json.dumps([asdict(limit) for limit in limits], indent=2))
        rows = _rows(limits)
        return MagicResult(text_table(_HEAD, rows), html_table(_HEAD, rows))


def _rows(limits: Sequence[LimitRow]) -> list[tuple[str, ...]]:
    return [
        (
            limit.name,
            amount(limit.value, limit.unit, none="no limit"),
            amount(limit.used, limit.unit, none="-"),
            limit.bounds,
            limit.means,
        )
        for limit in limits
    ]


def _parser() -> MagicParser:
    from coderemote_kernel.magics.parsing import make_parser

    parser = make_parser(
        "limits",
        description="Show every limit this notebook's code is held to, how it is enforced on this\n"
        "machine, and how much of it has been used.",
        epilog="Set a limit with c.CodeRemoteKernel.<limit> in coderemote_kernel_config.py.",
    )
    parser.add_argument("--json", action="store_true", help="print data instead of a table")
    return parser
