"""``%sandbox``: which layers of isolation are in force, and what the session has used."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Literal

from coderemote_kernel.magics.model import MagicResult
from coderemote_kernel.magics.tables import amount, html_table, text_table

if TYPE_CHECKING:
    from coderemote_kernel.magics.model import MagicCall, SandboxStatus, SessionView
    from coderemote_kernel.magics.parsing import MagicParser

__all__ = ["SandboxMagic"]

_LAYERS = ("layer", "wanted", "got", "note")
_FACTS = ("session", "value")


class SandboxMagic:
    """Show the tier, its layers and the session's use of them, or the same as JSON."""

    name = "sandbox"
    forms: frozenset[Literal["line", "cell"]] = frozenset({"line"})
    options = ("--json",)

    def help_text(self) -> str:
        """Return what ``%sandbox --help`` shows."""
        return _parser().format_help().rstrip()

    def run(self, call: MagicCall, session: SessionView) -> MagicResult:
        """Show what is in force and what has been used."""
        from coderemote_kernel.magics.parsing import arguments_of

        arguments = arguments_of(_parser(), call.args)
        status = session.status()
        if arguments.json:
            return MagicResult(json.dumps(_data(status), indent=2))
        layers = [(row.layer, row.wanted, row.got, row.note) for row in status.layers]
        facts = _facts(status)
        return MagicResult(
            text_table(_LAYERS, layers) + "\n\n" + text_table(_FACTS, facts),
            html_table(_LAYERS, layers) + html_table(_FACTS, facts),
        )


def _data(status: SandboxStatus) -> dict[str, object]:
    # A plain dict, because `asdict` would try to copy a read-only view of one.
    return asdict(replace(status, held_back=dict(status.held_back)))


def _facts(status: SandboxStatus) -> list[tuple[str, str]]:
    unknown = "not measured"
    held_back = [f"{count:,} x {kind}" for kind, count in sorted(status.held_back.items())]
    return [
        ("tier", status.tier),
        ("interpreter", status.interpreter),
        ("processes and threads now", amount(status.processes, "count", none=unknown)),
        ("memory now", amount(status.memory_bytes, "bytes", none=unknown)),
        ("CPU time used", amount(status.cpu_s, "s", none=unknown)),
        ("output sent", amount(status.output_bytes, "bytes", none=unknown)),
        ("cells run", f"{status.cells_run:,}"),
        ("jails started", f"{status.jails_started:,}"),
        ("active output held back", ", ".join(held_back) or "none"),
    ]


def _parser() -> MagicParser:
    from coderemote_kernel.magics.parsing import make_parser

    parser = make_parser(
        "sandbox",
        description="Show what isolates this notebook's code from the machine: each layer,\n"
        "whether it was wanted and whether it is in force; and what the session has used so far.",
        epilog="`coderemote doctor` in a terminal says how to get a layer that is missing.",
    )
    parser.add_argument("--json", action="store_true", help="print data instead of tables")
    return parser
