"""Living on after the kernel has ended."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Ending, Profile, Tier

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.OUTLIVING, profile=Profile.ENDING)

# Without a namespace of process ids, what has left its parents ends only if someone ends it.
_ORPHANS = frozenset({Tier.NO_NAMESPACES})
_SETTLE = """
import signal
def hide():
    syscall("prctl", 15, T["marker"].encode(), 0, 0, 0)
    syscall("prctl", 1, 0, 0, 0, 0)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
def settle():
    os.setsid()
    if os.fork():
        os._exit(0)
    with contextlib.suppress(OSError):
        os.chdir("/")
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.close(number)
    hide()
for _ in range(3):
    fork(settle)
"""
_DAEMONS = _SETTLE + "time.sleep(0.3)\nattempt(0.1)\n"

ATTACKS = (
    _attack(
        id="outliving-shutdown",
        title="daemons that ignore every signal, against shutdown",
        ending=Ending.SHUTDOWN,
        code=_DAEMONS,
    ),
    _attack(
        id="outliving-restart",
        title="daemons against restart",
        ending=Ending.RESTART,
        code=_DAEMONS,
    ),
    _attack(
        id="outliving-relay-killed",
        title="daemons against SIGKILL of the relay",
        weak_in=_ORPHANS,
        ending=Ending.RELAY_KILLED,
        code=_DAEMONS,
    ),
    _attack(
        id="outliving-jail-killed",
        title="daemons against SIGKILL of the jail",
        weak_in=_ORPHANS,
        ending=Ending.JAIL_KILLED,
        code=_DAEMONS,
    ),
    _attack(
        id="outliving-busy-shutdown",
        title="a deaf cell that never ends, against shutdown",
        ending=Ending.SHUTDOWN,
        code=_DAEMONS + "hide()\nwhile True:\n    pass\n",
    ),
    _attack(
        id="outliving-busy-restart",
        title="a deaf cell that never ends, against restart",
        ending=Ending.RESTART,
        code=_DAEMONS + "hide()\nwhile True:\n    pass\n",
    ),
    _attack(
        id="outliving-busy-relay-killed",
        title="a deaf cell that spins, against SIGKILL of the relay",
        weak_in=_ORPHANS,
        ending=Ending.RELAY_KILLED,
        code=_DAEMONS + "hide()\nwhile True:\n    pass\n",
    ),
    _attack(
        id="outliving-spawning",
        title="children that fork without end, against SIGKILL of the relay",
        weak_in=_ORPHANS,
        ending=Ending.RELAY_KILLED,
        code=_SETTLE
        + """
def hop():
    settle()
    while True:
        if os.fork():
            time.sleep(0.02)
            os._exit(0)
        hide()
for _ in range(3):
    fork(hop)
time.sleep(0.3)
attempt(0.1)
""",
    ),
    _attack(
        id="outliving-wedged-shutdown",
        title="a worker with its shutdown handling torn out, against shutdown",
        ending=Ending.SHUTDOWN,
        code=_DAEMONS
        + """
import atexit
kernel = get_ipython().kernel
kernel.shutdown_request = kernel.do_shutdown = lambda *a, **k: None
kernel.control_handlers.clear()
atexit.register(time.sleep, 3600)
""",
    ),
    _attack(
        id="outliving-stopped",
        title="a worker that has stopped itself, against shutdown",
        ending=Ending.SHUTDOWN,
        code=_DAEMONS + "os.kill(os.getpid(), signal.SIGSTOP)\n",
    ),
)
