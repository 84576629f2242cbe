"""The tier without namespaces: Landlock, seccomp and rlimits alone."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH101, PTH110, PTH112

from __future__ import annotations

import errno
import importlib.util
import os
import socket
from pathlib import Path

import pytest

from coderemote_sandbox import tiers, usage
from coderemote_sandbox.limits import MIB, Limits
from coderemote_sandbox.worker import landlock

pytestmark = pytest.mark.sandbox


def version() -> int:
    try:
        return landlock.abi_version()
    except OSError:
        return 0


@pytest.fixture(scope="module", autouse=True)
def _needs_landlock() -> None:
    if not version():
        pytest.skip("this kernel has no Landlock")


@pytest.fixture
def notebook(open_folder) -> Path:
    folder = Path(open_folder) / "notebook"
    (folder / "sub").mkdir(parents=True)
    (folder / "data.csv").write_text("found")
    (folder / "sub" / "deep.txt").write_text("deep")
    (folder / ".env").write_text("secret")
    (folder / "sub" / ".key").write_text("secret")
    (Path(open_folder) / "outside.txt").write_text("secret")
    return folder


@pytest.fixture
def session(notebook, public_python, opened, make_plan):
    """As root the worker is another user, who must be able to reach its Python."""
    chosen = {"read_only": make_plan().read_only}
    if os.geteuid() == 0:
        packages = Path(importlib.util.find_spec("ipykernel").origin).parents[1]
        chosen = {"interpreter": public_python, "read_only": (str(packages),)}
    with opened(tier="no-namespaces", folder=str(notebook), **chosen) as session:
        session.wait_ready()
        yield session


def test_it_works_and_says_that_it_is_weaker(session):
    assert session.run("import math; print(math.factorial(5))") == "120\n"
    assert session.launcher.notes == [tiers.NO_NAMESPACES.summary]
    rows = {layer.name: layer.got for layer in session.launcher.layers()}
    assert rows["namespaces"] == "no"
    assert rows["landlock"] == "yes"


def test_the_folder_is_read_and_its_dot_files_are_not(session, notebook):
    code = """
import json
got = {}
for path in (
    "data.csv", "sub/deep.txt", ".env", "sub/.key", "../outside.txt", "/etc/passwd", "/etc/shadow"
):
    try:
        got[path] = open(path).read()
    except OSError as error:
        got[path] = error.errno
print(json.dumps(got))
"""
    got = session.value(code)
    assert got.pop("data.csv") == "found"
    assert got.pop("sub/deep.txt") == "deep"
    assert set(got.values()) == {errno.EACCES}
    assert (notebook / ".env").read_text() == "secret"


def test_files_are_written_in_the_private_folder_alone(session, notebook):
    code = """
import json, os, tempfile
got = []
own = os.path.expanduser("~/ok.txt")
for path in ("new.txt", "data.csv", "/tmp/coderemote-test", "/var/tmp/coderemote-test", own):
    try:
        open(path, "w").write("x")
        got.append(0)
    except OSError as error:
        got.append(error.errno)
with tempfile.TemporaryFile() as file:
    file.write(b"x")
print(json.dumps(got))
"""
    assert session.value(code) == [errno.EACCES] * 4 + [0]
    assert sorted(path.name for path in notebook.iterdir()) == [".env", "data.csv", "sub"]


def test_a_program_written_in_the_session_cannot_be_run(session):
    code = """
import os, subprocess
path = os.path.expanduser("~/program")
open(path, "w").write("#!/bin/sh\\necho ran\\n")
os.chmod(path, 0o755)
try:
    print(subprocess.run([path], capture_output=True).stdout)
except OSError as error:
    print(error.errno)
"""
    assert session.run(code) == f"{errno.EACCES}\n"


def test_no_socket_can_be_made(session):
    code = """
import json, socket
got = []
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
    try:
        socket.socket(family, socket.SOCK_DGRAM)
        got.append(0)
    except OSError as error:
        got.append(error.errno)
print(json.dumps(got))
"""
    assert session.value(code) == [errno.EOPNOTSUPP] * 4


def test_no_datagram_leaves_through_a_pair_of_sockets(session, open_folder):
    address = f"{open_folder}/s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        os.chmod(address, 0o777)
        listener.setblocking(False)
        code = f"""
import socket
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
    for blocking in (0, socket.SOCK_NONBLOCK):
        try:
            one, other = socket.socketpair(socket.AF_UNIX, kind | blocking)
            one.sendto(b"out", {address!r})
        except OSError as error:
            print(error)
"""
        assert len(session.run(code).splitlines()) == 8
        with pytest.raises(BlockingIOError):
            listener.recv(10)


def test_nobody_outside_can_be_signalled(session):
    if version() < 6 and os.geteuid() != 0:
        pytest.skip("this kernel's Landlock does not know of signals")
    code = f"""
import json, os, signal
got = []
for pid in ({os.getpid()}, {session.jail.pid}, os.getppid()):
    try:
        os.kill(pid, 0)
        got.append(0)
    except OSError as error:
        got.append(error.errno)
print(json.dumps(got))
"""
    outside, nsjail, first = session.value(code)
    assert outside == errno.EPERM
    assert nsjail == errno.EPERM
    assert first == errno.EPERM


def test_nobody_outside_can_be_looked_into(session):
    code = f"""
import json
got = []
for name in ("environ", "mem", "maps", "fd/0", "cwd", "root"):
    try:
        open(f"/proc/{os.getpid()}/{{name}}", "rb").read(1)
        got.append(name)
    except OSError:
        pass
print(json.dumps(got))
"""
    assert session.value(code) == []


def test_killing_ends_what_the_worker_left_behind(session):
    session.run(
        """
import os, signal
if os.fork() == 0:
    os.setsid()
    while True: signal.pause()
"""
    )
    inside = usage.descendants(session.jail.pid)
    assert len(inside) >= 3
    session.jail.close()
    for pid in inside:
        assert gone(pid)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def test_an_interrupt_works_here_too(session, cell_error):
    msg_id = session.send("print('now', flush=True)\nimport time; time.sleep(60)")
    session.wait_for_output("now")
    session.jail.interrupt()
    with pytest.raises(cell_error, match="KeyboardInterrupt"):
        session.result(msg_id)


def test_the_private_folder_goes_with_the_session(opened):
    with opened(tier="no-namespaces", limits=Limits(file_size_bytes=MIB)) as session:
        private = session.launcher._private_folder
        assert os.path.isdir(private)
    assert not os.path.exists(private)
