"""System calls that Python 3.11 has no name for, by number or through libc.

Every function raises OSError with the call's name in it; nothing here keeps state.
"""

from __future__ import annotations

import ctypes
import os

__all__ = [
    "AT_RECURSIVE",
    "CLONE_NEWNS",
    "CLONE_NEWUSER",
    "MS_BIND",
    "MS_PRIVATE",
    "MS_REC",
    "clone_tree",
    "die_with_parent",
    "map_ids_of_tree",
    "mount",
    "place_tree",
    "set_dumpable",
    "setns",
    "unshare",
]

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
MS_NOSUID, MS_NODEV, MS_REMOUNT = 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
AT_RECURSIVE = 0x8000

_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOUNT_ATTR_IDMAP = 1, 4, 0x0010_0000
# The numbers of calls added since Linux 5.0 are the same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, flags: int) -> None:
    """Move this process into the namespace behind `descriptor`."""
    _check(_libc.setns(descriptor, flags), "setns")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`; `kind` may be empty where `flags` say what is done."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {kind or 'bind'} on {target}")


def clone_tree(path: str, flags: int = 0) -> int:
    """Return a descriptor of a detached copy of the mount at `path`."""
    return _check(
        _libc.syscall(
            _OPEN_TREE,
            _AT_FDCWD,
            os.fsencode(path),
            ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC | flags),
        ),
        f"open_tree {path}",
    )


def map_ids_of_tree(tree: int, user_namespace: int) -> None:
    """Show the detached mount's files with owners mapped as `user_namespace` maps them."""
    attributes = _MountAttr(_MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    _check(
        _libc.syscall(
            _MOUNT_SETATTR,
            tree,
            b"",
            ctypes.c_uint(_AT_EMPTY_PATH),
            ctypes.byref(attributes),
            ctypes.sizeof(attributes),
        ),
        "mount_setattr",
    )


def place_tree(tree: int, target: str) -> None:
    """Attach the detached mount at `target`."""
    _check(
        _libc.syscall(
            _MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH
        ),
        f"move_mount {target}",
    )


def set_dumpable(*, on: bool) -> None:
    """Open or close this process's ``/proc`` files to others of the same user."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, int(on), 0, 0, 0), "prctl")


def die_with_parent(signal: int) -> None:
    """Ask for `signal` when the thread that started this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")
