"""The system calls a worker may make: one place, one reason per line.

An allow list over ``DEFAULT ERRNO``. Never ``KILL``: importing numpy tries ``mbind``, and a program
that meets a refused call must see an error and carry on. The whole science stack uses 86 different
calls; the list is Docker's idea of an ordinary program, less what a notebook has no use for.

Kafel's rules: the first match wins, so the refusals with arguments stand before the plain allow
list; calls are named as the kernel's table names them (``umount``, ``newstat``, ``prlimit64``).
i386 and x32 calls never reach this list: nsjail's architecture check ends the process.

Source: Kafel's syntax, https://github.com/google/kafel.
"""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["ALLOWED", "RULES", "Rule", "policy"]


class Rule(NamedTuple):
    """One refusal: `action` for `calls` (with their condition), and `why`."""

    action: str
    calls: str
    why: str


_ENOSYS, _EPERM, _EOPNOTSUPP, _IGNORED = "ERRNO(38)", "ERRNO(1)", "ERRNO(95)", "ERRNO(0)"


def _one_of(argument: str, *values: int) -> str:
    """Compare an argument as the kernel reads it: Kafel sees 64 bits of it, the kernel 32."""
    return " || ".join(f"({argument} & 0xffffffff) == {value}" for value in values)


# Families: 1 unix, 2 inet, 10 inet6, 16 netlink (glibc lists interfaces with it).
_FAMILY = " && ".join(f"(domain & 0xffffffff) != {family}" for family in (1, 2, 10, 16))
# SOL_SOCKET (1) with SO_SNDBUF 7, SO_RCVBUF 8, SO_SNDBUFFORCE 32, SO_RCVBUFFORCE 33.
_BUFFERS = f"{_one_of('level', 1)} && ({_one_of('optname', 7, 8, 32, 33)})"
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = "(clone_flags & 0x7e020000) != 0"
# PR_SET_PDEATHSIG 1, PR_SET_SECCOMP 22, PR_SET_TSC 26, PR_SET_MM 35.
_PRCTL = _one_of("option", 1, 22, 26, 35)
_TERMINAL = _one_of("cmd", 0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

RULES: tuple[Rule, ...] = (
    Rule(_ENOSYS, "clone3", "its flags are behind a pointer; glibc falls back to clone"),
    Rule(_ENOSYS, "memfd_create", "memory that no tmpfs size and no RLIMIT_DATA counts"),
    # libzmq aborts the process on EAFNOSUPPORT when it lists interfaces; EOPNOTSUPP it handles.
    Rule(
        _EOPNOTSUPP,
        f"socket(domain, type, protocol) {{ {_FAMILY} }}",
        "packet, vsock, alg, bluetooth …: kernel code nobody here needs",
    ),
    # Pretending success keeps programs going: kernel memory held by 126 pairs fell 988 -> 28 MB.
    Rule(
        _IGNORED,
        f"setsockopt(fd, level, optname) {{ {_BUFFERS} }}",
        "socket buffers are kernel memory outside every rlimit",
    ),
    Rule(_EPERM, f"clone(clone_flags) {{ {_NEW_NAMESPACES} }}", "no namespaces inside the jail"),
    Rule(_EPERM, "unshare, setns", "nor by another door"),
    Rule(
        _EPERM,
        f"prctl(option) {{ {_PRCTL} }}",
        "nsjail's death signal, filters of its own, timers, the layout of memory",
    ),
    Rule(
        _EPERM,
        "prlimit64(pid) { (pid & 0xffffffff) != 0 }",
        "other processes' limits: taking the descriptors from one of the same user stops it",
    ),
    Rule(
        _EPERM,
        f"ioctl(fd, cmd) {{ {_TERMINAL} }}",
        "typing into a terminal that somebody else reads",
    ),
    Rule(
        _EPERM,
        "ptrace, process_vm_readv, process_vm_writev, process_madvise, kcmp, pidfd_getfd",
        "reaching into other processes: PID 1 would hang the session's end",
    ),
    Rule(
        _EPERM,
        "mount, umount, pivot_root, chroot, move_mount, open_tree, fsopen, fsconfig, fsmount, "
        "fspick, mount_setattr, statmount, listmount",
        "the file tree stays as it was given",
    ),
    Rule(_EPERM, "keyctl, add_key, request_key", "the kernel's key rings are not per namespace"),
    Rule(
        _EPERM,
        "bpf, perf_event_open, userfaultfd, io_uring_setup, io_uring_enter, io_uring_register",
        "where most kernel escapes of the last years came from",
    ),
    Rule(
        _EPERM,
        "kexec_load, kexec_file_load, init_module, finit_module, delete_module, reboot, swapon, "
        "swapoff, acct, quotactl, quotactl_fd, syslog, iopl, ioperm, vhangup",
        "the machine's own business",
    ),
    Rule(
        _EPERM,
        "open_by_handle_at, name_to_handle_at",
        "a file handle opens files outside of every mount",
    ),
    Rule(_EPERM, "mknod, mknodat", "device nodes"),
    Rule(
        _EPERM,
        "personality, modify_ldt, lsm_set_self_attr, lsm_get_self_attr, lsm_list_modules, seccomp",
        "weakening address randomisation, old segments, security modules",
    ),
    Rule(
        _EPERM,
        "settimeofday, clock_settime, clock_adjtime, adjtimex, sethostname, setdomainname",
        "clocks and names",
    ),
    Rule(_EPERM, "fanotify_init, fanotify_mark", "watching other people's files"),
    Rule(
        _EPERM,
        "move_pages, migrate_pages, mbind, set_mempolicy, set_mempolicy_home_node, memfd_secret",
        "placement of memory; OpenBLAS asks and does without",
    ),
    Rule(
        _EPERM,
        "io_setup, io_submit, io_destroy, io_cancel, io_getevents, io_pgetevents, "
        "remap_file_pages, vmsplice",
        "old asynchronous I/O and page tricks with a history of holes",
    ),
)

_LANDLOCK_LEAVES = (
    # Pretended, because copying a file ends with them.
    Rule(
        _IGNORED,
        "chmod, fchmod, fchmodat, fchmodat2, chown, fchown, lchown, fchownat, utime, utimes, "
        "futimesat, utimensat",
        "Landlock guards what is in a file, not its mode, owner and times",
    ),
    Rule(
        _EOPNOTSUPP,
        "setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr",
        "nor its attributes",
    ),
    # Pretended too: libzmq ends the process if its threads' scheduling cannot be set.
    Rule(
        _IGNORED,
        "setpriority, ioprio_set, sched_setaffinity, sched_setattr, sched_setparam, "
        "sched_setscheduler",
        "nor the user's other processes from being slowed down",
    ),
)
"""Refused besides where there are no namespaces and the worker is the user."""

ALLOWED = """
read write open close newstat newfstat newlstat poll lseek mmap mprotect munmap brk rt_sigaction
rt_sigprocmask rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield
mremap msync mincore madvise dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile64
socket connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername
socketpair setsockopt getsockopt clone fork vfork execve exit wait4 kill newuname fcntl flock fsync
fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink
symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo
times getuid getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid
getgroups setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget
capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime statfs fstatfs
getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler
sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall
munlockall prctl arch_prctl setrlimit sync gettid readahead setxattr lsetxattr fsetxattr getxattr
lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr tkill time
futex sched_setaffinity sched_getaffinity epoll_create getdents64 set_tid_address restart_syscall
fadvise64 timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime
clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes waitid ioprio_set
ioprio_get inotify_init inotify_add_watch inotify_rm_watch openat mkdirat fchownat futimesat
newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll
set_robust_list get_robust_list splice tee sync_file_range utimensat epoll_pwait signalfd
timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2
epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo recvmmsg prlimit64 syncfs
sendmmsg getcpu sched_setattr sched_getattr renameat2 getrandom execveat membarrier mlock2
copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx rseq pidfd_send_signal
pidfd_open close_range openat2 faccessat2 epoll_pwait2 landlock_create_ruleset landlock_add_rule
landlock_restrict_self futex_waitv futex_wake futex_wait futex_requeue cachestat fchmodat2
map_shadow_stack get_mempolicy mseal
""".split()
"""Calls allowed with any arguments; what is in neither list is ENOSYS."""


_X86_ONLY = frozenset(
    """
open newstat newlstat poll access pipe select dup2 pause alarm fork vfork getdents rename mkdir
rmdir creat link unlink symlink readlink chmod chown lchown utime time epoll_create epoll_wait
inotify_init utimes futimesat signalfd eventfd arch_prctl map_shadow_stack iopl ioperm modify_ldt
mknod getpgrp sendfile64 sync_file_range pkey_mprotect pkey_alloc pkey_free io_pgetevents
""".split()
)
"""Calls that only x86-64 has, or has under that name; Kafel refuses a policy that names one
elsewhere."""

_ARM_NAMES = ("sendfile", "sync_file_range2")


def _here(calls: str, machine: str) -> str:
    """Leave out of a plain list of calls what this machine does not have."""
    if machine == "x86_64" or "{" in calls:
        return calls
    return ", ".join(c for c in (part.strip() for part in calls.split(",")) if c not in _X86_ONLY)


def policy(*, sockets: bool = True, machine: str | None = None) -> str:
    """Return the policy in Kafel's language.

    Parameters
    ----------
    sockets
        False refuses every socket: the tier without namespaces has no network of its own to
        stay inside of.
    machine
        Architecture as the kernel names it; the running one if not given.
    """
    machine = machine or os.uname().machine
    rules = list(RULES)
    if not sockets:
        rules.insert(0, Rule(_EOPNOTSUPP, "socket", "no network namespace to keep it in"))
        # A datagram socket, though one of a pair, sends to any path; a stream is tied to its peer.
        pair = "socketpair(domain, type, protocol, fds) { (type & 0xf) != 1 }"
        rules.insert(1, Rule(_EOPNOTSUPP, pair, "sends to sockets of the host by their paths"))
        rules[2:2] = _LANDLOCK_LEAVES
    allowed = ALLOWED if machine == "x86_64" else [*ALLOWED, *_ARM_NAMES]
    refusals = "\n".join(f"  {rule.action} {{ {_here(rule.calls, machine)} }}," for rule in rules)
    calls = _here(", ".join(allowed), machine)
    return (
        f"POLICY coderemote {{\n{refusals}\n  ALLOW {{ {calls} }}\n}}\n"
        "USE coderemote DEFAULT ERRNO(38)"
    )
