"""PID 1 of the jail: starts the worker, reaps orphans, obeys the leash, reports the end.

Why not ipykernel itself as PID 1: Python reaps no orphans, so zombies would fill the process
limit; and a PID 1 of our own cannot be killed, stopped or traced from inside, so what it reports
about the worker's end is true however hostile the worker is.

The *leash* is a socketpair to the trusted side that only this process holds:

- its end of file means that the trusted side is gone: everything in here dies with it;
- ``i`` on it interrupts the worker's process group, as Ctrl-C would;
- the last line written to it says how the worker ended: ``exit N`` or ``signal N``.

Run as ``python -I init.py WALL_FD LEASH_FD RLIMIT_DATA OPTIONS``; ``OPTIONS`` is JSON, see
`kernel.run`. Nothing is imported before the worker is forked that is not needed until then.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
from typing import Any

_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


def _limit(data: int) -> None:
    """Set the limits that nsjail cannot: RLIMIT_DATA counts what a process really asks for.

    RLIMIT_AS, which nsjail has, counts address space: numpy with eight threads reserves almost a
    gigabyte of it for 100 MB of use.
    """
    if data:
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))


def _hide() -> None:
    """Close this process's memory and descriptors to the worker (same user inside the jail)."""
    import ctypes  # after the fork, so that the worker does not wait for it

    libc = ctypes.CDLL(None)
    if os.getpid() != 1:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come here, as they do to PID 1
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _interrupt(worker: int) -> None:
    """Interrupt the worker and what it runs in the foreground, as a terminal's Ctrl-C would."""
    for send, target in ((os.killpg, worker), (os.kill, worker)):
        try:
            send(target, signal.SIGINT)
        except ProcessLookupError:
            continue
        return


def _reap(worker: int) -> str | None:
    """Reap every dead child; return how the worker ended once it has."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return "exit 0"
        if pid == 0:
            return None
        if pid == worker:
            if os.WIFSIGNALED(status):
                return f"signal {os.WTERMSIG(status)}"
            return f"exit {os.waitstatus_to_exitcode(status)}"


def _end_the_rest() -> None:
    """Without a PID namespace: end what the worker left, again until nothing new has come."""
    for _ in range(100):
        rest = _below(os.getpid())
        if not rest:
            return
        for pid in rest:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break


def _below(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children = []
    for task in tasks:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as listing:
            children += [int(child) for child in listing.read().split()]
    return children + [deeper for child in children for deeper in _below(child)]


def _watch(worker: int, leash: int, wakeup: int) -> None:
    """Serve the leash until the worker has ended or the trusted side is gone."""
    poller = select.poll()
    poller.register(leash, select.POLLIN)
    poller.register(wakeup, select.POLLIN)
    while True:
        ready = dict(poller.poll())
        if wakeup in ready:
            os.read(wakeup, 4096)
            ended = _reap(worker)
            if ended is not None:
                os.write(leash, (ended + "\n").encode())
                return
        if leash in ready:
            orders = os.read(leash, 256)
            if not orders:
                return
            if b"i" in orders:
                _interrupt(worker)


def _own_package(module: str) -> Any:
    """Import a module that lies beside this script, under a name no user's file has.

    On ``sys.path``, this folder would put its ``kernel`` and ``frames`` before theirs.
    """
    import importlib.util

    folder = os.path.dirname(os.path.abspath(__file__))
    name = "_coderemote_worker"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(folder)
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.{module}")


def main(argv: list[str]) -> None:
    """Start the worker and stay until it ends; does not return in either process."""
    wall, leash = int(argv[1]), int(argv[2])
    _limit(int(argv[3]))
    wakeup, signalled = os.pipe()
    for end in (wakeup, signalled):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    for inherited in (wall, leash):
        os.set_inheritable(inherited, False)
    worker = os.fork()
    if worker == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for unwanted in (leash, wakeup, signalled):
            os.close(unwanted)
        os.setsid()
        # The heavy imports belong to the worker alone.
        _own_package("kernel").run(wall, argv[4])
        os._exit(0)
    os.close(wall)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _hide()
    _watch(worker, leash, wakeup)
    if os.getpid() != 1:
        _end_the_rest()
    # Leaving as PID 1 makes the kernel end everything that is left in this PID namespace.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv)
