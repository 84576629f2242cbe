"""The worker: a stock ipykernel whose sockets never leave the process.

ipykernel binds its ROUTER and XPUB sockets to ``inproc://`` names, so nothing in the jail listens
anywhere; one thread, the bridge, carries messages between those sockets and the wall. Everything a
kernel can do comes from ipykernel itself; nothing is re-implemented here.

What crosses the wall is ``header, parent_header, metadata, content, *buffers``: routing identities
and signatures belong to the trusted side.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import Any

import zmq

from . import deferred, frames

__all__ = ["run"]

_DELIMITER = b"<IDS|MSG>"
_NAMES = ("shell", "control", "stdin", "iopub")
_BACKLOG = 1 << 20
"""Bytes waiting for the wall above which the bridge stops reading from the kernel: a flood of
output then waits in the jail's memory, under the jail's limits, and not in the relay's."""

_THREAD_STACK = 2 << 20


class Bridge(threading.Thread):
    """Carries messages between the wall and the kernel's in-process sockets."""

    # The debugger must not stop the thread that carries its own messages.
    pydev_do_not_trace = True
    is_pydev_daemon_thread = True

    def __init__(self, wall: socket.socket, context: zmq.Context[Any]) -> None:
        super().__init__(name="coderemote bridge", daemon=True)
        self._wall = wall
        self._writer = frames.Writer(wall)
        self._decoder = frames.Decoder(max_frame=1 << 30)
        self._sockets: dict[int, zmq.Socket[Any]] = {}
        for channel, name in enumerate(_NAMES):
            sock = context.socket(zmq.SUB if channel == frames.IOPUB else zmq.DEALER)
            # One identity on shell and stdin: that is how ipykernel finds whom to ask for input.
            sock.setsockopt(zmq.IDENTITY, b"relay")
            sock.set_hwm(0)  # a SUB socket at its mark drops messages in silence
            sock.linger = 0
            if channel == frames.IOPUB:
                sock.subscribe(b"")
            sock.connect(f"inproc://coderemote-{name}")
            self._sockets[channel] = sock

    def run(self) -> None:
        """Carry messages until the wall is closed; that ends the process."""
        self._writer.send(frames.NOTE, [b"ready"])
        try:
            self._carry()
        except OSError:
            pass
        os._exit(0)

    def _carry(self) -> None:
        wall = self._wall.fileno()
        poller = zmq.Poller()
        # Outputs before replies: when a reply is sent, its outputs are already on their way.
        order = [(c, self._sockets[c]) for c in (frames.IOPUB, 0, 1, 2)]
        while True:
            jammed = self._writer.pending > _BACKLOG
            poller.register(wall, zmq.POLLIN | (zmq.POLLOUT if self._writer.pending else 0))
            for _, sock in order:
                poller.register(sock, 0 if jammed else zmq.POLLIN)
            ready = dict(poller.poll())
            if ready.get(wall, 0) & ~zmq.POLLOUT:
                self._inward()
            for channel, sock in order:
                if sock in ready:
                    self._outward(channel, sock)
            self._writer.flush()

    def _inward(self) -> None:
        """Hand what the relay sent to the kernel."""
        data = self._wall.recv(1 << 18)
        if not data:
            raise ConnectionResetError
        for channel, parts in self._decoder.feed(data):
            self._sockets[channel].send_multipart([_DELIMITER, b"", *parts])

    def _outward(self, channel: int, sock: zmq.Socket[Any]) -> None:
        """Queue what the kernel says for the relay."""
        while self._writer.pending <= _BACKLOG:
            try:
                parts = sock.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                start = parts.index(_DELIMITER) + 2
            except ValueError:
                continue
            self._writer.queue(channel, parts[start:])


def _application(options: dict[str, Any]) -> Any:
    """Build ipykernel's application with its sockets kept in the process."""
    from ipykernel.kernelapp import IPKernelApp  # after the stand-ins
    from traitlets.config import Config

    deferred.uninstall()

    class Worker(IPKernelApp):
        """ipykernel without files, ports and heartbeat: the relay has those."""

        def _try_bind_socket(self, s: Any, port: int) -> int:
            name = {
                id(self.shell_socket): "shell",
                id(self.control_socket): "control",
                id(self.stdin_socket): "stdin",
            }.get(id(s), "iopub")
            s.bind(f"inproc://coderemote-{name}")
            return port or 1

        def init_heartbeat(self) -> None:
            self.hb_port = 1

        def init_connection_file(self) -> None:
            self.session.key = b""

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
    _explain_relay_magics(app.shell, options.get("relay_magics", {}))
    return app


def _continue_session(shell: Any, execution_count: int) -> None:
    """Number cells on from where the jail before this one ended; its inputs are not here."""
    shell.execution_count = execution_count
    missing = [""] * (execution_count - 1)
    for inputs in (shell.history_manager.input_hist_parsed, shell.history_manager.input_hist_raw):
        inputs.extend(missing)


def _explain_relay_magics(shell: Any, names: dict[str, str]) -> None:
    """Name the relay's magics here, so that they complete and a misplaced one explains itself."""

    def explain(name: str) -> None:
        def misplaced(_line: str, _cell: str | None = None) -> None:
            where = "It is run outside of the sandbox: put it on the first lines of the cell."
            sys.stderr.write(f"UsageError: %{name} cannot be used here. {where}\n")

        misplaced.__doc__ = names[name]
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


def run(wall_fd: int, options: dict[str, Any]) -> None:
    """Serve as the kernel of one session until the wall closes or the kernel is shut down.

    Parameters
    ----------
    wall_fd
        The inherited end of the wall, a stream socket.
    options
        ``execution_count`` (first cell's number), ``relay_magics`` (name to help line) and
        ``landlock`` (see `landlock.restrict`).
    """
    rules = options.get("landlock")
    if rules:
        from . import landlock  # one tier only

        landlock.restrict(rules)
    # Stacks count as data: at the usual 8 MiB, a hundred idle threads would be the memory limit.
    threading.stack_size(_THREAD_STACK)
    wall = socket.socket(fileno=wall_fd)
    wall.setblocking(False)
    deferred.install()
    app = _application(options)
    Bridge(wall, app.context).start()
    _wake_on_signals()
    app.start()
