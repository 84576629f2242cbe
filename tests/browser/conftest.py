"""A real JupyterLab with its kernels, and a person's view of it: a page of a Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOUR = Path(__file__).parents[2] / "docs" / "tour"
CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
CELL_TIMEOUT_S = 6
PATIENCE_MS = 60_000
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    # Every cell is in the page from the start, so that a test finds it without scrolling.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
IS_LOADED = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined"
# A kernel looks idle before its websocket is open, and what is run then is lost in silence.
NOTE_WHEN_READY = """() => { void (async () => {
  await jupyterapp.allPluginsActivated;
  const session = jupyterapp.shell.currentWidget.sessionContext;
  await session.ready;
  await session.session.kernel.info;
  window.kernelIsReady = true;
})(); }"""
# The last line an executed cell gets is its number; before, it is a star.
ALL_HAVE_RUN = """upTo => jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim())
  .slice(0, upTo ?? undefined)
  .every(cell => cell.model.executionCount !== null && cell.model.executionState !== 'running')"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path


@dataclass(slots=True)
class Listener:
    """Somebody on the loopback whom a page could call; knows who did."""

    url: str
    asked: list[str] = field(default_factory=list)


class Notebook:
    """An open notebook in a page, as a person uses it.

    Attributes
    ----------
    elsewhere
        Requests of the page to anybody but the Jupyter Server.
    errors
        What the page's console shows as errors, and exceptions that nobody caught.
    """

    def __init__(self, page: Any, server: Server) -> None:
        self.page = page
        self.server = server
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._note_request)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _note_console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def wait(self, condition: str, argument: object = None) -> None:
        """Wait until a condition of the page, a JavaScript function, holds."""
        self.page.wait_for_function(condition, arg=argument, timeout=PATIENCE_MS)

    def command(self, name: str) -> None:
        """Give a command of JupyterLab, and do not wait for what it does."""
        self.page.evaluate("name => { void jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> None:
        """Run every cell and wait until the last has ended."""
        self.command("notebook:run-all-cells")
        self.wait(ALL_HAVE_RUN)

    def cell(self, number: int) -> Any:
        """Return a code cell, the first being 1."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number - 1)

    def output(self, number: int) -> Any:
        """Return the output area of a code cell."""
        return self.cell(number).locator(".jp-OutputArea.jp-Cell-outputArea")

    def run(self, number: int) -> None:
        """Run one code cell as a person does, with Shift+Enter, and do not wait."""
        self.cell(number).locator(".jp-InputArea-prompt").click()
        self.page.keyboard.press("Shift+Enter")

    def shows(self, selector: str, within_ms: int) -> bool:
        """Tell whether something can be seen, or comes to be within a time."""
        from playwright.sync_api import TimeoutError as Late

        try:
            self.page.locator(selector).first.wait_for(timeout=within_ms)
        except Late:
            return False
        return True

    def press(self, button: str) -> None:
        """Press a button of the notebook's toolbar, named as its item in JupyterLab."""
        self.page.locator(f'.jp-NotebookPanel-toolbar [data-jp-item-name="{button}"]').click()

    def python(self, code: str) -> str:
        """Run code beside the notebook's cells and return what it prints."""
        return str(
            self.page.evaluate(
                """async code => {
                  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                  const future = kernel.requestExecute({ code, store_history: false });
                  let text = '';
                  future.onIOPub = m => { text += m.content.text ?? m.content.evalue ?? ''; };
                  await future.done;
                  return text;
                }""",
                code,
            )
        )


@contextmanager
def running_lab(base: Path) -> Iterator[Server]:
    """Run JupyterLab on a copy of the tour below an empty folder."""
    folder = base / "tour"
    shutil.copytree(TOUR, folder, ignore=shutil.ignore_patterns(".*", "settings"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Server(f"http://127.0.0.1:{port}/", secrets.token_hex(16), folder)
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(port), cwd=folder, env=_environment(base, found.token), stdout=log, stderr=log
        )
        try:
            _wait_until_up(process, found, base / "log")
            yield found
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def running_chromium(path: str) -> Iterator[Any]:
    """Run a Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


def open_in(context: Any, server: Server, name: str, where: str = "") -> Notebook:
    """Open a notebook in a browser's context and wait until its kernel can be used."""
    context.set_default_timeout(PATIENCE_MS)
    notebook = Notebook(context.new_page(), server)
    # A workspace of its own: JupyterLab would open the notebooks of the one before.
    where = where or f"lab/workspaces/{secrets.token_hex(4)}/tree"
    notebook.page.goto(f"{server.url}{where}/{name}?token={server.token}")
    notebook.wait(IS_LOADED)
    notebook.page.evaluate(NOTE_WHEN_READY)
    notebook.wait("() => window.kernelIsReady")
    return notebook


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


def _command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
        "--LabApp.news_url=None",
    ]


def _environment(base: Path, token: str) -> dict[str, str]:
    """Keep what the user of this machine has set up for Jupyter out of the tests, and in peace."""
    environment = {**os.environ, "JUPYTER_TOKEN": token, "IPYTHONDIR": str(base / "ipython")}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        (base / name.lower()).mkdir()
        environment[f"JUPYTER_{name}_DIR"] = str(base / name.lower())
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(base / "workspaces")
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(base / "settings")
    for name, value in SETTINGS.items():
        path = base / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    limits = {"CodeRemoteKernel": {"cell_timeout_s": CELL_TIMEOUT_S}}
    (base / "config" / "coderemote_kernel_config.json").write_text(json.dumps(limits))
    return environment


def _wait_until_up(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{server.url}api?token={server.token}", timeout=5):
                return
        except urllib.error.URLError:
            threading.Event().wait(0.1)
    pytest.fail(f"JupyterLab did not come up:\n{log.read_text()}")


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Any]:
    # One a module, not one a session: Playwright leaves its event loop running in this thread,
    # where the tests of other folders start their own.
    with running_chromium(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="module")
def open_notebook(server: Server, chromium: Any) -> Iterator[Callable[..., Notebook]]:
    contexts = []

    def open_it(name: str, where: str = "") -> Notebook:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}))
        return open_in(contexts[-1], server, name, where)

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def write_notebook(server: Server) -> Callable[..., str]:
    """Write a notebook of the given code cells into the server's folder; the name comes back."""

    def write(*sources: str, kernel: str = "coderemote") -> str:
        cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        content = {
            "cells": [
                {**cell, "id": f"cell-{at}", "source": text} for at, text in enumerate(sources)
            ],
            "metadata": {
                "kernelspec": {"display_name": kernel, "language": "python", "name": kernel}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        name = f"test-{secrets.token_hex(4)}.ipynb"
        (server.folder / name).write_text(json.dumps(content))
        return name

    return write


@pytest.fixture(scope="module")
def new_notebook(
    write_notebook: Callable[..., str], open_notebook: Callable[..., Notebook]
) -> Callable[..., Notebook]:
    """Write a notebook and open it."""
    return lambda *sources, **options: open_notebook(write_notebook(*sources, **options))


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(204)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Listener(f"http://127.0.0.1:{web.server_port}")
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield found
    web.shutdown()
    thread.join()
    web.server_close()
