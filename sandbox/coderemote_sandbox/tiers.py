"""Tiers: which isolation layers are in force, strongest first."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["FULL", "FULL_NOPROC", "NO_NAMESPACES", "Layer", "Tier", "TierName", "by_name"]

TierName = Literal["full", "full-noproc", "no-namespaces"]


class Tier(NamedTuple):
    """One rung of the ladder.

    Attributes
    ----------
    name
        As configured and shown.
    namespaces
        User, mount, PID, network, IPC, UTS and cgroup namespaces; without them Landlock and a
        filter without sockets stand in.
    proc
        Whether the jail has its own ``/proc``.
    summary
        One line for the person who works in it.
    """

    name: TierName
    namespaces: bool
    proc: bool
    summary: str


FULL = Tier("full", namespaces=True, proc=True, summary="all isolation layers are in force")
FULL_NOPROC = Tier(
    "full-noproc",
    namespaces=True,
    proc=False,
    summary="all isolation layers are in force; there is no /proc, so psutil does not work",
)
NO_NAMESPACES = Tier(
    "no-namespaces",
    namespaces=False,
    proc=True,
    summary="WEAKER: no namespaces; only Landlock, seccomp and resource limits hold",
)


def by_name(name: str) -> Tier:
    """Return the tier called `name`; raises KeyError."""
    return {tier.name: tier for tier in (FULL, FULL_NOPROC, NO_NAMESPACES)}[name]  # type: ignore[index]


class Layer(NamedTuple):
    """One isolation layer as it stands: what was wanted, what there is, and a remark."""

    name: str
    wanted: str
    got: str
    note: str = ""
