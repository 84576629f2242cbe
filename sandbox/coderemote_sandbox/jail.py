"""A running jail: start it, interrupt it, measure it, end it, know why it ended.

Nothing outside this package knows that a jail is a child process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from . import _kernel_calls as kernel
from . import usage
from .deaths import Cause, Death
from .doctor import apparmor
from .errors import StartError
from .nsjail import LEASH_FD, WALL_FD, JailSpec, configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cgroups import CGroup

__all__ = ["Jail", "Usage"]

_CONFIG_FD = 42
_OOM_SCORE = b"800"  # if the whole machine runs short, the jail goes before anything of ours
_DIAGNOSTICS_KEPT = 8192


class Usage(NamedTuple):
    """What a jail uses: bytes now and at most since the last reset, CPU ns, processes."""

    memory_bytes: int
    peak_bytes: int
    cpu_ns: int
    processes: int


@dataclass(slots=True, eq=False, repr=False)
class Jail:
    """One nsjail and what runs in it.

    Attributes
    ----------
    spec
        What it was made from.
    wall
        Non-blocking socket on which frames come and go.
    leash
        Socket to the jail's PID 1: carries the interrupt in and the end of the worker out.
    diagnostics
        Descriptor on which nsjail, and the worker until it is up, complain.
    pid
        The nsjail process.
    """

    spec: JailSpec
    wall: socket.socket
    leash: socket.socket
    diagnostics: int
    pid: int
    cgroup: CGroup | None
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    _said: bytes = b""
    _words: bytes = b""
    _death: Death | None = None
    _reaped: bool = False
    _peak: int = 0
    _judged: float = 0
    _most_processes: int = 0

    @classmethod
    def start(
        cls,
        nsjail: str,
        spec: JailSpec,
        *,
        cgroup: CGroup | None = None,
        enter: Callable[[], None] = lambda: None,
    ) -> Jail:
        """Start nsjail on `spec`; call from the main thread.

        The kernel ends the jail when the *thread* that started it ends, so a worker thread must
        not do it.

        Parameters
        ----------
        nsjail
            The binary.
        cgroup
            The group to put the jail into.
        enter
            Called in the child first: moves it onto the session's stage.

        Raises
        ------
        StartError
            The process could not be made.
        """
        wall, wall_inside = socket.socketpair()
        leash, leash_inside = socket.socketpair()
        diagnostics, complain = os.pipe()
        config = os.memfd_create("nsjail", 0)
        os.write(config, configuration(spec))
        _enlarge(wall, wall_inside)
        inside = (wall_inside.fileno(), leash_inside.fileno(), config, complain)
        try:
            pid = os.fork()
        except OSError as error:
            msg = f"the jail's process could not be made ({error.strerror})"
            raise StartError(msg) from error
        if pid == 0:
            _become_nsjail(nsjail, inside, cgroup, enter, dies_with_us=spec.tier.namespaces)
        wall_inside.close()
        leash_inside.close()
        os.close(config)
        os.close(complain)
        for end in (wall, leash):
            end.setblocking(False)
        os.set_blocking(diagnostics, False)
        return cls(spec, wall, leash, diagnostics, pid, cgroup)

    def interrupt(self) -> None:
        """Interrupt what the worker runs, as Ctrl-C would; nothing happens if it is gone."""
        with contextlib.suppress(OSError):
            self.leash.send(b"i")

    def kill(self, cause: Cause, detail: str = "") -> None:
        """End everything in the jail at once and remember why."""
        if self._death is None:
            self._death = Death(cause, detail=detail)
        if not self.spec.tier.namespaces:
            self._end_without_namespaces()
        if not self._reaped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self.cgroup is not None:
            self.cgroup.kill()

    def _end_without_namespaces(self) -> None:
        """Have init end all that is below it, then do so ourselves: there is no PID 1 to die."""
        with contextlib.suppress(OSError):
            self.leash.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 1
        while (left := usage.descendants(self.pid)) and time.monotonic() < deadline:
            _signal_all(left[1:] or left, signal.SIGKILL)
            time.sleep(0.002)

    def usage(self) -> Usage:
        """Measure the jail now."""
        if self.cgroup is not None:
            group = self.cgroup
            memory = group.memory_bytes()
            self._peak = max(self._peak, memory)
            peak = max(group.peak_bytes(), self._peak)
            count = group.process_count()
            self._most_processes = max(self._most_processes, count)
            return Usage(memory, peak, group.cpu_ns(), count)
        seen = usage.sweep(self.pid)
        self._peak = max(self._peak, seen.memory_bytes)
        self._most_processes = max(self._most_processes, len(seen.pids))
        return Usage(seen.memory_bytes, self._peak, seen.cpu_ns, len(seen.pids))

    def reset_peak(self) -> None:
        """Count the peak of memory from now on."""
        self._peak = 0
        if self.cgroup is not None:
            self.cgroup.reset_peak()

    def memory_kills(self) -> int:
        """Return how many of the jail's processes the system ended for memory."""
        return self.cgroup.out_of_memory_kills() if self.cgroup is not None else 0

    def check_memory(self) -> Usage:
        """Measure, and end the jail if it is over its memory limit and no cgroup would."""
        now = self.usage()
        limit = self.spec.limits.memory_bytes
        if self.cgroup is None and now.memory_bytes > max(limit, self._judged * 1.05):
            # Resident pages of forked children count twice: ask again, exactly, before judging,
            # and hold the jail still meanwhile, or it would grow on by the gigabyte.
            pids = usage.descendants(self.pid)
            _signal_all(pids, signal.SIGSTOP)
            exact = usage.proportional_bytes(pids)
            self._judged = now.memory_bytes
            if exact > limit:
                self.kill("memory", _limit_text(limit))
            _signal_all(pids, signal.SIGCONT)
        return now

    def read_leash(self) -> Death | None:
        """Take what PID 1 reports; return the jail's death once it is certain."""
        try:
            said = self.leash.recv(256)
        except BlockingIOError:
            return None
        except OSError:
            said = b""
        self._said += said
        if said and not self._said.endswith(b"\n"):
            return None
        return self.death()

    def read_diagnostics(self) -> bytes:
        """Take what was complained about, keep the end of it; empty when nobody can any more."""
        try:
            data = os.read(self.diagnostics, 65_536)
        except OSError:
            data = b""
        self._words = (self._words + data)[-_DIAGNOSTICS_KEPT:]
        return data

    def complaints(self) -> str:
        """Return the last lines nsjail or the starting worker wrote."""
        for _ in range(16):  # a worker that writes without end must not keep us reading
            if not self.read_diagnostics():
                break
        return self._words.decode(errors="replace").strip()

    def death(self) -> Death:
        """Say why the jail ended; only asked when it has."""
        if self._death is None:
            self._death = self._explain()
        return self._death

    def _explain(self) -> Death:
        kind, _, number = self._said.decode(errors="replace").strip().partition(" ")
        code = int(number) if number.lstrip("-").isdigit() else None
        if not self.ready:
            return Death("start failed", code, self._first_complaint())
        if kind == "exit":
            return Death("exit", code)
        # What the system ends for memory, it ends with SIGKILL.
        if code in {None, signal.SIGKILL} and self.memory_kills():
            return Death("memory", code, _limit_text(self.spec.limits.memory_bytes))
        most = self.spec.limits.processes
        if kind == "signal" and self._most_processes >= most - 2:
            return Death("processes", code, f"limit {most} processes and threads")
        return Death("signal" if kind == "signal" else "lost", code)

    def _first_complaint(self) -> str:
        """Return nsjail's first error: what follows it is only its consequence.

        Where nsjail had none, it was the worker that failed, and Python says what on its last line.
        """
        lines = self.complaints().splitlines()
        errors = [line for line in lines if line.startswith(("[E]", "[F]"))]
        if not lines:
            return "nsjail ended without a word"
        return (errors[0] if errors else lines[-1])[:300]

    def close(self) -> None:
        """End the jail if it runs, reap it and give back what it held."""
        self.kill("closed")
        for end in (self.wall, self.leash):
            end.close()
        if self.diagnostics >= 0:
            os.close(self.diagnostics)
            self.diagnostics = -1
        if not self._reaped:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._reaped = True
        if self.cgroup is not None:
            _remove_soon(self.cgroup)
            self.cgroup = None


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _limit_text(limit: int) -> str:
    return f"limit {limit / (1 << 20):.0f} MiB for the whole sandbox"


