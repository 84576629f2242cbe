"""Try something in a process of its own: with a time limit, and with nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coderemote_sandbox import _kernel_calls as kernel
from coderemote_sandbox.doctor import apparmor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outcome", "in_child", "run_nsjail"]

_REPORT_FD, _HOLD_FD, _CONFIG_FD = 40, 41, 42
_MOST_WORDS = 16_384


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial went.

    Attributes
    ----------
    value
        What it found, or None if it failed.
    code
        The error number if it failed with one, else 0.
    problem
        Why it failed, in a line; empty if it did not.
    """

    value: Any = None
    code: int = 0
    problem: str = ""

    def __bool__(self) -> bool:
        return not self.problem


def in_child(work: Callable[[], Any], *, seconds: float = 2.0) -> Outcome:
    """Do `work` in a forked child, which may change its own namespaces, limits and identity.

    Parameters
    ----------
    work
        Returns what JSON can say.
    seconds
        After which the child is killed and the trial has failed.
    """
    report_in, report_out = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(report_in)
        _report(work, report_out)
    os.close(report_out)
    try:
        text = _read_all(report_in, time.monotonic() + seconds)
    finally:
        os.close(report_in)
        _end(child)
    if text is None:
        return Outcome(problem=f"no answer within {seconds:g} s")
    try:
        return Outcome(**json.loads(text))
    except ValueError:
        return Outcome(problem="the trial's process died")


def _report(work: Callable[[], Any], report_out: int) -> None:
    """Do `work` in this child, say how it went and leave; never returns."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        said: dict[str, Any] = {"value": work()}
    except OSError as error:
        said = {"code": error.errno or 0, "problem": error.strerror or str(error) or "failed"}
    except BaseException as error:  # noqa: BLE001 - a process border; the parent tells it
        said = {"problem": f"{type(error).__name__}: {error}"}
    finally:
        with contextlib.suppress(OSError):
            os.write(report_out, json.dumps(said).encode())
        os._exit(0)


def run_nsjail(
    binary: str,
    config: dict[str, Any],
    *,
    enter: Callable[[], None] = lambda: None,
    seconds: float = 3.0,
) -> Outcome:
    """Run nsjail on `config`, whose program writes JSON to descriptor 40; return what it wrote.

    Parameters
    ----------
    binary
        The nsjail to run.
    config
        As `coderemote_sandbox.nsjail.configuration` makes it, with another program.
    enter
        Called in the child first: moves it onto a stage.
    """
    report_in, report_out = os.pipe()
    words_in, words_out = os.pipe()
    text = os.memfd_create("nsjail", 0)
    os.write(text, json.dumps(config).encode())
    child = os.fork()
    if child == 0:
        _become(binary, {2: words_out, _REPORT_FD: report_out, _CONFIG_FD: text}, enter)
    for end in (report_out, words_out, text):
        os.close(end)
    deadline = time.monotonic() + seconds
    try:
        said = _read_all(report_in, deadline)
        # The answer first: nsjail itself can sleep for a second before it sees its child's end.
        if said:
            return Outcome(json.loads(said))
        words = _read_all(words_in, min(deadline, time.monotonic() + 0.5))
    except ValueError:
        return Outcome(problem="the jail's answer was cut short")
    finally:
        os.close(report_in)
        os.close(words_in)
        _end(child)
    if said is None:
        return Outcome(problem=f"no answer within {seconds:g} s")
    return Outcome(problem=_essence((words or b"").decode(errors="replace")))


def _become(binary: str, descriptors: dict[int, int], enter: Callable[[], None]) -> None:
    """Turn this forked child into nsjail; never returns."""
    try:
        os.setsid()
        apparmor.enter_profile()
        enter()
        kernel.die_with_parent(signal.SIGKILL)
        nothing = os.open(os.devnull, os.O_RDWR)
        descriptors = {0: nothing, 1: nothing, _HOLD_FD: nothing, **descriptors}
        parked = {target: os.dup2(fd, 900 + target) for target, fd in descriptors.items()}
        for target, fd in parked.items():
            os.dup2(fd, target)
        os.closerange(3, _REPORT_FD)
        os.closerange(_CONFIG_FD + 1, 1024)
        command = [binary, "--experimental_mnt", "auto", "-C", f"/proc/self/fd/{_CONFIG_FD}"]
        os.execve(binary, command, {})
    except BaseException as error:  # noqa: BLE001 - a process border
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(255)


def _essence(words: str) -> str:
    """Return the line of nsjail's complaints that says what failed first."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("[E]", "[F]")) or "Error" in line]
    chosen = (failed or lines or ["nsjail ended without a word"])[0]
    # "[E][2026-01-01T00:00:00+0000][42] function():7 message": a person needs the message.
    return chosen.rpartition("] ")[2].partition("():")[2].partition(" ")[2] or chosen


def _read_all(descriptor: int, deadline: float) -> bytes | None:
    """Read until the other end is closed; None if that did not happen in time."""
    data = b""
    while len(data) < _MOST_WORDS:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
            return None
        piece = os.read(descriptor, 65_536)
        if not piece:
            break
        data += piece
    return data


def _end(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
