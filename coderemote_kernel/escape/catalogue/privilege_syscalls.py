"""The surface of the kernel: calls that no notebook needs, made directly."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.PRIVILEGE)

ATTACKS = (
    _attack(
        id="syscall-unshare",
        title="unshare each namespace",
        code="""
attempt()
names = {0x10000000: "user", 0x20000: "mnt", 0x40000000: "net", 0x20000000: "pid", 0x8000000: "ipc",
         0x4000000: "uts", 0x2000000: "cgroup", 0x80: "time"}
def inside(flag):
    if syscall("unshare", flag) == 0:
        got(f"a {names[flag]} namespace")
for flag in names:
    fork(inside, flag)
fork(inside, 0x10000000)
time.sleep(0.1)
""",
    ),
    _attack(
        id="syscall-clone-user",
        title="clone into a new user namespace",
        code="""
attempt()
for flags in (0x10000000, 0x10000000 | 0x20000, 0x7E020000, 0x20000000, 0x80):
    pid = syscall("clone", flags | 17, None, None, None, None)
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    # CLONE_NEWTIME does not fit beside the signal: there it is a plain clone.
    if pid > 0 and flags != 0x80:
        got(f"a clone with {flags:#x}")
    if pid > 0:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
""",
    ),
    _attack(
        id="syscall-clone3",
        title="clone3 into new namespaces, past a filter that cannot see its flags",
        code="""
