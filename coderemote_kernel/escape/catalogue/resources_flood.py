"""Taking time and objects of the kernel, and flooding the relay and the reader with output."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Profile

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.RESOURCES, profile=Profile.SMALL)

ATTACKS = (
    _attack(
        id="flood-spin",
        title="spin with interrupts ignored",
        code="""
import signal
attempt(0.1)
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    pass
""",
    ),
    _attack(
        id="flood-catch",
        title="catch every interrupt and go on",
        code="""
attempt(0.1)
while True:
    try:
        while True:
            time.sleep(0.01)
    except BaseException:
        pass
""",
    ),
    _attack(
        id="flood-sleep",
        title="sleep for ever with every signal blocked",
        code="""
import signal
attempt(0.1)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    time.sleep(3600)
""",
    ),
    _attack(
        id="flood-hold-gil",
        title="hold the interpreter's lock in one long computation",
        code="""
attempt(0.1)
# No byte code runs in here, so an interrupt waits.
import re
re.match(r"(a+)+$", "a" * 64 + "b")
""",
    ),
    _attack(
        id="flood-processors",
        title="spin on every processor in children of a finished cell",
        dirty=True,
        code="""
attempt()
def spin():
    while True:
        pass
for _ in range(4):
    fork(spin)
""",
    ),
    _attack(
        id="flood-text",
        title="print without end",
        dirty=True,
        code="""
attempt(0.1)
line = "x" * 1000 + "\\n"
for _ in range(40_000):
    sys.stdout.write(line)
""",
    ),
    _attack(
        id="flood-text-small",
        title="print one character and flush, without end",
        dirty=True,
        code="""
attempt(0.1)
until = time.monotonic() + 3
while time.monotonic() < until:
    print("x", flush=True)
""",
    ),
    _attack(
        id="flood-text-late",
        title="print from a thread after the cell has ended",
        dirty=True,
        code="""
attempt()
def chatter():
    while True:
        print("y" * 10_000, flush=True)
threading.Thread(target=chatter, daemon=True).start()
""",
    ),
    _attack(
        id="flood-rich",
        title="display large data without end",
        dirty=True,
        code="""
from IPython.display import display
attempt(0.1)
blob = base64.b64encode(os.urandom(500_000)).decode()
for _ in range(60):
    display({"image/png": blob}, raw=True)
""",
    ),
    _attack(
        id="flood-displays",
        title="display tens of thousands of small things",
        dirty=True,
        code="""
from IPython.display import display
attempt(0.1)
for number in range(10_000):
    display({"text/plain": "x"}, raw=True)
""",
    ),
    _attack(
        id="flood-updates",
        title="update and clear one display without end",
        dirty=True,
        code="""
from IPython.display import clear_output, display
attempt(0.1)
handle = display({"text/plain": "x"}, raw=True, display_id="one")
for number in range(5000):
    handle.update({"text/plain": str(number)}, raw=True)
    clear_output(wait=True)
""",
    ),
    _attack(
        id="flood-comms",
        title="open comms and send on them without end",
        dirty=True,
        code="""
from comm import create_comm
attempt(0.1)
for number in range(3000):
    comm = create_comm(target_name="jupyter.widget", data={"state": {"value": "x" * 1000}})
    comm.send({"method": "update", "state": {"value": "y" * 1000}})
""",
    ),
    _attack(
        id="flood-one-message",
        title="one enormous message",
        dirty=True,
        code="""
from IPython.display import display
attempt(0.1)
display({"text/plain": "x" * (100 << 20)}, raw=True)
""",
    ),
    _attack(
        id="flood-result",
        title="an enormous result, error and user expression",
        dirty=True,
        options={"user_expressions": {"big": "'x' * (40 << 20)"}},
        code="""
attempt(0.1)
class Error(Exception):
    pass
raise Error("e" * (40 << 20))
""",
    ),
    _attack(
        id="flood-questions",
        title="ask for input without end",
        dirty=True,
        options={"allow_stdin": True},
        code="""
attempt(0.1)
for number in range(3000):
    input(str(number))
""",
    ),
    _attack(
        id="flood-buffers",
        title="a message of thousands of buffers",
        dirty=True,
        code="""
attempt(0.1)
for _ in range(20):
    send("comm_msg", {"comm_id": "x", "data": {}}, buffers=[b"b" * 10] * 60_000)
""",
    ),
    _attack(
        id="flood-unread",
        title="stop reading the wall while the relay has much to say",
        dirty=True,
        code="""
attempt(0.1)
# No other thread gets to run, so nobody reads the wall.
sys.setswitchinterval(1000)
end = time.monotonic() + 2
while time.monotonic() < end:
    pass
""",
    ),
    _attack(
        id="resources-kernel-objects",
        title="timers, watches, locks, epolls and event counters without end",
        code="""
import fcntl
attempt(0.1)
timer = ctypes.c_int()
timers = 0
while timers < 20_000 and syscall_number(222 if not _ARM else 107, 1, None, ctypes.byref(timer)) == 0:
    timers += 1
watch = _libc.inotify_init()
watches = 0
os.makedirs("/tmp/watched", exist_ok=True)
with contextlib.suppress(OSError):
    for number in range(1500):
        os.makedirs(f"/tmp/watched/{number}", exist_ok=True)
        watches += _libc.inotify_add_watch(watch, f"/tmp/watched/{number}".encode(), 2) >= 0
with contextlib.suppress(OSError), open("/tmp/locked", "wb") as file:
    for at in range(0, 40_000, 2):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
with contextlib.suppress(OSError):
    while len(keep) < 2000:
        keep.append((select.epoll(), os.eventfd(0)))
""",
        dirty=True,
    ),
)
