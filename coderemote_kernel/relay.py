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
from coderemote_kernel.wire import dumps
from coderemote_sandbox.errors import SandboxError
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from coderemote_kernel.audit import Outcome
    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.requests import Request
    from coderemote_kernel.session import Session
    from coderemote_sandbox.deaths import Cause, Death
    from coderemote_sandbox.jail import Jail

__all__ = ["Relay", "worker_options"]

_log = logging.getLogger(__name__)

_READ = 1 << 18
_PORTIONS = 4  # reads from the wall before the clients have a turn
_WATCHFUL_TICK_S, _BUSY_TICK_S, _IDLE_TICK_S = 0.01, 0.05, 0.5
_HALF_ANSWERED_S = 2.0
_SHUTDOWN_S = 1.0
_MOST_FAILED_STARTS = 3
_START_S = 60.0
_SILENCE_S = 5.0
_TIDY_AFTER_S = 2.0
_OUTCOMES: dict[Cause, Outcome] = {"time": "timeout", "cpu": "timeout", "memory": "memory"}


def worker_options(session_magics: dict[str, str], execution_count: int) -> dict[str, Any]:
    """Return what the worker of a new jail is told."""
    return {"execution_count": execution_count, "relay_magics": session_magics}


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
            send=self._send,
            interrupt=self._interrupt,
            shutdown=self._begin_shutdown,
        )
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
        self._failed_starts = 0
        self._tidy_at = float("inf")
        self._heard = 0.0
        self._shutdown: Request | None = None
        self._shutdown_by = 0.0
        self._leaving = False
        self._half_answered: dict[str, float] = {}
        if session.settings.audit_log:
            from coderemote_kernel.audit import AuditLog

            session.audit = AuditLog(session.settings.audit_log, session.warn)
        if jail is not None:
            self._adopt(jail)

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
                self._died(jail, death)
                return
        if self._writer.pending:
            self._flush(jail)

    def _adopt(self, jail: Jail) -> None:
        """Make `jail` the session's; it may be running already or still be starting."""
        limits = self.session.launcher.plan.limits
        largest = max(limits.rich_output_bytes, limits.text_output_bytes) + (1 << 20)
        self._decoder = frames.Decoder(largest)
        self._writer = frames.Writer(jail.wall)
        self.session.jail = jail
        for descriptor in (jail.wall.fileno(), jail.leash.fileno(), jail.diagnostics):
            self._poller.register(descriptor, zmq.POLLIN)

    def _let_go(self, jail: Jail) -> None:
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
                # The worker closed its end, which an honest one never does; the leash tells when
                # it has ended, and until then there is nothing to hear from it.
                self._poller.unregister(jail.wall.fileno())
                jail.kill("lost", "it closed its connection to the notebook")
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
            self._failed_starts = 0
            self._tidy_at = time.monotonic() + _TIDY_AFTER_S

    def _send(self, channel: int, request: Request) -> None:
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
        self._half_answered.pop(request.msg_id, None)
        if request.channel == "control":
            return
        if request.is_cell and failed and stop:
            self._clients.abort_waiting(request)
        lane = session.lane(request)
        if lane.running is request:
            lane.running = None
        self._clients.advance(request)

    def _interrupt(self) -> None:
        if self.session.jail is not None:
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
        if self.session.jail is not None:
            self._watch(self.session.jail, now)

    def _watch(self, jail: Jail, now: float) -> None:
        """Hold the jail and what runs in it to their limits."""
        active = self.session.table.active()
        if self._decoder.inside and now - self._heard > _SILENCE_S:
            # An honest worker writes whole messages: the rest of this one will not come.
            jail.kill("lost", "it stopped in the middle of a message")
            return
        if not jail.ready and now - jail.started > _START_S:
            jail.kill("start failed", f"it was not ready within {_START_S:g} s")
            return
        measured = self.session.measure()
        limit = self.session.launcher.plan.limits.memory_bytes
        if measured is not None and jail.cgroup is None and 2 * measured.memory_bytes > limit:
            # Nobody but this loop holds the jail to its memory: look more often as it fills.
            self._next_tick = now + _WATCHFUL_TICK_S
        for request in active:
            if measured is not None:
                request.peak_bytes = max(request.peak_bytes, measured.peak_bytes)
            if request.is_cell and jail.ready:
                used = measured.cpu_ns - request.cpu_ns_before if measured is not None else 0
                self._hold_to_limits(jail, request, now, used / 1e9)
            if request.replied != request.idle:
                self._force_end(request, now)

    def _hold_to_limits(self, jail: Jail, request: Request, now: float, cpu_s: float) -> None:
        limits = self.session.launcher.plan.limits
        if request.stopped_for:
            if now - request.interrupted_at > limits.interrupt_grace_s and not request.replied:
                time_s, cpu_s = limits.cell_timeout_s, limits.cpu_time_s
                allowed_s = time_s if request.stopped_for == "time" else cpu_s
                jail.kill(request.stopped_for, f"limit {allowed_s:g} s")
            return
        if 0 < limits.cell_timeout_s < request.running_s(now):
            request.stopped_for = "time"
        elif 0 < limits.cpu_time_s < cpu_s:
            request.stopped_for = "cpu"
        if request.stopped_for:
            request.interrupted_at = now
            jail.interrupt()

    def _force_end(self, request: Request, now: float) -> None:
        """End a request that is answered but not ended, or ended but not answered.

        A hostile worker can leave it at that; a stock one does when it cannot read the request.
        Neither may block the notebook.
        """
        since = self._half_answered.setdefault(request.msg_id, now)
        if now - since < _HALF_ANSWERED_S:
            return
        self.session.reject("half an answer")
        if not request.replied:
            request.replied, request.outcome = True, "error"
            text = "the sandbox gave no answer to this request; see whether it is complete"
            error = {"ename": "NoAnswer", "evalue": text, "traceback": [text]}
            self._out.reply(request, {"status": "error", **error})
        if not request.idle:
            request.idle = True
            self._out.status("idle", request.message.raw_header)
        self._ended(request)

    def _died(self, jail: Jail, death: Death) -> None:
        """Answer for what the dead jail leaves open and start the next one."""
        session = self.session
        _log.info("the jail ended: %s", death.sentence())
        if death.cause == "start failed":
            self._start_failed(jail, death)
            return
        open_requests = session.table.active()
        self._close_comms()
        self._let_go(jail)
        if self._shutdown is not None:
            self._finish_shutdown()
            return
        kept = f"Variables are gone; history{self._kept_files()} are kept"
        told = False
        for request in open_requests:
            told |= self._answer_for(request, death, kept)
        if not told:
            session.warn(f"The sandbox was restarted: {death.sentence()}. {kept}.")
        self._restart()
        for request in open_requests:
            if request.is_cell and request.content.get("stop_on_error", True):
                self._clients.abort_waiting(request)
        self._forget(open_requests)

    def _kept_files(self) -> str:
        return " and files" if self.session.launcher.plan.folder is not None else " and /workspace"

    def _forget(self, requests: list[Request]) -> None:
        """Free the lanes of requests that died with their jail; subshells died with it too."""
        session = self.session
        session.table.clear()
        self._half_answered.clear()
        for lane in session.lanes.values():
            lane.running = None
        session.lanes = {
            name: lane for name, lane in session.lanes.items() if name is None or lane.waiting
        }
        for request in requests:
            self._clients.advance(request)
        for lane in list(session.lanes.values()):
            if lane.waiting:
                self._clients.advance(lane.waiting[0])

    def _answer_for(self, request: Request, death: Death, kept: str) -> bool:
        """Answer a request that its jail cannot answer any more; True if the user was told."""
        parent = request.message.raw_header
        told = False
        error: dict[str, Any] = {
            "ename": death.error_name,
            "evalue": f"{death.sentence()}. {kept}.",
        }
        error["traceback"] = [f"\x1b[31m{death.error_name}\x1b[0m: {error['evalue']}"]
        if request.is_cell and not request.replied:
            request.outcome = _OUTCOMES.get(death.cause, "died")
            self._worker.echo(request, self.session.execution_count + int(request.stores_history))
            self._out.publish("error", parent, error)
            count = self.session.execution_count
            reply = {"status": "error", "execution_count": count, "user_expressions": {}}
            metadata = dumps(
                {"coderemote": {**self.session.account(request), "death": death.cause}}
            )
            self._out.reply(request, {**reply, "payload": [], **error}, metadata=metadata)
            told = True
        elif not request.replied:
            self._out.reply(request, {"status": "error", **error})
        if not request.idle:
            self._out.status("idle", parent)
        request.finished = True
        return told

    def _close_comms(self) -> None:
        """Tell the clients that the widgets of the dead jail are dead."""
        for comm_id in self.session.policy.open_comms():
            self._out.publish("comm_close", b"{}", {"comm_id": comm_id, "data": {}})
        self.session.policy.forget_comms()

    def _start_failed(self, jail: Jail, death: Death) -> None:
        session = self.session
        launcher = session.launcher
        self._let_go(jail)
        if launcher.fall_back(death):
            self._restart()
            return
        self._failed_starts += 1
        if self._failed_starts < _MOST_FAILED_STARTS and launcher.started > self._failed_starts:
            self._restart()  # it worked before: something passing may be in the way
            return
        self._give_up(launcher.explain(death))

    def _restart(self) -> None:
        """Start a fresh jail, with the cells numbered on."""
        session = self.session
        try:
            self._adopt(
                session.launcher.start(
                    worker_options(magic_summaries(session), session.execution_count + 1)
                )
            )
        except SandboxError as error:
            self._give_up(error)
            return
        # What a jail that never came up was given was never run: give it to this one.
        for request in session.table.active():
            channel = frames.CONTROL if request.channel == "control" else frames.SHELL
            if not request.finished:
                self._send(channel, request)

    def _give_up(self, problem: SandboxError) -> None:
        """No jail can be had any more: answer everything with the reason."""
        session = self.session
        session.problem = problem
        _log.error("the sandbox is not available: %s", problem)
        open_requests = session.table.active()
        for request in open_requests:
            lane = session.lane(request)
            if request.channel == "shell":
                lane.running = None
                lane.waiting.appendleft(request)
            else:
                error = {"ename": "SandboxUnavailable", "evalue": str(problem), "traceback": []}
                self._out.reply(request, {"status": "error", **error})
                self._out.status("idle", request.message.raw_header)
        session.table.clear()
        for lane in list(session.lanes.values()):
            if lane.waiting:
                self._clients.advance(lane.waiting[0])

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
            self._let_go(self.session.jail)
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
            self._let_go(session.jail)
        session.launcher.close()
        session.history.close()
        if session.audit is not None:
            session.audit.close()
        self._out.close()


def magic_summaries(session: Session) -> dict[str, str]:
    """Return the relay's magics and the first line of their help, for the worker's completion."""
    return {magic.name: magic.help_text().strip().partition("\n")[0] for magic in session.registry}