attempt()
for flags in (0x10000000, 0x10000000 | 0x20000 | 0x40000000, 0x20000):
    arguments = struct.pack("11Q", flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    pid = syscall("clone3", arguments, len(arguments))
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    if pid > 0:
        got(f"clone3 with {flags:#x}")
""",
    ),
    _attack(
        id="syscall-setns",
        title="enter the namespaces of PID 1, of the launcher and of others by pidfd",
        code="""
attempt()
for pid in (1, os.getppid(), T["relay"], T["bystander"]):
    for kind in ("user", "mnt", "net", "pid", "ipc", "uts", "cgroup"):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            if syscall("setns", fd, 0) == 0:
                got(f"{kind} of {pid}")
    fd = syscall("pidfd_open", pid, 0)
    if fd >= 0 and syscall("setns", fd, 0x7E020000) == 0:
        got(f"all of {pid}")
""",
    ),
    _attack(
        id="syscall-ptrace",
        title="trace a child, PID 1, the launcher and oneself",
        code="""
attempt()
pid = fork(time.sleep, 60)
for target in (pid, 1, os.getppid(), T["relay"]):
    for request in (16, 0x4206):
        if syscall("ptrace", request, target, 0, 0) == 0:
            got(f"traces {target}")
def traceme():
    if syscall("ptrace", 0, 0, 0, 0) == 0:
        got("PTRACE_TRACEME")
fork(traceme)
time.sleep(0.05)
""",
    ),
    _attack(
        id="syscall-process-memory",
        title="read and write another process's memory",
        code="""
attempt()
child = fork(time.sleep, 60)
data = ctypes.create_string_buffer(b"secret" * 10)
local = struct.pack("QQ", ctypes.addressof(data), 16)
for pid in (1, os.getppid(), T["relay"], T["bystander"], child):
    for call in ("process_vm_readv", "process_vm_writev"):
        if syscall(call, pid, local, 1, local, 1, 0) > 0:
            got(f"{call} of {pid}")
    if pid != child:
        with contextlib.suppress(OSError):
            os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
            got(f"/proc/{pid}/mem")
""",
    ),
    _attack(
        id="syscall-bpf",
        title="load eBPF programs and maps",
        code="""
attempt()
for command, attributes in ((0, struct.pack("IIII", 2, 4, 8, 4) + bytes(104)), (5, struct.pack("II", 1, 2) + bytes(112)), (9, bytes(120))):
    fd = syscall("bpf", command, attributes, 120)
    if fd >= 0:
        keep.append(fd)
        got(f"bpf {command}")
""",
    ),
    _attack(
        id="syscall-io-uring",
        title="set up io_uring, whose requests no filter sees, and old aio",
        code="""
attempt()
for flags in (0, 1 << 6, 1 << 12):
    fd = syscall("io_uring_setup", 8, struct.pack("IIII", 0, 0, flags, 0) + bytes(104))
    if fd >= 0:
        got("io_uring")
context = ctypes.c_ulong(0)
if syscall("io_setup", 8, ctypes.byref(context)) == 0:
    got("aio")
""",
    ),
    _attack(
        id="syscall-keyring",
        title="keep and find keys in the kernel's keyrings",
        code="""
attempt()
if syscall("add_key", b"user", T["marker"].encode(), b"payload", 7, -4) > 0:
    got("added a key")
for ring in (-1, -2, -3, -4, -5):
    if syscall("keyctl", 0, ring, 1) > 0:
        got(f"keyring {ring}")
if syscall("keyctl", 1, b"crm") > 0:
    got("a session keyring")
""",
    ),
    _attack(
        id="syscall-userfaultfd",
        title="stop the kernel in its own page faults (userfaultfd)",
        code="""
attempt()
import fcntl
for flags in (0, 1, 0x80001):
    if syscall("userfaultfd", flags) >= 0:
        got(f"userfaultfd {flags:#x}")
with contextlib.suppress(OSError), open("/dev/userfaultfd", "rb") as device:
    fcntl.ioctl(device, 0xAA00, 0)
    got("/dev/userfaultfd")
""",
    ),
    _attack(
        id="syscall-perf",
        title="count and sample with perf_event_open",
        code="""
attempt()
for kind, config in ((1, 0), (0, 0), (2, 1), (4, 0)):
    attributes = struct.pack("IIQ", kind, 112, config) + bytes(96)
    for pid in (0, 1, T["relay"]):
        fd = syscall("perf_event_open", attributes, pid, -1, -1, 0)
        if fd >= 0:
            got(f"perf {kind} of {pid}")
""",
    ),
    _attack(
        id="syscall-modules",
        title="load a kernel module and another kernel; reboot; swap; account",
        code="""
attempt()
image = ctypes.create_string_buffer(b"\\x7fELF" + bytes(100))
wrong = {-1, -38, -13}
for call, arguments in (("init_module", (image, 104, b"")), ("finit_module", (0, b"", 0)), ("kexec_load", (0, 0, None, 0)),
                        ("swapon", (b"/tmp/none", 0)), ("acct", (b"/tmp/acct",)), ("quotactl", (0x800002 << 8, b"/", 0, None)),
                        ("reboot", (0xFEE1DEAD, 0x28121969, 0x0, None))):
    answer = syscall(call, *arguments)
    if answer not in wrong:
        got(f"{call} answered {answer}: nobody refused it")
""",
    ),
    _attack(
        id="syscall-hardware",
        title="touch ports, segments and the log (iopl, ioperm, modify_ldt, syslog)",
        code="""
attempt()
for call, arguments in (("iopl", (3,)), ("ioperm", (0x80, 1, 1)), ("syslog", (3, ctypes.create_string_buffer(64), 64)),
                        ("modify_ldt", (1, struct.pack("4I", 0, 0, 0xFFFFF, 0x51), 16))):
    if syscall(call, *arguments) >= 0:
        got(call)
""",
    ),
    _attack(
        id="syscall-personality",
        title="turn off address randomisation and become another system",
        code="""
attempt()
for persona in (0x0040000, 0x0008, 0x0400000, 0x0100000):
    if syscall("personality", persona) >= 0:
        got(f"personality {persona:#x}")
        syscall("personality", 0)
""",
    ),
    _attack(
        id="syscall-x32",
        title="make calls by their x32 numbers, past a filter by number",
        code="""
attempt()
if not _ARM:
    bit = 0x40000000
    for number, arguments in ((272, (0x10000000,)), (165, (None, b"/tmp", b"tmpfs", 0, None)), (101, (0, 0, 0, 0)),
                              (41, (40, 1, 0)), (321, (0, bytes(120), 120)), (39, ())):
        answer = syscall_number(bit + number, *arguments)
        if answer >= 0:
            got(f"x32 call {number} answered {answer}")
""",
    ),
    _attack(
        id="syscall-i386",
        title="make calls by the 32-bit gate (int 0x80), past a filter by architecture",
        code="""
attempt()
if not _ARM:
    import mmap
    # mov eax, 20 (getpid); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    call = ctypes.CFUNCTYPE(ctypes.c_int)(address)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if call() == os.getpid() else 3)
    if os.waitpid(pid, 0)[1] == 0:
        got("a 32-bit getpid")
""",
    ),
    _attack(
        id="syscall-memory-hiding",
        title="make memory that no limit of files counts (memfd, secret memory)",
        code="""
attempt()
for call, arguments in (("memfd_create", (b"crm", 0)), ("memfd_create", (b"crm", 4)), ("memfd_secret", (0,))):
    fd = syscall(call, *arguments)
    if fd >= 0:
        keep.append(fd)
        got(call)
""",
    ),
    _attack(
        id="syscall-watch-files",
        title="watch the whole file system with fanotify; compare kernel objects",
        code="""
attempt()
for flags in (0, 4, 8, 0x200):
    if syscall("fanotify_init", flags, 0) >= 0:
        got(f"fanotify {flags:#x}")
if syscall("kcmp", os.getpid(), os.getppid(), 0, 0, 0) >= 0:
    got("kcmp")
""",
    ),
    _attack(
        id="syscall-prctl",
        title="change what the parent's death, core dumps and names mean",
        code="""
attempt()
keep.append(syscall("prctl", 1, 9, 0, 0, 0))
if syscall("prctl", 36, 1, 0, 0, 0) == 0:
    # A reaper of one's own keeps no child from dying with the jail, but ends with it.
    syscall("prctl", 36, 0, 0, 0, 0)
for option, name in ((35, "PR_SET_MM"), (26, "PR_SET_TSC"), (22, "PR_SET_SECCOMP")):
    if syscall("prctl", option, 1, 0, 0, 0) == 0:
        got(name)
if syscall("prctl", 0x59616D61, -1, 0, 0, 0) == 0:
    keep.append("Yama lets anyone trace")
""",
    ),
    _attack(
        id="syscall-sweep",
        title="make every system call there is with empty arguments",
        dirty=True,
        code="""
attempt(0.1)
# exit, fork, signals to oneself, blocking waits and the like say nothing and end the sweep.
silent = {15, 56, 57, 58, 59, 60, 231, 34, 61, 62, 200, 234, 7, 23, 232, 270, 271, 281, 441, 130, 128, 247, 219,
          3, 33, 292, 436, 11, 12, 25, 10, 9, 202, 449, 455, 230, 35, 24, 322, 435, 425, 13, 14, 72, 131, 273, 32}
def sweep():
    for number in range(470):
        if number not in silent:
            syscall_number(number, 0, 0, 0, 0, 0, 0)
if not _ARM:
    pid = os.fork()
    if pid == 0:
        try:
            import signal
            signal.alarm(3)
            sweep()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
""",
    ),
)
