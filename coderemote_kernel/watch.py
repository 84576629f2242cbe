"""Time: what a jail and its cells are held to by the clock, because nothing else holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.requests import Request
    from coderemote_kernel.session import Session
    from coderemote_sandbox.jail import Jail

__all__ = ["Watch"]

_HALF_ANSWERED_S, _INTERRUPTED_S = 2.0, 0.2
_START_S = 60.0
_SILENCE_S = 5.0


class Watch:
    """Looks at a jail from time to time.

    Parameters
    ----------
    ended
        Called with a request that is given up waiting for.
    """

    def __init__(self, session: Session, out: Publisher, ended: Callable[[Request], None]) -> None:
        self.session = session
        self._out = out
        self._ended = ended
        self._half_answered: dict[str, float] = {}

    def forget(self, request: Request | None = None) -> None:
        """Stop counting how long a request has been half answered; without one, any."""
        if request is None:
            self._half_answered.clear()
        else:
            self._half_answered.pop(request.msg_id, None)

    def look(self, jail: Jail, now: float, *, waiting_s: float) -> bool:
        """Hold the jail and what runs in it to their limits.

        Parameters
        ----------
        waiting_s
            How long the rest of a message that has begun has not come.

        Returns
        -------
        bool
            Whether to look again soon: memory is filling up, and only looking limits it.
        """
        active = self.session.table.active()
        if waiting_s > _SILENCE_S:
            # An honest worker writes whole messages: the rest of this one will not come.
            jail.kill("lost", "it stopped in the middle of a message")
            return False
        if not jail.ready and now - jail.started > _START_S:
            jail.kill("start failed", f"it was not ready within {_START_S:g} s")
            return False
        measured = self.session.measure()
        for request in active:
            if measured is not None:
                request.peak_bytes = max(request.peak_bytes, measured.peak_bytes)
            if request.is_cell and jail.ready:
                used = measured.cpu_ns - request.cpu_ns_before if measured is not None else 0
                self._hold_to_limits(jail, request, now, used / 1e9)
            if request.replied != request.idle:
                self._force_end(request, now)
        limit = self.session.launcher.plan.limits.memory_bytes
        alone = measured is not None and jail.cgroup is None
        return alone and measured is not None and 2 * measured.memory_bytes > limit

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
        # An interrupt that comes before the cell's first line makes ipykernel lose its answer.
        lost = request.interrupted and request.idle
        if now - since < (_INTERRUPTED_S if lost else _HALF_ANSWERED_S):
            return
        self.session.reject("half an answer")
        if not request.replied:
            request.replied, request.outcome = True, "interrupted" if lost else "error"
            name = "KeyboardInterrupt" if lost else "NoAnswer"
            text = "" if lost else "the sandbox gave no answer to this; see whether it is complete"
            error = {"ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
            self._out.reply(request, {"status": "error", **error})
        if not request.idle or request.idle_held:
            request.idle = True
            self._out.status("idle", request.message.raw_header)
        self._ended(request)
