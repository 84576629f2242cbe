"""The worker: a stock ipykernel whose sockets never leave the process.

ipykernel binds its ROUTER and XPUB sockets to ``inproc://`` names, so nothing in the jail listens
anywhere; one thread, the bridge, carries messages between those sockets and the wall. Everything a
kernel can do comes from ipykernel itself; nothing is re-implemented here.

What crosses the wall is ``header, parent_header, metadata, content, *buffers``: routing identities
and signatures belong to the trusted side.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import zmq

from . import deferred, frames

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_DELIMITER = b"<IDS|MSG>"
_NAMES = ("shell", "control", "stdin")
_THREAD_STACK = 2 << 20
_LONG_TEXT = 1 << 16
_PIECE = 1 << 18


class Wall:
    """The worker's end of the wall; any thread may write to it.

    Writing waits until the relay has read: a flood of output waits in the jail's memory, under the
    jail's limits, and not in the relay's. That cannot deadlock, because the relay never waits.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._writer = frames.Writer(sock)
        self._lock = threading.Lock()
        self._room = select.poll()
        self._room.register(sock, select.POLLOUT)

    def send(self, channel: int, parts: list[bytes]) -> None:
        """Write one frame; a relay that is gone ends the process."""
        try:
            with self._lock:
                self._writer.send(channel, parts)
                while self._writer.pending:
                    self._room.poll()
                    self._writer.flush()
        except OSError:
            os._exit(0)


class OutputSocket:
    """What ipykernel's output thread takes for its PUB socket: it writes straight to the wall."""

    closed = False

    def __init__(self, wall: Wall, context: zmq.Context[Any]) -> None:
        self._wall = wall
        self.context = context

    def send_multipart(self, parts: list[Any], *_: Any, **__: Any) -> None:
        """Send one output; its topic and signature stay here."""
        start = parts.index(_DELIMITER) + 2
        self._wall.send(frames.IOPUB, [getattr(part, "buffer", part) for part in parts[start:]])

    def close(self, *_: Any) -> None:
        """Do nothing: the wall outlives the output thread."""


