"""What the doctor runs in a jail, as text: it says what it sees and what it is refused.

Never imported: `coderemote_sandbox.doctor.rungs` hands the text of this file to the jail's Python.
It uses the standard library alone and judges nothing; the judge sits outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_REPORT_FD = 40
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")


def _attempt(work: Callable[[], object]) -> object:
    """Return what `work` returns, or the name of the error it ends with."""
    try:
        return work()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "error")


def _call(name: str, *arguments: int | None) -> str:
    """Return the error of a system call that would do no harm if it were let through."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        return errno.errorcode.get(ctypes.get_errno(), "error")
    return "allowed"


def _memory_file() -> str:
    os.close(os.memfd_create("trial"))
    return "allowed"


def _loopback() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    return "works"


def _outside(port: int) -> str:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    return "reached"


def _route() -> str:
    # A datagram socket sends nothing when it is connected; it only looks for a route. The address
    # is one of those set aside for documentation.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
    return "reached"


def _status() -> dict[str, str]:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        pairs = (line.partition(":") for line in status)
        wanted = {"Seccomp", "NoNewPrivs", "CapEff"}
        return {name: value.strip() for name, _, value in pairs if name in wanted}


def _size(path: str) -> int:
    facts = os.statvfs(path)
    return facts.f_blocks * facts.f_frsize


def _write(path: str) -> str:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with contextlib.suppress(OSError):
        os.unlink(path)
    return "written"


def _ipykernel() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ipykernel")
    except PackageNotFoundError:
        return ""


def _facts(port: int) -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "ipykernel": _ipykernel(),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "host": socket.gethostname(),
        "namespaces": {
            kind: _attempt(partial(os.readlink, f"/proc/self/ns/{kind}")) for kind in _NAMESPACES
        },
        "processes": _attempt(
            lambda: sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        ),
        "status": _attempt(_status),
        "interfaces": _attempt(lambda: [name for _, name in socket.if_nameindex()]),
        "loopback": _attempt(_loopback),
        "outside": _attempt(partial(_outside, port)),
        "route": _attempt(_route),
        "calls": {
            "unshare": _call("unshare", 0),
            "personality": _call("personality", -1),
            "memfd_create": _attempt(_memory_file),
        },
        "sizes": {path: _attempt(partial(_size, path)) for path in ("/tmp", "/dev/shm")},  # noqa: S108
        "writes": {
            path: _attempt(partial(_write, f"{path}/.coderemote-trial"))
            for path in ("/workspace", "/usr", "/")
        },
    }


if __name__ == "__main__":
    os.write(_REPORT_FD, json.dumps(_facts(int(sys.argv[1]))).encode())
