"""The system call policy: that it is well-formed, and that the kernel holds the jail to it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from typing import Any

import pytest

from coderemote_sandbox import interpreter, nsjail, seccomp, tiers
from coderemote_sandbox.limits import Limits

pytestmark = pytest.mark.sandbox

x86_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64's calls")

REFUSED = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440,
    "kcmp": 312, "pidfd_getfd": 438, "mount": 165, "umount": 166, "pivot_root": 155, "chroot": 161,
    "move_mount": 429, "open_tree": 428, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "mount_setattr": 442, "statmount": 457, "listmount": 458, "keyctl": 250,
    "add_key": 248, "request_key": 249, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "kexec_load": 246,
    "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "delete_module": 176,
    "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "quotactl": 179, "quotactl_fd": 443,
    "syslog": 103, "iopl": 172, "ioperm": 173, "vhangup": 153, "open_by_handle_at": 304,
    "name_to_handle_at": 303, "mknod": 133, "mknodat": 259, "personality": 135, "modify_ldt": 154,
    "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461, "seccomp": 317,
    "settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305, "adjtimex": 159,
    "sethostname": 170, "setdomainname": 171, "fanotify_init": 300, "fanotify_mark": 301,
    "move_pages": 279, "migrate_pages": 256, "mbind": 237, "set_mempolicy": 238,
    "set_mempolicy_home_node": 450, "memfd_secret": 447, "io_setup": 206, "io_destroy": 207,
    "io_getevents": 208, "io_submit": 209, "io_cancel": 210, "io_pgetevents": 333,
    "remap_file_pages": 216, "vmsplice": 278, "unshare": 272, "setns": 308, "clone3": 435,
    "memfd_create": 319,
}  # fmt: skip

# In neither list: System V and POSIX queues, and some that are gone or too new.
UNKNOWN = {
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68,
    "msgsnd": 69, "mq_open": 240, "mq_unlink": 241, "uselib": 134, "_sysctl": 156,
    "nfsservctl": 180, "lookup_dcookie": 212, "open_tree_attr": 467,
    "a call of the future": 900,
}  # fmt: skip

CALLS = """
import ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments))
    return [result, ctypes.get_errno()]
"""


def plain(rule: seccomp.Rule) -> list[str]:
    """Calls a rule refuses whatever their arguments."""
    return [] if "{" in rule.calls else [name.strip() for name in rule.calls.split(",")]


def test_no_call_is_both_refused_and_allowed():
    refused = [name for rule in seccomp.RULES for name in plain(rule)]
    assert len(refused) == len(set(refused))
    assert not set(refused) & set(seccomp.ALLOWED)


def test_no_call_is_allowed_twice():
    assert len(seccomp.ALLOWED) == len(set(seccomp.ALLOWED))


def test_every_rule_says_why_in_one_line():
    for rule in seccomp.RULES:
        assert rule.why
        assert "\n" not in rule.why


def test_every_answer_is_an_error_never_a_kill():
    for policy in (seccomp.policy(), seccomp.policy(sockets=False)):
        assert not re.search(r"\b(KILL|TRAP|LOG)", policy)
        assert policy.endswith("DEFAULT ERRNO(38)")


def test_the_policy_for_arm_names_nothing_only_x86_has():
    policy = seccomp.policy(machine="aarch64")
    names = set(re.findall(r"[a-z_][a-z0-9_]*", policy))
    # The calls that the 64-bit ABI for new architectures left out.
    missing = """open newstat newlstat poll access pipe select dup2 pause alarm fork vfork getdents
    rename mkdir rmdir creat link unlink symlink readlink chmod chown lchown utime time utimes
    epoll_create epoll_wait inotify_init futimesat signalfd eventfd arch_prctl map_shadow_stack
    iopl ioperm modify_ldt mknod sysfs ustat uselib"""
    assert not names & set(missing.split())


def test_the_policy_for_arm_names_only_what_kafel_knows_there():
    """Read from the tables in the nsjail 3.6 binary."""
    names = set(re.findall(r"[a-z_][a-z0-9_]*", seccomp.policy(machine="aarch64")))
    unknown = "getpgrp sendfile64 sync_file_range pkey_mprotect pkey_alloc pkey_free io_pgetevents"
    assert not names & set(unknown.split())


def test_the_policy_for_arm_has_no_empty_rule():
    for refused in re.findall(r"ERRNO\(\d+\) \{([^{}]*)\}", seccomp.policy(machine="aarch64")):
        assert refused.strip(" ,")


def test_refusing_sockets_comes_before_any_rule_on_them():
    policy = seccomp.policy(sockets=False)
    assert policy.index("ERRNO(95) { socket }") < policy.index("ERRNO(38)")


@pytest.mark.parametrize("sockets", [True, False])
def test_nsjail_takes_the_policy(tmp_path, sockets):
    spec = nsjail.JailSpec(
        interpreter=interpreter.describe(),
        limits=Limits(),
        tier=tiers.NO_NAMESPACES,
        workspace=str(tmp_path),
    )
    config = json.loads(nsjail.configuration(spec))
    config |= {"exec_bin": {"path": "/bin/true"}, "pass_fd": [], "cwd": "/"}
    config["seccomp_string"] = [seccomp.policy(sockets=sockets)]
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [nsjail.find_nsjail(), "-C", str(path)], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


@x86_only
def test_the_numbers_here_cover_every_call_that_is_refused():
    assert {name for rule in seccomp.RULES for name in plain(rule)} == set(REFUSED)


@x86_only
def test_every_refused_call_answers_as_its_rule_says(shared_session):
    code = (
        CALLS + f"print(json.dumps({{n: call(k, *[2**64 - 1] * 6) for n, k in {REFUSED}.items()}}))"
    )
    got = shared_session.value(code)
    for rule in seccomp.RULES:
        number = int(re.findall(r"\d+", rule.action)[0])
        for name in plain(rule):
            assert got[name] == [-1, number], name


@x86_only
def test_every_unlisted_call_does_not_exist(shared_session):
    code = CALLS + f"print(json.dumps({{n: call(k, 0, 0, 0) for n, k in {UNKNOWN}.items()}}))"
    got = shared_session.value(code)
    assert got == {name: [-1, errno.ENOSYS] for name in UNKNOWN}


@x86_only
def test_calls_of_the_other_two_abis_do_not_reach_the_kernel(shared_session):
    """x32 numbers are refused; a call through i386's gate ends the process."""
    code = (
        CALLS
        + r"""
import mmap, os
x32 = call(0x40000000 | 39)
pid = os.fork()
if pid == 0:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    os._exit(0)
_, status = os.waitpid(pid, 0)
print(json.dumps([x32, os.WIFSIGNALED(status) and os.WTERMSIG(status)]))
"""
    )
    (x32, _), signal_number = shared_session.value(code)
    assert x32 == -1
    assert signal_number == 31  # SIGSYS


