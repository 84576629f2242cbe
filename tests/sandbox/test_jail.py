"""A running jail: interrupted, measured, killed, and explained afterwards."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from coderemote_sandbox import tiers, usage
from coderemote_sandbox.deaths import Death
from coderemote_sandbox.errors import LayerMissing, NsjailMissing, WorkspaceError
from coderemote_sandbox.launcher import Launcher
from coderemote_sandbox.limits import MIB

pytestmark = pytest.mark.sandbox


def wait_until(condition, timeout_s: float = 10.0) -> None:
    """Wait for a condition of the process table, which nobody announces."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        select.select([], [], [], 0.005)


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run; a zombie does not."""
    running = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
            if state not in (b"Z", b"X"):
                running.append(pid)
    return running


@pytest.fixture(scope="module")
def session(tmp_path_factory, opened):
    """A session whose jail may be killed: each test starts a fresh one if the last is gone."""
    with opened(folder=str(tmp_path_factory.mktemp("jail"))) as session:
        yield session


@pytest.fixture
def jail(session):
    if session.jail._death is not None:
        session.next_jail()
    session.wait_ready()
    return session.jail


def test_an_interrupt_ends_the_cell_and_keeps_the_variables(session, jail, cell_error):
    msg_id = session.send("x = 41\nimport time\nprint('now', flush=True)\ntime.sleep(60)")
    session.wait_for_output("now")
    jail.interrupt()
    with pytest.raises(cell_error, match="KeyboardInterrupt"):
        session.result(msg_id)
    assert session.run("print(x + 1)") == "42\n"


def test_an_interrupt_reaches_programs_that_the_cell_started(session, jail, cell_error):
    code = "import subprocess\nprint('now', flush=True)\nsubprocess.run(['sleep', '60'])"
    msg_id = session.send(code)
    session.wait_for_output("now")
    wait_until(lambda: len(usage.descendants(jail.pid)) >= 3)
    jail.interrupt()
    with pytest.raises(cell_error, match="KeyboardInterrupt"):
        session.result(msg_id)


def test_an_interrupt_while_nothing_runs_does_no_harm(session, jail):
    for _ in range(5):
        jail.interrupt()
        wait_until(lambda: taken(jail))
    assert session.run("print('still here')") == "still here\n"


def taken(jail) -> bool:
    """Whether PID 1 has read all that was sent to it."""
    unread = fcntl.ioctl(jail.leash, termios.TIOCOUTQ, bytes(4))
    return unread == bytes(4)


def test_an_interrupt_of_a_jail_that_is_gone_does_no_harm(session, jail):
    session.send("import os; os._exit(0)")
    session.wait_for_death()
    jail.interrupt()
    jail.close()
    jail.interrupt()


DEATHS = [
    ("import os; os._exit(7)", Death("exit", 7)),
    ("import os; os._exit(0)", Death("exit", 0)),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Death("signal", 11)),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Death("signal", 9)),
    ("import os; os.abort()", Death("signal", 6)),
    ("import os, signal; os.kill(os.getpid(), 34)", Death("signal", 34)),
]


@pytest.mark.parametrize(("code", "death"), DEATHS, ids=[f"{d.cause} {d.code}" for _, d in DEATHS])
def test_why_it_died_is_known_as_data(session, jail, code, death):
    session.send(code)
    assert session.wait_for_death() == death
    assert jail.death() == death


def test_a_real_crash_is_told_from_an_exit(session, jail):
    session.send("import ctypes; ctypes.string_at(0)")
    assert session.wait_for_death() == Death("signal", signal.SIGSEGV)


def test_pid_1_killed_from_outside_is_a_jail_that_was_lost(session, jail):
    [first] = children(jail.pid)
    os.kill(first, signal.SIGKILL)
    assert session.wait_for_death() == Death("lost")


def test_nsjail_killed_from_outside_is_a_jail_that_was_lost(session, jail):
    inside = usage.descendants(jail.pid)
    os.kill(jail.pid, signal.SIGKILL)
    assert session.wait_for_death() == Death("lost")
    wait_until(lambda: not alive(inside), 1)


def test_why_it_was_killed_is_remembered_and_never_forgotten(session, jail):
    jail.kill("time", "limit 1 s")
    jail.kill("closed")
    assert session.wait_for_death() == Death("time", detail="limit 1 s")


def test_killing_ends_every_process_even_those_that_hide(session, jail):
    session.run(
        """
