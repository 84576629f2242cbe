"""Kernels under measurement: a process each, and a client that costs as little as a client can.

The client speaks bare ZMQ. jupyter_client's own would do, but it spends as long on a reply as the
kernel does, and whatever the client costs, it costs both kernels, and so hides the difference.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from . import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    Content = dict[str, Any]

STOCK = "python3"
OURS = "coderemote"
BOTH = (STOCK, OURS)

TIMEOUT_S = 120.0
# ZMQ waits 100 ms between attempts to connect, and so rounds a start up to the next tenth of a
# second; a shorter wait shows what the kernel itself took.
RECONNECT_MS = 5
DELIMITER = b"<IDS|MSG>"


class BenchError(Exception):
    """A kernel did not do what the measurement needs, so there is no number."""


class Message(NamedTuple):
    """One message of a kernel, decoded as far as a measurement looks."""

    kind: str
    parent: str
    body: bytes

    @property
    def content(self) -> Content:
        """Decode the body; only done when asked for, for it costs."""
        content: Content = json.loads(self.body)
        return content


def command(name: str, connection_file: str) -> list[str]:
    """Say how this kernel is started, from its kernelspec where one is installed."""
    try:
        argv = list(KernelSpecManager().get_kernel_spec(name).argv)
    except NoSuchKernel:
        if name != OURS:
            raise
        argv = ["python", "-m", "coderemote_kernel", "-f", "{connection_file}"]
    if argv[0] in {"python", "python3"}:  # as jupyter_client does
        argv[0] = sys.executable
    return [part.replace("{connection_file}", connection_file) for part in argv]


class Kernel:
    """A running kernel, its client, and the end of both.

    Parameters
    ----------
    name
        Name of the kernelspec.
    folder
        Where the kernel runs.
    home
        Where the connection file, IPython's profile and the history are.
    """

    def __init__(self, name: str, folder: Path, home: Path) -> None:
        self.name = name
        self._counter = itertools.count(1)
        self._session = uuid.uuid4().hex
        self._key = uuid.uuid4().hex.encode()
        fname, info = write_connection_file(
            str(home / f"{name}-{self._session}.json"), key=self._key
        )
        self._context = zmq.Context()
        self.shell = self._connect(zmq.DEALER, info["shell_port"])
        self.control = self._connect(zmq.DEALER, info["control_port"])
        self.iopub = self._connect(zmq.SUB, info["iopub_port"])
        self.iopub.subscribe(b"")
        self.log = Path(fname).with_suffix(".log")
        with self.log.open("wb") as log:
            self.started_at = time.perf_counter()
            self.process = subprocess.Popen(
                command(name, fname),
                cwd=folder,
                env=environment(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _connect(self, kind: int, port: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0
        socket.reconnect_ivl = RECONNECT_MS
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def send(self, kind: str, content: Content, *, control: bool = False) -> str:
        """Send a request and return its id."""
        msg_id = f"{self._session}_{next(self._counter)}"
        header = {
            "msg_id": msg_id,
            "msg_type": kind,
            "username": "bench",
            "session": self._session,
            "date": "2026-01-01T00:00:00.000000Z",
            "version": "5.3",
        }
        frames = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for frame in frames:
            mac.update(frame)
        signature = mac.hexdigest().encode()
        (self.control if control else self.shell).send_multipart([DELIMITER, signature, *frames])
        return msg_id

    def execute(self, code: str) -> str:
        """Ask for a cell to be run, as a notebook does."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        return self.send("execute_request", content)

    def receive(self, socket: zmq.Socket[bytes], timeout_s: float = TIMEOUT_S) -> Message:
        """Wait for the next message on a socket."""
        deadline = time.monotonic() + timeout_s
        while not socket.poll(1000):
            if self.process.poll() is not None:
                msg = f"{self.name} ended with {self.process.returncode}: {self.last_words()}"
                raise BenchError(msg)
            if time.monotonic() > deadline:
                msg = f"{self.name} said nothing for {timeout_s:.0f} s: {self.last_words()}"
                raise BenchError(msg)
        frames = socket.recv_multipart()
        at = frames.index(DELIMITER)
        header, parent = json.loads(frames[at + 2]), json.loads(frames[at + 3])
        return Message(header["msg_type"], parent.get("msg_id", ""), frames[at + 5])

    def last_words(self) -> str:
        """Quote the end of what the kernel wrote to its terminal."""
        return self.log.read_text(errors="replace")[-600:] or "(nothing in its log)"

    def reply(self, msg_id: str, timeout_s: float = TIMEOUT_S, *, control: bool = False) -> Content:
        """Wait for the reply to one request, and return its content."""
        socket = self.control if control else self.shell
        while (message := self.receive(socket, timeout_s)).parent != msg_id:
            pass
        return message.content

    def outputs(self, msg_id: str, timeout_s: float = TIMEOUT_S) -> Iterator[Message]:
        """Go through what one request publishes, up to and without its `idle`."""
        while True:
            message = self.receive(self.iopub, timeout_s)
            if message.parent != msg_id:
                continue
            if message.kind == "status" and message.content["execution_state"] == "idle":
                return
            yield message

    def run(self, code: str, timeout_s: float = TIMEOUT_S) -> Content:
        """Run a cell to its end and return the reply; the output is thrown away."""
        msg_id = self.execute(code)
        for _ in self.outputs(msg_id, timeout_s):
            pass
        return self.reply(msg_id, timeout_s)

    def run_ok(self, code: str, timeout_s: float = TIMEOUT_S) -> None:
        """Run a cell that has to succeed."""
        content = self.run(code, timeout_s)
        if content["status"] != "ok":
            reason = f"{content.get('ename')}: {content.get('evalue')}"
            msg = f"{self.name}: {code[:60]!r} failed: {reason}"
            raise BenchError(msg)

    def settle(self) -> None:
        """Wait until requests are answered and what they publish arrives."""
        self.reply(self.send("kernel_info_request", {}))
        for _ in range(100):  # the subscription may take effect after the first few
            msg_id = self.send("kernel_info_request", {})
            self.reply(msg_id)
            while self.iopub.poll(100):
                if self.receive(self.iopub).parent == msg_id:
                    self._drain()
                    return
        msg = f"{self.name} publishes nothing"
        raise BenchError(msg)

    def _drain(self) -> None:
        while self.iopub.poll(50):
            self.iopub.recv_multipart()

    def stop(self) -> None:
        """Ask the kernel to leave, and see to it that it does."""
        if self.process.poll() is None:
            self.send("shutdown_request", {"restart": False}, control=True)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                processes.end(self.process.pid)
                self.process.wait(10)
        self._context.destroy(linger=0)


def environment(home: Path) -> dict[str, str]:
    """Keep the user's profile and history out of it, and end the kernel if this process ends."""
    return {
        **os.environ,
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JPY_PARENT_PID": str(os.getpid()),
    }


@dataclass(frozen=True)
class Bench:
    """One run of the bench: how thorough, and where its kernels live.

    Parameters
    ----------
    home
        Folder shared by all kernels of the run: IPython's profile is there from the second start
        on, as it is for a person who starts their second notebook.
    quick
        Fewer repetitions, for a look rather than for a report.
    """

    home: Path
    quick: bool = False

    def times(self, full: int, quick: int) -> int:
        """Choose a number of repetitions."""
        return quick if self.quick else full

    def kernel(self, name: str) -> Kernel:
        """Start a kernel of this name."""
        folder = self.home / "work"
        folder.mkdir(exist_ok=True)
        return Kernel(name, folder, self.home)
