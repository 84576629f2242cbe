"""Gaining power: programs, files of the kernel, groups of control."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.PRIVILEGE)

ATTACKS = (
    _attack(
        id="privilege-setuid-programs",
        title="run every setuid program there is (su, mount, ping, pkexec, sudo)",
        code="""
attempt()
for name in ("su", "sudo", "mount", "ping", "pkexec", "passwd", "newgrp", "newuidmap", "fusermount3", "crontab"):
    for folder in ("/usr/bin", "/bin", "/usr/sbin"):
        path = f"{folder}/{name}"
        if os.path.exists(path):
            out = subprocess.run([path, "-c", "id -u"], capture_output=True, text=True, timeout=5,
                                 stdin=subprocess.DEVNULL)
            if out.stdout.strip() == "0":
                got(path)
""",
    ),
    _attack(
        id="privilege-setuid-calls",
        title="become root, or anyone else, by every set*id call",
        code="""
attempt()
start = os.getresuid(), os.getresgid(), set(os.getgroups())
def become():
    for wanted in (0, 1, 65534, 1001, 100000):
        for act in (lambda: os.setresuid(wanted, wanted, wanted), lambda: os.setuid(wanted), lambda: os.setreuid(wanted, wanted),
                    lambda: os.setresgid(wanted, wanted, wanted), lambda: os.setgid(wanted), lambda: os.setgroups([wanted])):
            with contextlib.suppress(OSError):
                act()
        syscall("setfsuid", wanted)
    return os.getresuid(), os.getresgid(), set(os.getgroups())
end = become()
if end != start:
    got(f"{start} became {end}")
""",
    ),
    _attack(
        id="privilege-capabilities",
        title="raise capabilities: effective, inheritable, ambient, bounding",
        code="""
attempt()
header = struct.pack("Ii", 0x20080522, 0)
everything = struct.pack("6I", *[0xFFFFFFFF] * 6)
number = 126 if not _ARM else 91
if syscall_number(number, header, everything) == 0:
    got("capset of everything")
for capability in range(41):
    if syscall("prctl", 47, 2, capability, 0, 0) == 0:
        got(f"ambient capability {capability}")
""",
    ),
    _attack(
        id="privilege-no-new-privs",
        title="take back no_new_privs and the seccomp filter",
        code="""
attempt()
if syscall("prctl", 38, 0, 0, 0, 0) == 0:
    got("no_new_privs taken back")
if syscall("prctl", 22, 0, 0, 0, 0) == 0:
    got("seccomp disabled by prctl")
program = struct.pack("HBBI", 6, 0, 0, 0x7FFF0000)
buffer = ctypes.create_string_buffer(program)
allow_all = struct.pack("HxxxxxxQ", 1, ctypes.addressof(buffer))
if syscall("seccomp", 1, 8, allow_all) >= 0:
    got("a seccomp listener of one's own")
if syscall("prctl", 39, 0, 0, 0, 0) != 1:
    got("no_new_privs is not set")
""",
    ),
    _attack(
        id="privilege-cgroup",
        title="leave or change the control group; write a release agent",
        code="""
attempt()
import glob
for path in glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True)[:5] + glob.glob("/sys/fs/cgroup/*/cgroup.procs")[:5] + [
        "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent", "/proc/self/cgroup"]:
    with contextlib.suppress(OSError), open(path, "w") as file:
        file.write("0")
        file.flush()
        got(path)
for kind in ("cgroup", "cgroup2"):
    os.makedirs("/tmp/cg", exist_ok=True)
    for options in (b"rdma", b"memory", b"none,name=crm", None):
        if syscall("mount", kind.encode(), b"/tmp/cg", kind.encode(), 0, options) == 0:
            got(f"mounted {kind} {options}")
""",
    ),
    _attack(
        id="privilege-sysctl",
        title="set core_pattern, modprobe, binfmt_misc and other helpers of the kernel",
        code="""
attempt()
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
             "/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger",
             "/proc/sys/kernel/ns_last_pid", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/hostname",
             "/proc/sys/kernel/domainname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/randomize_va_space",
             "/proc/sys/user/max_user_namespaces", "/proc/kcore", "/proc/irq/0/smp_affinity", "/proc/bus/pci/devices"):
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY))
        got(f"{path} for writing")
""",
    ),
    _attack(
        id="privilege-kernel-files",
        title="read the kernel's memory, keys, log and modules",
        code="""
