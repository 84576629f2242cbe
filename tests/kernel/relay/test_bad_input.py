"""Bad input gets a clear answer: the kernel comes up, says why it runs nothing, and what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make this")


def says(kernel, *words: str) -> None:
    """The kernel introduces itself with the reason, and every cell ends with it."""
    info = kernel.ask("kernel_info_request")
    assert info["status"] == "ok"
    assert "not available" in info["banner"]
    for _ in range(2):
        cell = kernel.run("print('ran')")
        assert cell.error == "SandboxUnavailable"
        assert "ran" not in cell.text()
        assert [error["ename"] for error in cell.of("error")] == ["SandboxUnavailable"]
        assert "\n" not in cell.reply["evalue"].strip()
        for word in words:
            assert word in cell.reply["evalue"]
            assert word in info["banner"]
    assert kernel.jailed() == []
    assert kernel.ask("complete_request", code="im", cursor_pos=2)["status"] == "error"
    assert kernel.ask("shutdown_request", "control", restart=False)["status"] == "ok"
    kernel.process.wait(10)


def test_an_interpreter_that_does_not_exist(start_kernel, tmp_path):
    with start_kernel(tmp_path, interpreter="/nowhere/python") as kernel:
        says(kernel, "/nowhere/python", "Set CodeRemoteKernel.interpreter")


def test_an_interpreter_without_ipykernel(start_kernel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    with start_kernel(tmp_path, interpreter=tmp_path / "env" / "bin" / "python") as kernel:
        says(kernel, "no ipykernel", "-m pip install")


def test_limits_that_cannot_be_met(start_kernel, tmp_path):
    with start_kernel(tmp_path, memory_bytes=1 << 50) as kernel:
        says(kernel, "Set CodeRemoteKernel.memory_bytes")


def test_limits_above_the_processs_own(start_kernel, tmp_path):
    wrap = (sys.executable, "-c", _LOWERED)
    with start_kernel(tmp_path, open_files=900, _wrap=wrap) as kernel:
        says(kernel, "open_files is 900", "Set CodeRemoteKernel.open_files to 800")


_LOWERED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (800, 800))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_missing_nsjail(start_kernel, tmp_path):
    with start_kernel(tmp_path, nsjail="/nowhere/nsjail") as kernel:
        says(kernel, "/nowhere/nsjail", "CodeRemoteKernel.nsjail")


def test_an_nsjail_that_is_none(start_kernel, tmp_path):
    with start_kernel(tmp_path, nsjail="/bin/false") as kernel:
        says(kernel, "coderemote doctor")


def test_a_folder_that_does_not_exist(start_kernel, tmp_path):
    with start_kernel(tmp_path, workspace=tmp_path / "gone") as kernel:
        says(kernel, "cannot be read", "CodeRemoteKernel.workspace")


def test_a_folder_that_cannot_be_read(start_kernel, public_folder, unprivileged):
    closed = public_folder() / "closed"
    closed.mkdir(mode=0o000)
    with start_kernel(closed.parent, workspace=closed, **unprivileged) as kernel:
        says(kernel, "cannot be read", "CodeRemoteKernel.workspace")


def test_a_further_folder_that_does_not_exist(start_kernel, tmp_path):
    with start_kernel(tmp_path, extra_read_only="/nowhere/data") as kernel:
        says(kernel, "/nowhere/data", "CodeRemoteKernel.extra_read_only")


def test_a_cgroup_that_is_demanded_and_not_to_be_had(start_kernel, public_folder, unprivileged):
    with start_kernel(public_folder(), require_cgroup=True, **unprivileged) as kernel:
        says(kernel, "cgroup", "CodeRemoteKernel.require_cgroup")


@needs_root
def test_no_user_namespaces(start_kernel, public_folder, unprivileged):
    """As where user.max_user_namespaces is 0: said of a namespace, so only there."""
    wrap = ("unshare", "-U", "--map-user=0", "--map-group=0", "sh", "-c", _NO_NAMESPACES, "sh")
    with start_kernel(public_folder(), _wrap=wrap, **unprivileged) as kernel:
        says(kernel, "namespaces", "coderemote doctor")


_NO_NAMESPACES = """
echo 0 > /proc/sys/user/max_user_namespaces || exit 9
echo 0 > /proc/sys/user/max_mnt_namespaces || exit 9
exec setpriv --bounding-set -all --inh-caps -all "$@"
"""


MASKED = {
    "a folder": 'mount -t tmpfs tmpfs /proc/irq && exec "$@"',
    "a file": 'mount --bind /dev/null /proc/interrupts && exec "$@"',
}


@needs_root
@pytest.mark.parametrize("what", list(MASKED))
def test_a_proc_that_is_masked_as_in_docker_is_done_without(start_kernel, tmp_path, what):
    wrap = ("unshare", "-m", "--propagation", "private", "sh", "-c", MASKED[what], "sh")
    with start_kernel(tmp_path, _wrap=wrap) as kernel:
        assert "there is no /proc" in kernel.ask("kernel_info_request")["banner"]
        cell = kernel.ok("import os; print(os.path.exists('/proc/self'))")
        assert cell.text("stdout") == "False\n"
        assert cell.cost["tier"] == "full-noproc"


def test_the_tier_without_proc_can_be_asked_for(start_kernel, tmp_path):
    with start_kernel(tmp_path, tier="full-noproc") as kernel:
        cell = kernel.ok("import os; print(os.path.exists('/proc/self'))")
        assert (cell.text("stdout"), cell.cost["tier"]) == ("False\n", "full-noproc")


@needs_root
def test_a_full_disk_costs_the_records_and_not_the_work(start_kernel, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    full = """
mount -t tmpfs -o size=64k tmpfs "$1" || exit 9
cat /dev/zero > "$1/full" 2>/dev/null
shift
exec "$@"
"""
    wrap = ("unshare", "-m", "--propagation", "private", "sh", "-c", full, "sh", str(disk))
    records = {"history_file": disk / "history.sqlite", "audit_log": disk / "audit.json"}
    with start_kernel(tmp_path, _wrap=wrap, **records) as kernel:
        cell = kernel.ok("print(6 * 7)")
        assert cell.text("stdout") == "42\n"
        deadline = time.monotonic() + 20
        told = cell.text("stderr")
        while "history" not in told.lower():
            told += kernel.ok("pass").text("stderr")
            assert time.monotonic() < deadline, kernel.stderr()
        assert "[coderemote]" in told
        content = {"output": False, "raw": True, "hist_access_type": "tail", "n": 1000}
        lines = [entry[2] for entry in kernel.ask("history_request", **content)["history"]]
        assert "print(6 * 7)" in lines  # kept in memory


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JUPYTER_NO_CONFIG": "1"}
    return subprocess.run(
        [sys.executable, "-m", "coderemote_kernel", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def connection(folder: Path, **changes: object) -> str:
    ports = {f"{name}_port": 0 for name in ("shell", "iopub", "stdin", "control", "hb")}
    path = folder / "connection.json"
    content = {"ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256"}
    path.write_text(json.dumps({**content, **ports, **changes}))
    return str(path)


def complains(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("coderemote: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("cell_timeout_s=-1", ["cell_timeout_s"]),
        ("cell_timeout_s=nan", ["cell_timeout_s"]),
        ("memory_bytes=lots", ["memory_bytes", "lots"]),
        ("memory_byte=1GiB", ["memory_byte", "did you mean memory_bytes"]),
        ("tier=weak", ["tier", "no-namespaces"]),
        ("processes=2", ["processes"]),
    ],
)
def test_a_setting_that_makes_no_sense_ends_the_start_with_one_line(tmp_path, setting, words):
    complains(start("-f", connection(tmp_path), f"--CodeRemoteKernel.{setting}"), *words)


def test_a_start_without_a_connection_file_says_how_to_start():
    complains(start(), "connection file")


def test_a_connection_file_that_does_not_exist_is_named(tmp_path):
    complains(start("-f", str(tmp_path / "gone.json")), "gone.json")


@pytest.mark.parametrize("text", ["", "{", "no json", "\xff\xfe"], ids=ascii)
def test_a_connection_file_that_is_no_json_is_named(tmp_path, text):
    path = tmp_path / "connection.json"
    path.write_text(text, encoding="latin-1")
    complains(start("-f", str(path)), "connection.json")


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"ip": "127.0.0.1"}', '{"ip": "nowhere.invalid", "shell_port": "x"}'],
)
def test_a_connection_file_that_says_too_little_is_named(tmp_path, text):
    path = tmp_path / "connection.json"
    path.write_text(text)
    complains(start("-f", str(path)), "connection.json")


def test_an_unknown_signature_scheme_is_named(tmp_path):
    complains(start("-f", connection(tmp_path, signature_scheme="hmac-none")), "hmac-none")


def test_a_port_that_is_taken_is_named(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        complains(start("-f", connection(tmp_path, shell_port=port)), str(port))


def test_the_kernel_ends_with_the_process_that_started_it(tmp_path):
    """Jupyter may be killed; its kernels must not stay."""
    code = f"""
import os, subprocess, sys
env = {{**os.environ, "JPY_PARENT_PID": str(os.getpid()), "JUPYTER_NO_CONFIG": "1"}}
child = subprocess.Popen(
    [sys.executable, "-m", "coderemote_kernel", "-f", {connection(tmp_path)!r},
     "--CodeRemoteKernel.history_file=:memory:"],
    env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
input()
"""
    from coderemote_sandbox.usage import descendants

    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    relay = int(parent.stdout.readline())
    deadline = time.monotonic() + 30
    while len(descendants(relay)) < 3:
        assert time.monotonic() < deadline
    inside = [relay, *descendants(relay)]
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and running(pid) for pid in inside):
        assert time.monotonic() < deadline


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False
