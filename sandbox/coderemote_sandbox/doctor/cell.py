"""The whole path: a jail of the session, the worker in it, a cell through the wall and back."""

from __future__ import annotations

import json
import select
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coderemote_sandbox.errors import SandboxError, StartError
from coderemote_sandbox.launcher import Launcher
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from coderemote_sandbox.jail import Jail
    from coderemote_sandbox.launcher import Plan

__all__ = ["CellTrial", "try_cell"]

_CODE, _ANSWER = "1+1", "2"
_MAX_FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class CellTrial:
    """How ``1+1`` went.

    Attributes
    ----------
    tier
        The tier it ran on; empty if it did not.
    ms
        From nothing to the answer.
    problem
        Why there is no answer; empty if there is.
    fix
        What to do about it, as far as the error said.
    """

    tier: str
    ms: float
    problem: str = ""
    fix: str = ""


def try_cell(plan: Plan, *, seconds: float = 20.0) -> CellTrial:
    """Start a session as a kernel would, run ``1+1`` in it and end it."""
    began = time.monotonic()
    launcher = Launcher(plan)
    try:
        launcher.prepare()
        _answer(launcher, began + seconds)
    except SandboxError as error:
        problem, _, fix = str(error).partition(". ")
        return CellTrial("", _ms(began), problem, fix)
    except TimeoutError as error:
        return CellTrial("", _ms(began), str(error))
    finally:
        launcher.close()
    return CellTrial(launcher.tier.name, _ms(began))


def _ms(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _answer(launcher: Launcher, deadline: float) -> None:
    """Run the cell in the first jail that comes up; raises SandboxError or TimeoutError."""
    while True:
        jail = launcher.start({"execution_count": 1})
        try:
            shown = _Talk(jail, deadline).result()
            if shown == _ANSWER:
                return
            if shown is not None:
                msg = f"the worker says that {_CODE} is {shown or 'an error'}"
                raise StartError(msg)
            death = jail.death()
            if not launcher.fall_back(death):
                raise launcher.explain(death)
        finally:
            jail.close()


class _Talk:
    """One cell through the wall of one jail."""

    def __init__(self, jail: Jail, deadline: float) -> None:
        self._jail = jail
        self._deadline = deadline
        self._writer = frames.Writer(jail.wall)
        self._decoder = frames.Decoder(_MAX_FRAME)
        self._asked = uuid.uuid4().hex
        self._said = ""

    def result(self) -> str | None:
        """Return what the cell shows, or None if the jail ended first."""
        while True:
            data = self._receive()
            if not data:
                return None
            for frame in self._decoder.feed(data):
                if frame.channel == frames.NOTE and frame.parts == [b"ready"]:
                    self._jail.ready = True
                    self._ask()
                elif self._is_reply(frame):
                    return self._said

    def _receive(self) -> bytes:
        """Return what comes through the wall; nothing once the jail has ended."""
        remaining = self._deadline - time.monotonic()
        ends = [self._jail.wall, self._jail.leash]
        ready = select.select(ends, [], [], max(remaining, 0))[0]
        if not ready:
            state = "no answer" if self._jail.ready else "the worker was not ready"
            msg = f"{state} in time; is the machine very busy?"
            raise TimeoutError(msg)
        if self._jail.wall in ready:
            try:
                return self._jail.wall.recv(65_536)
            except OSError:
                return b""
        self._jail.read_leash()
        return b""

    def _ask(self) -> None:
        header = {
            "msg_id": self._asked,
            "msg_type": "execute_request",
            "session": "doctor",
            "username": "doctor",
            "date": "2000-01-01T00:00:00Z",
            "version": "5.4",
        }
        content = {"code": _CODE, "silent": False, "store_history": False, "allow_stdin": False}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        self._writer.send(frames.SHELL, parts)

    def _is_reply(self, frame: frames.Frame) -> bool:
        """Take the shown result; True for the reply that ends the cell."""
        try:
            header, parent, _, content = (json.loads(bytes(part)) for part in frame.parts[:4])
            if parent.get("msg_id") != self._asked:
                return False
            kind = header["msg_type"]
            if kind == "execute_result":
                self._said = str(_text(content))
            return bool(kind == "execute_reply")
        except (ValueError, KeyError, AttributeError):
            return False


def _text(content: dict[str, Any]) -> object:
    return content["data"]["text/plain"]