def _remove_soon(group: CGroup) -> None:
    """Remove the group as soon as the kernel has taken the last process out of it."""
    deadline = time.monotonic() + 1
    while not group.remove() and time.monotonic() < deadline:
        time.sleep(0.002)


def _enlarge(*ends: socket.socket) -> None:
    """Give the wall larger buffers while we can: inside, the filter ignores such requests."""
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)


def _become_nsjail(
    nsjail: str,
    inside: tuple[int, int, int, int],
    cgroup: CGroup | None,
    enter: Callable[[], None],
    *,
    dies_with_us: bool,
) -> None:
    """Turn this forked child into nsjail; never returns."""
    try:
        # Its own session: a Ctrl-C or Jupyter's killpg at the relay must not end the jail.
        os.setsid()
        if cgroup is not None:
            cgroup.join()
        with contextlib.suppress(OSError):
            score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(score, _OOM_SCORE)
            os.close(score)
        apparmor.enter_profile()
        enter()
        if dies_with_us:
            # After entering: a change of identity makes the kernel forget this wish. Without a PID
            # namespace, init must live to end the others; there the leash alone tells it.
            kernel.die_with_parent(signal.SIGKILL)
        nothing = os.open(os.devnull, os.O_RDWR)
        # Two steps, through high numbers: a target may be another one's source.
        parked = [os.dup2(fd, 900 + at) for at, fd in enumerate((nothing, nothing, *inside))]
        targets = (0, 1, WALL_FD, LEASH_FD, _CONFIG_FD, 2)
        for source, target in zip(parked, targets, strict=True):
            os.dup2(source, target)
        os.closerange(3, WALL_FD)
        os.closerange(_CONFIG_FD + 1, 1024)
        command = [nsjail, "--experimental_mnt", "auto", "-C", f"/proc/self/fd/{_CONFIG_FD}"]
        os.execve(nsjail, command, {})
    except BaseException as error:  # noqa: BLE001 - a process border
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(255)
