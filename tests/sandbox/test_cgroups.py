"""A cgroup for a jail: real ones where this machine lets us make them, and what is read of them."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH110, PTH208

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from coderemote_sandbox import cgroups
from coderemote_sandbox.cgroups import CGroup, Delegation, find_delegation
from coderemote_sandbox.deaths import Death
from coderemote_sandbox.limits import MIB, Limits


@pytest.fixture(scope="module")
def delegation() -> Delegation:
    found, why = find_delegation()
    if found is None:
        pytest.skip(f"no cgroup can be made here: {why}")
    return found


@pytest.fixture
def make_group(delegation):
    made: list[CGroup] = []

    def make(**limits) -> CGroup:
        made.append(CGroup.create(delegation, Limits(**limits)))
        return made[-1]

    yield make
    for group in made:
        for pid in group.pids():
            os.kill(pid, 9)
        deadline = time.monotonic() + 5
        while not group.remove():
            assert time.monotonic() < deadline


def run_in(group: CGroup, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=group.join,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_memory_is_held_whatever_kind_it_is(make_group):
    group = make_group(memory_bytes=96 * MIB)
    code = "import socket; kept = [bytearray(10 << 20) for _ in range(30)]"
    assert run_in(group, code).returncode == -9
    assert group.out_of_memory_kills() == 1
    assert 60 * MIB < group.peak_bytes() <= 96 * MIB


def test_memory_of_a_file_that_was_deleted_counts_too(make_group):
    group = make_group(memory_bytes=96 * MIB)
    code = """
import os
fd = os.memfd_create("x")
while True:
    os.write(fd, bytes(1 << 20))
"""
    assert run_in(group, code).returncode == -9


def test_processes_are_held(make_group):
    group = make_group(processes=10)
    code = """
import os, signal
made = []
try:
    while True:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        made.append(pid)
except BlockingIOError:
    pass
print(len(made))
for pid in made:
    os.kill(pid, 9)
"""
    assert run_in(group, code).stdout.strip() == "13"  # four more, less this one
    assert group.refused_processes() == 1


def test_what_is_in_it_is_measured(make_group):
    group = make_group()
    code = "kept = bytearray(50 << 20); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        preexec_fn=group.join,  # noqa: PLW1509 - no threads here
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert group.pids() == [process.pid]
        assert group.process_count() == 1
        assert group.memory_bytes() > 50 * MIB
        assert group.cpu_ns() > 0
        assert not group.remove()
        process.communicate("\n")
    assert group.pids() == []


def test_the_peak_can_be_counted_anew(make_group):
    group = make_group()
    run_in(group, "kept = bytearray(60 << 20)")
    assert group.peak_bytes() > 60 * MIB
    if group.reset_peak():
        assert group.peak_bytes() < 40 * MIB


@pytest.mark.slow
def test_processors_are_held_to_a_fraction(make_group, delegation):
    if "cpu" not in delegation.parents:
        pytest.skip("no cpu controller")
    group = make_group(cpus=0.25)
    code = """
import time
begin, used = time.monotonic(), time.process_time()
while time.monotonic() - begin < 1: pass
print(time.process_time() - used)
"""
    assert float(run_in(group, code).stdout) < 0.45


def test_nothing_is_left_of_a_group_that_cannot_be_made(delegation):
    before = sorted(os.listdir(folder) for folder in set(delegation.parents.values()))
    broken = Delegation(delegation.version, {**delegation.parents, "pids": "/nowhere"})
    with pytest.raises(OSError, match="/nowhere"):
        CGroup.create(broken, Limits())
    assert sorted(os.listdir(folder) for folder in set(delegation.parents.values())) == before


def test_removing_twice_is_removing_once(make_group):
    group = make_group()
    assert group.remove()
    assert group.remove()


@pytest.mark.sandbox
def test_a_jail_lives_in_its_group_and_takes_it_along(delegation, opened):
    with opened() as session:
        session.wait_ready()
        group = session.jail.cgroup
        assert group is not None
        assert session.jail.pid in group.pids()
        assert len(group.pids()) == 3
        folders = list(group.folders.values())
    assert not [folder for folder in folders if os.path.exists(folder)]


@pytest.mark.sandbox
def test_a_jail_over_its_memory_is_known_to_have_died_of_it(delegation, opened):
    """Shared memory is what no rlimit counts."""
    limits = Limits(memory_bytes=160 * MIB)
    code = """
