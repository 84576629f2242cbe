"""A System V shared memory segment with a secret in it: only an IPC namespace closes this door."""

from __future__ import annotations

import ctypes
import secrets

__all__ = ["SharedMemory"]

_IPC_CREAT, _IPC_RMID = 0o1000, 0


class SharedMemory:
    """A segment that everyone on the machine may read; `key` is 0 where there is none to be had."""

    def __init__(self, content: bytes) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        self._libc = libc
        self.key = secrets.randbelow(0x3FFFFFFF) + 1
        self._id = libc.shmget(self.key, 4096, _IPC_CREAT | 0o666)
        if self._id < 0:
            self.key = 0
            return
        address = ctypes.c_void_p(libc.shmat(self._id, None, 0))
        ctypes.memmove(address, content, len(content))
        libc.shmdt(address)

    def close(self) -> None:
        """Remove the segment."""
        if self.key:
            self._libc.shmctl(self._id, _IPC_RMID, None)
