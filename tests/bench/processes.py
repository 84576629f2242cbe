"""What `/proc` says about a kernel's process tree, seen from outside it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """What one process holds at one moment."""

    fds: int
    threads: int
    children: int
    rss_bytes: int


def parents() -> dict[int, int]:
    """Map every process on the machine to its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int(_stat(int(entry.name))[1])
    return found


def _stat(pid: int) -> list[str]:
    # the name in the second field may hold blanks and brackets: count from the last bracket
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants(pid: int) -> set[int]:
    """Every process below `pid`, without `pid` itself."""
    tree: dict[int, list[int]] = {}
    for child, parent in parents().items():
        tree.setdefault(parent, []).append(child)
    found: set[int] = set()
    pending = list(tree.get(pid, ()))
    while pending:
        process = pending.pop()
        found.add(process)
        pending.extend(tree.get(process, ()))
    return found


def is_running(pid: int) -> bool:
    """Say whether `pid` still runs; a zombie waiting for its parent does not."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def start_time(pid: int) -> str:
    """Tell one owner of a process number from the next."""
    return _stat(pid)[19]


def pid_namespace(pid: int) -> str | None:
    """Name the pid namespace a process lives in, or None when it is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def running_in(namespaces: set[str]) -> set[int]:
    """Every process, wherever it hangs in the tree, that runs in one of these pid namespaces."""
    return {pid for pid in parents() if pid_namespace(pid) in namespaces and is_running(pid)}


def pss_bytes(pid: int) -> int:
    """Sum the proportional set size of a process and everything below it."""
    return sum(_pss_of(process) for process in {pid, *descendants(pid)})


def _pss_of(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # ended between the listing and the reading
    return 0


def usage(pid: int) -> Usage:
    """Count what one process (not its children) holds."""
    stat = _stat(pid)
    resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(
        fds=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - names are enough, and cheap
        threads=int(stat[17]),
        children=len(descendants(pid)),
        rss_bytes=resident_pages * PAGE_BYTES,
    )


def end(pid: int) -> None:
    """Kill a process and everything below it, by number, and wait until nothing runs."""
    doomed = {
        process: start_time(process) for process in {pid, *descendants(pid)} if _exists(process)
    }
    for process in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(is_running(process) for process in doomed) and time.monotonic() < deadline:
        time.sleep(0.01)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
