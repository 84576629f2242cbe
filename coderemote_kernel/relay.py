"""The relay: one loop between the clients' sockets and the wall of the jail.

Everything happens in one thread and nothing in it waits: what is slow (disk, audit) has threads of
its own, and a worker that floods is read in portions, between which clients are heard.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import zmq

from coderemote_kernel.from_client import FromClient
from coderemote_kernel.from_worker import FromWorker
from coderemote_kernel.recovery import Recovery
from coderemote_kernel.watch import Watch
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.requests import Request
    from coderemote_kernel.session import Session
    from coderemote_sandbox.deaths import Death
    from coderemote_sandbox.jail import Jail

__all__ = ["Relay"]

_log = logging.getLogger(__name__)

_READ = 1 << 18
_PORTIONS = 4  # reads from the wall before the clients have a turn
_WATCHFUL_TICK_S, _BUSY_TICK_S, _IDLE_TICK_S = 0.01, 0.05, 0.5
_SHUTDOWN_S = 1.0
_TIDY_AFTER_S = 0.3
_LAST_WORDS_S = 0.5


class Relay:
    """Serves one kernel from its first request to its shutdown.

    Parameters
    ----------
    session
        Its state; ``session.problem`` is set if there is no jail.
    out
        The clients' sockets, bound.
    jail
        A jail that was started already, or None if that failed.
    """

    def __init__(self, session: Session, out: Publisher, jail: Jail | None) -> None:
        self.session = session
        self._out = out
        self._worker = FromWorker(session, self._out, self._ended)
        self._clients = FromClient(
            session,
            self._out,
            send=self.send,
            interrupt=self._interrupt,
            shutdown=self._begin_shutdown,
        )
        self._watch = Watch(session, out, self._ended)
        self._recovery = Recovery(session, out, self, (self._clients, self._worker))
        self._poller = zmq.Poller()
        self._sockets = {
            self._out.control: "control",
            self._out.shell: "shell",
            self._out.stdin: "stdin",
        }
        for sock in (*self._sockets, self._out.iopub):
            self._poller.register(sock, zmq.POLLIN)
        self._parent = int(os.environ.get("JPY_PARENT_PID") or 0)
        self._next_tick = 0.0
        self._tidy_at = float("inf")
        self._heard = 0.0
        self._closed_at = 0.0
        self._shutdown: Request | None = None
        self._shutdown_by = 0.0
        self._leaving = False
        if session.settings.audit_log:
            from coderemote_kernel.audit import AuditLog

            session.audit = AuditLog(session.settings.audit_log, session.warn)
        if jail is not None:
            self.adopt(jail)

    def run(self) -> None:
        """Serve until shut down."""
        signal.signal(signal.SIGINT, lambda *_: self._interrupt())
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        try:
            while not self._leaving:
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            self._tick(now)
        ready = dict(self._poller.poll(int(max(self._next_tick - now, 0) * 1000) + 1))
        for sock, channel in self._sockets.items():
            if sock in ready:
                self._clients.read(sock, channel)
        if self._out.iopub in ready:
            self._out.welcome()
        jail = self.session.jail
        if jail is not None:
            self._serve(jail, ready)

    def _serve(self, jail: Jail, ready: dict[Any, int]) -> None:
        if ready.get(jail.diagnostics) and not jail.read_diagnostics():
            self._poller.unregister(jail.diagnostics)
        if ready.get(jail.wall.fileno()):
            self._read_wall(jail)
        if ready.get(jail.leash.fileno()):
            death = jail.read_leash()
            if death is not None:
                self._read_rest(jail)
                self._ended_with(jail, death)
                return
        if self._writer.pending:
            self._flush(jail)

    def adopt(self, jail: Jail) -> None:
        """Make `jail` the session's; it may be running already or still be starting."""
        limits = self.session.launcher.plan.limits
        largest = max(limits.rich_output_bytes, limits.text_output_bytes) + (1 << 20)
        self._decoder = frames.Decoder(largest)
        self._writer = frames.Writer(jail.wall)
        self._closed_at = 0.0
        self.session.jail = jail
        for descriptor in (jail.wall.fileno(), jail.leash.fileno(), jail.diagnostics):
            self._poller.register(descriptor, zmq.POLLIN)

    def let_go(self, jail: Jail) -> None:
        """Close a jail and take it out of the loop."""
        for descriptor in (jail.wall.fileno(), jail.leash.fileno(), jail.diagnostics):
            if descriptor in self._poller:
                self._poller.unregister(descriptor)
        self.session.jail_ended()
        jail.close()
        self.session.jail = None

    def _read_wall(self, jail: Jail) -> None:
        for _ in range(_PORTIONS):
            count = self._receive(jail)
            if count < 0:
                return
            if not count:
                # Its end is near: the leash will say why, a moment earlier or later.
                self._poller.unregister(jail.wall.fileno())
                self._closed_at = time.monotonic()
                self._next_tick = self._closed_at + _LAST_WORDS_S
                return

    def _read_rest(self, jail: Jail) -> None:
        """Read what a dead worker said last: its tracebacks matter most."""
        deadline = time.monotonic() + 1
        while jail.wall.fileno() in self._poller and time.monotonic() < deadline:
            if self._receive(jail) <= 0:
                return

    def _receive(self, jail: Jail) -> int:
        """Take one portion from the wall; return its size, 0 at the end, -1 if there is none."""
        space = self._decoder.space()
        try:
            if space is not None:
                count = jail.wall.recv_into(space)
                space.release()
                found = self._decoder.filled(count)
            else:
                data = jail.wall.recv(_READ)
                count = len(data)
                found = self._decoder.feed(data)
        except BlockingIOError:
            return -1
        except OSError:
            return 0
        self._heard = time.monotonic()
        for frame in found:
            if frame.channel == frames.NOTE:
                self._note(jail, frame.parts)
            else:
                self._worker.handle(frame)
        return count

    def _note(self, jail: Jail, parts: list[bytes | memoryview]) -> None:
        if parts == [b"ready"] and not jail.ready:
            jail.ready = True
            self._recovery.started()
            self._tidy_at = time.monotonic() + _TIDY_AFTER_S

    def send(self, channel: int, request: Request) -> None:
        """Hand a request to the worker, and remember that it was."""
        jail = self.session.jail
        if jail is None:
            return
        if channel != frames.STDIN:
            self.session.table.sent(request)
        try:
            self._writer.send(
                channel, self._out.signer.for_worker(request.message, request.forward)
            )
        except OSError:
            return  # it is dead; the leash will say so
        if self._writer.pending:
            self._poller.register(jail.wall.fileno(), zmq.POLLIN | zmq.POLLOUT)
        self._next_tick = min(self._next_tick, time.monotonic() + _BUSY_TICK_S)

    def _flush(self, jail: Jail) -> None:
        try:
            self._writer.flush()
        except OSError:
            return
        if not self._writer.pending and jail.wall.fileno() in self._poller:
            self._poller.register(jail.wall.fileno(), zmq.POLLIN)

    def _ended(self, request: Request) -> None:
        """Close a request that is answered and whose outputs have come; start the next."""
        session = self.session
        if request.finished:
            return
        failed = request.outcome != "ok"
        stop = bool(request.content.get("stop_on_error", True)) and not request.silent
        session.table.finish(request)
        self._watch.forget(request)
        if request.channel == "control":
            return
        if request.is_cell and failed and stop:
            self._clients.abort_waiting(request)
        lane = session.lane(request)
        if lane.running is request:
            lane.running = None
        self._clients.advance(request)

    def _interrupt(self) -> None:
        cells = [request for request in self.session.table.active() if request.is_cell]
        for cell in cells:
            cell.interrupted = True
        if cells and self.session.jail is not None:
            self.session.jail.interrupt()

    def _tick(self, now: float) -> None:
        """Do what depends on time: limits, grace periods, a parent that is gone."""
        self._next_tick = now + (_BUSY_TICK_S if self.session.table.active() else _IDLE_TICK_S)
        if self._parent > 1 and os.getppid() != self._parent:
            _log.warning("the process that started this kernel is gone")
            self._leave()
        if self._shutdown is not None and now > self._shutdown_by:
            self._finish_shutdown()
        if now > self._tidy_at:
            self._tidy_at = float("inf")
            self.session.launcher.tidy()
        jail = self.session.jail
        if jail is not None:
            if self._closed_at and now - self._closed_at >= _LAST_WORDS_S:
                # Nothing was said: the worker hung up, which an honest one never does.
                jail.kill("lost", "it closed its connection to the notebook")
            waiting_s = now - self._heard if self._decoder.inside else 0.0
            if self._watch.look(jail, now, waiting_s=waiting_s):
                self._next_tick = now + _WATCHFUL_TICK_S

    def _ended_with(self, jail: Jail, death: Death) -> None:
        self._watch.forget()
        if self._shutdown is not None:
            self._recovery.bury(jail)
            self._finish_shutdown()
        else:
            self._recovery.recover(jail, death)

    def _begin_shutdown(self, request: Request) -> None:
        """Let the worker run its exit handlers for a moment, then answer and leave."""
        self._shutdown = request
        self.session.leaving = True
        self._shutdown_by = time.monotonic() + _SHUTDOWN_S
        self._next_tick = 0.0
        self._out.status("busy", request.message.raw_header)
        jail = self.session.jail
        if jail is None or not jail.ready:
            self._finish_shutdown()
            return
        self._writer.send(frames.CONTROL, self._out.signer.for_worker(request.message))
        self._next_tick = self._shutdown_by

    def _finish_shutdown(self) -> None:
        request, self._shutdown = self._shutdown, None
        assert request is not None
        content = {"status": "ok", "restart": bool(request.content.get("restart", False))}
        if self.session.jail is not None:
            self.let_go(self.session.jail)
        self._out.reply(request, content)
        self._out.publish("shutdown_reply", request.message.raw_header, content)
        self._out.status("idle", request.message.raw_header)
        self._leave()

    def _leave(self) -> None:
        self._leaving = True

    def _close(self) -> None:
        """End the jail first, then write what is to be kept."""
        session = self.session
        if session.jail is not None:
            self.let_go(session.jail)
        session.launcher.close()
        session.history.close()
        if session.audit is not None:
            session.audit.close()
        self._out.close()