import os, signal
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(1, 65):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            while True: signal.pause()
        os._exit(0)
    os.wait()
"""
    )
    inside = usage.descendants(jail.pid)
    assert len(inside) >= 5
    begin = time.monotonic()
    jail.kill("closed")
    wait_until(lambda: not alive(inside), 1)
    assert time.monotonic() - begin < 1


def test_orphans_are_reaped_inside(session, jail):
    """Zombies would fill the process limit."""
    code = """
import os
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
"""
    session.run(code)
    count = """
import json, os
states = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try: states.append(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0])
    except OSError: pass
print(json.dumps(states.count("Z")))
"""
    wait_until(lambda: session.value(count) == 0, 5)


def test_a_worker_that_hangs_up_is_not_taken_for_dead(session, jail):
    """PID 1 reports the end of the worker, not of its wall."""
    code = """
import os, socket, time
os._exit = lambda *_: None
socket.socket(fileno=40).shutdown(socket.SHUT_RDWR)
time.sleep(60)
"""
    session.send(code)
    wait_until(lambda: hung_up(session))
    assert jail.read_leash() is None
    jail.kill("lost")
    assert session.wait_for_death() == Death("lost")


def hung_up(session) -> bool:
    select.select([session.jail.wall], [], [], 1)
    return not session._receive()


def test_the_leash_is_not_in_the_workers_hands(session, jail):
    """Or it could forge the report of its own end."""
    [first] = children(jail.pid)
    [worker] = children(first)
    try:
        leash = os.readlink(f"/proc/{first}/fd/41")
        held = [os.readlink(link) for link in Path(f"/proc/{worker}/fd").iterdir()]
    except PermissionError:
        pytest.skip("PID 1 is closed to this user too")
    assert leash.startswith("socket:")
    assert leash not in held


def test_what_a_jail_uses_is_measured(session, jail):
    session.run("block = bytearray(50 << 20)")
    before = jail.usage()
    assert 80 * MIB < before.memory_bytes < 400 * MIB
    assert before.peak_bytes >= before.memory_bytes
    assert before.processes >= 2
    session.run("sum(range(5_000_000)); del block")
    after = jail.usage()
    assert after.cpu_ns > before.cpu_ns
    assert after.peak_bytes >= before.memory_bytes
    jail.reset_peak()
    assert jail.usage().peak_bytes < before.peak_bytes


def test_an_nsjail_that_fails_is_quoted_in_one_line(tmp_path, make_plan):
    broken = tmp_path / "nsjail"
    broken.write_text("#!/bin/sh\necho first >&2\necho 'clone failed: no luck' >&2\nexit 255\n")
    broken.chmod(0o755)
    tmp_path.chmod(0o755)
    launcher = Launcher(make_plan(nsjail=str(broken)))
    launcher.prepare()
    jail = launcher.start({})
    try:
        select.select([jail.leash], [], [], 10)
        death = jail.read_leash()
        assert death == Death("start failed", detail="clone failed: no luck")
        error = launcher.explain(death)
        assert isinstance(error, LayerMissing)
        assert error.layer == "namespaces"
        assert "coderemote doctor" in str(error)
        assert not launcher.fall_back(death)
    finally:
        jail.close()
        launcher.close()


def test_only_a_masked_proc_allows_a_jail_without_it(make_plan):
    launcher = Launcher(make_plan())
    assert not launcher.fall_back(Death("start failed", detail="clone(flags=...) failed"))
    masked = Death("start failed", detail="mount('none' -> '/proc'): procfs mount may fail")
    assert launcher.fall_back(masked)
    assert launcher.tier is tiers.FULL_NOPROC
    assert not launcher.fall_back(masked)
    assert launcher.notes == [tiers.FULL_NOPROC.summary]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"nsjail": "/nowhere/nsjail"}, NsjailMissing),
        ({"folder": "/nowhere"}, WorkspaceError),
        ({"read_only": ("/nowhere",)}, WorkspaceError),
        ({"cgroup_parent": "/nowhere"}, LayerMissing),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_had_is_refused_before_anything_starts(make_plan, options, error):
    launcher = Launcher(make_plan(**options))
    try:
        with pytest.raises(error):
            launcher.prepare()
    finally:
        launcher.close()


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_jail_does_not_get_the_signals_of_its_starters_terminal(session, jail):
    """Ctrl-C at the relay, or Jupyter's killpg, must not end the jail."""
    assert os.getsid(jail.pid) != os.getsid(0)
    assert os.getpgid(jail.pid) != os.getpgid(0)