NAMESPACES = {
    "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
    "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000,
}  # fmt: skip


@x86_only
@pytest.mark.parametrize("high", [0, 1 << 32], ids=["as usual", "with high bits"])
def test_no_clone_makes_a_namespace(shared_session, high):
    code = (
        CALLS
        + f"""
got = {{}}
for name, flag in {NAMESPACES}.items():
    got[name] = call(56, flag | {high} | 17, 0, 0, 0, 0)
    if got[name][0] == 0:
        libc._exit(0)
print(json.dumps(got))
"""
    )
    assert shared_session.value(code) == {name: [-1, errno.EPERM] for name in NAMESPACES}


@x86_only
@pytest.mark.parametrize("high", [0, 1 << 32], ids=["as usual", "with high bits"])
def test_the_dangerous_options_of_prctl_are_refused(shared_session, high):
    """The kernel looks at 32 bits of them; so must the filter."""
    code = (
        CALLS + f"print(json.dumps([call(157, option | {high}, 0) for option in (1, 22, 26, 35)]))"
    )
    assert shared_session.value(code) == [[-1, errno.EPERM]] * 4


def test_ordinary_options_of_prctl_work(shared_session):
    code = CALLS + "print(json.dumps(libc.prctl(15, b'name', 0, 0, 0)))"
    assert shared_session.value(code) == 0


@x86_only
@pytest.mark.parametrize("high", [0, 1 << 32], ids=["as usual", "with high bits"])
def test_nothing_can_be_typed_into_a_terminal(shared_session, high):
    code = (
        CALLS
        + f"""
import pty
leader, follower = pty.openpty()
letter = ctypes.c_char(b"x")
print(json.dumps([call(16, follower, command | {high}, ctypes.addressof(letter))
                  for command in (0x5412, 0x541C)]))
"""
    )
    assert shared_session.value(code) == [[-1, errno.EPERM]] * 2


FAMILIES = """
import errno, json, socket
got = {}
for family in range(47):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
        got[family] = 0
    except OSError as error:
        got[family] = error.errno
print(json.dumps(got))
"""


def test_only_unix_inet_and_netlink_sockets_can_be_made(shared_session):
    got: dict[str, Any] = shared_session.value(FAMILIES)
    allowed = {"1", "2", "10", "16"}
    assert {family for family, error in got.items() if error != errno.EOPNOTSUPP} == allowed
    assert got["1"] == got["2"] == 0


@pytest.mark.parametrize("high", [0, 1 << 32], ids=["as usual", "with high bits"])
@x86_only
def test_high_bits_do_not_open_a_refused_family(shared_session, high):
    code = (
        CALLS + f"print(json.dumps([call(41, family | {high}, 2, 0) for family in (17, 38, 40)]))"
    )
    assert shared_session.value(code) == [[-1, errno.EOPNOTSUPP]] * 3


@x86_only
@pytest.mark.parametrize("high", [0, 1 << 32], ids=["as usual", "with high bits"])
def test_socket_buffers_stay_as_they_are_and_nobody_is_told(shared_session, high):
    code = (
        CALLS
        + f"""
import socket
end, _ = socket.socketpair()
size = ctypes.c_int(64 << 20)
before = [end.getsockopt(socket.SOL_SOCKET, name) for name in (7, 8)]
calls = [call(54, end.fileno(), 1 | {high}, name | {high}, ctypes.addressof(size), 4)
         for name in (7, 8, 32, 33)]
after = [end.getsockopt(socket.SOL_SOCKET, name) for name in (7, 8)]
print(json.dumps([calls, before == after]))
"""
    )
    calls, unchanged = shared_session.value(code)
    assert unchanged
    assert calls == [[0, 0]] * 4


def test_other_socket_options_work(shared_session):
    code = """
import json, socket
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    print(json.dumps(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)))
"""
    assert shared_session.value(code) == 1


def test_the_filter_cannot_be_left_by_a_child(shared_session):
    code = """
import json, subprocess, sys
question = '''import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.unshare(0x20000)
print(ctypes.get_errno())'''
done = subprocess.run([sys.executable, "-I", "-c", question], capture_output=True, text=True)
print(json.dumps(int(done.stdout)))
"""
    assert shared_session.value(code) == errno.EPERM


def test_the_worker_runs_under_the_filter_and_without_new_privileges(shared_session):
    lines = shared_session.run("print(open('/proc/self/status').read())")
    status = dict(line.split(":\t", 1) for line in lines.splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert {status[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }


def test_the_policy_is_text_that_survives_json():
    policy = seccomp.policy()
    assert json.loads(json.dumps(policy)) == policy
