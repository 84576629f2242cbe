"""Copies of mounts, detached from any place, and whose their files are."""

from __future__ import annotations

import errno
import os
import signal

from . import _kernel_calls as kernel

__all__ = ["JAIL_UID", "detached", "id_map", "write"]

JAIL_UID = 100_000
"""The worker's user outside, where the relay is root: nobody's, so that root's files are not its
own and the process limit, which root is exempt from, holds."""


def detached(path: str) -> int:
    """Return a copy of the mount at `path`, with what is mounted below it only if it must be.

    A copy without the mounts below shows what they cover, so an unprivileged process is refused
    that where the mounts are not its own.
    """
    try:
        return kernel.clone_tree(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return kernel.clone_tree(path, kernel.AT_RECURSIVE)


def id_map(uid: int, gid: int) -> int:
    """Return a user namespace that maps the folder's owner to the jail's user."""
    ready_in, ready_out = os.pipe()
    hold_in, hold_out = os.pipe()
    holder = os.fork()
    if holder == 0:
        kernel.unshare(kernel.CLONE_NEWUSER)
        os.write(ready_out, b"1")
        os.close(hold_out)
        os.read(hold_in, 1)
        os._exit(0)
    try:
        os.read(ready_in, 1)
        write(f"/proc/{holder}/uid_map", _shifted(uid))
        write(f"/proc/{holder}/gid_map", _shifted(gid))
        return os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        for end in (ready_in, ready_out, hold_in, hold_out):
            os.close(end)


def _shifted(owner: int) -> str:
    """Map `owner` to the jail's user, and everybody else to somebody who is nobody here.

    Left out, the others' files could be read but not copied up: a copy needs an owner.
    """
    others = JAIL_UID + 100_000
    lines = [f"{owner} {JAIL_UID} 1"]
    if owner > 0:
        lines.append(f"0 {others} {owner}")
    if owner < 65_535:
        lines.append(f"{owner + 1} {others + owner + 1} {65_535 - owner}")
    return "\n".join(lines)


def write(path: str, text: str) -> None:
    """Write to a file of the kernel's, in one piece."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
