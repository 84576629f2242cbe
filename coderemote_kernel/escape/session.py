"""One kernel under attack: runs the cells of one profile and asks every oracle after each."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import processes
from .active_output import active_in_message
from .attack import Attack, Outcome, Profile, Tier
from .client import Client
from .protocol import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bait import Bait
    from .client import Answer, Message
    from .machine import Machine

__all__ = ["Kernel", "Result", "Session", "cell_of"]

_MIB = 1024 * 1024
_ALIVE_PATIENCE_S = 20.0
_INSIDE = Path(__file__).with_name("inside.py")
# What an attack's own mistakes look like.
_MISTAKES = frozenset(
    "SyntaxError IndentationError NameError UnboundLocalError AttributeError ImportError"
    " ModuleNotFoundError TypeError KeyError".split()
)


@dataclass(frozen=True)
class Kernel:
    """Which kernel to attack: ours in a tier, or the stock one, which has no walls.

    Attributes
    ----------
    extra
        More arguments for our kernel.
    """

    stock: bool = False
    tier: Tier | None = None
    extra: tuple[str, ...] = ()

    def argv(self, profile: Profile) -> list[str]:
        """Return the command line of the kernel for `profile`."""
        if self.stock:
            return [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = json.loads(files("coderemote_kernel").joinpath("kernelspec/kernel.json").read_text())
        argv = [sys.executable, *spec["argv"][1:]]
        settings: dict[str, Any] = dict(profile.settings)
        if self.tier:
            settings["tier"] = self.tier.value
        argv += [f"--CodeRemoteKernel.{name}={value}" for name, value in settings.items()]
        return [*argv, *self.extra]


@dataclass
class Result:
    """How one attack ended, and what gave that away."""

    attack: Attack
    outcome: Outcome
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    jail_replaced: bool = False


def cell_of(attack: Attack, targets: dict[str, Any]) -> str:
    """Return the whole text of an attack's cell."""
    given = f"import json\nT = json.loads({json.dumps(json.dumps(targets))})\nID = {attack.id!r}\n"
    return given + _INSIDE.read_text() + "\n" + attack.code


def said(messages: list[Message]) -> str:
    """Return what was printed."""
    texts = [m.content.get("text") for m in messages if m.msg_type == "stream"]
    return "".join(text for text in texts if isinstance(text, str))