import mmap, os
kept = []
for _ in range(20):
    page = mmap.mmap(-1, 20 << 20)
    kept.append(page)
    page.write(bytes(20 << 20))
"""
    with opened(limits=limits) as session:
        session.send(code)
        death = session.wait_for_death()
        assert death == Death("memory", 9, "limit 160 MiB for the whole sandbox")
        assert session.jail.memory_kills() >= 1


# Version 2, read from a folder that looks like one: the kernel here may not have it.


@pytest.fixture
def version_2(tmp_path) -> CGroup:
    files = {
        "memory.current": "104857600\n",
        "memory.peak": "209715200\n",
        "memory.max": "max\n",
        "memory.swap.max": "max\n",
        "memory.stat": "anon 52428800\nfile 41943040\ninactive_file 20971520\nactive_file 1\n",
        "memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
        "pids.current": "17\n",
        "pids.max": "max\n",
        "pids.events": "max 4\n",
        "cpu.stat": "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n",
        "cpu.max": "max 100000\n",
        "cgroup.procs": "11\n12\n13\n",
        "cgroup.kill": "",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return CGroup(2, dict.fromkeys(("memory", "pids", "cpu"), str(tmp_path)))


def test_the_counters_of_version_2_are_read(version_2):
    assert version_2.memory_bytes() == 80 * MIB
    assert version_2.peak_bytes() == 200 * MIB
    assert version_2.cpu_ns() == 1_234_567_000
    assert version_2.out_of_memory_kills() == 2
    assert version_2.refused_processes() == 4
    assert version_2.process_count() == 17
    assert version_2.pids() == [11, 12, 13]
    assert not version_2.reset_peak()


def test_the_limits_of_version_2_are_written(version_2, tmp_path):
    version_2._limit(Limits(memory_bytes=123 * MIB, processes=50, cpus=1.5))
    written = {
        name: (tmp_path / name).read_text() for name in ("memory.max", "pids.max", "cpu.max")
    }
    # Real files of this kind are replaced by a write, plain ones are written over from the start.
    assert written["memory.max"].startswith(str(123 * MIB))
    assert written["pids.max"].startswith("54")
    assert written["cpu.max"].startswith("150000 100000")
    assert (tmp_path / "memory.swap.max").read_text().startswith("0")


def test_killing_a_group_of_version_2_is_one_write(version_2, tmp_path):
    version_2.kill()
    assert (tmp_path / "cgroup.kill").read_text() == "1"


def test_counters_that_are_not_there_count_nothing(tmp_path):
    for version in (1, 2):
        group = CGroup(version, {"memory": str(tmp_path), "pids": str(tmp_path)})
        assert group.memory_bytes() == 0
        assert group.peak_bytes() == 0
        assert group.cpu_ns() == 0
        assert group.out_of_memory_kills() == 0
        assert group.pids() == []


def test_a_folder_of_version_2_without_controllers_is_no_delegation(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    found, why = cgroups._version_2(str(tmp_path))
    assert found is None
    assert "no memory and no pids controller" in why


def test_a_folder_of_version_2_with_controllers_is_one(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids io\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    found, why = find_delegation(str(tmp_path))
    assert found == Delegation(2, dict.fromkeys(("cpu", "memory", "pids"), str(tmp_path)))
    assert why == ""


def test_controllers_are_handed_down_where_they_are_not_yet(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    found, _ = cgroups._version_2(str(tmp_path))
    assert found is not None
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_version_2_that_cannot_be_read_says_so(tmp_path):
    found, why = cgroups._version_2(str(tmp_path / "nowhere"))
    assert found is None
    assert "No such file" in why


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can mount here")
def test_a_read_only_cgroup_file_system_is_no_delegation():
    """As in most containers: every permission check passes, and no group can be made."""
    code = f"""
import subprocess, sys
sys.path[:0] = {sys.path!r}
from coderemote_sandbox import cgroups
mounts = cgroups._mounts()
for place in set(mounts.values()):
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
print(cgroups.find_delegation())
"""
    if not cgroups._mounts():
        pytest.skip("no cgroup file system here")
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(None, ")
    assert "Read-only file system" in done.stdout or "controller" in done.stdout
