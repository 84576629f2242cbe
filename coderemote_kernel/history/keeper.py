"""Keep a history on disk as long as the disk lets us, and in memory from then on."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from coderemote_kernel.history.database import (
    FAILURES,
    Conflict,
    ForeignFile,
    HistoryDatabase,
    is_corruption,
    move_aside,
)
from coderemote_kernel.history.requests import RangeRequest, SearchRequest, TailRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderemote_kernel.history.database import Entry
    from coderemote_kernel.history.requests import Request

__all__ = ["HistoryKeeper", "Row"]

Row = tuple[int, int, str | tuple[str, str | None]]
"""One entry of a ``history_reply``: session, line, and the input or the input with its output."""

_T = TypeVar("_T")

_MEMORY = ":memory:"
_PRUNE_EVERY = 1000
# What is taken along to memory when the disk fails, and what `range` can show with outputs.
_RECENT_INPUTS = 1_000
_RECENT_OUTPUT_CHARACTERS = 1024 * 1024


class HistoryKeeper:
    """The history of one session and of those before it; used by one thread only.

    Parameters
    ----------
    path
        The file, or ``:memory:``.
    busy_timeout_s
        How long to wait for another kernel's lock before giving the file up.
    on_problem
        Told in one sentence when the file is given up or replaced.
    """

    def __init__(self, path: str, busy_timeout_s: float, on_problem: Callable[[str], None]) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._on_problem = on_problem
        self._database: HistoryDatabase | None = None
        self._session = 0
        self._inode: int | None = None
        self._may_move_aside = True
        self._since_pruned = 0
        self._recent: deque[tuple[int, str]] = deque(maxlen=_RECENT_INPUTS)
        self._outputs: dict[int, str] = {}
        self._output_characters = 0

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def add(self, lines: list[tuple[int, str]]) -> None:
        """Write inputs; a line that this session has already begins a new session."""
        try:
            self._attempt(lambda database: database.add(self._session, lines))
            self._recent.extend(lines)
        except Conflict:
            for line in lines:
                self._add_one(line)
        self._since_pruned += len(lines)
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            self._attempt(HistoryDatabase.prune)

    def _add_one(self, line: tuple[int, str]) -> None:
        try:
            self._attempt(lambda database: database.add(self._session, [line]))
        except Conflict:
            self._begin_session()
            self._attempt(lambda database: database.add(self._session, [line]))
        self._recent.append(line)

    def _begin_session(self) -> None:
        self._recent.clear()
        self._outputs.clear()
        self._output_characters = 0
        self._session = self._attempt(HistoryDatabase.start_session)

    def add_output(self, line: int, text: str) -> None:
        """Remember the output of a line of this session, in memory and for as long as it fits."""
        self._output_characters += len(text) - len(self._outputs.pop(line, ""))
        self._outputs[line] = text
        while self._output_characters > _RECENT_OUTPUT_CHARACTERS:
            oldest = next(iter(self._outputs))
            self._output_characters -= len(self._outputs.pop(oldest))

    def answer(self, request: Request) -> list[Row]:
        """Return what a ``history_request`` asks for, as IPython would."""
        match request:
            case TailRequest():
                found = self._attempt(lambda database: database.tail(self._session, request.n))
            case SearchRequest():
                found = self._attempt(
                    lambda database: database.search(
                        request.pattern, request.n, unique=request.unique
                    )
                )
            case RangeRequest():
                return self._answer_range(request)
        return _rows(found, output=request.output, outputs={})

    def _answer_range(self, request: RangeRequest) -> list[Row]:
        self._attempt(lambda _: None)
        session = request.session + (self._session if request.session <= 0 else 0)
        if session == self._session:
            found = self._this_session(request.start, request.stop)
            if request.session > 0:
                # Asked for by its number, it answers to that number: IPython says 0 here too, and
                # a client that took the number from a tail would not know its own session again.
                found = [(session, line, source) for _, line, source in found]
            return _rows(found, output=request.output, outputs=self._outputs)
        found = self._attempt(lambda database: database.range(session, request.start, request.stop))
        return _rows(found, output=request.output, outputs={})

    def _this_session(self, start: int, stop: int | None) -> list[Entry]:
        """Return lines of this session, which IPython numbers 0 and counts from an empty line 0."""
        end = self._attempt(lambda database: database.last_line(self._session)) + 1
        if start < 0:
            start += end
        if not stop or stop > end:
            stop = end
        elif stop < 0:
            stop += end
        if stop <= max(start, 0):
            return []
        found = self._attempt(lambda database: database.range(self._session, start, stop))
        return [(0, 0, "")] * (start <= 0) + [(0, line, source) for _, line, source in found]

    def _attempt(self, operation: Callable[[HistoryDatabase], _T]) -> _T:
        """Do something with the database; after a failure again with the next best one."""
        while True:
            try:
                return operation(self._opened())
            except Conflict:
                raise
            except FAILURES as error:
                if self._path == _MEMORY:
                    # There is no next best one.
                    raise
                self._give_up_file(error)

    def _opened(self) -> HistoryDatabase:
        if self._database is None:
            self._inode = _inode(self._path)
            self._database = HistoryDatabase(self._path, self._busy_timeout_s)
            self._session = self._database.start_session()
            # Not empty only after a file has been given up: what this session had goes along.
            self._database.add(self._session, self._recent)
        return self._database

    def _give_up_file(self, error: Exception) -> None:
        self.close()
        if is_corruption(error) and self._may_move_aside:
            self._may_move_aside = False
            if _inode(self._path) != self._inode:
                # Another kernel was faster: there is a new file already.
                return
            try:
                aside = move_aside(self._path)
            except OSError:
                pass
            else:
                self._on_problem(
                    f"The history {self._path} is damaged ({error}). It was moved to {aside} "
                    "and a new one was begun."
                )
                return
        reason = (
            str(error) if isinstance(error, ForeignFile) else f"{type(error).__name__}: {error}"
        )
        self._on_problem(
            f"The history cannot be kept in {self._path} ({reason}). It is kept in memory until "
            "this session ends."
        )
        self._path = _MEMORY


def _rows(entries: list[Entry], *, output: bool, outputs: dict[int, str]) -> list[Row]:
    if not output:
        return list(entries)
    return [(session, line, (text, outputs.get(line))) for session, line, text in entries]


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
