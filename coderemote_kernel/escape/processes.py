"""Processes as seen from outside the jail: who is there, what they hold, what they use."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = [
    "Use",
    "Watch",
    "descendants",
    "end",
    "is_there",
    "jailed",
    "namespaces_of",
    "strangers",
    "wait_until_gone",
    "with_marker",
]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK_S = 0.1
# Reading a process's exact share of memory is slow, so it is done only where the cheap sum is odd.
_LOOK_CLOSER_BYTES = 160 * 1024 * 1024
_HANDLES = (
    "anon_inode:[userfaultfd]",
    "anon_inode:[io_uring]",
    "anon_inode:[perf_event]",
    "anon_inode:[fanotify]",
    "anon_inode:bpf",
    "anon_inode:[bpf",
    "anon_inode:kvm",
    "anon_inode:[fscontext]",
    "/memfd:",
    "/secretmem",
)
_NAMESPACES = ("user", "net", "mnt", "pid", "ipc", "uts", "cgroup")


def _text(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    return ""


def _born(pid: int) -> str:
    """Return when a process started, in clock ticks: with the pid, its identity."""
    fields = _text(pid, "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def is_there(pid: int) -> bool:
    """Tell whether a process exists and is not merely waiting to be reaped."""
    fields = _text(pid, "stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] not in "ZX"


def descendants(pid: int) -> dict[int, str]:
    """Return every process below `pid` and when it started."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 - ten times faster
                children = [int(child) for child in _text(parent, f"task/{task}/children").split()]
                waiting += [child for child in children if child not in found]
                found |= {child: _born(child) for child in children}
    return found


def end(processes: dict[int, str]) -> None:
    """Kill exactly these processes, unless their number belongs to another by now."""
    for pid, born in processes.items():
        if _born(pid) == born:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def with_marker(marker: str) -> dict[int, str]:
    """Return the processes of this machine whose command line or name has `marker` in it."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - read at every attack
        if name.isdigit() and int(name) != os.getpid():
            pid = int(name)
            seen = _text(pid, "cmdline") + _text(pid, "comm")
            if marker in seen and is_there(pid):
                found[pid] = _born(pid)
    return found


def _namespace(pid: int | str, kind: str) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    return ""


def _filters(pid: int) -> int:
    found = re.search(r"\nSeccomp_filters:\t(\d+)", _text(pid, "status"))
    return int(found[1]) if found else 0


def jailed(relay: int) -> list[int]:
    """Return the processes below `relay` that are inside: under more seccomp filters than it is.

    In a container everything is under one already, the launcher of the jail too.
    """
    outside = _filters(relay)
    return [pid for pid in descendants(relay) if _filters(pid) > outside]


def strangers(relay: int, *, namespaces: bool) -> list[str]:
    """Return what a jailed process has that none may have: powers, namespaces, handles."""
    found: list[str] = []
    for pid in jailed(relay):
        found += _powers(pid)
        if namespaces:
            found += _misplaced(pid)
        found += _handles(pid)
    return sorted(set(found))


def _powers(pid: int) -> list[str]:
    status = dict(
        line.split(":\t", 1) for line in _text(pid, "status").splitlines() if ":\t" in line
    )
    found = [
        f"a jailed process has {name} {status[name]}"
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")
        if int(status.get(name, "0"), 16)
    ]
    if status.get("NoNewPrivs", "1") != "1":
        found.append("a jailed process may gain privileges")
    if status.get("TracerPid", "0") != "0":
        found.append("a jailed process is being traced")
    if os.geteuid() == 0 and status.get("Uid", "1").split()[0] == "0":
        found.append("a jailed process is root outside")
    return found


def _misplaced(pid: int) -> list[str]:
    # All processes of a jail share its namespaces with its first one; none has the runner's.
    return [
        f"a jailed process is in the machine's own {kind} namespace"
        for kind in _NAMESPACES
        if (theirs := _namespace(pid, kind)) and theirs == _namespace("self", kind)
    ]


def _handles(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - read at every attack
            with contextlib.suppress(OSError):
                target = str(Path(f"/proc/{pid}/fd/{number}").readlink())
                found += [f"a jailed process holds {h}" for h in _HANDLES if target.startswith(h)]
    return found


def namespaces_of(relay: int) -> set[tuple[str, ...]]:
    """Return the sets of namespaces in use inside; one jail has one."""
    sets = {tuple(_namespace(pid, kind) for kind in _NAMESPACES) for pid in jailed(relay)}
    return {one for one in sets if all(one)}  # a process that has just ended has none


def _resident(pid: int) -> int:
    fields = _text(pid, "statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _share(pid: int) -> int:
    for line in _text(pid, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass
class Use:
    """What a session uses, or the most it used for a time."""

    relay_bytes: int = 0
    relay_descriptors: int = 0
    jail_bytes: int = 0
    processes: int = 0

    @classmethod
    def of(cls, relay: int) -> Use:
        """Measure now."""
        below = descendants(relay)
        memory = sum(map(_resident, below))
        if memory > _LOOK_CLOSER_BYTES:
            memory = sum(map(_share, below))
        descriptors = 0
        with contextlib.suppress(OSError):
            descriptors = len(os.listdir(f"/proc/{relay}/fd"))  # noqa: PTH208
        return cls(_resident(relay), descriptors, memory, len(below))

    def raise_to(self, other: Use) -> None:
        """Keep the larger of each number."""
        for name, value in vars(other).items():
            setattr(self, name, max(getattr(self, name), value))


class Watch:
    """Measures a session over and over in a thread, while the ``with`` block runs."""

    def __init__(self, relay: int) -> None:
        self.most = Use()
        self._relay = relay
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            self.most.raise_to(Use.of(self._relay))


def wait_until_gone(pids: list[int], patience_s: float) -> list[int]:
    """Wait for processes to end; return those that have not."""
    until = time.monotonic() + patience_s
    while (left := [pid for pid in pids if is_there(pid)]) and time.monotonic() < until:
        time.sleep(0.01)
    return left
