"""The history's SQLite file: its tables, and the three questions Jupyter asks of it.

The file may lie in a home directory on NFS and be shared by many kernels. So it keeps SQLite's
rollback journal (the write-ahead log needs memory shared between processes, which NFS has not), and
waits for other kernels' locks instead of failing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FAILURES",
    "MOST_INPUTS",
    "Conflict",
    "Entry",
    "ForeignFile",
    "HistoryDatabase",
    "is_corruption",
    "move_aside",
]

Entry = tuple[int, int, str]
"""Session, line (the execution count), and the input."""

MOST_INPUTS = 100_000

# Says whose file it is, so that a mistaken setting can never make us write to, or move aside, a
# database of something else. "crhi" in ASCII.
_APPLICATION_ID = 0x63726869
_VERSION = 1

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS sessions (
    session INTEGER PRIMARY KEY AUTOINCREMENT,
    start REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL,
    line INTEGER NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (session, line)
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


_SEARCH = """
SELECT session, line, source FROM history WHERE source GLOB ?
ORDER BY session DESC, line DESC LIMIT ?
"""
_SEARCH_UNIQUE = """
SELECT session, line, source FROM (
    SELECT *, row_number() OVER (PARTITION BY source ORDER BY session DESC, line DESC) AS age
    FROM history WHERE source GLOB ?
) WHERE age = 1
ORDER BY session DESC, line DESC LIMIT ?
"""


class ForeignFile(Exception):
    """The file is a database, but not a history that this version can keep."""


FAILURES = (OSError, sqlite3.Error, ForeignFile)
"""Everything by which a history can fail to be kept."""

Conflict = sqlite3.IntegrityError
"""The session has that line already."""


class HistoryDatabase:
    """One open history; use it from the thread that made it.

    Parameters
    ----------
    path
        The file, made with mode 0600 (and its folder with 0700) if need be; or ``:memory:``.
    busy_timeout_s
        How long to wait for the lock of another kernel.

    Raises
    ------
    OSError, sqlite3.Error
        If the file cannot be made or opened, here and from every method.
    ForeignFile
        If it belongs to something else or to a newer version.
    """

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        if path != ":memory:":
            _make_private(Path(path))
        self._connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        tables = self._number("SELECT count(*) FROM sqlite_master")
        if not tables:
            # Two kernels may both find the file new; the second waits and finds all of it there.
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            return
        owner = self._number("PRAGMA application_id")
        version = self._number("PRAGMA user_version")
        if owner != _APPLICATION_ID:
            msg = "it is a database, but not a history of coderemote"
            raise ForeignFile(msg)
        if version != _VERSION:
            msg = f"it was written by another version of coderemote (format {version})"
            raise ForeignFile(msg)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def start_session(self) -> int:
        """Open a new session, drop what is too old, and return the session's number."""
        cursor = self._connection.execute("INSERT INTO sessions (start) VALUES (?)", [time.time()])
        self.prune()
        return cursor.lastrowid or 0

    def prune(self) -> None:
        """Keep the newest `MOST_INPUTS` inputs and the sessions they belong to."""
        self._connection.execute(
            "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", [MOST_INPUTS]
        )
        self._connection.execute(
            "DELETE FROM sessions WHERE session < (SELECT min(session) FROM history)"
        )

    def add(self, session: int, lines: Iterable[tuple[int, str]]) -> None:
        """Write inputs of one session, all or none.

        Raises
        ------
        Conflict
            If the session has one of these lines already.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                "INSERT INTO history (session, line, source) VALUES (?, ?, ?)",
                [(session, line, source) for line, source in lines],
            )
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, a full disk among them.
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise

    def tail(self, session: int, n: int) -> list[Entry]:
        """Return the last `n` inputs, oldest first; those of `session` count as the latest.

        A negative `n` returns all.
        """
        which = "ORDER BY session DESC, line DESC LIMIT ?"
        newest = self._entries(f"WHERE session = ? {which}", [session, n])
        rest = n if n < 0 else n - len(newest)
        return (newest + self._entries(f"WHERE session != ? {which}", [session, rest]))[::-1]

    def range(self, session: int, start: int, stop: int | None) -> list[Entry]:
        """Return a session's inputs from line `start` to before `stop` (None or 0: to the end)."""
        if stop:
            return self._entries(
                "WHERE session = ? AND line >= ? AND line < ? ORDER BY line", [session, start, stop]
            )
        return self._entries("WHERE session = ? AND line >= ? ORDER BY line", [session, start])

    def last_line(self, session: int) -> int:
        """Return the highest line of a session, 0 if it has none."""
        return self._number("SELECT max(line) FROM history WHERE session = ?", [session])

    def search(self, pattern: str | None, n: int | None, *, unique: bool) -> list[Entry]:
        """Return the inputs that match a glob pattern, oldest first; the last `n` of them.

        With `unique`, of equal inputs only the latest.
        """
        return self._connection.execute(
            _SEARCH_UNIQUE if unique else _SEARCH, [pattern, -1 if n is None else n]
        ).fetchall()[::-1]

    def _entries(self, which: str, parameters: list[object]) -> list[Entry]:
        return self._connection.execute(
            f"SELECT session, line, source FROM history {which}",  # noqa: S608 - fixed texts above
            parameters,
        ).fetchall()

    def _number(self, query: str, parameters: Iterable[object] = ()) -> int:
        (value,) = self._connection.execute(query, list(parameters)).fetchone()
        return value or 0


def is_corruption(error: Exception) -> bool:
    """Tell whether an error means that the file itself is broken, rather than out of reach."""
    code = getattr(error, "sqlite_errorcode", None)
    # The lower byte is the kind of error, the rest its detail.
    return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def move_aside(path: str) -> str:
    """Rename a broken file and its journal, and return the new name.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = f"{path}.corrupt-{stamp}-{os.getpid()}"
    Path(path).rename(aside)
    # A journal left behind would be played into the file that takes this one's place.
    with suppress(OSError):
        Path(f"{path}-journal").rename(f"{aside}-journal")
    return aside


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made here, because SQLite would make it with the mode the umask leaves. An existing file must
    # not be opened: closing it would drop the locks that this process holds on it through SQLite.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o600)
