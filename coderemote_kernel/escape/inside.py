"""What every attack cell starts with. Runs in the jail, in front of the attack, in its namespace.

Never imported: the runner sends this file's text, after setting ``T`` (where the bait lies: paths,
ports, process ids, no secret) and ``ID`` (the attack's name).
"""

# A cell, not a module: names come from the runner, and what is imported here the attacks use.
# ruff: noqa
# mypy: ignore-errors

import base64
import contextlib
import ctypes
import errno
import json
import os
import platform
import select
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

keep = []  # what an attack got hold of stays here, for the runner to see from outside
_libc = ctypes.CDLL(None, use_errno=True)

# name: (x86_64, aarch64)
_NUMBERS = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "chroot": (161, 51),
    "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "fanotify_init": (300, 262), "finit_module": (313, 273), "fsmount": (432, 432),
    "fsopen": (430, 430), "init_module": (175, 105), "io_setup": (206, 0),
    "io_uring_setup": (425, 425), "ioperm": (173, -1), "iopl": (172, -1), "kcmp": (312, 272),
    "kexec_load": (246, 104), "keyctl": (250, 219), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "mknodat": (259, 33), "modify_ldt": (154, -1),
    "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "mq_open": (240, 180), "msgget": (68, 186), "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pivot_root": (155, 41),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "prctl": (157, 167),
    "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142), "seccomp": (317, 277),
    "semget": (64, 190), "setdomainname": (171, 162), "setfsuid": (122, 151),
    "sethostname": (170, 161), "setns": (308, 268), "setresuid": (117, 147), "shmat": (30, 196),
    "shmctl": (31, 195), "shmget": (29, 194), "swapon": (167, 224), "syslog": (103, 116),
    "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282), "vmsplice": (278, 75),
}
_ARM = platform.machine() in ("aarch64", "arm64")


def attempt(settle=0.0):
    """Say that the attack is about to act; `settle` gives the word time to get out."""
    print(f"ATTEMPT:{ID}", flush=True)
    time.sleep(settle)


def got(what):
    """Say that the attack got what it was after."""
    print(f"GOT:{ID}:{what}", flush=True)


def syscall(name, *args):
    """Make a system call by name; returns its result, negative is ``-errno``."""
    return syscall_number(_NUMBERS[name][_ARM], *args)


def syscall_number(number, *args):
    """Make a system call by number."""
    given = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    _libc.syscall.restype = ctypes.c_long
    result = _libc.syscall(ctypes.c_long(number), *given)
    return -ctypes.get_errno() if result == -1 else result


def read(path, limit=1 << 20):
    """Print what is in a file, if it can be read at all."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        data = file.read(limit)
        print(repr(data), flush=True)
        return data
    return b""


def fork(act, *args):
    """Run `act` in a child that stays in existence after it, for the runner to see."""
    pid = os.fork()
    if pid == 0:
        try:
            act(*args)
            while True:
                time.sleep(1)
        finally:
            os._exit(1)
    return pid


def descriptors():
    """Return every open descriptor of this process, without a /proc."""
    found = []
    for number in range(4096):
        with contextlib.suppress(OSError):
            found.append((number, os.fstat(number)))
    return found


def wall():
    """Return the descriptor of the wall: a unix socket that someone outside has made."""
    for number, status in descriptors():
        if not stat.S_ISSOCK(status.st_mode):
            continue
        with socket.socket(fileno=os.dup(number)) as sock:
            if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
                peer = struct.unpack("3i", sock.getsockopt(1, socket.SO_PEERCRED, 12))[0]
                if peer != os.getpid():
                    return number
    raise LookupError("no wall here")


SHELL, CONTROL, STDIN, IOPUB, NOTE = range(5)


def pack(channel, parts):
    """Frame a message for the wall."""
    body = struct.pack("<BH", channel, len(parts))
    body += struct.pack(f"<{len(parts)}I", *map(len, parts)) + b"".join(parts)
    return struct.pack("<I", len(body)) + body


def push(data, patience=3.0):
    """Write raw bytes to the wall, past the worker."""
    number, view, until = wall(), memoryview(data), time.monotonic() + patience
    while view and time.monotonic() < until:
        if select.select([], [number], [], 0.2)[1]:
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(number, view) :]


def parent():
    """Return the header of the request this cell runs for, and where its client is."""
    kernel = get_ipython().kernel
    ident = kernel._parent_ident["shell"]
    idents = ident if isinstance(ident, list) else [ident]
    return dict(kernel.get_parent("shell")["header"]), idents


def parts(msg_type, content, about, **header):
    """Return the parts of a forged message; a value given as bytes is used as it is."""
    full = {
        "msg_id": os.urandom(8).hex(),
        "msg_type": msg_type,
        "username": "worker",
        "session": "forged",
        "date": "2024-01-01T00:00:00.000000Z",
        "version": "5.3",
        **header,
    }
    values = (full, about, {}, content)
    return [v if isinstance(v, bytes) else json.dumps(v, default=str).encode() for v in values]


def forge(channel, msg_type, content, about=None, **header):
    """Write a forged message to the wall."""
    push(pack(channel, parts(msg_type, content, parent()[0] if about is None else about, **header)))


def send(msg_type, content, parent_header=None, channel="iopub", **rest):
    """Send a forged message by the kernel's own means: this works on stock ipykernel too."""
    kernel = get_ipython().kernel
    real, idents = parent()
    about = {"header": real if parent_header is None else parent_header}
    stream = {"iopub": kernel.iopub_socket, "shell": kernel.shell_stream}.get(channel)
    if channel == "stdin":
        stream = kernel.stdin_socket
    ident = None if channel == "iopub" else idents
    kernel.session.send(stream, msg_type, content, parent=about, ident=ident, **rest)


mark = "FORGED:" + ID
"""Must not reach the client in any message but the echo of the cell."""
