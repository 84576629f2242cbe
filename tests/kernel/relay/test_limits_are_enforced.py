"""Each limit is hit through the kernel, by an ordinary cell, and does what it says."""

from __future__ import annotations

import contextlib
import os

import pytest

pytestmark = pytest.mark.sandbox

MIB = 1 << 20
STARTED = os.cpu_count() or 1


@pytest.fixture(scope="module")
def small(start_kernel, tmp_path_factory):
    """One kernel with every limit that can be hit without ending it."""
    with start_kernel(
        tmp_path_factory.mktemp("small"),
        processes=40,
        open_files=80,
        file_size_bytes=2 * MIB,
        workspace_bytes=8 * MIB,
        workspace_inodes=300,
        tmp_bytes=3 * MIB,
        text_output_bytes=4096,
        rich_output_bytes=8192,
        output_messages=100,
    ) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def hasty(start_kernel, tmp_path_factory):
    """One kernel with short times, and memory that is soon used up."""
    with start_kernel(
        tmp_path_factory.mktemp("hasty"),
        cell_timeout_s=1.5,
        interrupt_grace_s=0.5,
        cpu_time_s=0.8,
        memory_bytes=200 * MIB,
    ) as kernel:
        yield kernel


def test_a_cell_that_takes_too_long_is_interrupted_and_keeps_its_variables(hasty):
    hasty.ok("kept = 41")
    cell = hasty.run("import time; time.sleep(60)")
    assert cell.error == "CellTimeout"
    assert "1.5 s" in cell.reply["evalue"]
    assert 1400 < cell.cost["wall_ms"] < 5000
    assert hasty.ok("print(kept + 1)").text() == "42\n"


def test_a_cell_that_ignores_the_interrupt_is_killed_and_the_next_one_works(hasty):
    hasty.ok("kept = 41")
    cell = hasty.run(
        """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
end = time.monotonic() + 60
while time.monotonic() < end: time.sleep(0.1)
"""
    )
    assert cell.error == "CellTimeout"
    assert "Variables are gone" in cell.reply["evalue"]
    assert cell.cost["death"] == "time"
    assert hasty.ok("print('kept' in globals())").text() == "False\n"


def test_a_cell_that_makes_nothing_of_the_interrupt_still_timed_out(hasty):
    cell = hasty.run(
        """
import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("never mind")
"""
    )
    assert cell.error == "CellTimeout"
    assert "never mind" in cell.text()


def test_waiting_for_input_does_not_count(hasty):
    msg_id = hasty.send("answer = input('? ')", allow_stdin=True)
    assert hasty.client.get_stdin_msg(timeout=30)["content"]["prompt"] == "? "
    # Longer than a cell may take; there is nothing else to wait for.
    with contextlib.suppress(TimeoutError):
        hasty.receive("shell", msg_id, 2.5)
        pytest.fail("the cell ended while it waited for input")
    hasty.client.input("yes")
    assert hasty.finish(msg_id).reply["status"] == "ok"
    assert hasty.ok("print(answer)").text() == "yes\n"


def test_cpu_time_of_all_processes_is_added_up(hasty):
    cell = hasty.run(
        """
import os, time
for _ in range(3):
    if os.fork() == 0:
        while True: pass
try:
    time.sleep(60)
finally:
    pass
"""
    )
    # Where the processors are busy otherwise, the wall time may be over first.
    assert cell.error in ("CellCpuTimeout", "CellTimeout")
    hasty.run("import os; os._exit(0)")


def test_cpu_time_of_one_process_ends_a_loop(hasty):
    cell = hasty.run("while True: pass")
    assert cell.error == "CellCpuTimeout"
    assert "0.8 s of CPU" in cell.reply["evalue"]


def test_one_process_gets_a_memory_error_and_lives_on(hasty):
    cell = hasty.run("block = bytearray(400 << 20)")
    assert cell.error == "MemoryError"
    assert hasty.ok("print(1 + 1)").text() == "2\n"


MANY = """
import mmap, os, time
for _ in range(6):
    if os.fork() == 0:
        block = bytearray(60 << 20)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(30)
        os._exit(0)
time.sleep(20)
"""


