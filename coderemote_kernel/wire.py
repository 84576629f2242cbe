"""Jupyter's messages between the relay and its clients: read, check, build, sign.

The relay parses with orjson: written in Rust, strict about UTF-8, numbers and depth, so that what
comes out of it can always be written again. Everything a client gets is written anew from parsed
values; no byte the worker chose reaches a client unread.

Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DELIMITER", "EMPTY", "ClientMessage", "Signer", "WireError", "dumps", "loads", "parse"]

DELIMITER = b"<IDS|MSG>"
EMPTY = b"{}"
_PROTOCOL = "5.4"
_HEARD = 4096
"""Signatures remembered."""


class WireError(ValueError):
    """Bytes that are no message; the text says what is wrong with them."""


class ClientMessage(NamedTuple):
    """A message from a client, its signature checked.

    Attributes
    ----------
    idents
        Routing prefix: whom to answer.
    header
        Parsed header; `raw_header` is what answers are stamped with.
    """

    idents: list[bytes]
    header: dict[str, Any]
    raw_header: bytes
    metadata: bytes
    content: bytes
    buffers: list[bytes]


def loads(data: bytes | memoryview) -> Any:
    """Parse JSON from the worker; raises WireError on anything but strict JSON.

    Text that is not UTF-8 is what a worker honestly sends for a file name that is not: it is
    parsed with replacement characters.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return orjson.loads(bytes(data).decode("utf-8", "replace"))
        except orjson.JSONDecodeError:
            msg = "it is no JSON"  # the parser's words hold numbers of the worker's choosing
            raise WireError(msg) from None


def dumps(value: Any) -> bytes:
    """Write JSON; raises WireError if `value` holds what JSON cannot."""
    try:
        return orjson.dumps(value)
    except TypeError:
        msg = "it cannot be written as JSON"
        raise WireError(msg) from None


def parse(data: bytes | memoryview, what: str) -> dict[str, Any]:
    """Parse a JSON object; raises WireError if it is anything else."""
    value = loads(data)
    if type(value) is not dict:
        msg = f"{what} is no object"
        raise WireError(msg)
    return value


class Signer:
    """Signs and checks messages with the connection's key, and makes their headers.

    Parameters
    ----------
    key
        The connection file's key; empty means unsigned messages, as Jupyter has it.
    """

    def __init__(self, key: bytes, scheme: str = "hmac-sha256") -> None:
        digest = scheme.removeprefix("hmac-")
        if digest not in hashlib.algorithms_available:
            msg = f"the connection file asks for the unknown signature scheme {scheme}"
            raise WireError(msg)
        self._base = hmac.new(key, digestmod=digest) if key else None
        self._session = os.urandom(16).hex()
        self._numbers = itertools.count(1)
        self._heard: OrderedDict[bytes, None] = OrderedDict()

    def _sign(self, parts: Sequence[bytes]) -> bytes:
        if self._base is None:
            return b""
        mac = self._base.copy()
        for part in parts:
            mac.update(part)
        return mac.hexdigest().encode()

    def read(self, frames: list[bytes]) -> ClientMessage:
        """Take a client's frames apart; raises WireError on a wrong signature or no message."""
        try:
            at = frames.index(DELIMITER)
        except ValueError:
            msg = "there is no delimiter"
            raise WireError(msg) from None
        if len(frames) < at + 6:
            msg = "parts are missing"
            raise WireError(msg)
        signed = frames[at + 2 : at + 6]
        if self._base is not None and not hmac.compare_digest(self._sign(signed), frames[at + 1]):
            msg = "the signature is wrong"
            raise WireError(msg)
        self._remember(frames[at + 1])
        header = parse(signed[0], "the header")
        if not isinstance(header.get("msg_id"), str) or not isinstance(header.get("msg_type"), str):
            msg = "the header has no msg_id or no msg_type"
            raise WireError(msg)
        return ClientMessage(frames[:at], header, signed[0], signed[2], signed[3], frames[at + 6 :])

    def _remember(self, signature: bytes) -> None:
        """Hear a signed message once: who repeats it without the key must not run it again."""
        if self._base is None:
            return
        if signature in self._heard:
            msg = "it was heard before"
            raise WireError(msg)
        self._heard[signature] = None
        if len(self._heard) > _HEARD:
            self._heard.popitem(last=False)

    def header(self, msg_type: str) -> bytes:
        """Return the header of a new message of the relay's own."""
        return orjson.dumps(
            {
                "msg_id": f"{self._session}_{next(self._numbers)}",
                "msg_type": msg_type,
                "session": self._session,
                "username": "coderemote",
                "date": datetime.now(UTC),
                "version": _PROTOCOL,
            }
        )

    def build(  # noqa: PLR0913 - a message has that many parts
        self,
        prefix: Sequence[bytes],
        msg_type: str,
        parent: bytes,
        content: bytes,
        *,
        metadata: bytes = EMPTY,
        buffers: Sequence[bytes] = (),
    ) -> list[bytes]:
        """Return the frames of a message to a client."""
        signed = (self.header(msg_type), parent, metadata, content)
        return [*prefix, DELIMITER, self._sign(signed), *signed, *buffers]

    def for_worker(self, message: ClientMessage, content: bytes | None = None) -> list[bytes]:
        """Return what crosses the wall for a client's request.

        The worker sees the message's id, because widgets ask for outputs by it, and nothing about
        the client: no user name, no session.
        """
        header = {
            "msg_id": message.header["msg_id"],
            "msg_type": message.header["msg_type"],
            "session": self._session,
            "username": "coderemote",
            "date": datetime.now(UTC),
            "version": _PROTOCOL,
        }
        subshell = message.header.get("subshell_id")
        if subshell is not None:
            header["subshell_id"] = subshell
        body = message.content if content is None else content
        return [orjson.dumps(header), EMPTY, message.metadata, body, *message.buffers]
