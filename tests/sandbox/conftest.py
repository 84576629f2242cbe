"""Jails to test: started as the product starts them, spoken to as the relay speaks to them."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH101, PTH110, PTH112, PTH116, PTH120, PTH123

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from coderemote_sandbox.launcher import Launcher, Plan
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coderemote_sandbox.deaths import Death
    from coderemote_sandbox.jail import Jail

TIMEOUT_S = 60.0


class CellError(Exception):
    """A cell in the jail ended with an error; the text is its traceback."""


class Session:
    """One launcher and its jail, with just enough of the relay to run cells in it."""

    def __init__(self, plan: Plan) -> None:
        self.launcher = Launcher(plan)
        self.launcher.prepare()
        self.jail = self.start()

    def start(self) -> Jail:
        """Start a jail, or the next one of the same session."""
        self.jail = self.launcher.start({"execution_count": 1, "relay_magics": []})
        self._decoder = frames.Decoder(1 << 28)
        self._writer = frames.Writer(self.jail.wall)
        self._frames: list[frames.Frame] = []
        return self.jail

    def wait_ready(self) -> None:
        """Wait until the worker is up; fail with what nsjail says if it is not."""
        while not self.jail.ready:
            frame = self._next_frame()
            self.jail.ready = frame.channel == frames.NOTE and frame.parts == [b"ready"]

    def run(self, code: str, timeout_s: float = TIMEOUT_S) -> str:
        """Run a cell; return what it printed."""
        return self.result(self.send(code), timeout_s)

    def value(self, code: str) -> Any:
        """Run a cell that prints JSON."""
        return json.loads(self.run(code))

    def send(self, code: str) -> str:
        """Send a cell and do not wait."""
        if not self.jail.ready:
            self.wait_ready()
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": "execute_request", "version": "5.4"}
        header |= {"session": "s", "username": "u", "date": "2026-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        self._writer.send(frames.SHELL, parts)
        return msg_id

    def result(self, msg_id: str, timeout_s: float = TIMEOUT_S) -> str:
        """Wait for the end of a cell; return what it printed."""
        deadline = time.monotonic() + timeout_s
        text, reply, idle = "", None, False
        while reply is None or not idle:
            frame = self._next_frame(deadline)
            if frame.channel not in (frames.SHELL, frames.IOPUB):
                continue
            header, parent, _, content = (json.loads(part) for part in frame.parts[:4])
            if parent.get("msg_id") != msg_id:
                continue
            kind = header["msg_type"]
            if kind == "stream":
                text += content["text"]
            elif kind == "execute_reply":
                reply = content
            elif kind == "status":
                idle = content["execution_state"] == "idle"
        if reply["status"] != "ok":
            raise CellError("\n".join(reply.get("traceback", [reply["status"]])) + text)
        return text

    def wait_for_output(self, text: str, timeout_s: float = 10.0) -> None:
        """Wait until something was printed; what came stays for `result`."""
        deadline = time.monotonic() + timeout_s
        while not any(self._prints(frame, text) for frame in self._frames):
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"{text!r} was not printed"
            select.select([self.jail.wall], [], [], remaining)
            self._receive()

    def _prints(self, frame: frames.Frame, text: str) -> bool:
        """Whether a frame is output with a text: the echo of the cell holds it too."""
        if frame.channel != frames.IOPUB:
            return False
        return (
            json.loads(frame.parts[0])["msg_type"] == "stream" and text.encode() in frame.parts[3]
        )

    def wait_for_death(self, timeout_s: float = TIMEOUT_S) -> Death:
        """Wait until PID 1 reports the end of the worker, as the relay does."""
        deadline = time.monotonic() + timeout_s
        while True:
            death = self.jail.read_leash()
            if death is not None:
                return death
            remaining = deadline - time.monotonic()
            assert remaining > 0, "the jail lives on"
            # The wall is drained meanwhile: nobody else would, and the worker could block on it.
            ready, *_ = select.select([self.jail.leash, self.jail.wall], [], [], remaining)
            if self.jail.wall in ready and not self._receive():
                select.select([self.jail.leash], [], [], max(deadline - time.monotonic(), 0))

    def _next_frame(self, deadline: float | None = None) -> frames.Frame:
        deadline = deadline or time.monotonic() + TIMEOUT_S
        while not self._frames:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(self.jail.complaints())
            writing = [self.jail.wall] if self._writer.pending else []
            ready, _, _ = select.select([self.jail.wall, self.jail.leash], writing, [], remaining)
            self._writer.flush()
            if self.jail.wall in ready and not self._receive():
                raise ConnectionResetError(self.jail.complaints())
            if self.jail.leash in ready and not self._frames:
                death = self.jail.read_leash()
                if death is not None:
                    raise ConnectionResetError(f"{death}: {self.jail.complaints()}")
        return self._frames.pop(0)

    def _receive(self) -> bytes:
        try:
            data = self.jail.wall.recv(1 << 18)
        except BlockingIOError:
            return b"\0"
        except ConnectionResetError:
            return b""
        self._frames += self._decoder.feed(data)
        return data

    def next_jail(self) -> None:
        """End this jail and start the session's next one."""
        self.jail.close()
        self.start()

    def close(self) -> None:
        self.jail.close()
        self.launcher.close()


