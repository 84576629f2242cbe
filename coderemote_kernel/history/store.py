"""The relay's side of the history: hand work to a thread, and never wait for a disk.

A home directory may be slow, full, locked or gone. The relay answers cells meanwhile; so all that
touches the file happens in one thread that the store owns, and what that thread cannot keep on
disk it keeps in memory.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderemote_kernel.history.requests import BadRequest, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from coderemote_kernel.history.keeper import HistoryKeeper, Row
    from coderemote_kernel.history.requests import Request

__all__ = ["HistoryStore"]

_log = logging.getLogger(__name__)

# IPython leaves these out, because nobody wants to land on them when going back.
_EXIT = re.compile(r"(exit|quit)(\s*\(.*\))?$")

_MOST_WAITING = 10_000
_LONGEST_INPUT = 1024 * 1024
_LONGEST_OUTPUT = 10_000


@dataclass(frozen=True, slots=True)
class _Input:
    line: int
    source: str


@dataclass(frozen=True, slots=True)
class _Output:
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Question:
    request: Request | None
    future: Future[dict[str, object]]


_Job = _Input | _Output | _Question


class HistoryStore:
    """Inputs of this session and of earlier ones, in a file that kernels share.

    No method raises, and only `reply`, `flush` and `close` wait, each for a bounded time. The
    thread, and SQLite with it, starts with the first input or question.

    Parameters
    ----------
    path
        The file, or ``:memory:`` to keep nothing behind the session. The last 100,000 inputs are
        kept, of each at most its first 1 MiB characters.
    on_problem
        Told in one sentence, at most twice in a session, that the history is not kept as it should
        be. It is called on the store's own thread.
    busy_timeout_s
        How long the thread waits for another kernel's lock before it gives up the file.

    Examples
    --------
    >>> store = HistoryStore(":memory:", print)
    >>> store.record(1, "x = 1")
    >>> store.reply({"hist_access_type": "tail", "output": False, "raw": True, "n": 5})
    {'status': 'ok', 'history': [(1, 1, 'x = 1')]}
    >>> store.close()
    True
    """

    def __init__(
        self, path: str, on_problem: Callable[[str], None], *, busy_timeout_s: float = 5.0
    ) -> None:
        self._path = path
        self._on_problem = on_problem
        self._busy_timeout_s = busy_timeout_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._overflowed = False

    def record(self, execution_count: int, source: str) -> None:
        """Keep an input. Blank ones, and the commands to leave, are not kept."""
        source = _clean(source.rstrip("\n"), _LONGEST_INPUT)
        if source.strip() and not _EXIT.match(source.strip()):
            self._put(_Input(execution_count, source))

    def record_output(self, execution_count: int, text_plain: str) -> None:
        """Keep the text of a result for as long as the session lasts, as IPython does."""
        self._put(_Output(execution_count, _clean(text_plain, _LONGEST_OUTPUT)))

    def submit(self, content: Mapping[str, object]) -> Future[dict[str, object]]:
        """Ask with the content of a ``history_request``; the future holds that of the reply."""
        future: Future[dict[str, object]] = Future()
        try:
            request = parse(content)
        except BadRequest as error:
            future.set_result(_error("ValueError", str(error)))
            return future
        if not self._put(_Question(request, future)):
            future.set_result(_error("HistoryUnavailable", "the history is closed or overloaded"))
        return future

    def reply(self, content: Mapping[str, object], timeout_s: float = 2.0) -> dict[str, object]:
        """Answer a ``history_request``, with an error if that takes longer than `timeout_s`."""
        try:
            return self.submit(content).result(timeout_s)
        except TimeoutError:
            return _error("HistoryTimeout", f"the history did not answer within {timeout_s:g} s")

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that was recorded has been written; False if that takes too long."""
        nothing = {"hist_access_type": "search", "n": 0}
        return self._thread is None or self.reply(nothing, timeout_s)["status"] == "ok"

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is waiting and end the thread; False if that takes too long.

        The thread does not keep the process alive: what it has not written by then is lost.
        """
        if not self._closed:
            self._closed = True
            if self._thread is not None:
                self._jobs.put(None)
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, job: _Job) -> bool:
        if self._closed:
            return False
        if self._jobs.qsize() >= _MOST_WAITING:
            if not self._overflowed:
                self._overflowed = True
                self._on_problem(
                    f"The history in {self._path} is slower than the cells; some are left out."
                )
            return False
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        return True

    def _work(self) -> None:
        keeper = self._keeper()
        try:
            closing = False
            while not closing:
                jobs = _take_all(self._jobs)
                closing = jobs[-1] is None
                for group in _grouped(job for job in jobs if job is not None):
                    _do(keeper, group)
        finally:
            if keeper is not None:
                keeper.close()

    def _keeper(self) -> HistoryKeeper | None:
        try:
            # SQLite is imported by this thread, when the relay has better things to do.
            from coderemote_kernel.history.keeper import HistoryKeeper
        except ImportError as error:
            # Some builds of Python come without SQLite.
            self._on_problem(f"There is no history in this session: {error}.")
            return None
        return HistoryKeeper(self._path, self._busy_timeout_s, self._on_problem)


def _take_all(jobs: queue.SimpleQueue[_Job | None]) -> list[_Job | None]:
    """Wait for work and take all there is, up to the end (None)."""
    taken = [jobs.get()]
    while taken[-1] is not None:
        try:
            taken.append(jobs.get_nowait())
        except queue.Empty:
            break
    return taken


def _grouped(jobs: Iterable[_Job]) -> Iterable[list[_Job]]:
    """Put inputs that follow each other together, to be written at once."""
    inputs: list[_Job] = []
    for job in jobs:
        if isinstance(job, _Input):
            inputs.append(job)
            continue
        if inputs:
            yield inputs
            inputs = []
        yield [job]
    if inputs:
        yield inputs


def _do(keeper: HistoryKeeper | None, jobs: Sequence[_Job]) -> None:
    try:
        _do_unguarded(keeper, jobs)
    except Exception as error:  # noqa: BLE001 - logged
        # The thread's border. It must live on: the next question waits for it.
        _log.exception("the history failed")
        for job in jobs:
            if isinstance(job, _Question):
                job.future.set_result(_error(type(error).__name__, str(error)))


def _do_unguarded(keeper: HistoryKeeper | None, jobs: Sequence[_Job]) -> None:
    inputs = [(job.line, job.source) for job in jobs if isinstance(job, _Input)]
    if inputs and keeper is not None:
        keeper.add(inputs)
    for job in jobs:
        if isinstance(job, _Output) and keeper is not None:
            keeper.add_output(job.line, job.text)
        elif isinstance(job, _Question):
            found: list[Row] = []
            if keeper is not None and job.request is not None:
                found = keeper.answer(job.request)
            if job.future.set_running_or_notify_cancel():
                job.future.set_result({"status": "ok", "history": found})


def _error(name: str, value: str) -> dict[str, object]:
    # The empty history is for clients that read it without a look at the status.
    return {"status": "error", "ename": name, "evalue": value, "traceback": [], "history": []}


def _clean(text: str, longest: int) -> str:
    # SQLite takes UTF-8, which half a surrogate pair is not.
    return text[:longest].encode("utf-8", "replace").decode("utf-8")
