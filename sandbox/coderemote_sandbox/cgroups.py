"""A cgroup for one jail, where the machine lets us make one.

A cgroup is the only thing that counts *all* memory of a jail: sockets, pipes, tmpfs, shared pages.
nsjail's own cgroup code cannot be asked afterwards why the jail died; so the group is made here,
the child puts itself into it before it becomes nsjail, and its counters are read when it is over.

Version 2 is used where it has the memory and pids controllers and its folder is ours (systemd's
``Delegate=yes``, a container's private group); version 1 where its folders are.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html, .../cgroup-v1/memory.html.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from .limits import Limits

__all__ = ["CGroup", "Delegation", "find_delegation"]

_PERIOD_US = 100_000
_OWN_PROCESSES = 4  # nsjail, PID 1 and room for what is starting


class Delegation(NamedTuple):
    """Where groups may be made.

    Attributes
    ----------
    version
        1 or 2.
    parents
        Controller name to the folder under which groups are made; for version 2 there is one.
    """

    version: Literal[1, 2]
    parents: dict[str, str]


@dataclass(slots=True, eq=False, repr=False)
class CGroup:
    """The group of one jail; `create` makes it, `remove` takes it away."""

    version: Literal[1, 2]
    folders: dict[str, str]
    _joins: list[int] = field(default_factory=list)

    @classmethod
    def create(cls, delegation: Delegation, limits: Limits) -> CGroup:
        """Make a group held to `limits`; raises OSError, with nothing left behind."""
        name = f"coderemote-{os.getpid()}-{time.monotonic_ns():x}"
        folders = {c: f"{parent}/{name}" for c, parent in delegation.parents.items()}
        group = cls(delegation.version, folders)
        try:
            for folder in dict.fromkeys(folders.values()):
                os.mkdir(folder)
            group._limit(limits)
            group._joins = [
                os.open(f"{folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
                for folder in dict.fromkeys(folders.values())
            ]
        except OSError:
            group.remove()
            raise
        return group

    def _limit(self, limits: Limits) -> None:
        memory, pids = str(limits.memory_bytes), str(limits.processes + _OWN_PROCESSES)
        if self.version == 2:
            self._write("memory", "memory.max", memory)
            self._try_write("memory", "memory.swap.max", "0")
        else:
            self._write("memory", "memory.limit_in_bytes", memory)
            self._try_write("memory", "memory.memsw.limit_in_bytes", memory)
        self._write("pids", "pids.max", pids)
        if limits.cpus:
            quota = str(int(limits.cpus * _PERIOD_US))
            if self.version == 2:
                self._write("cpu", "cpu.max", f"{quota} {_PERIOD_US}")
            elif "cpu" in self.folders:
                self._write("cpu", "cpu.cfs_period_us", str(_PERIOD_US))
                self._write("cpu", "cpu.cfs_quota_us", quota)

    def join(self) -> None:
        """Put this process, a child about to become nsjail, into the group."""
        for descriptor in self._joins:
            os.write(descriptor, b"0")

    def memory_bytes(self) -> int:
        """Return what the jail holds now, page cache that can be dropped not counted."""
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        idle = "inactive_file" if self.version == 2 else "total_inactive_file"
        used = self._number("memory", name)
        return max(used - self._field("memory", "memory.stat", idle), 0)

    def peak_bytes(self) -> int:
        """Return the most the jail has held since `reset_peak`; 0 where it is not counted."""
        return self._number(
            "memory", "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        )

    def reset_peak(self) -> bool:
        """Start counting the peak anew; False where this kernel cannot."""
        if self.version == 2:
            return False  # per open descriptor, and only since Linux 6.12: sampling covers it
        return self._try_write("memory", "memory.max_usage_in_bytes", "0")

    def cpu_ns(self) -> int:
        """Return the CPU time of everything that ever ran in the group."""
        if self.version == 2:
            return self._field("cpu", "cpu.stat", "usage_usec") * 1000
        return self._number("cpuacct", "cpuacct.usage")

    def out_of_memory_kills(self) -> int:
        """Return how often the kernel killed a process of the group for its memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return self._field("memory", name, "oom_kill")

    def refused_processes(self) -> int:
        """Return how often a new process or thread was refused."""
        return self._field("pids", "pids.events", "max")

    def process_count(self) -> int:
        """Return the processes and threads in the group."""
        return self._number("pids", "pids.current")

    def pids(self) -> list[int]:
        """Return the processes in the group, by their numbers outside."""
        try:
            with open(f"{self.folders['pids']}/cgroup.procs") as listing:
                return [int(line) for line in listing]
        except OSError:
            return []

    def kill(self) -> None:
        """End everything in the group at once, where the kernel can (version 2)."""
        if self.version == 2:
            self._try_write("pids", "cgroup.kill", "1")

    def remove(self) -> bool:
        """Remove the group; False while processes are left in it."""
        for descriptor in self._joins:
            os.close(descriptor)
        self._joins = []
        gone = True
        for folder in dict.fromkeys(self.folders.values()):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                gone = False
        return gone

    def _write(self, controller: str, name: str, text: str) -> None:
        descriptor = os.open(f"{self.folders[controller]}/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def _try_write(self, controller: str, name: str, text: str) -> bool:
        try:
            self._write(controller, name, text)
        except (OSError, KeyError):
            return False
        return True

    def _read(self, controller: str, name: str) -> str:
        folder = self.folders.get(controller)
        if folder is None:
            return ""
        try:
            with open(f"{folder}/{name}") as file:
                return file.read()
        except OSError:
            return ""

    def _number(self, controller: str, name: str) -> int:
        text = self._read(controller, name).strip()
        return int(text) if text.isdigit() else 0

    def _field(self, controller: str, name: str, key: str) -> int:
        for line in self._read(controller, name).splitlines():
            label, _, value = line.partition(" ")
            if label == key:
                return int(value)
        return 0


def sweep(delegation: Delegation) -> int:
    """Remove groups whose relay was killed before it could; return how many folders went."""
    gone = 0
    for parent in dict.fromkeys(delegation.parents.values()):
        with contextlib.suppress(OSError):
            for name in os.listdir(parent):
                prefix, _, rest = name.partition("-")
                pid = rest.partition("-")[0]
                if prefix != "coderemote" or not pid.isdigit() or os.path.exists(f"/proc/{pid}"):
                    continue
                with contextlib.suppress(OSError):
                    os.rmdir(f"{parent}/{name}")  # refused while a process is left in it
                    gone += 1
    return gone


def find_delegation(parent: str = "") -> tuple[Delegation | None, str]:
    """Find where this process may make groups.

    Parameters
    ----------
    parent
        A version 2 folder delegated to us, or a version 1 path below every controller's mount
        (``/jupyter``); empty looks at the group this process is in.

    Returns
    -------
    tuple
        The delegation, or None and what stands in the way, for people.
    """
    mounts = _mounts()
    if parent and os.path.exists(f"{parent}/cgroup.controllers"):
        return _version_2(parent)
    own = _own_groups()
    problems = []
    if "" in mounts:
        path = own.get("", "/").rstrip("/")
        # With systemd's DelegateSubgroup= we are in a leaf, and the group above it is ours.
        for folder in dict.fromkeys((path, os.path.dirname(path).rstrip("/"))):
            found, problem = _version_2(mounts[""] + folder)
            if found:
                return found, ""
            problems.append(problem)
    if "memory" in mounts:
        found, problem = _version_1(mounts, own, parent)
        if found:
            return found, ""
        problems.append(problem)
    return None, "; ".join(problems) or "no cgroup file system is mounted"


def _mounts() -> dict[str, str]:
    """Return the mount point of each version 1 controller, and of version 2 under ``""``."""
    found: dict[str, str] = {}
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup2":
                found.setdefault("", place)
            elif kind == "cgroup":
                for name in {"memory", "pids", "cpu", "cpuacct"} & set(options.split(",")):
                    found.setdefault(name, place)
    return found


def _own_groups() -> dict[str, str]:
    found = {}
    with open("/proc/self/cgroup") as groups:
        for line in groups:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            for name in controllers.split(","):
                found[name] = path
    return found


def _version_2(folder: str) -> tuple[Delegation | None, str]:
    try:
        with open(f"{folder}/cgroup.controllers") as file:
            have = set(file.read().split())
        with open(f"{folder}/cgroup.subtree_control") as file:
            enabled = set(file.read().split())
    except OSError as error:
        return None, f"cgroup v2 at {folder}: {error.strerror}"
    missing = {"memory", "pids"} - have
    if missing:
        return None, f"cgroup v2 has no {' and no '.join(sorted(missing))} controller here"
    wanted = {"memory", "pids", "cpu"} & have
    if not wanted <= enabled:
        problem = _enable(folder, wanted - enabled)
        if problem:
            return None, problem
    problem = _probe(folder)
    parents: dict[str, str] = dict.fromkeys(wanted, folder)
    return (None, problem) if problem else (Delegation(2, parents), "")


def _enable(folder: str, controllers: set[str]) -> str:
    """Hand the controllers down; a group with processes of its own cannot (except the root)."""
    try:
        descriptor = os.open(f"{folder}/cgroup.subtree_control", os.O_WRONLY)
        try:
            os.write(descriptor, " ".join(f"+{name}" for name in sorted(controllers)).encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.EBUSY and _step_aside(folder):
            return _enable(folder, controllers)
        return f"cgroup v2 at {folder} is not delegated ({error.strerror})"
    return ""


def _step_aside(folder: str) -> bool:
    """Move this process into a leaf of its group, if nobody else is in the group.

    A group with processes of its own cannot hand controllers down; other people's processes are
    not ours to move.
    """
    try:
        with open(f"{folder}/cgroup.procs") as listing:
            if [int(line) for line in listing] != [os.getpid()]:
                return False
        os.makedirs(f"{folder}/coderemote", exist_ok=True)
        with open(f"{folder}/coderemote/cgroup.procs", "w") as leaf:
            leaf.write("0")
    except (OSError, ValueError):
        return False
    return True


def _version_1(
    mounts: dict[str, str], own: dict[str, str], parent: str
) -> tuple[Delegation | None, str]:
    parents: dict[str, str] = {}
    for name in ("memory", "pids", "cpu", "cpuacct"):
        if name in mounts:
            path = parent or own.get(name, "/")
            parents[name] = mounts[name] + ("" if path == "/" else path)
    if "pids" not in parents:
        return None, "cgroup v1 has no pids controller"
    for name, folder in parents.items():
        problem = _probe(folder)
        if problem:
            return None, f"cgroup v1 {name}: {problem}"
    return Delegation(1, parents), ""


def _probe(folder: str) -> str:
    """Try to make a group: a read-only mount says yes to every permission check."""
    trial = f"{folder}/coderemote-probe-{os.getpid()}"
    try:
        os.mkdir(trial)
        os.rmdir(trial)
    except OSError as error:
        return f"{folder} takes no new group ({error.strerror})"
    return ""
