"""Requests of clients: what the relay answers itself, what it queues for the worker.

A client is trusted: it holds the connection's key. Requests on the shell channel run one after
another, per subshell; comm messages and the control channel do not wait.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import zmq

from coderemote_kernel import policy as import_policy
from coderemote_kernel.magics import split
from coderemote_kernel.requests import COMM_TYPES, Channel, Request
from coderemote_kernel.wire import ClientMessage, WireError, dumps, parse
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderemote_kernel.magics import MagicCall
    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.session import Session

__all__ = ["FromClient"]

_log = logging.getLogger(__name__)

_SHELL_TYPES = frozenset(
    {
        "execute_request",
        "complete_request",
        "inspect_request",
        "is_complete_request",
        "comm_info_request",
        "kernel_info_request",
    }
)
_CONTROL_TYPES = frozenset(
    {
        "kernel_info_request",
        "debug_request",
        "usage_request",
        "create_subshell_request",
        "delete_subshell_request",
        "list_subshell_request",
    }
)
_AT_ONCE = 64  # messages taken from one socket before the others have a turn


class FromClient:
    """Reads the clients' sockets.

    Parameters
    ----------
    send
        Hands a request to the worker: ``send(channel, request)``.
    interrupt, shutdown
        Do what the control channel asks for; `shutdown` is given the request.
    """

    def __init__(
        self,
        session: Session,
        out: Publisher,
        *,
        send: Callable[[int, Request], None],
        interrupt: Callable[[], None],
        shutdown: Callable[[Request], None],
    ) -> None:
        self._session = session
        self._out = out
        self._send = send
        self._interrupt = interrupt
        self._shutdown = shutdown

    def read(self, sock: zmq.Socket[bytes], channel: str) -> None:
        """Take the requests that wait on one socket."""
        for _ in range(_AT_ONCE):
            try:
                raw = sock.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._take(self._out.signer.read(raw), channel)
            except WireError as problem:
                _log.warning("dropped a message on %s: %s", channel, problem)

    def _take(self, message: ClientMessage, channel: str) -> None:
        if channel == "stdin":
            self._answer_input(message)
            return
        content = parse(message.content, "the content")
        where: Channel = "control" if channel == "control" else "shell"
        request = Request(message, where, content)
        name = request.msg_type
        if name in COMM_TYPES and where == "shell":
            self._comm(request)
        elif name in self._own:
            self._own[name](self, request)
        elif where == "control" and name in _CONTROL_TYPES:
            self._control(request)
        elif name in _SHELL_TYPES:
            self._queue(request)
        else:
            _log.warning("dropped a message of the unknown type %.80s", name)

    def _answered(self, request: Request, content: dict[str, Any]) -> None:
        """Answer at once, as a kernel does: busy, reply, idle."""
        parent = request.message.raw_header
        self._out.status("busy", parent)
        self._out.reply(request, content)
        self._out.status("idle", parent)

    def _history(self, request: Request) -> None:
        self._answered(request, self._session.history.reply(request.content))

    def _connect(self, request: Request) -> None:
        self._answered(request, {"status": "ok", **self._out.ports})

    def _interrupt_request(self, request: Request) -> None:
        self._interrupt()
        self._answered(request, {"status": "ok"})

    def _shutdown_request(self, request: Request) -> None:
        self._shutdown(request)

    _own = {  # noqa: RUF012 - a table of methods
        "history_request": _history,
        "connect_request": _connect,
        "interrupt_request": _interrupt_request,
        "shutdown_request": _shutdown_request,
    }

    def _comm(self, request: Request) -> None:
        """Pass a comm message on at once: a running cell may be waiting for it."""
        session = self._session
        if session.jail is None:
            return
        if request.msg_type == "comm_open":
            session.policy.client_comm_open(request.content)
        elif request.msg_type == "comm_close":
            session.policy.client_comm_close(request.content)
        request.replied = True  # no answer is due, and an end only if no cell is running
        self._send(frames.SHELL, request)

    def _control(self, request: Request) -> None:
        session = self._session
        known = session.kernel_info
        if request.msg_type == "kernel_info_request" and known is not None:
            self._answered(request, known)
        elif session.problem is not None:
            self.unavailable(request)
        else:
            self._send(frames.CONTROL, request)

    def _queue(self, request: Request) -> None:
        session = self._session
        if request.msg_type == "kernel_info_request" and session.kernel_info is not None:
            self._answered(request, session.kernel_info)
            return
        if request.is_cell:
            code = request.content.get("code")
            if not isinstance(code, str):
                _log.warning("dropped an execute_request without code")
                return
            request.code = code
        session.lane(request).waiting.append(request)
        self.advance(request)

    def advance(self, request: Request) -> None:
        """Start what is next in the lane of `request`, if nothing runs in it."""
        lane = self._session.lane(request)
        while lane.running is None and lane.waiting:
            following = lane.waiting.popleft()
            if self._session.problem is not None:
                self.unavailable(following)
            elif self._begin(following):
                lane.running = following

    def abort_waiting(self, request: Request) -> None:
        """Give up the cells that wait behind one that failed, as the stock kernel does."""
        lane = self._session.lane(request)
        kept = [waiting for waiting in lane.waiting if not waiting.is_cell]
        aborted = [waiting for waiting in lane.waiting if waiting.is_cell]
        lane.waiting.clear()
        lane.waiting.extend(kept)
        for cell in aborted:
            self._answered(cell, {"status": "aborted"})

    def _begin(self, request: Request) -> bool:
        """Hand a queued request to the worker; False if it was answered without it."""
        session = self._session
        if request.is_cell:
            calls: list[MagicCall] = []
            rest = request.code
            if "%" in rest or "?" in rest:
                calls, rest = split(rest, session.registry)
            if not self._allowed(request, rest) or not self._run_magics(request, calls, rest):
                return False
            session.launcher.refresh()
            session.begin_accounting(request)
            if request.stores_history:
                # Before it runs: a cell that takes the sandbox down is still in the history.
                session.history.record(session.execution_count + 1, request.code)
        self._send(frames.SHELL, request)
        if session.notice and request.is_cell and not request.silent:
            text, session.notice = session.notice, ""
            self._out.publish(
                "stream",
                request.message.raw_header,
                {"name": "stderr", "text": f"[coderemote] {text}\n"},
            )
        return True

    def _allowed(self, request: Request, code: str) -> bool:
        """Check the import policy on `code`; answer with all that is wrong, if anything is."""
        settings = self._session.settings
        if settings.import_policy == "open":
            return True
        extra = settings.extra_allowed_imports
        found = import_policy.check(code, settings.import_policy, extra)
        if not found:
            return True
        allowed = import_policy.allowed_modules(extra)
        request.outcome = "policy"
        self.fail(request, *import_policy.as_error(found, allowed))
        return False

    def _run_magics(self, request: Request, calls: list[MagicCall], rest: str) -> bool:
        """Run the relay's magics at the head of a cell; answer for the cell if one fails."""
        if not calls:
            return True
        for call in calls:
            result = self._session.registry.run(call, self._session)
            if result.error is not None:
                name, _, text = result.error.partition(": ")
                self.fail(request, name, text, [result.error])
                return False
            request.magics.append(result)
        # A cell of magics alone still counts as one: let the worker run nothing.
        code = rest if rest.strip() else "pass"
        request.forward = dumps({**request.content, "code": code})
        return True

    def fail(self, request: Request, name: str, value: str, trace: list[str]) -> None:
        """Answer for a cell that is not run: its echo, the error, the reply."""
        out, session = self._out, self._session
        parent = request.message.raw_header
        count = session.execution_count + 1
        out.status("busy", parent)
        if not request.silent:
            out.publish("execute_input", parent, {"code": request.code, "execution_count": count})
        error = {"ename": name, "evalue": value, "traceback": trace}
        out.publish("error", parent, error)
        reply = {"status": "error", "execution_count": count, "user_expressions": {}, "payload": []}
        request.sent_at = time.monotonic()
        session.begin_accounting(request)
        if request.outcome == "ok":
            request.outcome = "error"
        metadata = dumps({"coderemote": session.account(request)})
        out.reply(request, {**reply, **error}, metadata=metadata)
        out.status("idle", parent)
        if request.content.get("stop_on_error", True) and not request.silent:
            self.abort_waiting(request)

    def unavailable(self, request: Request) -> None:
        """Say why nothing runs here; a session without its walls runs nothing."""
        problem = str(self._session.problem)
        if request.is_cell:
            text = f"The sandbox is not available, so nothing was run. {problem}"
            self.fail(request, "SandboxUnavailable", problem, [text])
        elif request.msg_type == "kernel_info_request":
            self._answered(request, _minimal_info(problem))
        else:
            error = {"ename": "SandboxUnavailable", "evalue": problem, "traceback": []}
            self._answered(request, {"status": "error", **error})

    def _answer_input(self, message: ClientMessage) -> None:
        """Pass a line of input on to the cell that asked for it, and to no other."""
        if message.header["msg_type"] != "input_reply":
            return
        for request in self._session.table.active():
            if request.input_since and request.message.idents == message.idents:
                now = time.monotonic()
                request.waited_s += now - request.input_since
                request.input_since = 0.0
                self._send(frames.STDIN, Request(message, "shell", {}))
                return
        _log.warning("dropped input that no cell is waiting for")


def _minimal_info(problem: str) -> dict[str, Any]:
    """Introduce a kernel that will not run anything, so that a client can show why."""
    return {
        "status": "ok",
        "protocol_version": "5.4",
        "implementation": "coderemote",
        "implementation_version": "",
        "language_info": {
            "name": "python",
            "version": "3",
            "mimetype": "text/x-python",
            "file_extension": ".py",
            "pygments_lexer": "ipython3",
            "codemirror_mode": {"name": "ipython", "version": 3},
        },
        "banner": f"The sandbox is not available: {problem}",
        "help_links": [],
        "supported_features": [],
    }