def site_packages() -> str:
    """Folder that ipykernel is imported from."""
    spec = importlib.util.find_spec("ipykernel")
    assert spec is not None
    assert spec.origin is not None
    return os.path.dirname(os.path.dirname(spec.origin))


def outside_prefix() -> tuple[str, ...]:
    """Folders the jail must read besides the interpreter's own, where a .pth file points there."""
    packages = os.path.realpath(site_packages())
    prefixes = [os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)]
    covered = any(packages.startswith(prefix + "/") for prefix in prefixes)
    return () if covered else (packages,)


def plan(**options: Any) -> Plan:
    """Describe a session as a test wants it."""
    return Plan(**{"read_only": outside_prefix(), **options})


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., Plan]:
    return plan


@pytest.fixture(scope="session")
def opened() -> Callable[..., contextlib.AbstractContextManager[Session]]:
    """Start a session for a ``with``; its jails end with it."""

    @contextlib.contextmanager
    def open_session(**options: Any) -> Iterator[Session]:
        session = Session(plan(**options))
        try:
            yield session
        finally:
            session.close()

    return open_session


@pytest.fixture(scope="session")
def cell_error() -> type[Exception]:
    """What `Session.run` raises when the cell fails."""
    return CellError


@pytest.fixture(scope="module")
def shared_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session for the tests of a module that leave it as they found it."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    (folder / "data.txt").write_text("from the folder")
    session = Session(plan(folder=str(folder)))
    try:
        session.wait_ready()
        yield session
    finally:
        session.close()


def _reachable(path: str) -> bool:
    """Whether everybody may enter every folder on the way to a path, and read it."""
    path = os.path.realpath(path)
    while path != "/":
        needed = 0o005 if os.path.isdir(path) else 0o004
        if os.stat(path).st_mode & needed != needed:
            return False
        path = os.path.dirname(path)
    return True


@pytest.fixture(scope="session")
def public_python() -> Iterator[str]:
    """A Python with the tests' packages that any user of this machine can run."""
    packages = site_packages()
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (os.path.realpath(sys.executable), f"/usr/bin/{own}", f"/usr/local/bin/{own}")
    bases = [path for path in candidates if os.path.exists(path) and _reachable(path)]
    if not bases or not _reachable(packages) or not _reachable(__file__):
        pytest.skip("no other user can reach a Python of this version, the packages and the tests")
    with tempfile.TemporaryDirectory(prefix="coderemote-test-") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([bases[0], "-m", "venv", "--without-pip", f"{folder}/env"], check=True)
        site = f"{folder}/env/lib/{own}/site-packages"
        with open(f"{site}/packages.pth", "w") as file:
            # Not the bare path: the .pth files in there count too.
            file.write(f"import site; site.addsitedir({packages!r})\n")
        yield f"{folder}/env/bin/python"


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A folder whose path anybody may walk, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="coderemote-test-") as folder:
        os.chmod(folder, 0o755)
        yield folder