def memory_was_held(kernel, cell) -> bool:
    return cell.error == "SandboxMemoryError" or "ran out of memory" in cell.text("stderr")


def test_many_processes_together_are_held_to_the_memory(start_kernel, tmp_path):
    """By the cgroup, where there is one: it may end the worker or one of its children."""
    with start_kernel(tmp_path, memory_bytes=200 * MIB) as kernel:
        # Until one of the children has ended, which only the system ends before its time.
        cell = kernel.run(MANY.replace("time.sleep(20)", "os.waitpid(-1, 0)"))
        assert memory_was_held(kernel, cell), cell.reply
        assert kernel.ok("print(1 + 1)").text() == "2\n"


def test_without_a_cgroup_many_processes_are_held_too(start_kernel, public_folder, unprivileged):
    with start_kernel(public_folder(), memory_bytes=200 * MIB, **unprivileged) as kernel:
        assert (
            "watched from outside"
            in kernel.ok("%sandbox").of("display_data")[0]["data"]["text/plain"]
        )
        cell = kernel.run(MANY)
        assert cell.error == "SandboxMemoryError"
        assert "200 MiB" in cell.reply["evalue"]
        assert cell.cost["death"] == "memory"
        assert kernel.ok("print(1 + 1)").text() == "2\n"


def test_without_a_cgroup_one_process_gets_a_memory_error(
    start_kernel, public_folder, unprivileged
):
    with start_kernel(public_folder(), memory_bytes=200 * MIB, **unprivileged) as kernel:
        assert kernel.run("block = bytearray(400 << 20)").error == "MemoryError"
        shared = """
import mmap
kept = []
for _ in range(10):
    kept.append(mmap.mmap(-1, 60 << 20))
    kept[-1].write(bytes(60 << 20))
"""
        assert kernel.run(shared).error in ("SandboxMemoryError", "MemoryError", "OSError")
        assert kernel.ok("print(1 + 1)").text() == "2\n"


def test_processes_end_at_their_number(small):
    made, threads = small.printed(
        """
import json, os, signal, threading
pids = []
try:
    while len(pids) < 200:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        pids.append(pid)
except OSError:
    pass
made = len(pids)
for pid in pids:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
stop, begun = threading.Event(), 0
try:
    while begun < 200:
        threading.Thread(target=stop.wait, daemon=True).start()
        begun += 1
except RuntimeError:
    pass
stop.set()
print(json.dumps([made, begun]))
"""
    )
    assert 15 < made < 40
    assert 15 < threads < 40


def test_open_files_end_at_their_number(small):
    opened, error = small.printed(
        """
import json, os
opened = []
try:
    while True:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    number = error.errno
for descriptor in opened:
    os.close(descriptor)
print(json.dumps([len(opened), number]))
"""
    )
    assert error == 24
    assert 20 < opened < 80


def test_a_file_ends_at_its_size(small):
    assert small.printed(
        """
import json, os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
written = 0
try:
    with open("/workspace/big", "wb", buffering=0) as file:
        while True:
            written += file.write(bytes(65536))
except OSError as error:
    number = error.errno
os.remove("/workspace/big")
print(json.dumps([written, number]))
"""
    ) == [2 * MIB, 27]


FILL = """
import json, os
def fill(folder):
    written, number = 0, 0
    paths = []
    try:
        while number < 50:
            number += 1
            paths.append(f"{folder}/full-{number}")
            with open(paths[-1], "wb", buffering=0) as file:
                for _ in range(16):
                    written += file.write(bytes(65536))
    except OSError as error:
        for path in paths:
            if os.path.exists(path):
                os.remove(path)
        return written, error.errno
"""


def test_the_working_directory_ends_at_its_size(small):
    written, error = small.printed(FILL + "print(json.dumps(fill('/workspace')))")
    assert error == 28
    assert 0.9 * 8 * MIB < written <= 8 * MIB


def test_scratch_space_ends_at_its_size(small):
    for place in ("/tmp", "/dev/shm"):
        written, error = small.printed(FILL + f"print(json.dumps(fill({place!r})))")
        assert error == 28
        assert 0.9 * 3 * MIB < written <= 3 * MIB


