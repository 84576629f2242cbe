"""After a death: answer what is open, start the next jail, say what is gone and what is kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from coderemote_kernel.wire import dumps
from coderemote_sandbox.errors import SandboxError
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from coderemote_kernel.audit import Outcome
    from coderemote_kernel.from_client import FromClient
    from coderemote_kernel.from_worker import FromWorker
    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.requests import Request
    from coderemote_kernel.session import Session
    from coderemote_sandbox.deaths import Cause, Death
    from coderemote_sandbox.jail import Jail

__all__ = ["Recovery"]

_log = logging.getLogger(__name__)

_MOST_FAILED_STARTS = 3
_OUTCOMES: dict[Cause, Outcome] = {"time": "timeout", "cpu": "timeout", "memory": "memory"}


class Holder(Protocol):
    """Who holds the session's jail: the relay."""

    def adopt(self, jail: Jail) -> None:
        """Make `jail` the session's."""

    def let_go(self, jail: Jail) -> None:
        """Close a jail that has ended."""

    def send(self, channel: int, request: Request) -> None:
        """Hand a request to the worker."""


class Recovery:
    """Brings a session from a dead jail to the next one."""

    def __init__(
        self, session: Session, out: Publisher, holder: Holder, sides: tuple[FromClient, FromWorker]
    ) -> None:
        self._session = session
        self._out = out
        self._holder = holder
        self._clients, self._worker = sides
        self._failed_starts = 0

    def started(self) -> None:
        """Note that a jail came up."""
        self._failed_starts = 0

    def recover(self, jail: Jail, death: Death) -> None:
        """Answer for what the dead jail leaves open and start the next one."""
        session = self._session
        _log.info("the jail ended: %s", death.sentence())
        if death.cause == "start failed":
            self._start_failed(jail, death)
            return
        open_requests = session.table.active()
        self.bury(jail)
        kept = f"Variables are gone; history{self._kept_files()} are kept"
        told = False
        for request in open_requests:
            if request.msg_type != "kernel_info_request":
                told |= self._answer_for(request, death, kept)
        if not told:
            session.warn(f"The sandbox was restarted: {death.sentence()}. {kept}.")
        for request in open_requests:
            if request.is_cell and request.content.get("stop_on_error", True):
                self._clients.abort_waiting(request)
        self._forget()
        self._restart([r for r in open_requests if r.msg_type == "kernel_info_request"])

    def bury(self, jail: Jail) -> None:
        """Close a dead jail and forget its widgets.

        The pages keep showing them, as after a restart of the stock kernel: a closed one would
        take its output with it.
        """
        self._session.policy.forget_comms()
        self._holder.let_go(jail)

    def _kept_files(self) -> str:
        return " and files" if self._session.launcher.plan.folder is not None else " and /workspace"

    def _forget(self) -> None:
        """Free the lanes of requests that died with their jail; subshells died with it too."""
        session = self._session
        session.table.clear()
        for lane in session.lanes.values():
            lane.running = None
        session.lanes = {
            name: lane for name, lane in session.lanes.items() if name is None or lane.waiting
        }

    def _go_on(self) -> None:
        for lane in list(self._session.lanes.values()):
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
            self._worker.echo(request, self._session.execution_count + int(request.stores_history))
            self._out.publish("error", parent, error)
            count = self._session.execution_count
            reply = {"status": "error", "execution_count": count, "user_expressions": {}}
            metadata = dumps(
                {"coderemote": {**self._session.account(request), "death": death.cause}}
            )
            self._out.reply(request, {**reply, "payload": [], **error}, metadata=metadata)
            told = True
        elif not request.replied:
            self._out.reply(request, {"status": "error", **error})
        if not request.idle or request.idle_held:
            self._out.status("idle", parent)
        request.finished = True
        return told

    def _start_failed(self, jail: Jail, death: Death) -> None:
        launcher = self._session.launcher
        # What a jail that never came up was given was never run: the next one gets it.
        unheard = self._session.table.active()
        self._holder.let_go(jail)
        self._forget()
        if launcher.fall_back(death):
            self._restart(unheard)
            return
        self._failed_starts += 1
        if self._failed_starts < _MOST_FAILED_STARTS and launcher.started > self._failed_starts:
            self._restart(unheard)  # it worked before: something passing may be in the way
            return
        self._give_up(launcher.explain(death), unheard)

    def _restart(self, unheard: list[Request]) -> None:
        """Start a fresh jail, with the cells numbered on, and give it what was not answered."""
        session = self._session
        told = {
            "execution_count": session.execution_count + 1,
            "relay_magics": session.magic_names(),
        }
        try:
            self._holder.adopt(session.launcher.start(told))
        except SandboxError as error:
            self._give_up(error, unheard)
            return
        self._again(unheard)

    def _again(self, requests: list[Request]) -> None:
        """Send requests again, before those that wait behind them."""
        for request in reversed(requests):
            if request.channel == "control":
                self._holder.send(frames.CONTROL, request)
            else:
                lane = self._session.lane(request)
                lane.running = None
                lane.waiting.appendleft(request)
        self._go_on()

    def _give_up(self, problem: SandboxError, unheard: list[Request]) -> None:
        """Answer everything with the reason from now on: no jail can be had any more."""
        _log.error("the sandbox is not available: %s", problem)
        self._session.problem = problem
        for request in unheard:
            self._clients.unavailable(request)
        self._go_on()
