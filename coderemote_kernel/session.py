"""What a session knows: its settings, its jail, its table of requests, its counters."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from coderemote_kernel.history import HistoryStore
from coderemote_kernel.magics import (
    LayerRow,
    LimitRow,
    SandboxStatus,
    default_registry,
)
from coderemote_kernel.outputs import OutputPolicy
from coderemote_kernel.requests import Lane, Request, RequestTable
from coderemote_kernel.settings import history_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderemote_kernel.audit import AuditLog
    from coderemote_kernel.settings import Settings
    from coderemote_sandbox.errors import SandboxError
    from coderemote_sandbox.jail import Jail, Usage
    from coderemote_sandbox.launcher import Launcher

__all__ = ["Session"]

_log = logging.getLogger(__name__)


class Session:
    """The state of one relay; also what the magics see of it.

    Attributes
    ----------
    jail
        The running jail, or None.
    problem
        Why there is none and will be none, once that is known.
    rejected
        Frames of the worker that were dropped, by reason.
    leaving
        Whether the session is being shut down.
    leaving
        Whether the session is being shut down.
    notice
        What the user has to be told with the next cell, or empty.
    """

    def __init__(self, settings: Settings, launcher: Launcher, kernel_id: str = "") -> None:
        self.settings = settings
        self.launcher = launcher
        self.kernel_id = kernel_id
        self.jail: Jail | None = None
        self.problem: SandboxError | None = None
        self.table = RequestTable()
        self.lanes: dict[str | None, Lane] = {None: Lane()}
        self.policy = OutputPolicy(
            trusted=settings.trusted_output,
            extra_widget_modules=settings.extra_widget_modules,
            extra_comm_targets=settings.extra_comm_targets,
        )
        self.registry = default_registry()
        self.history = HistoryStore(history_path(settings), self.warn)
        self.audit: AuditLog | None = None
        self.execution_count = 0
        self.notice = ""
        self.leaving = False
        self.rejected: Counter[str] = Counter()
        self.output_bytes = 0
        self.cells_run = 0
        self.kernel_info: dict[str, Any] | None = None
        self._cpu_ns_of_dead_jails = 0
        self._last_peak = 0
        self._last_wall = 0.0
        self._most = Counter[str]()

    def warn(self, text: str) -> None:
        """Note something the user should know of, for the next cell; may come from a thread."""
        _log.warning("%s", text)
        self.notice = f"{self.notice}\n{text}" if self.notice else text

    def reject(self, reason: str) -> None:
        """Count a dropped frame and log it, ever more seldom."""
        self.rejected[reason] += 1
        count = self.rejected[reason]
        if self.leaving:
            return  # the worker's own good-byes; the relay says them
        if count & (count - 1) == 0:
            _log.warning("dropped a frame of the worker: %s (%d times)", reason, count)

    def lane(self, request: Request) -> Lane:
        """Return where `request` queues: with the main shell's, or with its subshell's."""
        return self.lanes.setdefault(request.message.header.get("subshell_id"), Lane())

    def measure(self) -> Usage | None:
        """Measure the jail, ending it if it is over its memory limit unguarded."""
        return self.jail.check_memory() if self.jail is not None else None

    def begin_accounting(self, request: Request) -> None:
        """Start counting what a cell costs."""
        if self.jail is not None:
            self.jail.reset_peak()
            request.cpu_ns_before = self.jail.usage().cpu_ns
            request.memory_kills_before = self.jail.memory_kills()

    def memory_kills(self, request: Request) -> int:
        """Return how many processes the system ended for memory while the cell ran."""
        kills = self.jail.memory_kills() if self.jail is not None else 0
        return kills - request.memory_kills_before

    def account(self, request: Request) -> dict[str, Any]:
        """Return what a cell has cost, as its reply's metadata says it."""
        wall_s = request.running_s(time.monotonic())
        now = self.measure()
        cpu_ns = max(now.cpu_ns - request.cpu_ns_before, 0) if now else 0
        peak = max(now.peak_bytes, request.peak_bytes) if now else request.peak_bytes
        self.cells_run += 1
        for name, value in (
            ("wall", wall_s),
            ("cpu", cpu_ns / 1e9),
            ("peak", peak),
            ("text", request.text_bytes),
            ("rich", request.rich_bytes),
            ("messages", request.messages),
        ):
            self._most[name] = max(self._most[name], value)  # type: ignore[assignment]
        cost: dict[str, Any] = {
            "wall_ms": round(wall_s * 1000, 3),
            "cpu_ms": round(cpu_ns / 1e6, 3),
            "peak_memory_bytes": peak,
            "output_bytes": request.text_bytes + request.rich_bytes,
            "truncated": bool(request.truncated),
            "held_back": request.held,
            "tier": self.launcher.tier.name,
        }
        if self.audit is not None:
            self._record(request, cost)
        return cost

    def _record(self, request: Request, cost: dict[str, Any]) -> None:
        from coderemote_kernel.audit import CellRecord, hash_of_cell

        assert self.audit is not None
        self.audit.emit(
            CellRecord(
                user=os.environ.get("JUPYTERHUB_USER") or _account(),
                kernel_id=self.kernel_id,
                session_id=str(request.message.header.get("session", "")),
                cell_hash=hash_of_cell(request.code),
                outcome=request.outcome,
                wall_ms=cost["wall_ms"],
                cpu_ms=cost["cpu_ms"],
                peak_memory_bytes=cost["peak_memory_bytes"],
                output_bytes=cost["output_bytes"],
                truncated=cost["truncated"],
                held_back=cost["held_back"],
                tier=cost["tier"],
            )
        )

    def jail_ended(self) -> None:
        """Keep the count of a jail that is going away."""
        if self.jail is not None:
            self._cpu_ns_of_dead_jails += self.jail.usage().cpu_ns

    def magic_names(self) -> list[str]:
        """Return the names of the relay's magics, for the worker to explain and complete."""
        return [magic.name for magic in self.registry]

    def limits(self) -> Sequence[LimitRow]:
        """Return every limit with the most that was used of it."""
        plan = self.launcher.plan.limits
        memory = self.launcher.memory_means()
        cgroup = memory.startswith("cgroup")
        written, files = self.launcher.workspace_usage()
        now = self.jail.usage() if self.jail else None
        most = self._most
        watched = "the relay's clock: interrupt, then kill"
        budget = "counted by the relay"
        rows = (
            ("cell_timeout_s", "s", "wall time of a cell", watched, most["wall"]),
            ("cpu_time_s", "s", "CPU time of a cell", watched, most["cpu"]),
            ("memory_bytes", "bytes", "memory of the whole sandbox", memory, most["peak"]),
            (
                "processes",
                "count",
                "processes and threads",
                "RLIMIT_NPROC" + (" and cgroup" if cgroup else ""),
                now.processes if now else None,
            ),
            ("open_files", "count", "open files of a process", "RLIMIT_NOFILE", None),
            ("file_size_bytes", "bytes", "size of a file", "RLIMIT_FSIZE", None),
            ("workspace_bytes", "bytes", "files written", "size of the tmpfs", written),
            ("workspace_inodes", "count", "number of files written", "inodes of the tmpfs", files),
            (
                "tmp_bytes",
                "bytes",
                "temporary files and shared memory, each",
                "size of the tmpfs",
                None,
            ),
            ("text_output_bytes", "bytes", "text printed by a cell", budget, most["text"]),
            ("rich_output_bytes", "bytes", "rich output of a cell", budget, most["rich"]),
            ("output_messages", "count", "output messages of a cell", budget, most["messages"]),
            ("cpus", "cores", "processors used at once", "cgroup" if cgroup else "affinity", None),
        )
        return [
            LimitRow(name, getattr(plan, name) or None, unit, bounds, means, used)  # type: ignore[arg-type]
            for name, unit, bounds, means, used in rows
        ]

    def status(self) -> SandboxStatus:
        """Return what is in force and what was used, measured now."""
        now = self.jail.usage() if self.jail else None
        python = self.launcher.interpreter
        cpu_ns = self._cpu_ns_of_dead_jails + (now.cpu_ns if now else 0)
        layers = [LayerRow(x.name, x.wanted, x.got, x.note) for x in self.launcher.layers()]
        output = "trusted: NOT filtered" if self.settings.trusted_output else "filtered"
        layers.append(LayerRow("output", "filtered", output))
        return SandboxStatus(
            tier=self.launcher.tier.name,
            layers=tuple(layers),
            interpreter=f"{python.executable} ({python.version})" if python else "",
            processes=now.processes if now else None,
            memory_bytes=now.memory_bytes if now else None,
            cpu_s=cpu_ns / 1e9,
            output_bytes=self.output_bytes,
            cells_run=self.cells_run,
            jails_started=self.launcher.started,
            held_back=dict(self.policy.held_total),
        )


def _account() -> str:
    """Return the name of the account this runs as."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
