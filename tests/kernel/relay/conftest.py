"""Kernels started as Jupyter starts them, with the settings a test asks for."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH101, PTH110, PTH112, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import write_connection_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT_S = 60.0
NOBODY = 65534


class Cell:
    """What came of a cell."""

    def __init__(self, reply: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
        self.reply = reply["content"]
        self.cost = reply["metadata"].get("coderemote", {})
        self.outputs = outputs

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Contents of the outputs of one type."""
        return [output["content"] for output in self.outputs if output["msg_type"] == kind]

    def text(self, *names: str) -> str:
        """Everything that was printed."""
        wanted = names or ("stdout", "stderr")
        return "".join(part["text"] for part in self.of("stream") if part["name"] in wanted)

    @property
    def error(self) -> str:
        """Name of the error it ended with, or empty."""
        return self.reply.get("ename", "") if self.reply["status"] == "error" else ""


class Kernel:
    """One relay, and one client of it."""

    def __init__(self, folder: Path, settings: dict[str, Any], **how: Any) -> None:
        self.folder = folder
        self._private = tempfile.mkdtemp(prefix="coderemote-test-")
        self.connection = os.path.join(self._private, "connection.json")
        write_connection_file(self.connection, ip="127.0.0.1", kernel_name="coderemote")
        python, uid = how.pop("python", sys.executable), how.pop("uid", None)
        wrap = how.pop("wrap", ())
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **how.pop("env", {})}
        environment |= {"JUPYTER_DATA_DIR": self._private, "JUPYTER_NO_CONFIG": "1"}
        if uid is not None:
            for path in (self._private, self.connection):
                os.chown(path, uid, uid)
            how |= {"user": uid, "group": uid, "extra_groups": []}
            environment["HOME"] = self._private
        settings = {"history_file": ":memory:", **settings}
        options = [f"--CodeRemoteKernel.{name}={value}" for name, value in settings.items()]
        self._stderr = open(os.path.join(self._private, "stderr"), "w+")  # noqa: SIM115 - until close()
        self.process = subprocess.Popen(
            [*wrap, python, "-m", "coderemote_kernel", "-f", self.connection, *options],
            cwd=folder,
            env=environment,
            stderr=self._stderr,
            stdin=subprocess.DEVNULL,
            **how,
        )
        self.client = BlockingKernelClient(connection_file=self.connection)
        self.client.load_connection_file()
        self.client.start_channels()
        self._kept: dict[str, list[dict[str, Any]]] = {"shell": [], "control": [], "iopub": []}

    def wait_ready(self) -> Kernel:
        try:
            self.client.wait_for_ready(timeout=TIMEOUT_S)
        except RuntimeError as error:
            raise RuntimeError(self.stderr()) from error
        return self

    def stderr(self) -> str:
        """What the relay has logged."""
        self._stderr.flush()
        return Path(self._stderr.name).read_text()

    def send(self, code: str, **options: Any) -> str:
        return self.client.execute(code, **{"allow_stdin": False, **options})

    def request(self, kind: str, content: dict[str, Any], channel: str = "shell") -> str:
        message = self.client.session.msg(kind, content)
        getattr(self.client, f"{channel}_channel").send(message)
        return message["header"]["msg_id"]

    def receive(
        self, channel: str, msg_id: str | None, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        """Wait for the next message that answers `msg_id`; None takes any."""
        kept = self._kept[channel]
        deadline = time.monotonic() + timeout_s
        while True:
            for at, message in enumerate(kept):
                if msg_id is None or message["parent_header"].get("msg_id") == msg_id:
                    return kept.pop(at)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"nothing on {channel}\n{self.stderr()}")
            with contextlib.suppress(Empty):
                kept.append(getattr(self.client, f"get_{channel}_msg")(timeout=min(remaining, 1)))

    def finish(self, msg_id: str, timeout_s: float = TIMEOUT_S) -> Cell:
        """Wait for a cell's end and its reply."""
        outputs = []
        while True:
            message = self.receive("iopub", msg_id, timeout_s)
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    break
            else:
                outputs.append(message)
        return Cell(self.receive("shell", msg_id, timeout_s), outputs)

    def run(self, code: str, timeout_s: float = TIMEOUT_S, **options: Any) -> Cell:
        return self.finish(self.send(code, **options), timeout_s)

    def ok(self, code: str, **options: Any) -> Cell:
        """Run a cell that has to succeed."""
        cell = self.run(code, **options)
        assert cell.reply["status"] == "ok", cell.reply
        return cell

    def printed(self, code: str) -> Any:
        """Run a cell that prints JSON."""
        return json.loads(self.ok(code).text("stdout"))

    def wait_for_text(self, msg_id: str, text: str) -> None:
        """Wait until a cell has printed something."""
        seen = ""
        while text not in seen:
            message = self.receive("iopub", msg_id)
            if message["msg_type"] == "stream":
                seen += message["content"]["text"]

    def ask(self, kind: str, channel: str = "shell", **content: Any) -> dict[str, Any]:
        return self.receive(channel, self.request(kind, content, channel))["content"]

    def jailed(self) -> list[int]:
        """Everything the relay has started."""
        from coderemote_sandbox.usage import descendants

        return descendants(self.process.pid)

    def close(self) -> None:
        self.client.stop_channels()
        # A killed relay leaves its cgroup behind; one that is asked to leave takes it along.
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stderr.close()
        subprocess.run(["rm", "-rf", self._private], check=False)


@pytest.fixture(scope="session")
def start_kernel() -> Callable[..., contextlib.AbstractContextManager[Kernel]]:
    """Start a kernel for a ``with``: ``start_kernel(folder, setting=value, _how=value)``."""

    @contextlib.contextmanager
    def start(folder: Path, **options: Any) -> Iterator[Kernel]:
        how = {name[1:]: options.pop(name) for name in list(options) if name.startswith("_")}
        ready = how.pop("ready", True)
        kernel = Kernel(folder, options, **how)
        try:
            yield kernel.wait_ready() if ready else kernel
        finally:
            kernel.close()

    return start


def _packages() -> str:
    spec = importlib.util.find_spec("ipykernel")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parents[1])


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
def unprivileged() -> Iterator[dict[str, Any]]:
    """Options that start a kernel as a user without rights, for whom there is no cgroup."""
    if os.geteuid() != 0:
        yield {}
        return
    packages = _packages()
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (os.path.realpath(sys.executable), f"/usr/bin/{own}", f"/usr/local/bin/{own}")
    bases = [path for path in candidates if os.path.exists(path) and _reachable(path)]
    if not bases or not _reachable(packages) or not _reachable(__file__):
        pytest.skip("no other user can reach a Python of this version, the packages and the kernel")
    with tempfile.TemporaryDirectory(prefix="coderemote-test-") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([bases[0], "-m", "venv", "--without-pip", f"{folder}/env"], check=True)
        site = f"{folder}/env/lib/{own}/site-packages"
        with open(f"{site}/packages.pth", "w") as file:
            # Not the bare path: the .pth files in there count too.
            file.write(f"import site; site.addsitedir({packages!r})\n")
        yield {
            "_python": f"{folder}/env/bin/python",
            "_uid": NOBODY,
            "extra_read_only": packages,
        }


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Callable[[], Path]]:
    """Make folders that any user may enter and write; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="coderemote-test-") as top:
        os.chmod(top, 0o755)
        made = iter(range(1000))

        def make() -> Path:
            folder = Path(top) / str(next(made))
            folder.mkdir()
            folder.chmod(0o777)
            return folder

        yield make
