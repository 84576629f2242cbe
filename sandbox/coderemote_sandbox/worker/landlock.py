"""Landlock: file access rules a process puts on itself, for the tier without namespaces.

nsjail has no Landlock in any version, so the worker restricts itself before it imports anything
that listens to the user. Raw system calls through ctypes: the rules are forty lines, and a package
for them would have to be installed in every course's environment.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from typing import Any

__all__ = ["abi_version", "restrict"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ALL_BY_ABI = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 4: 1 << 15, 5: 1 << 16}
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | (1 << 14) | (1 << 15)
_NET_ALL = 3  # bind and connect TCP, from ABI 4
_SCOPE_ALL = 3  # abstract unix sockets and signals, from ABI 6


def _call(number: int, *arguments: Any) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def abi_version() -> int:
    """Return the kernel's Landlock version; raises OSError where there is none."""
    return _call(_CREATE_RULESET, None, 0, 1)


def restrict(rules: dict[str, list[str]]) -> None:
    """Allow this process and its children only what `rules` lists, for ever.

    Parameters
    ----------
    rules
        ``read``, ``write`` and ``list``: paths of folders or files; everything below a folder is
        included. ``list`` gives the names in folders, not what is in the files.
        A path that does not exist is left out.

    Raises
    ------
    OSError
        The kernel has no Landlock, or refused; the caller must not go on.
    """
    version = abi_version()
    handled = _ALL_BY_ABI[min(version, 5)] - 1
    attributes = [handled]
    if version >= 4:
        attributes.append(_NET_ALL)
    if version >= 6:
        attributes.append(_SCOPE_ALL)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _call(_CREATE_RULESET, packed, len(packed), 0)
    for path in rules.get("read", []):
        _allow(ruleset, path, _READ & handled)
    for path in rules.get("list", []):
        _allow(ruleset, path, _READ_DIR & handled)
    for path in rules.get("write", []):
        # Everything but execute: a program written in the session cannot be run.
        _allow(ruleset, path, handled & ~_EXECUTE)
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        # A link is no rule for what it leads to: its author is the notebook's.
        target = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if stat.S_ISLNK(os.fstat(target).st_mode):
            return
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            access &= _FILE_ONLY
        _call(_ADD_RULE, ruleset, 1, struct.pack("=Qi", access, target), 0)
    finally:
        os.close(target)
