"""Runs attacks: those of one profile in one kernel, those that need an end in one each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from .attack import Attack, Category, Outcome, Profile
from .bait import Bait
from .catalogue import ATTACKS
from .catalogue.forgery import CONTROL
from .endings import run_ending
from .machine import Machine
from .session import Kernel, Result, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Arena", "chosen", "in_order", "run"]


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


def in_order(attacks: Sequence[Attack]) -> list[Attack]:
    """Return attacks so that those of one profile, which share a kernel, are together."""
    order = list(Profile)
    return sorted(attacks, key=lambda attack: order.index(attack.profile))


def run(attacks: Sequence[Attack], kernel: Kernel) -> Iterator[Result]:
    """Run attacks and yield how each ended, in the order of their profiles.

    Raises
    ------
    RuntimeError
        The kernel does not start.
    """
    with Arena(kernel) as arena:
        for attack in in_order(attacks):
            yield arena.run(attack)


class Arena:
    """Bait, a kernel to attack, and a new one whenever the last has died or another is needed."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._bait = Bait()
        self._machine = Machine(self._bait.marker)
        self._session: Session | None = None
        self._sighted: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        self._bait.close()

    def run(self, attack: Attack) -> Result:
        """Run one attack and judge it.

        Raises
        ------
        RuntimeError
            The kernel does not start.
        """
        if attack.profile is Profile.ENDING:
            self._leave()
            return run_ending(attack, self.kernel, self._bait, self._machine)
        session = self._enter(attack.profile)
        if attack.category is Category.FORGERY and not self.kernel.stock and self._sighted is None:
            self._sighted = session.proves(CONTROL, "by hand")
        result = session.run(attack)
        if (
            attack.category is Category.FORGERY
            and self._sighted is False
            and result.outcome is Outcome.HELD
        ):
            result.outcome = Outcome.DUD
            result.findings.append("an honest message by hand did not arrive either")
        if result.outcome is Outcome.DEAD:
            self._leave()
        return result

    def _enter(self, profile: Profile) -> Session:
        if self._session is not None and self._session.profile is not profile:
            self._leave()
        if self._session is None:
            self._session = Session(self.kernel, profile, self._bait, self._machine)
        return self._session

    def _leave(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