class Session:
    """A running kernel with its client, and what is normal for it."""

    def __init__(self, kernel: Kernel, profile: Profile, bait: Bait, machine: Machine) -> None:
        self.kernel = kernel
        self.profile = profile
        self.bait = bait
        self.machine = machine
        self.client = Client(kernel.argv(profile), bait, f"{profile}")
        self.pid = self.client.pid
        self.tier = ""
        self._ledger = Ledger(self.client.asked)
        if not self.alive(_ALIVE_PATIENCE_S):
            self.client.close(now=True)
            msg = f"the kernel did not start: {' '.join(kernel.argv(profile))}"
            raise RuntimeError(msg)
        self._check_tier()
        list(self._faults(self.client.take()))
        self._from_start = bait.tripped()
        self._normal = processes.Use.of(self.pid)
        self._household = processes.descendants(self.pid)

    def _check_tier(self) -> None:
        """Refuse to judge another tier than the one asked for."""
        asked = self.kernel.tier
        # Where /proc is masked, the full tier does without it by itself and says so.
        if asked and self.tier not in {asked, Tier.NOPROC if asked is Tier.FULL else asked}:
            self.client.close(now=True)
            msg = f"the kernel runs in tier {self.tier or 'unknown'}, not in {asked}"
            raise RuntimeError(msg)

    def close(self) -> None:
        """End the kernel."""
        self.client.close()

    def run(self, attack: Attack) -> Result:
        """Run one attack and judge it."""
        started = time.monotonic()
        settings = self.profile.settings
        patience_s = settings["cell_timeout_s"] + settings.get("interrupt_grace_s", 2.0) + 8
        with processes.Watch(self.pid) as watch:
            answer = self.client.execute(
                cell_of(attack, self._targets()), patience_s, **attack.options
            )
            seconds = time.monotonic() - started
            for request in attack.then:
                self.client.request(request, patience_s)
        if not answer.complete:
            self.client.interrupt()
        is_alive = self.alive(_ALIVE_PATIENCE_S)
        self.client.drain(0.02)
        messages = self.client.take()
        result = Result(attack, Outcome.HELD, seconds=seconds, error=answer.error)
        result.findings = sorted(set(self._findings(attack, messages, watch.most)))
        if not answer.complete:
            result.findings.append("the client was left waiting for reply or idle")
        result.outcome = self._judge(attack, result, messages, alive=is_alive)
        if result.outcome is not Outcome.DEAD:
            result.jail_replaced = self._tidy(attack)
        return result

    def proves(self, control: Attack, text: str) -> bool:
        """Tell whether an honest cell that works like the forgeries has its effect."""
        self.client.execute(cell_of(control, self._targets()), _ALIVE_PATIENCE_S)
        messages = self.client.take()
        list(self._faults(messages))
        return text in said(messages)

    def _targets(self) -> dict[str, Any]:
        kernel = {"relay": self.pid, "connection_file": self.client.connection_file}
        return {**self.bait.targets, **self.client.ports, **kernel}

    def alive(self, patience_s: float) -> bool:
        """Tell whether ``1+1`` is 2, in the process that was started."""
        before = len(self.client.received)
        answer: Answer = self.client.execute("1+1", patience_s)
        for message in self.client.received[before:]:
            if message.about == answer.msg_id and message.msg_type == "execute_result":
                data = message.content.get("data")
                right = isinstance(data, dict) and data.get("text/plain") == "2"
                own = answer.reply.metadata.get("coderemote") if answer.reply else None
                self.tier = str((own or {}).get("tier", self.tier))
                return right and answer.complete and self.client.pid == self.pid
        return False

    def _judge(
        self, attack: Attack, result: Result, messages: list[Message], *, alive: bool
    ) -> Outcome:
        if not alive or not processes.is_there(self.pid):
            return Outcome.DEAD
        if result.findings:
            return Outcome.ESCAPED
        if result.error in _MISTAKES - attack.may_fail:
            return Outcome.DUD
        return Outcome.HELD if f"ATTEMPT:{attack.id}" in said(messages) else Outcome.DUD

    def _findings(
        self, attack: Attack, messages: list[Message], most: processes.Use
    ) -> Iterator[str]:
        if attack.from_start:
            yield from self._from_start
        yield from self._faults(messages)
        yield from self._claims(attack, messages)
        yield from self._leaks(messages)
        yield from (flaw for message in messages for flaw in active_in_message(message))
        yield from self.bait.touched()
        yield from self.bait.visits()
        yield from self.bait.disturbances()
        yield from self.machine.changed()
        if not self.kernel.stock:
            yield from self._jail()
            yield from self._volume(messages)
            yield from self._growth(most)

    def _faults(self, messages: list[Message]) -> Iterator[str]:
        for message in messages:
            yield from self._ledger.faults(message)

    def _claims(self, attack: Attack, messages: list[Message]) -> Iterator[str]:
        claim = f"GOT:{attack.id}:"
        for line in said(messages).splitlines():
            if line.startswith(claim):
                yield f"the cell says: {line.removeprefix(claim)[:120]}"
        mark = f"FORGED:{attack.id}".encode()
        for message in messages:
            if message.msg_type != "execute_input" and any(mark in part for part in message.frames):
                yield f"a forged {message.msg_type} arrived"

    def _leaks(self, messages: list[Message]) -> Iterator[str]:
        for message in messages:
            for part in message.frames:
                yield from (f"the secret {name!r}" for name in self.bait.leaks.find(part))

    def _jail(self) -> Iterator[str]:
        namespaces = self.tier != Tier.NO_NAMESPACES
        yield from processes.strangers(self.pid, namespaces=namespaces)
        if len(processes.namespaces_of(self.pid)) > 1:
            yield "a jailed process has namespaces of its own"

    def _volume(self, messages: list[Message]) -> Iterator[str]:
        settings = self.profile.settings
        allowed = settings.get("text_output_bytes", 32 * _MIB)
        allowed += settings.get("rich_output_bytes", 128 * _MIB)
        size = sum(message.size for message in messages)
        if size > allowed + _MIB:
            yield f"{size} bytes of output where {allowed} are allowed"
        published = sum(message.channel == "iopub" for message in messages)
        if published > settings.get("output_messages", 100_000) + 100:
            yield f"{published} messages"

    def _growth(self, most: processes.Use) -> Iterator[str]:
        normal, now, settings = self._normal, processes.Use.of(self.pid), self.profile.settings
        if now.relay_bytes > normal.relay_bytes + 96 * _MIB:
            yield f"the relay grew to {now.relay_bytes // _MIB} MiB"
        if most.relay_bytes > normal.relay_bytes + 320 * _MIB:
            yield f"the relay used {most.relay_bytes // _MIB} MiB for a time"
        if now.relay_descriptors > normal.relay_descriptors + 8:
            yield f"the relay holds {now.relay_descriptors} descriptors"
        memory = settings.get("memory_bytes", 1024 * _MIB)
        # A watchdog looks a few times a second, so a jail without a cgroup may overshoot.
        if most.jail_bytes > memory * 1.5 + 64 * _MIB:
            yield f"the jail used {most.jail_bytes // _MIB} MiB"
        if most.processes > settings.get("processes", 256) + 10:
            yield f"the jail had {most.processes} processes"

    def _tidy(self, attack: Attack) -> bool:
        """Take away what the attack left running; tell whether the jail is another one now."""
        now = processes.descendants(self.pid)
        extra = {pid: born for pid, born in now.items() if self._household.get(pid) != born}
        replaced = bool(self._household) and not self._household.items() <= now.items()
        if not replaced:
            processes.end(extra)
        if attack.dirty and not self.kernel.stock:
            self._replace_jail(now)
            replaced = True
        self._household = processes.descendants(self.pid)
        return replaced

    def _replace_jail(self, now: dict[int, str]) -> None:
        inside = processes.jailed(self.pid)
        processes.end({pid: now[pid] for pid in inside if pid in now})
        processes.wait_until_gone(inside, _ALIVE_PATIENCE_S)
        # A cell that is sent while the relay has not noticed yet is answered with an error.
        for _ in range(3):
            if self.alive(_ALIVE_PATIENCE_S):
                break
        list(self._faults(self.client.take()))
