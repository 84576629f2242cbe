"""The relay's own table of what was asked: the only source of what an answer belongs to."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from coderemote_kernel.audit import Outcome
    from coderemote_kernel.magics import MagicResult
    from coderemote_kernel.wire import ClientMessage

__all__ = ["COMM_TYPES", "Channel", "Lane", "Request", "RequestTable"]

Channel = Literal["shell", "control"]

COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})

_REMEMBERED = 1024
"""Finished requests that may still be answered: threads print after their cell has ended."""


@dataclass(slots=True, eq=False)
class Request:
    """One request of a client, from its arrival to the end of its outputs.

    Attributes
    ----------
    content
        Parsed content.
    code
        Code of an execute request as the user wrote it.
    forward
        Content for the worker if it is not the client's own.
    magics
        What the relay's magics in it answered, to be shown before the worker's outputs.
    sent_at
        Monotonic seconds when it was handed to the worker; 0 before.
    waited_s
        Time it has spent waiting for ``input()``.
    stopped_for
        ``time`` or ``cpu`` once it was interrupted for passing that limit.
    """

    message: ClientMessage
    channel: Channel
    content: dict[str, Any]
    code: str = ""
    forward: bytes | None = None
    magics: list[MagicResult] = field(default_factory=list)
    sent_at: float = 0.0
    started: bool = False
    replied: bool = False
    idle: bool = False
    idle_held: bool = False
    finished: bool = False
    input_since: float = 0.0
    waited_s: float = 0.0
    interrupted: bool = False
    interrupted_at: float = 0.0
    stopped_for: Literal["", "time", "cpu"] = ""
    text_bytes: int = 0
    rich_bytes: int = 0
    messages: int = 0
    held: int = 0
    truncated: str = ""
    cpu_ns_before: int = 0
    memory_kills_before: int = 0
    peak_bytes: int = 0
    outcome: Outcome = "ok"

    @property
    def msg_id(self) -> str:
        """The client's id for it."""
        return str(self.message.header["msg_id"])

    @property
    def msg_type(self) -> str:
        """Such as ``execute_request``."""
        return str(self.message.header["msg_type"])

    @property
    def is_cell(self) -> bool:
        """Whether it runs code."""
        return self.msg_type == "execute_request"

    @property
    def silent(self) -> bool:
        """Whether its code runs without a number and without a trace."""
        return bool(self.content.get("silent", False))

    @property
    def stores_history(self) -> bool:
        """Whether its code is kept in the history."""
        return not self.silent and bool(self.content.get("store_history", True))

    def running_s(self, now: float) -> float:
        """Return the wall time spent on it so far, waiting for input left out."""
        waiting = now - self.input_since if self.input_since else 0.0
        return now - self.sent_at - self.waited_s - waiting


@dataclass(slots=True)
class Lane:
    """Requests that run one after another: the main shell, or one subshell."""

    waiting: deque[Request] = field(default_factory=deque)
    running: Request | None = None


class RequestTable:
    """Which requests this jail was given, and which of them may still be answered."""

    def __init__(self) -> None:
        self._active: dict[str, Request] = {}
        self._recent: OrderedDict[str, Request] = OrderedDict()

    def sent(self, request: Request) -> None:
        """Note that the worker was given `request`."""
        request.sent_at = time.monotonic()
        if request.msg_type in COMM_TYPES:
            self._remember(request)
        else:
            self._active[request.msg_id] = request

    def find(self, msg_id: object) -> Request | None:
        """Return the request with that id if the worker was ever given it (lately)."""
        if not isinstance(msg_id, str):
            return None
        return self._active.get(msg_id) or self._recent.get(msg_id)

    def finish(self, request: Request) -> None:
        """Note that nothing more is due for `request`; late outputs still find it."""
        request.finished = True
        if self._active.get(request.msg_id) is request:
            del self._active[request.msg_id]
        self._remember(request)
        # What it asked is not needed any more; a cell may be 50,000 characters long.
        request.content = {
            key: request.content[key] for key in ("allow_stdin", "silent") if key in request.content
        }
        request.code = ""
        request.forward = None
        request.message = request.message._replace(content=b"", buffers=[])

    def _remember(self, request: Request) -> None:
        self._recent[request.msg_id] = request
        self._recent.move_to_end(request.msg_id)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def active(self) -> list[Request]:
        """Return what the worker has not answered yet, oldest first."""
        return list(self._active.values())

    def clear(self) -> None:
        """Forget everything: the jail is another one."""
        self._active.clear()
        self._recent.clear()
