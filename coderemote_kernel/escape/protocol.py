"""Holds a kernel to Jupyter's protocol, as a client that was lied to would wish it had."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import Message

__all__ = ["Ledger"]

_PUBLISHED = frozenset(
    (
        "status",
        "stream",
        "display_data",
        "update_display_data",
        "execute_input",
        "execute_result",
        "error",
        "clear_output",
        "comm_open",
        "comm_msg",
        "comm_close",
        "debug_event",
        "iopub_welcome",
        "shutdown_reply",
    )
)
_STATES = frozenset(("busy", "idle", "starting"))


class Ledger:
    """Everything one client has asked, and what it may therefore be told.

    Parameters
    ----------
    asked
        Type of every request, by its id; grows as the client asks.
    """

    def __init__(self, asked: Mapping[str, str]) -> None:
        self._asked = asked
        self._told: Counter[tuple[str, str]] = Counter()

    def faults(self, message: Message) -> Iterator[str]:
        """Yield what is wrong with a message; each message is to be shown once."""
        if message.flaw:
            yield message.flaw
            return
        if message.about:
            yield from self._parent(message)
        elif message.channel in {"shell", "control"}:
            yield "a reply to nothing"
        if message.channel == "iopub":
            yield from self._published(message)
        elif message.channel == "stdin":
            if message.msg_type != "input_request":
                yield f"a {message.msg_type!r} on stdin"
        else:
            yield from self._reply(message)

    def _parent(self, message: Message) -> Iterator[str]:
        asked = self._asked.get(message.about)
        if asked is None:
            yield f"a {message.msg_type} about a request never made"
        elif message.parent.get("msg_type") != asked:
            yield f"a parent of type {str(message.parent.get('msg_type'))[:40]!r} for a {asked}"

    def _published(self, message: Message) -> Iterator[str]:
        kind = message.msg_type
        if kind not in _PUBLISHED:
            yield f"a {kind[:40]!r} on iopub"
        if kind == "status":
            state = str(message.content.get("execution_state"))
            if state not in _STATES:
                yield f"the state {state[:40]!r}"
            yield from self._once(message, state)
        if kind == "execute_input":
            yield from self._once(message, kind)

    def _reply(self, message: Message) -> Iterator[str]:
        asked = self._asked.get(message.about, "")
        if message.msg_type != asked.replace("_request", "_reply"):
            yield f"a {message.msg_type[:40]!r} on {message.channel} for a {asked}"
        yield from self._once(message, "reply")

    def _once(self, message: Message, what: str) -> Iterator[str]:
        if not message.about:
            return
        self._told[message.about, what] += 1
        if self._told[message.about, what] > 1:
            yield f"a second {what} for one request"