def test_files_in_the_working_directory_end_at_their_number(small):
    made, error = small.printed(
        """
import json, os
made = 0
try:
    while True:
        open(f"/workspace/n{made}", "w").close()
        made += 1
except OSError as error:
    number = error.errno
for at in range(made):
    os.remove(f"/workspace/n{at}")
print(json.dumps([made, number]))
"""
    )
    assert error == 28
    assert 290 < made <= 300


def test_printed_text_ends_at_its_size_and_says_so_once(small):
    cell = small.ok("for _ in range(300): print('x' * 99, flush=True)")
    shown = cell.text("stdout")
    assert 3000 < len(shown) <= 4096
    assert cell.text("stderr").count("CodeRemoteKernel.text_output_bytes") == 1
    assert cell.cost["truncated"] is True
    assert small.ok("print('again')").text() == "again\n"


def test_one_huge_print_is_cut_and_not_dropped(small):
    cell = small.ok("print('y' * 1_000_000)")
    assert 1000 < cell.text("stdout").count("y") <= 4096
    assert cell.text("stderr").count("[coderemote]") == 1


def test_rich_output_ends_at_its_size_and_says_so_once(small):
    cell = small.ok(
        """
from IPython.display import display
for _ in range(20):
    display({"text/plain": "z" * 1000}, raw=True)
"""
    )
    assert 4 <= len(cell.of("display_data")) <= 8
    assert cell.text("stderr").count("CodeRemoteKernel.rich_output_bytes") == 1
    assert cell.cost["truncated"] is True


def test_messages_end_at_their_number_and_say_so_once(small):
    cell = small.ok("for _ in range(150): print('m', flush=True)")
    assert cell.text("stdout").count("m") <= 100
    assert cell.text("stderr").count("CodeRemoteKernel.output_messages") == 1


def test_an_error_is_shown_though_the_output_was_cut(small):
    cell = small.run("print('y' * 100_000)\n1 / 0")
    assert cell.error == "ZeroDivisionError"
    assert [error["ename"] for error in cell.of("error")] == ["ZeroDivisionError"]


def test_a_processor_is_pinned(start_kernel, tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is only one processor")
    with start_kernel(tmp_path, cpus=1) as kernel:
        assert kernel.printed("import os; print(len(os.sched_getaffinity(0)))") == 1


@pytest.mark.slow
def test_half_a_processor_is_half_a_processor(start_kernel, tmp_path):
    from coderemote_sandbox.cgroups import find_delegation

    delegation, why = find_delegation()
    if delegation is None or "cpu" not in delegation.parents:
        pytest.skip(f"no cgroup holds processors here: {why}")
    with start_kernel(tmp_path, cpus=0.3) as kernel:
        share = kernel.printed(
            """
import time
begin, used = time.monotonic(), time.process_time()
while time.monotonic() - begin < 1: pass
print(time.process_time() - used)
"""
        )
        assert share < 0.5


def test_what_a_cell_cost_is_in_its_reply(small):
    cell = small.ok(
        """
import time
end = time.process_time() + 0.2
block = bytearray(30 << 20)
while time.process_time() < end: pass
print('abc')
"""
    )
    cost = cell.cost
    assert set(cost) == {
        "wall_ms", "cpu_ms", "peak_memory_bytes", "output_bytes", "truncated", "held_back", "tier",
    }  # fmt: skip
    assert cost["wall_ms"] >= 190
    assert 150 <= cost["cpu_ms"] <= cost["wall_ms"] * STARTED + 100
    assert 60 * MIB < cost["peak_memory_bytes"] < 600 * MIB
    assert cost["output_bytes"] >= 4
    assert (cost["truncated"], cost["held_back"], cost["tier"]) == (False, 0, "full")


def test_what_was_held_back_is_counted(small):
    cell = small.ok("from IPython.display import Javascript\nJavascript('alert(1)')")
    assert cell.cost["held_back"] == 1


def test_limits_show_what_was_used(small):
    shown = small.ok("%limits").of("display_data")[0]["data"]["text/plain"]
    for name in (
        "processes",
        "open_files",
        "workspace_bytes",
        "text_output_bytes",
        "cell_timeout_s",
    ):
        assert name in shown
