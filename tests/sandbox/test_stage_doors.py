"""What could lead out of the notebook's folder: sockets, pipes, mounts; and a stage that fails."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH101, PTH208

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap

import pytest

from coderemote_sandbox import usage
from coderemote_sandbox.limits import Limits
from coderemote_sandbox.stage import Stage, StageRequest

pytestmark = pytest.mark.sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make this")


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_a_socket_in_the_folder_does_not_lead_out(tmp_path, opened, monkeypatch, mode):
    """The network namespace does not hold sockets that have a path."""
    with (
        listening(tmp_path, monkeypatch) as listener,
        opened(folder=str(tmp_path), workspace_mode=mode) as session,
    ):
        assert not connected(session, "s", listener)


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_a_socket_made_later_does_not_lead_out(tmp_path, opened, monkeypatch, mode):
    with opened(folder=str(tmp_path), workspace_mode=mode) as session:
        session.wait_ready()
        with listening(tmp_path, monkeypatch) as listener:
            assert not connected(session, "s", listener)


def test_a_socket_in_a_further_folder_does_not_lead_out(tmp_path, opened, make_plan, monkeypatch):
    tmp_path.chmod(0o755)
    with (
        listening(tmp_path, monkeypatch) as listener,
        opened(read_only=(*make_plan().read_only, str(tmp_path))) as session,
    ):
        assert not connected(session, f"{tmp_path}/s", listener)


@contextlib.contextmanager
def listening(folder, monkeypatch):
    monkeypatch.chdir(folder)  # a socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        os.chmod("s", 0o777)
        listener.listen()
        listener.setblocking(False)
        yield listener


def connected(session, path: str, listener: socket.socket) -> bool:
    code = f"""
import os, socket
os.chdir(os.path.dirname({path!r}) or ".")
sock = socket.socket(socket.AF_UNIX)
try:
    sock.connect("s")
    print("connected")
except OSError as error:
    print(error.errno)
"""
    said = session.run(code)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return said == "connected\n"
    return True


@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_a_pipe_in_the_folder_does_not_lead_out(tmp_path, opened, mode):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with opened(folder=str(tmp_path), workspace_mode=mode) as session:
            code = """
import os
try:
    os.write(os.open("pipe", os.O_WRONLY | os.O_NONBLOCK), b"out")
except OSError as error:
    print(error.errno)
"""
            session.run(code)
            assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def in_private_namespace(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where mounts can be made without anybody else seeing them."""
    return subprocess.run(
        [
            "unshare",
            "-m",
            "--propagation",
            "private",
            sys.executable,
            "-c",
            textwrap.dedent(code),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


STAGED = """
import json, os, subprocess, sys
from coderemote_sandbox.limits import Limits
from coderemote_sandbox.stage import Stage, StageRequest
def look(folder, mode="overlay"):
    stage = Stage.build(StageRequest(folder, mode), Limits())
    pid = os.fork()
    if pid == 0:
        stage.enter()
        found = {}
        for top, folders, files in os.walk(stage.folder or stage.workspace):
            for name in folders + files:
                path = os.path.join(top, name)
                try:
                    text = open(path).read() if os.path.isfile(path) else None
                except OSError as error:
                    text = f"errno {error.errno}"
                found[os.path.relpath(path, stage.folder or stage.workspace)] = text
        print(json.dumps([stage.mode, stage.note, stage.unseen, found]), flush=True)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    stage.close()
"""


@needs_root
@pytest.mark.parametrize("mode", ["overlay", "readonly"])
@pytest.mark.parametrize("place", ["/mnt", "/mnt/home/user/notebooks", "/tmp", "/srv/x"])
def test_a_folder_where_the_stage_hangs_its_own_files_is_still_shown(place, mode):
    """The stage covers /mnt, or what there is of such folders, in its own namespace."""
    top = "/" + place.split("/")[1]
    done = in_private_namespace(
        STAGED
        + f"""
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", {top!r}], check=True)
os.makedirs({place!r}, exist_ok=True)
open({place!r} + "/data.csv", "w").write("found")
open({place!r} + "/.env", "w").write("secret")
look({place!r}, {mode!r})
"""
    )
    assert done.returncode == 0, done.stderr
    got, note, _, found = json.loads(done.stdout)
    assert (got, note) == (mode, "")
    assert found["data.csv"] == "found"
    assert not found.get(".env")


@needs_root
@pytest.mark.parametrize("mode", ["overlay", "readonly"])
def test_what_is_mounted_below_the_folder_is_not_shown(tmp_path, mode):
    """It may be anything: another disk, a network share, somebody's secrets."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data.csv").write_text("found")
    done = in_private_namespace(
        STAGED
        + f"""
place = {str(tmp_path)!r}
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place + "/disk"], check=True)
open(place + "/disk/.env", "w").write("secret")
open(place + "/disk/file", "w").write("other disk")
look(place, {mode!r})
"""
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[3]
    assert found["data.csv"] == "found"
    assert "secret" not in found.values()


@pytest.mark.slow
def test_a_very_large_folder_starts_soon_and_shows_no_dot_file(tmp_path, opened):
    """60,000 files in 600 folders, which is more than are looked at."""
    for outer in range(600):
        folder = tmp_path / f"d{outer}"
        folder.mkdir()
        for number in range(99):
            (folder / f"f{number}").touch()
        (folder / ".key").write_text("secret")
    with opened(folder=str(tmp_path)) as session:
        code = """
import json, os
dots = [n for t, d, f in os.walk(".") for n in d + f if n.startswith(".")]
print(json.dumps(dots))
"""
        assert session.value(code) == []
        assert session.launcher.notes


def test_closing_a_stage_gives_back_every_descriptor(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        stage = Stage.build(StageRequest(str(tmp_path), "overlay"), Limits())
        assert stage.usage()[0] >= 0
        stage.close()
        stage.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_failed_stage_leaves_no_process_and_no_descriptor(tmp_path):
    """A source that is not there is only found out by the builder."""
    before = len(os.listdir("/proc/self/fd")), usage.descendants(os.getpid())
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o755)
    request = StageRequest(str(path), "overlay", ("/nowhere/at/all",))
    with pytest.raises(OSError, match=r"open_tree|move_mount|mount|directory"):
        Stage.build(request, Limits())
    assert (len(os.listdir("/proc/self/fd")), usage.descendants(os.getpid())) == before
