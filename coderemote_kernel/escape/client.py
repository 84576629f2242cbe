"""A Jupyter client that trusts its kernel with nothing and keeps every message it gets."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from .processes import is_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_client.blocking.client import BlockingKernelClient

    from .attack import Request
    from .bait import Bait

__all__ = ["Answer", "Client", "Message"]

_DELIMITER = b"<IDS|MSG>"
_START_PATIENCE_S = 60.0


@dataclass
class Message:
    """One message as it came: the bytes, and what they mean if they mean anything.

    Attributes
    ----------
    flaw
        Why the message is not one, if it is not.
    """

    channel: str
    frames: list[bytes]
    header: dict[str, Any] = field(default_factory=dict)
    parent: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    flaw: str = ""

    @property
    def msg_type(self) -> str:
        """The type the message claims."""
        return str(self.header.get("msg_type", ""))

    @property
    def about(self) -> str:
        """The request the message claims to belong to."""
        return str(self.parent.get("msg_id", ""))

    @property
    def buffers(self) -> list[bytes]:
        """The binary buffers behind the JSON parts."""
        return self.frames[5:]

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return sum(map(len, self.frames))


@dataclass
class Answer:
    """What became of one request."""

    msg_id: str
    reply: Message | None = None
    idle: bool = False

    @property
    def complete(self) -> bool:
        """Whether reply and idle have both come."""
        return self.reply is not None and self.idle

    @property
    def error(self) -> str:
        """Name of the error the request ended with, if it did."""
        content = self.reply.content if self.reply else {}
        return str(content.get("ename", "")) if content.get("status") == "error" else ""


class _OneSpec(KernelSpecManager):
    """Gives the one kernelspec it was made with, whatever is installed."""

    argv: Sequence[str] = ()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=list(self.argv),
            display_name=kernel_name,
            language="python",
            interrupt_mode="message",
        )


class Client:
    """A kernel of its own and the connection to it.

    Attributes
    ----------
    received
        Every message since the last `take`.
    asked
        Type of every request ever made, by its id.
    """

    def __init__(self, argv: Sequence[str], bait: Bait, name: str) -> None:
        self.received: list[Message] = []
        self.asked: dict[str, str] = {}
        self.input_allowed = False
        self._closed = False
        specs = _OneSpec()
        specs.argv = argv
        self._manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
        # Not with the marker in it: the file's name is on the relay's command line.
        file = bait.runtime / f"kernel-{secrets.token_hex(8)}.json"
        self._manager.connection_file = str(file)
        self._manager.session.key = bait.leaks.plant("key").encode()
        self._manager.start_kernel(env=bait.environment, cwd=str(bait.folder))
        self._connect()
        self.greet(_START_PATIENCE_S)

    @property
    def pid(self) -> int:
        """The process of the kernel: the relay."""
        return int(getattr(self._manager.provisioner, "pid", None) or 0)

    @property
    def ports(self) -> dict[str, int]:
        """The kernel's own ports."""
        info = self._manager.get_connection_info()
        return {name: port for name, port in info.items() if isinstance(port, int)}

    @property
    def connection_file(self) -> str:
        """Path of the file with the key in it."""
        return str(self._manager.connection_file)

    def greet(self, patience_s: float) -> None:
        """Wait until the kernel answers and what it publishes arrives.

        A subscription takes a moment, and what is published before it is lost.
        """
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if self.ask("kernel_info_request", {}, 0.5).complete:
                return

    def execute(self, code: str, patience_s: float, **options: Any) -> Answer:  # noqa: ANN401
        """Run a cell and wait for its reply and for idle."""
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
            **options,
        }
        return self.ask("execute_request", content, patience_s)

    def ask(
        self, msg_type: str, content: dict[str, Any], patience_s: float, channel: str = "shell"
    ) -> Answer:
        """Make a request and wait for its reply and for idle."""
        answer = self.start(msg_type, content, channel)
        self.input_allowed = bool(content.get("allow_stdin"))
        until = time.monotonic() + patience_s
        seen = len(self.received)
        while not answer.complete and time.monotonic() < until:
            if not self._poll(0.25) and not is_there(self.pid):
                break
            for message in self.received[seen:]:
                _note(message, answer)
            seen = len(self.received)
        self.input_allowed = False
        return answer

    def request(self, request: Request, patience_s: float) -> Answer:
        """Make one of an attack's own requests."""
        return self.ask(request.msg_type, request.content, patience_s, request.channel)

    def start(self, msg_type: str, content: dict[str, Any], channel: str = "shell") -> Answer:
        """Make a request and do not wait."""
        message = self._client.session.msg(msg_type, content)
        msg_id = str(message["header"]["msg_id"])
        self.asked[msg_id] = msg_type
        getattr(self._client, f"{channel}_channel").send(message)
        return Answer(msg_id)

    def drain(self, quiet_s: float = 0.0) -> None:
        """Read until nothing has come for `quiet_s`."""
        while self._poll(quiet_s):
            pass

    def take(self) -> list[Message]:
        """Return what was received, and forget it."""
        taken, self.received = self.received, []
        return taken

    def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart the kernel, as the menu does."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=False)
        self._connect()
        self.greet(_START_PATIENCE_S)

    def close(self, *, now: bool = False) -> None:
        """Shut the kernel down; `now` means SIGKILL. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(RuntimeError):
            self._client.stop_channels()
        self._manager.shutdown_kernel(now=now)
        self._manager.context.destroy(linger=0)

    def _connect(self) -> None:
        client: BlockingKernelClient = self._manager.client()
        client.start_channels(hb=False)
        self._client = client
        self._sockets = {
            client.shell_channel.socket: "shell",
            client.iopub_channel.socket: "iopub",
            client.stdin_channel.socket: "stdin",
            client.control_channel.socket: "control",
        }
        self._poller = zmq.Poller()
        for sock in self._sockets:
            self._poller.register(sock, zmq.POLLIN)

    def _poll(self, patience_s: float) -> bool:
        ready = self._poller.poll(int(patience_s * 1000))
        for sock, _ in ready:
            with contextlib.suppress(zmq.Again):
                while True:
                    frames = sock.recv_multipart(zmq.NOBLOCK)
                    message = self._parse(self._sockets[sock], frames)
                    self.received.append(message)
                    if message.channel == "stdin":
                        self._answer(message)
        return bool(ready)

    def _answer(self, message: Message) -> None:
        if self.input_allowed:
            self._client.input("an answer")
        else:
            message.flaw = message.flaw or "a question that nobody may ask now"

    def _parse(self, channel: str, frames: list[bytes]) -> Message:
        at = frames.index(_DELIMITER) + 1 if _DELIMITER in frames else len(frames)
        message = Message(channel, frames[at:])
        if len(message.frames) < 5:
            message.flaw = "too few parts"
            return message
        signature, *packed = message.frames[:5]
        if self._client.session.sign(packed) != signature:
            message.flaw = "a wrong signature"
            return message
        try:
            values = [orjson.loads(part) for part in packed]
        except orjson.JSONDecodeError as error:
            message.flaw = f"no JSON: {error}"
            return message
        if not all(isinstance(value, dict) for value in values):
            message.flaw = "a part that is not an object"
            return message
        message.header, message.parent, message.metadata, message.content = values
        return message


def _note(message: Message, answer: Answer) -> None:
    if message.about != answer.msg_id:
        return
    if message.channel in {"shell", "control"}:
        answer.reply = message
    elif message.content.get("execution_state") == "idle":
        answer.idle = True
