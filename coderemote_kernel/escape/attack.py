"""What an attack is: a cell that tries to get out, and how it is run.

An attack says nothing about how it is judged. After every attack the same oracles are asked, all of
them outside the jail (see `oracles`), so an attack that does harm in a way its author did not think
of is caught too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Attack", "Category", "Ending", "Outcome", "Profile", "Request", "Tier"]

_MIB = 1024 * 1024


class Tier(StrEnum):
    """The isolation layers in force, by the names of the kernel's ``tier`` setting."""

    FULL = "full"
    NOPROC = "full-noproc"
    NO_NAMESPACES = "no-namespaces"


class Category(StrEnum):
    """What an attack goes for."""

    NETWORK = "network"
    FILES = "files"
    PRIVILEGE = "privilege"
    DESCRIPTORS = "descriptors"
    SECRETS = "secrets"
    RESOURCES = "resources"
    FORGERY = "forgery"
    BROWSER = "browser"
    OUTLIVING = "outliving"
    SIGNALS = "signals"


class Outcome(StrEnum):
    """How an attack ended."""

    HELD = "held"
    ESCAPED = "escaped"
    DEAD = "dead"
    """The kernel no longer answers ``1+1``, or answers from another process."""
    DUD = "dud"
    """The attack itself is broken: it never came to the point of attacking."""


class Ending(StrEnum):
    """What happens to the kernel once the attack's cell is running."""

    SHUTDOWN = "shutdown"
    RESTART = "restart"
    RELAY_KILLED = "relay killed"
    JAIL_KILLED = "jail killed"


class Profile(StrEnum):
    """A set of limits; attacks of one profile share a kernel."""

    PLAIN = "plain"
    SMALL = "small"
    ENDING = "ending"

    @property
    def settings(self) -> dict[str, int | float]:
        """The settings of the kernel, as they are called on its command line."""
        return {
            Profile.PLAIN: {"cell_timeout_s": 6.0, "interrupt_grace_s": 1.0},
            # Small enough that hitting a limit takes a moment, and a machine on which a limit does
            # not hold survives finding out.
            Profile.SMALL: {
                "cell_timeout_s": 4.0,
                "interrupt_grace_s": 1.0,
                "memory_bytes": 256 * _MIB,
                "processes": 64,
                "open_files": 256,
                "file_size_bytes": 8 * _MIB,
                "workspace_bytes": 16 * _MIB,
                "workspace_inodes": 2048,
                "tmp_bytes": 16 * _MIB,
                "text_output_bytes": 1 * _MIB,
                "rich_output_bytes": 4 * _MIB,
                "output_messages": 2000,
            },
            Profile.ENDING: {"cell_timeout_s": 60.0},
        }[self]


@dataclass(frozen=True, kw_only=True)
class Request:
    """Something the client asks for after the attack's cell has ended."""

    msg_type: str
    content: dict[str, Any]
    channel: str = "shell"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One cell that tries to get out.

    Attributes
    ----------
    code
        The cell, run after `inside.py`, whose names it may use. It calls ``attempt()`` when it is
        about to act, and ``got(...)`` if it got what it was after: a cell that says it got through
        is believed, one that says nothing proves nothing.
    stock
        Does no harm to a machine, and works on a stock ipykernel: shown there to be able to.
    weak_in
        Tiers in which this attack is not expected to be held off.
    then
        Requests the client makes after the cell.
    options
        Fields of the execute_request (``user_expressions``, ``allow_stdin`` ...).
    dirty
        Leaves threads or memory behind in the worker, so the jail is replaced afterwards.
    from_start
        Was under way before its cell: what the start of the kernel gave away counts too.
    may_fail
        Names of errors that are this attack's point, not a mistake in its code.
    """

    id: str
    category: Category
    title: str
    code: str
    profile: Profile = Profile.PLAIN
    stock: bool = False
    weak_in: frozenset[Tier] = frozenset()
    then: tuple[Request, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    dirty: bool = False
    from_start: bool = False
    may_fail: frozenset[str] = frozenset()
    ending: Ending | None = None

    def holds_in(self, tier: Tier) -> bool:
        """Tell whether the attack is expected to be held off in `tier`."""
        return tier not in self.weak_in
