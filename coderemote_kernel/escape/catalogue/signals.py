"""Signals at those outside: the relay, its children, everyone."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Profile

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.SIGNALS)

ATTACKS = (
    _attack(
        id="signals-relay",
        title="signal the relay by its number",
        code="""
import signal
attempt()
for number in (0, signal.SIGUSR1, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
    with contextlib.suppress(OSError):
        os.kill(T["relay"], number)
        got(f"sent {number}")
""",
    ),
    _attack(
        id="signals-bystander",
        title="signal a stranger's process",
        stock=True,
        code="""
import signal
attempt()
for number in (signal.SIGUSR1, signal.SIGTERM):
    with contextlib.suppress(OSError):
        os.kill(T["bystander"], number)
time.sleep(0.05)
""",
    ),
    _attack(
        id="signals-stop",
        title="stop a stranger's process",
        stock=True,
        code="""
import signal
attempt()
with contextlib.suppress(OSError):
    os.kill(T["bystander"], signal.SIGSTOP)
time.sleep(0.05)
""",
    ),
    _attack(
        id="signals-groups",
        title="signal the process groups of the relay and of the stranger",
        code="""
import signal
attempt()
for group in (T["relay"], T["bystander"]):
    for number in (signal.SIGUSR2, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(group, number)
            got(f"sent {number} to group {group}")
""",
    ),
    _attack(
        id="signals-init",
        title="end PID 1 and the launcher",
        code="""
import signal
attempt(0.1)
if os.getppid() == 1:
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1):
        with contextlib.suppress(OSError):
            os.kill(1, number)
    time.sleep(0.2)
    print("PID 1 did not mind")
""",
    ),
    _attack(
        id="signals-everyone",
        title="kill(-1): everyone there is",
        # With the machine's own process ids in sight this would end the machine if it worked, so
        # the cell keeps quiet there.
        code="""
import signal
attempt(0.1)
if os.getppid() == 1:
    os.kill(-1, signal.SIGKILL)
""",
    ),
    _attack(
        id="signals-sweep",
        title="kill every number from 2 to 50000",
        code="""
import signal
attempt(0.1)
if os.getppid() == 1:
    own = os.getpid()
    for pid in range(2, 50000):
        if pid != own:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
""",
    ),
    _attack(
        id="signals-pidfd",
        title="signal by pidfd and by thread",
        code="""
import signal
attempt()
for target in (T["relay"], T["bystander"]):
    fd = syscall("pidfd_open", target, 0)
    if fd >= 0 and syscall("pidfd_send_signal", fd, int(signal.SIGUSR1), None, 0) == 0:
        got(f"a signal to {target}")
    for number in (200, 234) if not _ARM else (130, 131):
        arguments = (target, int(signal.SIGUSR1)) if number in (200, 130) else (target, target, int(signal.SIGUSR1))
        if syscall_number(number, *arguments) == 0:
            got(f"tkill of {target}")
""",
    ),
    _attack(
        id="signals-queued",
        title="queue signals with forged senders",
        code="""
attempt()
info = struct.pack("iiiiii", 10, 0, -1, 0, 0, 0) + bytes(104)
number = 129 if not _ARM else 138
for target in (T["relay"], T["bystander"]):
    if syscall_number(number, target, 10, info) == 0:
        got(f"queued for {target}")
""",
    ),
    _attack(
        id="signals-owner",
        title="have pipes, sockets, timers and leases signal others",
        code="""
attempt()
import fcntl, signal
ours, theirs = socket.socketpair()
reading, writing = os.pipe()
for target in (T["relay"], -T["relay"], T["bystander"], -T["bystander"]):
    for fd in (ours.fileno(), reading):
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, 10, int(signal.SIGUSR1))
            fcntl.fcntl(fd, fcntl.F_SETOWN, target)
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    theirs.send(b"x")
    os.write(writing, b"x")
time.sleep(0.05)
""",
    ),
    _attack(
        id="signals-out-of-band",
        title="raise SIGURG in the relay by out-of-band data on the wall",
        code="""
out = wall()
attempt(0.1)
with socket.socket(fileno=os.dup(out)) as sock:
    for _ in range(5):
        with contextlib.suppress(OSError):
            sock.send(b"!", socket.MSG_OOB)
""",
        dirty=True,
    ),
    _attack(
        id="signals-deaf-worker",
        title="ignore every signal there is, then spin until killed",
        profile=Profile.SMALL,
        code="""
import signal
attempt(0.1)
for number in signal.valid_signals():
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
while True:
    pass
""",
    ),
    _attack(
        id="signals-own-group",
        title="make oneself the leader of groups and sessions, then signal one's group",
        code="""
import signal
attempt(0.1)
for act in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgid(0, os.getppid()), lambda: os.tcsetpgrp(0, os.getpgrp())):
    with contextlib.suppress(OSError):
        act()
if os.getppid() == 1:
    os.killpg(0, signal.SIGTERM)
""",
    ),
)
