"""A notebook's view of a kernel, and the two kernels every promise here is tried on.

Most tests run on the stock kernel too: what holds there is what "feels like ipykernel" means, and a
test that fails on stock is wrong.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from contextlib import contextmanager
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    Message = dict[str, Any]
    Predicate = Callable[[Message], object]

STOCK, OURS = "python3", "coderemote"
TIMEOUT_S = 60.0


class Cell:
    """What came of a cell: its reply and all it published, up to its idle."""

    def __init__(self, reply: Message, outputs: list[Message]) -> None:
        self.reply: dict[str, Any] = reply["content"]
        self.message = reply
        self.outputs = outputs

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Contents of the outputs of one type."""
        return [output["content"] for output in self.outputs if output["msg_type"] == kind]

    def text(self, name: str = "stdout") -> str:
        """Everything written to one stream."""
        return "".join(part["text"] for part in self.of("stream") if part["name"] == name)

    @property
    def result(self) -> str | None:
        """The plain text of the cell's value."""
        values = self.of("execute_result")
        return values[0]["data"]["text/plain"] if values else None


class Notebook:
    """One client of a kernel; keeps what arrives for one request apart from what is for another."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client = manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)
        self._kept: dict[str, dict[str, list[Message]]] = defaultdict(lambda: defaultdict(list))

    def close(self) -> None:
        self.client.stop_channels()

    def send(
        self,
        kind: str,
        content: dict[str, Any] | None = None,
        channel: str = "shell",
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Send a request and return its id."""
        message = self.client.session.msg(kind, content or {}, metadata=metadata)
        message["header"] |= header or {}
        getattr(self.client, f"{channel}_channel").send(message)
        return message["header"]["msg_id"]

    def execute(self, code: str, **options: Any) -> str:
        """Send a cell and do not wait."""
        return self.client.execute(code, **{"allow_stdin": False, **options})

    def receive(self, channel: str, msg_id: str, timeout_s: float = TIMEOUT_S) -> Message:
        """Wait for the next message on a channel that belongs to one request."""
        kept = self._kept[channel]
        deadline = time.monotonic() + timeout_s
        while not kept[msg_id]:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"nothing on {channel} for {msg_id}")
            try:
                message = getattr(self.client, f"get_{channel}_msg")(timeout=min(1.0, remaining))
            except Empty:
                continue
            kept[message["parent_header"].get("msg_id", "")].append(message)
        return kept[msg_id].pop(0)

    def reply(self, msg_id: str, channel: str = "shell", timeout_s: float = TIMEOUT_S) -> Message:
        """Wait for the reply to a request."""
        return self.receive(channel, msg_id, timeout_s)

    def outputs(self, msg_id: str, timeout_s: float = TIMEOUT_S) -> list[Message]:
        """Collect what a request publishes, up to its idle."""
        found = []
        while True:
            message = self.receive("iopub", msg_id, timeout_s)
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return found
            else:
                found.append(message)

    def wait_for(self, msg_id: str, wanted: Predicate, timeout_s: float = TIMEOUT_S) -> Message:
        """Wait for a published message of a request that is as wanted; earlier ones are dropped."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.receive("iopub", msg_id, max(0.0, deadline - time.monotonic()))
            if wanted(message):
                return message

    def wait_for_text(self, msg_id: str, text: str) -> None:
        """Wait until a request has written a text, be it after its end."""
        seen = ""
        while text not in seen:
            message = self.wait_for(msg_id, lambda message: message["msg_type"] == "stream")
            seen += message["content"]["text"]

    def run(self, code: str, **options: Any) -> Cell:
        """Run a cell to its end."""
        msg_id = self.execute(code, **options)
        return self.finish(msg_id)

    def finish(self, msg_id: str) -> Cell:
        """Wait for the end of a cell that was sent."""
        outputs = self.outputs(msg_id)
        return Cell(self.reply(msg_id), outputs)

    def ok(self, code: str, **options: Any) -> Cell:
        """Run a cell that has to succeed."""
        cell = self.run(code, **options)
        assert cell.reply["status"] == "ok", cell.reply
        return cell

    def ask(self, kind: str, content: dict[str, Any] | None = None, channel: str = "shell") -> Any:
        """Send a request and return the content of its reply."""
        msg_id = self.send(kind, content, channel)
        return self.reply(msg_id, channel)["content"]

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()


@pytest.fixture(scope="session", autouse=True)
def kernelspecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have both kernels known by name, and keep profile, history and runtime files out of home."""
    place = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(place / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(place / "runtime"))
        patch.setenv("JUPYTER_DATA_DIR", str(place / "own-data"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        try:
            KernelSpecManager().get_kernel_spec(OURS)
        except NoSuchKernel:  # a checkout that was never installed
            _write_kernelspec(place / "data" / "kernels" / OURS)
            patch.setenv("JUPYTER_PATH", str(place / "data"), prepend=os.pathsep)
        yield


def _write_kernelspec(folder: Path) -> None:
    folder.mkdir(parents=True)
    spec = {
        "argv": ["python", "-m", "coderemote_kernel", "-f", "{connection_file}"],
        "display_name": "Python (coderemote)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": True},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


def start(name: str, folder: Path, **options: Any) -> KernelManager:
    """Start a kernel in a folder."""
    manager = KernelManager(kernel_name=name)
    # ipykernel leaves descriptors 1 and 2 alone when it finds itself in a pytest
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    manager.start_kernel(cwd=str(folder), env=environment, **options)
    return manager


@pytest.fixture(scope="session", params=[STOCK, OURS])
def kernel_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@contextmanager
def started(name: str, folder: Path) -> Iterator[Notebook]:
    """Start a kernel, and end it whatever happens."""
    manager = start(name, folder)
    try:
        notebook = Notebook(manager)
        yield notebook
        notebook.close()
    finally:
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="session")
def start_notebook() -> Callable[[str, Path], AbstractContextManager[Notebook]]:
    """Give modules that want a kernel for themselves the means; they cannot import this file."""
    return started


@pytest.fixture(scope="session")
def shared_notebook(
    kernel_name: str, kernelspecs: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """A kernel for all tests that leave it as they found it, but for variables."""
    with started(kernel_name, tmp_path_factory.mktemp("shared")) as notebook:
        yield notebook


@pytest.fixture
def notebook(shared_notebook: Notebook) -> Notebook:
    return shared_notebook


@pytest.fixture
def launch(tmp_path: Path, kernelspecs: None) -> Iterator[Callable[..., Notebook]]:
    """Start kernels of a test's own, in the test's own folder, and end them with it."""
    begun: list[tuple[KernelManager, Notebook | None]] = []

    def launch(name: str, **options: Any) -> Notebook:
        manager = start(name, tmp_path, **options)
        begun.append((manager, None))
        notebook = Notebook(manager)
        begun[-1] = (manager, notebook)
        return notebook

    yield launch
    for manager, notebook in begun:
        if notebook is not None:
            notebook.close()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


@pytest.fixture
def own_notebook(kernel_name: str, launch: Callable[..., Notebook]) -> Notebook:
    """A kernel of the test's own: it may be restarted, interrupted or ended."""
    return launch(kernel_name)
