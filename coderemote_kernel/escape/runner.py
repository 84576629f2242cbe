"""Runs attacks: those of one profile in one kernel, those that need an end in one each."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from .attack import Attack, Category, Outcome, Profile
from .bait import Bait
from .catalogue import ATTACKS
from .catalogue.forgery import CONTROL
from .endings import run_ending
from .machine import Machine
from .session import Kernel, Result, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["chosen", "run"]


def chosen(
    *, categories: Iterable[str] = (), ids: Iterable[str] = (), stock: bool = False
) -> list[Attack]:
    """Return the attacks asked for; nothing asked for means all of them."""
    wanted, named = set(categories), set(ids)
    return [
        attack
        for attack in ATTACKS
        if (not wanted or attack.category in wanted)
        and (not named or attack.id in named)
        and (attack.stock or not stock)
    ]


def run(attacks: Sequence[Attack], kernel: Kernel) -> Iterator[Result]:
    """Run attacks and yield how each ended, in the order of their profiles.

    Raises
    ------
    RuntimeError
        The kernel does not start.
    """
    order = list(Profile)
    ordered = sorted(attacks, key=lambda attack: order.index(attack.profile))
    with Bait() as bait:
        machine = Machine(bait.marker)
        for profile, group in groupby(ordered, key=lambda attack: attack.profile):
            if profile is Profile.ENDING:
                yield from (run_ending(attack, kernel, bait, machine) for attack in group)
            else:
                yield from _in_one_kernel(list(group), kernel, profile, bait, machine)


def _in_one_kernel(
    attacks: list[Attack], kernel: Kernel, profile: Profile, bait: Bait, machine: Machine
) -> Iterator[Result]:
    session: Session | None = None
    blind = False
    try:
        for attack in attacks:
            if session is None:
                session = Session(kernel, profile, bait, machine)
            if attack is _first_on_the_wall(attacks) and not kernel.stock:
                blind = not session.proves(CONTROL, "by hand")
            result = session.run(attack)
            if blind and attack.category is Category.FORGERY and result.outcome is Outcome.HELD:
                result.outcome = Outcome.DUD
                result.findings.append("an honest message by hand did not arrive either")
            if result.outcome is Outcome.DEAD:
                session.close()
                session = None
            yield result
    finally:
        if session is not None:
            session.close()


def _first_on_the_wall(attacks: list[Attack]) -> Attack | None:
    return next((attack for attack in attacks if attack.category is Category.FORGERY), None)