def test_if_the_machine_runs_short_the_jail_goes_first(session, jail):
    for pid in (jail.pid, *usage.descendants(jail.pid)):
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "800\n"


@pytest.mark.slow
def test_twenty_starts_leave_nothing_behind(session, jail):
    """No descriptor, no process, no cgroup, no mount."""
    session.next_jail()
    session.wait_ready()

    def state() -> tuple[int, int, int]:
        groups = [f for f in cgroup_folders(session) if f]
        mounts = len(Path("/proc/self/mounts").read_text().splitlines())
        return len(os.listdir("/proc/self/fd")), len(groups), mounts

    before = state()
    for number in range(20):
        session.next_jail()
        if number % 5 == 0:
            session.wait_ready()
    session.wait_ready()
    assert state() == before
    assert [pid for pid in children(os.getpid()) if pid != session.jail.pid and zombie(pid)] == []


def zombie(pid: int) -> bool:
    return not alive([pid])


def cgroup_folders(session) -> list[str]:
    delegation = session.launcher._delegation
    if delegation is None:
        return []
    prefix = f"coderemote-{os.getpid()}-"
    return [n for p in delegation.parents.values() for n in os.listdir(p) if n.startswith(prefix)]


def test_closing_twice_is_closing_once(opened):
    with opened() as session:
        session.jail.close()
        session.jail.close()
        session.launcher.close()


def test_a_jail_without_proc_starts_and_works(opened):
    with opened(tier="full-noproc") as session:
        assert session.run("import os; print(os.path.exists('/proc/self'))") == "False\n"
        assert session.run("import json; print(json.dumps({'x': 1}))") == '{"x": 1}\n'
        assert json.loads(session.run("import threading; print(threading.active_count())")) > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mask /proc")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_where_proc_is_masked_as_in_docker_it_says_so_and_goes_on_without(what, make_plan):
    """Docker and Kubernetes hide parts of /proc by mounting over them."""
    mask = {
        "folder": "mount -t tmpfs tmpfs /proc/irq",
        "file": "mount --bind /dev/null /proc/interrupts",
    }[what]
    code = f"""
import json, select, subprocess, sys
sys.path[:0] = {sys.path!r}
subprocess.run({mask!r}, shell=True, check=True)
from coderemote_sandbox import launcher
session = launcher.Launcher(launcher.Plan(read_only={make_plan().read_only!r}))
session.prepare()
jail = session.start({{}})
said = []
while True:
    select.select([jail.leash, jail.wall], [], [], 30)
    death = jail.read_leash()
    if death is None:
        said.append("up")
        break
    said.append([death.cause, death.detail])
    if not session.fall_back(death):
        break
    jail.close()
    jail = session.start({{}})
print(json.dumps([said, session.tier.name, session.notes]))
jail.close()
session.close()
"""
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, tier, notes = json.loads(done.stdout)
    assert said[-1] == "up", said
    assert tier == "full-noproc"
    assert len(notes) == 1
