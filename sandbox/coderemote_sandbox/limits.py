"""What a jail is held to, with units: one object from the settings to the kernel's own limits."""

from __future__ import annotations

import os
import resource
from typing import NamedTuple

from .errors import LimitsError

__all__ = ["GIB", "MIB", "Limits"]

MIB = 1 << 20
GIB = 1 << 30

_FLOORS = {
    "memory_bytes": 96 * MIB,  # ipykernel alone needs about 60 MiB
    "processes": 8,  # the worker has six threads of its own
    "open_files": 64,
    "file_size_bytes": MIB,
    "workspace_bytes": MIB,
    "workspace_inodes": 64,
    "tmp_bytes": MIB,
    "text_output_bytes": 1024,
    "rich_output_bytes": 1024,
    "output_messages": 10,
}


class Limits(NamedTuple):
    """The numbers a jail and its cells are held to.

    Times are seconds, sizes bytes; 0 switches a time limit or `cpus` off. Sizes and counts cannot
    be switched off.

    Attributes
    ----------
    cell_timeout_s
        Wall time of one cell, less the time it waits for ``input()``.
    interrupt_grace_s
        Time a cell has to end after it was interrupted, before the jail is killed; 0 kills at
        once.
    cpu_time_s
        CPU time of one cell, summed over every process and thread of the jail.
    memory_bytes
        Memory of the whole jail.
    processes
        Processes and threads of the whole jail.
    open_files, file_size_bytes
        Descriptors and largest file of each process.
    workspace_bytes, workspace_inodes
        What the session may write in its working directory: bytes, and files and folders.
    tmp_bytes
        Size of ``/tmp`` and of ``/dev/shm``, each.
    text_output_bytes, rich_output_bytes, output_messages
        What one cell may print, may display, and in how many messages.
    cpus
        Processors the jail may use at once; may be a fraction where a cgroup enforces it.
    """

    cell_timeout_s: float = 120.0
    interrupt_grace_s: float = 2.0
    cpu_time_s: float = 0.0
    memory_bytes: int = GIB
    processes: int = 256
    open_files: int = 512
    file_size_bytes: int = 256 * MIB
    workspace_bytes: int = 256 * MIB
    workspace_inodes: int = 65_536
    tmp_bytes: int = 64 * MIB
    text_output_bytes: int = 32 * MIB
    rich_output_bytes: int = 128 * MIB
    output_messages: int = 100_000
    cpus: float = 0.0

    def check(self) -> None:
        """Raise LimitsError if a limit is out of its range or this machine cannot hold it."""
        for name, value in self._asdict().items():
            floor = _FLOORS.get(name, 0)
            if not value >= floor:  # NaN is not
                msg = f"{name} is {value}: it must be at least {floor}"
                raise LimitsError(msg)
        self._check_against_own()
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if self.memory_bytes > have:
            msg = (
                f"memory_bytes is {self.memory_bytes}: this machine has {have}. "
                "Set CodeRemoteKernel.memory_bytes to less"
            )
            raise LimitsError(msg)

    def _check_against_own(self) -> None:
        """Refuse what its starter does not have itself: nsjail would fail without saying why."""
        for name, value, which in (
            ("open_files", self.open_files, resource.RLIMIT_NOFILE),
            ("file_size_bytes", self.file_size_bytes, resource.RLIMIT_FSIZE),
            ("processes", self.processes, resource.RLIMIT_NPROC),
        ):
            hard = resource.getrlimit(which)[1]
            if hard not in (-1, resource.RLIM_INFINITY) and value > hard:
                msg = (
                    f"{name} is {value}, and this process's own hard limit is {hard}. "
                    f"Set CodeRemoteKernel.{name} to {hard} or less, or raise the hard limit"
                )
                raise LimitsError(msg)
