"""The clients' sockets: where answers and outputs leave the relay."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import zmq

from coderemote_kernel.wire import EMPTY, Signer, dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderemote_kernel.requests import Request

__all__ = ["Publisher"]

_PUB_QUEUE = 100_000
"""Messages kept for a client that reads slower than the worker prints; more are dropped, as ZeroMQ
does. The stock kernel keeps 1000, and a loop of 2,000 displays can lose some."""

_LARGE = 1 << 16


class Publisher:
    """Binds the five sockets of a connection file and writes to them.

    Parameters
    ----------
    connection
        Content of the connection file.

    Raises
    ------
    OSError
        A port is taken, or the address is not this machine's.
    WireError
        The connection file asks for a signature scheme that does not exist.
    """

    def __init__(self, connection: dict[str, Any]) -> None:
        key = str(connection.get("key", "")).encode()
        self.signer = Signer(key, str(connection.get("signature_scheme") or "hmac-sha256"))
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._connection = connection
        names = ("shell", "control", "stdin", "iopub", "hb")
        self.ports = {f"{name}_port": connection[f"{name}_port"] for name in names}
        self.shell = self._bind(zmq.ROUTER, "shell")
        self.control = self._bind(zmq.ROUTER, "control")
        self.stdin = self._bind(zmq.ROUTER, "stdin")
        self.iopub = self._bind(zmq.XPUB, "iopub")
        self._heartbeat = self._bind(zmq.ROUTER, "hb")
        # Echoing is libzmq's own loop: it neither needs nor waits for this interpreter.
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _bind(self, kind: int, name: str) -> zmq.Socket[bytes]:
        sock = self.context.socket(kind)
        sock.linger = 1000
        if kind == zmq.ROUTER:
            sock.router_handover = 1  # a client that reconnects keeps its identity
        else:
            sock.sndhwm = _PUB_QUEUE
        if secret := self._connection.get("curve_secretkey"):
            # Keys that Jupyter made for this kernel; without them the sockets are as ever.
            sock.curve_secretkey = secret.encode()
            sock.curve_publickey = self._connection["curve_publickey"].encode()
            sock.curve_server = True
        transport, ip = self._connection.get("transport", "tcp"), self._connection["ip"]
        port = self._connection[f"{name}_port"]
        address = f"{transport}://{ip}{':' if transport == 'tcp' else '-'}{port}"
        try:
            sock.bind(address)
        except zmq.ZMQError as error:
            msg = f"{name} cannot listen at {address} ({error.strerror})"
            raise OSError(msg) from error
        return sock

    def _beat(self) -> None:
        try:
            zmq.proxy(self._heartbeat, self._heartbeat)
        except zmq.ZMQError:
            pass
        finally:
            self._heartbeat.close(0)

    def publish(
        self,
        msg_type: str,
        parent: bytes,
        content: dict[str, Any] | bytes,
        *,
        metadata: bytes = EMPTY,
        buffers: Sequence[bytes] = (),
    ) -> None:
        """Publish an output to every client."""
        self.welcome()  # who subscribed meanwhile is greeted before anything else
        body = content if isinstance(content, bytes) else dumps(content)
        self.iopub.send_multipart(
            self.signer.build(
                [msg_type.encode()], msg_type, parent, body, metadata=metadata, buffers=buffers
            ),
            copy=len(body) < _LARGE,  # a large one is not copied but kept until it is sent
        )

    def status(self, state: str, parent: bytes = EMPTY) -> None:
        """Publish busy, idle or starting."""
        self.publish("status", parent, {"execution_state": state})

    def reply(
        self,
        request: Request,
        content: dict[str, Any] | bytes,
        *,
        metadata: bytes = EMPTY,
        buffers: Sequence[bytes] = (),
    ) -> None:
        """Answer a request, to the client that asked and on the channel it asked on."""
        msg_type = request.msg_type.removesuffix("_request") + "_reply"
        body = content if isinstance(content, bytes) else dumps(content)
        frames = self.signer.build(
            request.message.idents,
            msg_type,
            request.message.raw_header,
            body,
            metadata=metadata,
            buffers=buffers,
        )
        sock = self.control if request.channel == "control" else self.shell
        sock.send_multipart(frames)

    def ask_input(self, request: Request, content: dict[str, Any]) -> None:
        """Ask the client that runs the cell for a line of input."""
        self.stdin.send_multipart(
            self.signer.build(
                request.message.idents,
                "input_request",
                request.message.raw_header,
                dumps(content),
            )
        )

    def welcome(self) -> None:
        """Greet new subscribers, so that they know when nothing is missed any more."""
        while True:
            try:
                event = self.iopub.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if event[:1] == b"\x01":
                topic = event[1:]
                content = {"subscription": topic.decode("utf-8", "replace")}
                prefix = [topic] if topic else []
                frames = self.signer.build(prefix, "iopub_welcome", EMPTY, dumps(content))
                self.iopub.send_multipart(frames)

    def close(self) -> None:
        """Send what is waiting, for at most a second, and close."""
        for sock in (self.shell, self.control, self.stdin, self.iopub):
            sock.close(1000)
        self.context.term()