class Bridge(threading.Thread):
    """Carries requests and replies between the wall and the kernel's in-process sockets."""

    # The debugger must not stop the thread that carries its own messages.
    pydev_do_not_trace = True
    is_pydev_daemon_thread = True

    def __init__(self, wall: Wall, context: zmq.Context[Any]) -> None:
        super().__init__(name="coderemote bridge", daemon=True)
        self._wall = wall
        self._decoder = frames.Decoder(max_frame=1 << 30)
        self._sockets: dict[int, zmq.Socket[Any]] = {}
        for channel, name in enumerate(_NAMES):
            sock = context.socket(zmq.DEALER)
            # One identity on shell and stdin: that is how ipykernel finds whom to ask for input.
            sock.setsockopt(zmq.IDENTITY, b"relay")
            sock.set_hwm(0)
            sock.linger = 0
            sock.connect(f"inproc://coderemote-{name}")
            self._sockets[channel] = sock

    def run(self) -> None:
        """Carry messages until the wall is closed; that ends the process."""
        self._wall.send(frames.NOTE, [b"ready"])
        with contextlib.suppress(OSError):
            self._carry()
        os._exit(0)

    def _carry(self) -> None:
        wall = self._wall.sock.fileno()
        poller = zmq.Poller()
        for source in (wall, *self._sockets.values()):
            poller.register(source, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if wall in ready:
                self._inward()
            for channel, sock in self._sockets.items():
                if sock in ready:
                    self._outward(channel, sock)

    def _inward(self) -> None:
        """Hand what the relay sent to the kernel."""
        data = self._wall.sock.recv(1 << 18)
        if not data:
            raise ConnectionResetError
        for channel, parts in self._decoder.feed(data):
            self._sockets[channel].send_multipart([_DELIMITER, b"", *parts])

    def _outward(self, channel: int, sock: zmq.Socket[Any]) -> None:
        """Hand what the kernel answers to the relay."""
        parts = sock.recv_multipart()
        if _DELIMITER in parts:
            self._wall.send(channel, parts[parts.index(_DELIMITER) + 2 :])


def _pack_with(pack: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Return `pack`, but with orjson for long text: four times as fast, where there is orjson."""

    def pack_text(content: Any) -> bytes:
        if isinstance(content, dict) and len(content.get("text") or "") > _LONG_TEXT:
            try:
                import orjson

                return orjson.dumps(content)
            except (ImportError, TypeError):
                pass
        return pack(content)

    return pack_text


def _send_in_pieces(send: Callable[..., Any]) -> Callable[..., Any]:
    """Return `send`, but with long text cut: the relay reads one piece while the next is made."""

    def send_pieces(stream: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        printed = isinstance(message, dict) and message.get("msg_type") == "stream"
        content = message["content"] if printed else {}
        text = content.get("text", "")
        start = 0
        while len(text) - start > _PIECE:
            piece = {**content, "text": text[start : start + _PIECE]}
            send(stream, {**message, "content": piece}, *args, **kwargs)
            start += _PIECE
        if start:
            message = {**message, "content": {**content, "text": text[start:]}}
        return send(stream, message, *args, **kwargs)

    return send_pieces


def _application(wall: Wall, options: dict[str, Any]) -> Any:
    """Build ipykernel's application with its sockets kept in the process."""
    from ipykernel.iostream import IOPubThread  # after the stand-ins
    from ipykernel.kernelapp import IPKernelApp
    from traitlets import Type
    from traitlets.config import Config

    deferred.uninstall()

    class Worker(IPKernelApp):
        """ipykernel without files, ports and heartbeat: the relay has those."""

        # By default a client class, which would bring in all of jupyter_client; a kernel has none.
        blocking_class = Type(object, klass=object)

        def _try_bind_socket(self, s: Any, port: int) -> int:
            sockets = (self.shell_socket, self.control_socket, self.stdin_socket)
            s.bind(f"inproc://coderemote-{_NAMES[sockets.index(s)]}")
            return port or 1

        def init_iopub(self, context: Any) -> None:
            self.iopub_port = 1
            self.configure_tornado_logger()  # type: ignore[no-untyped-call]
            output = OutputSocket(wall, context)
            self.iopub_thread = IOPubThread(  # type: ignore[no-untyped-call]
                output, pipe=True, session=self.session
            )
            self.iopub_thread.start()  # type: ignore[no-untyped-call]
            self.iopub_socket = self.iopub_thread.background_socket

        def init_heartbeat(self) -> None:
            self.hb_port = 1

        def init_connection_file(self) -> None:
            self.session.key = b""
            self.session.pack = _pack_with(self.session.pack)
            self.session.send = _send_in_pieces(self.session.send)

        def write_connection_file(self, **_: Any) -> None:
            pass

        def cleanup_connection_file(self) -> None:
            pass

        def log_connection_info(self) -> None:
            self._ports = {}

    config = Config()
    config.HistoryManager.enabled = False  # the relay keeps history; it outlives the jail
    config.IPKernelApp.transport = "ipc"
    config.IPKernelApp.log_level = 50
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    app = Worker.instance(config=config)
    app.initialize([])  # type: ignore[no-untyped-call]
    if "" not in sys.path:
        sys.path.insert(0, "")  # -I left it out for the start; modules beside the notebook need it
    _continue_session(app.shell, int(options.get("execution_count", 1)))
    _explain_relay_magics(app.shell, options.get("relay_magics", []))
    return app


def _continue_session(shell: Any, execution_count: int) -> None:
    """Go on numbering cells where the jail before this one ended; its inputs are not here."""
    shell.execution_count = execution_count
    missing = [""] * (execution_count - 1)
    for inputs in (shell.history_manager.input_hist_parsed, shell.history_manager.input_hist_raw):
        inputs.extend(missing)


def _explain_relay_magics(shell: Any, names: list[str]) -> None:
    """Name the relay's magics here, so that they complete and a misplaced one explains itself."""

    def explain(name: str) -> None:
        def misplaced(_line: str, _cell: str | None = None) -> None:
            where = "It is run outside of the sandbox: put it on the first lines of the cell."
            sys.stderr.write(f"UsageError: %{name} cannot be used here. {where}\n")

        misplaced.__doc__ = f"Run by coderemote outside of the sandbox; see %{name} --help."
        shell.register_magic_function(misplaced, "line_cell", name)

    for name in names:
        explain(name)


def _wake_on_signals() -> None:
    """Let a signal wake the event loop, so that an awaiting cell is interrupted at once.

    ipykernel's handler adds a callback to a loop that sleeps on; it would be looked at only when
    the next message comes.
    """
    from tornado.ioloop import IOLoop

    awake, signalled = socket.socketpair()
    for end in (awake, signalled):
        end.setblocking(False)

    def drain(end: socket.socket, _events: int) -> None:
        end.recv(4096)

    IOLoop.current().add_handler(awake, drain, IOLoop.READ)
    signal.set_wakeup_fd(signalled.detach(), warn_on_full_buffer=False)


def run(wall_fd: int, told: str) -> None:
    """Serve as the kernel of one session until the wall closes or the kernel is shut down.

    Parameters
    ----------
    wall_fd
        The inherited end of the wall, a stream socket.
    told
        Options as JSON: ``execution_count`` (first cell's number), ``relay_magics``
        (their names) and ``landlock`` (see `landlock.restrict`).
    """
    options: dict[str, Any] = json.loads(told)
    rules = options.get("landlock")
    if rules:
        from . import landlock  # one tier only

        landlock.restrict(rules)
    # Stacks count as data: at the usual 8 MiB, a hundred idle threads would be the memory limit.
    threading.stack_size(_THREAD_STACK)
    sock = socket.socket(fileno=wall_fd)
    sock.setblocking(False)
    wall = Wall(sock)
    deferred.install()
    app = _application(wall, options)
    Bridge(wall, app.context).start()
    _wake_on_signals()
    app.start()
