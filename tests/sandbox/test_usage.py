"""What a jail uses, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from coderemote_sandbox import usage

TREE = """
import os, sys, time
kind = sys.argv[1]
if kind == "tree":
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            block = bytearray(40 << 20)
            block[::4096] = b"x" * len(block[::4096])
            print("ready", flush=True)
        time.sleep(60)
    os.waitpid(child, 0)
elif kind == "thread":
    import subprocess, threading
    def work():
        child = subprocess.Popen(["sleep", "60"])
        print("ready", flush=True)
        child.wait()
    threading.Thread(target=work).start()
elif kind == "name":
    with open("/proc/self/comm", "w") as comm:
        comm.write(") R 1 (x")
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run():
    started: list[subprocess.Popen[str]] = []

    def start(kind: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", TREE, kind], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        for pid in usage.descendants(process.pid):
            os.kill(pid, 9)
        process.kill()
        process.communicate()


def test_children_of_children_are_found_though_they_left_the_group(run):
    process = run("tree")
    below = usage.descendants(process.pid)
    assert len(below) == 2
    assert process.pid not in below


def test_children_of_other_threads_are_found(run):
    assert len(usage.descendants(run("thread").pid)) == 1


def test_memory_of_all_processes_is_added_up(run):
    process = run("tree")
    swept = usage.sweep(process.pid)
    assert swept.memory_bytes > 40 << 20
    assert swept.memory_bytes < 200 << 20
    assert sorted(swept.pids) == sorted(usage.descendants(process.pid))


def test_shared_pages_count_once_in_the_exact_sum(run):
    process = run("tree")
    pids = usage.descendants(process.pid)
    exact = usage.proportional_bytes(pids)
    assert 40 << 20 < exact <= usage.sweep(process.pid).memory_bytes


def test_cpu_time_is_counted_in_nanoseconds_whatever_the_process_calls_itself(run):
    process = run("name")
    # Seen as a descendant of this process, since the root itself is not counted.
    swept = usage.sweep(os.getpid())
    assert process.pid in swept.pids
    # Whatever else these tests have running counts too; a wrong unit would be out by a thousand.
    assert 0.25e9 < swept.cpu_ns < 1e13


def test_a_process_that_is_gone_uses_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert usage.sweep(process.pid) == usage.Sweep(0, 0, [])
    assert usage.proportional_bytes([process.pid]) == 0


def test_a_sweep_is_quick(run):
    process = run("tree")
    begin = time.perf_counter()
    for _ in range(20):
        usage.sweep(process.pid)
    assert (time.perf_counter() - begin) / 20 < 0.02
