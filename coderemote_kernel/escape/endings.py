"""Attacks that try to live on when their kernel ends; each gets a kernel of its own."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from . import processes
from .attack import Attack, Ending, Outcome, Profile
from .session import Kernel, Result, Session, cell_of, said

if TYPE_CHECKING:
    from .bait import Bait
    from .machine import Machine

__all__ = ["run_ending"]

_GONE_WITHIN_S = 1.0
_POLITENESS_S = 15.0  # what jupyter_client waits for a kernel that does not go by itself, and more
_SETTLING_S = 20.0


def run_ending(attack: Attack, kernel: Kernel, bait: Bait, machine: Machine) -> Result:
    """Start a kernel, let the attack settle in, end the kernel and look who is left."""
    session = Session(kernel, Profile.ENDING, bait, machine)
    started = time.monotonic()
    client = session.client
    result = Result(attack, Outcome.HELD)
    attempted = _settle_in(session, attack)
    settled = processes.with_marker(bait.marker)
    everyone = processes.descendants(session.pid) | settled
    try:
        result.findings += _end(session, attack.ending)
        left = processes.wait_until_gone(list(everyone), _GONE_WITHIN_S)
        left += [pid for pid in processes.with_marker(bait.marker) if pid not in left]
        if left:
            result.findings.append(f"{len(left)} processes lived on")
        if attack.ending in {Ending.RESTART, Ending.JAIL_KILLED}:
            session.pid = client.pid
            if not session.alive(30.0):
                result.outcome = Outcome.DEAD
    finally:
        processes.end(everyone | processes.with_marker(bait.marker))
        client.close(now=True)
    if result.outcome is Outcome.HELD:
        result.outcome = Outcome.ESCAPED if result.findings else Outcome.HELD
        if not (settled and attempted):
            result.outcome = Outcome.DUD
    result.seconds = time.monotonic() - started
    return result


def _settle_in(session: Session, attack: Attack) -> bool:
    """Run the cell until it says that it is ready; it need not end for that, and some never do."""
    client, until = session.client, time.monotonic() + _SETTLING_S
    client.start("execute_request", {"code": cell_of(attack, session.bait.targets)})
    while time.monotonic() < until:
        client.drain(0.05)
        if f"ATTEMPT:{attack.id}" in said(client.received):
            return True
    return False


def _end(session: Session, ending: Ending | None) -> list[str]:
    client, started = session.client, time.monotonic()
    if ending is Ending.SHUTDOWN:
        client.close()
    elif ending is Ending.RESTART:
        client.restart()
    elif ending is Ending.RELAY_KILLED:
        os.kill(session.pid, signal.SIGKILL)
    else:
        below = processes.descendants(session.pid)
        inside = processes.jailed(session.pid)
        processes.end({pid: below[pid] for pid in inside[:1] if pid in below})
    took = time.monotonic() - started
    return [f"ending took {took:.0f} s"] if took > _POLITENESS_S else []