attempt()
for path in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/proc/kmsg", "/proc/vmallocinfo", "/proc/timer_list",
             "/proc/keys", "/proc/slabinfo", "/proc/kpagemap", "/sys/kernel/debug/gpio", "/sys/kernel/tracing/trace",
             "/sys/firmware/efi/vars", "/sys/kernel/security/lsm", "/proc/1/mem", "/proc/self/pagemap_x"):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        data = file.read(64)
        # The list of keys shows only what the reader may see: an empty one tells nothing.
        if data and path != "/proc/keys":
            got(f"{path} {data[:20]!r}")
""",
    ),
    _attack(
        id="privilege-own-memory",
        title="force writes through /proc/self/mem into read-only program text",
        code="""
attempt()
import mmap
with open("/proc/self/maps") as maps:
    lines = [line for line in maps if "r-xp" in line and "/" in line]
path = lines[0].split()[-1]
start = int(lines[0].split("-")[0], 16)
with open("/proc/self/mem", "r+b", buffering=0) as memory:
    memory.seek(start)
    original = memory.read(1)
    memory.seek(start)
    with contextlib.suppress(OSError):
        memory.write(original)
with open(path, "rb") as file:
    keep.append(file.read(1))
with contextlib.suppress(OSError):
    os.close(os.open(path, os.O_WRONLY))
    got(f"{path} for writing")
""",
    ),
    _attack(
        id="privilege-terminal",
        title="type into a terminal outside with TIOCSTI and TIOCLINUX",
        code="""
attempt(0.1)
import fcntl, glob
for path in ["/dev/tty", "/dev/console", "/dev/tty0", *glob.glob("/dev/pts/*")[:5], *(f"/proc/self/fd/{n}" for n in (0, 1, 2))]:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for request in (0x5412, 0x541C, 0x15412 & 0xFFFFFFFF, 0x540E):
            with contextlib.suppress(OSError):
                fcntl.ioctl(fd, request, b"\\n")
                if request != 0x540E:
                    got(f"{request:#x} on {path}")
        os.close(fd)
import pty
ours, theirs = pty.openpty()
for request in (0x5412, 0x100005412, 0xFFFFFFFF00005412 - (1 << 64)):
    if syscall_number(16 if not _ARM else 29, theirs, request, b"x") == 0:
        got(f"TIOCSTI as {request:#x}")
os.close(ours), os.close(theirs)
""",
    ),
    _attack(
        id="privilege-hostname",
        title="rename the machine and set its clock",
        code="""
attempt()
name = T["marker"].encode()
for call in ("sethostname", "setdomainname"):
    if syscall(call, name, len(name)) == 0:
        got(call)
for clock in (0, 1, 11):
    if syscall("clock_settime", clock, struct.pack("ll", 1, 0)) == 0:
        got(f"clock {clock} set")
zone = 164 if not _ARM else 170
if syscall_number(zone, None, struct.pack("ii", 60, 0)) == 0:
    got("time zone set")
""",
    ),
    _attack(
        id="privilege-priority",
        title="take the processor and the disk: real time, negative nice, io priority",
        code="""
attempt()
for act, name in ((lambda: os.nice(-10), "nice -10"), (lambda: os.setpriority(os.PRIO_PROCESS, 0, -20), "priority -20"),
                  (lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)), "SCHED_FIFO"),
                  (lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(99)), "SCHED_RR")):
    with contextlib.suppress(OSError):
        act()
        got(name)
if syscall_number(251 if not _ARM else 30, 1, 0, (1 << 13) | 0) == 0:
    got("real-time io priority")
if syscall_number(314 if not _ARM else 274, 0, struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 1 << 22, 1 << 23, 1 << 23), 0) == 0:
    got("SCHED_DEADLINE")
""",
    ),
    _attack(
        id="privilege-limits",
        title="raise one's own and PID 1's resource limits",
        code="""
attempt()
import resource
for name in ("NOFILE", "NPROC", "AS", "DATA", "FSIZE", "MEMLOCK", "MSGQUEUE", "CORE", "RTPRIO", "NICE"):
    which = getattr(resource, f"RLIMIT_{name}")
    soft, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (soft, hard + 1))
            got(f"RLIMIT_{name} raised")
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(T["relay"], which, (0, 0))
        got(f"RLIMIT_{name} of the relay")
""",
    ),
    _attack(
        id="privilege-user-namespace-program",
        title="get a user namespace by unshare(1) and friends",
        code="""
attempt()
for command in (["unshare", "-Ur", "id", "-u"], ["unshare", "--user", "--map-root-user", "id", "-u"],
                ["bwrap", "--unshare-all", "id", "-u"], ["newuidmap", "1", "0", "0", "1"]):
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        out = subprocess.run(command, capture_output=True, text=True, timeout=5)
        if out.returncode == 0 and out.stdout.strip() == "0":
            got(command[0])
""",
    ),
)
