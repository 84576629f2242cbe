"""Run a notebook without a browser, as ``make demo`` does with the tour, and show what happens.

The notebook's tags say what each cell has to do, and the demo holds it to that:

- ``raises-exception``: the cell fails, and the notebook goes on;
- ``expect-NAME``: it fails with the error NAME;
- ``interrupt``: it is interrupted once it runs, as by the button in the toolbar.

A cell without tags has to succeed. Questions of ``input()`` get a canned answer.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import shutil
import sys
import time
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

__all__ = ["main"]

_TOUR = Path(__file__).parents[1] / "docs" / "tour" / "tour.ipynb"
_KERNEL = "coderemote"
_ANSWER = "Ada"
# Time enough for every cell of the tour but the endless one, which takes all of it.
_CELL_TIMEOUT_S = 5
_INTERRUPT_AFTER_S = 1.0
_PATIENCE_S = 60.0
_MOST_SOURCE_LINES, _MOST_OUTPUT_LINES = 10, 16
_TAG = re.compile(r"<[^<>]*>")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PNG_SIZE_AT = 16  # after the signature, and the length and name of the first chunk


@dataclass(frozen=True, slots=True)
class _Cell:
    source: str
    tags: frozenset[str]

    def objection(self, error: str) -> str:
        """Say what is wrong with a cell that ended with `error`, or with none; empty if nothing."""
        expected = next((tag.removeprefix("expect-") for tag in self.tags if "expect-" in tag), "")
        if "interrupt" in self.tags:
            expected = "KeyboardInterrupt"
        if expected:
            return "" if error == expected else f"ended with {error or 'no error'}, not {expected}"
        if error and "raises-exception" not in self.tags:
            return f"failed with {error}"
        if "raises-exception" in self.tags and not error:
            return "succeeded and was to fail"
        return ""


class _Notebook:
    """A kernel and what it has published for the cell that runs in it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(self, cell: _Cell, running: str) -> tuple[list[str], str]:
        """Run a cell; return the lines of its output, and the name of its error or nothing.

        Raises
        ------
        TimeoutError
            The kernel does not answer any more.
        """
        msg_id = self._client.execute(cell.source, allow_stdin=True, stop_on_error=False)
        outputs: list[str] = []
        started = time.monotonic()
        interrupted = "interrupt" not in cell.tags
        while not self._collect(msg_id, outputs):
            passed = time.monotonic() - started
            _status(f"{running} {passed:.0f} s")
            self._answer_question(outputs)
            if not interrupted and passed > _INTERRUPT_AFTER_S:
                interrupted = True
                self._manager.interrupt_kernel()
            if passed > _PATIENCE_S:
                msg = f"the kernel has not answered for {passed:.0f} s"
                raise TimeoutError(msg)
        _status("")
        content = self._reply(msg_id)
        error = str(content["ename"]) if content["status"] == "error" else ""
        return _lines("".join(outputs)), error

    def _collect(self, msg_id: str, outputs: list[str]) -> bool:
        """Take what has been published for a cell; True once that was all."""
        try:
            message = self._client.get_iopub_msg(timeout=0.1)
            while True:
                if message["parent_header"].get("msg_id") == msg_id:
                    if message["content"].get("execution_state") == "idle":
                        return True
                    outputs.append(_as_text(message["msg_type"], message["content"]))
                message = self._client.get_iopub_msg(timeout=0)
        except Empty:
            return False

    def _answer_question(self, outputs: list[str]) -> None:
        try:
            question = self._client.get_stdin_msg(timeout=0)
        except Empty:
            return
        outputs.append(f"{question['content']['prompt']}{_ANSWER}\n")
        self._client.input(_ANSWER)

    def _reply(self, msg_id: str) -> dict[str, Any]:
        while True:
            try:
                message = self._client.get_shell_msg(timeout=_PATIENCE_S)
            except Empty:
                msg = "the kernel has not answered for a cell that has ended"
                raise TimeoutError(msg) from None
            if message["parent_header"].get("msg_id") == msg_id:
                return dict(message["content"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a notebook and print every cell; return 1 if one behaved otherwise than its tags say."""
    path: Path = _parser().parse_args(argv).notebook
    try:
        cells = _code_cells(path)
    except (OSError, ValueError, KeyError) as error:
        _say(f"The notebook cannot be read: {error}")
        _say("Name another one: python -m coderemote_kernel.demo FILE")
        return 2
    folder = path.resolve().parent
    before = _fingerprint(folder)
    started = time.monotonic()
    problems = _run_all(cells, folder)
    if _fingerprint(folder) == before:
        _say(f"The files in {folder.name}/ are what they were before.")
    else:
        problems.append(f"the files in {folder.name}/ have changed")
    _say(f"{len(cells)} cells, {time.monotonic() - started:.0f} s.")
    for problem in problems:
        _say(f"PROBLEM: {problem}.")
    _say("Not everything went as it should." if problems else "Everything went as the tags say.")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coderemote_kernel.demo",
        description="Run a notebook in the sandboxed kernel and show what every cell does.",
    )
    parser.add_argument("notebook", nargs="?", type=Path, default=_TOUR, help="default: the tour")
    return parser


def _code_cells(path: Path) -> list[_Cell]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [
        _Cell("".join(cell["source"]), frozenset(cell["metadata"].get("tags", ())))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def _run_all(cells: list[_Cell], folder: Path) -> list[str]:
    """Run the cells in a fresh kernel and return what went wrong."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name=_KERNEL)
    manager.start_kernel(
        cwd=str(folder),
        extra_arguments=[
            f"--CodeRemoteKernel.cell_timeout_s={_CELL_TIMEOUT_S}",
            "--CodeRemoteKernel.history_file=:memory:",
        ],
    )
    client = manager.blocking_client()
    client.start_channels()
    problems = []
    try:
        client.wait_for_ready(timeout=_PATIENCE_S)
        notebook = _Notebook(manager, client)
        for number, cell in enumerate(cells, 1):
            place = f"[{number}/{len(cells)}]"
            _show(place, cell.source.splitlines(), _MOST_SOURCE_LINES, "│ ")
            lines, error = notebook.run(cell, f"{place} running")
            _show("", lines, _MOST_OUTPUT_LINES, "")
            if objection := cell.objection(error):
                problems.append(f"cell {number} {objection}")
    except (RuntimeError, TimeoutError) as error:
        problems.append(str(error))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=bool(problems))
    return problems


def _as_text(kind: str, content: dict[str, Any]) -> str:
    """Return what a terminal can show of a published message."""
    if kind == "stream":
        return str(content["text"])
    if kind == "error":
        return f"\n{(content['traceback'] or [content['ename']])[-1]}\n"
    if kind not in {"display_data", "execute_result"}:
        return ""
    data: dict[str, Any] = content["data"]
    for mime, value in data.items():
        if mime.startswith("image/"):
            return f"[{mime} {_size(mime, value)}]\n"
    text = str(data.get("text/plain", ""))
    if text.startswith("<IPython.") and "text/html" in data:
        text = unescape(_TAG.sub("", data["text/html"])).strip()
    return f"{text}\n"


def _size(mime: str, data: str) -> str:
    if mime != "image/png":
        return f"{len(data)} characters"
    head = base64.b64decode(data[:64])[_PNG_SIZE_AT:]
    return f"{int.from_bytes(head[:4])}x{int.from_bytes(head[4:8])}"


def _lines(text: str) -> list[str]:
    """Return the lines as a terminal would leave them: without what was overwritten."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = (line.rpartition("\r")[2].rstrip() for line in plain.split("\n"))
    return [line for line in lines if line]


def _fingerprint(folder: Path) -> dict[str, int]:
    """Return when each file was last changed, which nobody can set back; hidden ones left out."""
    return {
        path.name: path.stat().st_ctime_ns
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


def _show(head: str, lines: list[str], most: int, before: str) -> None:
    if head:
        _say(head)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"… {len(lines) - most + 1} more lines"]
    width = shutil.get_terminal_size((110, 24)).columns
    for line in lines:
        text = f"  {before}{line}"
        _say(text if len(text) <= width else f"{text[: width - 1]}…")
    if not before:
        _say("")


def _status(text: str) -> None:
    """Show what is going on on a line that the next one overwrites; only where one can."""
    if sys.stderr.isatty():
        print(f"\r{text:<40}", end="" if text else "\r", file=sys.stderr, flush=True)  # noqa: T201


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
