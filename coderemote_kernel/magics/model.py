"""What a magic of the relay is made of: calls, results, and the view of the session it may read.

A relay magic is run by the trusted side, from the text of the cell that the user sent. It sees the
session only through `SessionView`, so that a magic can be tested, and added, without a jail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "HelpAsked",
    "LayerRow",
    "LimitRow",
    "Magic",
    "MagicCall",
    "MagicResult",
    "SandboxStatus",
    "SessionView",
    "Unit",
    "UsageError",
]

Unit = Literal["s", "bytes", "count", "cores"]


class UsageError(Exception):
    """A magic was called wrongly; the text is one line that says how."""


class HelpAsked(Exception):
    """``--help`` stood among the arguments; not a failure, only a way out of the parser."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit of the session, as ``%limits`` shows it.

    Attributes
    ----------
    name
        The setting's name, such as ``memory_bytes``.
    value
        The limit in `unit`; None where there is no limit.
    bounds
        What it bounds, in a few words: "memory of the whole jail".
    means
        How it is enforced on this machine: "cgroup", "RLIMIT_DATA and a watchdog".
    used
        The most that has been used so far (or the peak of the last cell), in `unit`; None where it
        is not measured.
    """

    name: str
    value: float | None
    unit: Unit
    bounds: str
    means: str
    used: float | None = None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of isolation, as ``%sandbox`` shows it: what was asked for and what is in force."""

    layer: str
    wanted: str
    got: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """The state of the session at one moment; None where this machine cannot tell.

    Attributes
    ----------
    processes
        Processes and threads in the jail now.
    memory_bytes
        Memory of the whole jail now.
    cpu_s
        CPU time of all the session's jails, in seconds.
    output_bytes
        What the worker has sent since the session began.
    held_back
        Kinds of active output that were held back, with how often: ``{"text/html": 2}``.
    """

    tier: str
    layers: tuple[LayerRow, ...]
    interpreter: str
    processes: int | None = None
    memory_bytes: int | None = None
    cpu_s: float | None = None
    output_bytes: int = 0
    cells_run: int = 0
    jails_started: int = 0
    held_back: Mapping[str, int] = field(default_factory=dict)


class SessionView(Protocol):
    """What a magic may ask of the session; the relay implements it."""

    def limits(self) -> Sequence[LimitRow]:
        """Return every limit of the session, in the order to show them."""
        ...

    def status(self) -> SandboxStatus:
        """Return what is in force and what has been used, measured now."""
        ...


@dataclass(frozen=True, slots=True)
class MagicCall:
    """A magic found in the text of a cell.

    Attributes
    ----------
    name
        Without the percent signs.
    args
        The rest of its line, stripped; continued lines are joined.
    line
        Where it stands in the cell, counted from 1.
    cell_body
        The text under a ``%%`` magic; None for a ``%`` magic.
    """

    name: str
    args: str
    line: int
    cell_body: str | None = None


@dataclass(frozen=True, slots=True)
class MagicResult:
    """What the relay answers: a ``text/plain`` and perhaps a ``text/html``, or an error.

    Attributes
    ----------
    error
        One line, beginning with the error's name and a colon: ``UsageError: ...``. The cell is
        then answered as failed and its rest is not run.
    """

    text_plain: str
    html: str | None = None
    error: str | None = None


class Magic(Protocol):
    """A magic that the relay runs.

    ``run`` may raise `UsageError`; the registry turns it into a result. It is called on the
    relay's own thread and must not block it.
    """

    @property
    def name(self) -> str:
        """Name without the percent signs."""
        ...

    @property
    def forms(self) -> frozenset[Literal["line", "cell"]]:
        """The forms it can be written in: ``%name``, ``%%name``, or both."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """What completion offers behind the name."""
        ...

    def help_text(self) -> str:
        """Return what ``%name --help`` shows."""
        ...

    def run(self, call: MagicCall, session: SessionView) -> MagicResult:
        """Do the work of one call."""
        ...
