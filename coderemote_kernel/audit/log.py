"""The relay's side of the audit log: hand over a record and go on."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from traitlets.config import Config

    from coderemote_kernel.audit.records import CellRecord
    from coderemote_kernel.audit.sink import AuditSink

__all__ = ["AuditLog"]

_log = logging.getLogger(__name__)

_MOST_WAITING = 1000


class AuditLog:
    """One JSON line for each cell, and the same as an event to a site's own handlers.

    No method raises. `emit` never waits: a thread that starts with the first record does the work,
    and imports what that needs. Records that cannot be written are counted, and the count becomes a
    record of its own as soon as one can be written.

    Parameters
    ----------
    path
        The file, made with mode 0600; empty for none.
    on_problem
        Told in one sentence, once, that records are not written as they should be. It is called on
        the log's own thread.
    config
        The configuration that `coderemote_kernel.config.read` returns: its
        ``c.EventLogger.handlers`` get every event too.
    """

    def __init__(
        self, path: str, on_problem: Callable[[str], None], config: Config | None = None
    ) -> None:
        self._path = path
        self._on_problem = on_problem
        self._config = config
        self._records: queue.SimpleQueue[CellRecord | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._dropped = 0

    @property
    def enabled(self) -> bool:
        """Whether there is anywhere to write to; if not, `emit` does nothing."""
        return bool(self._path) or bool(self._config and "EventLogger" in self._config)

    def emit(self, record: CellRecord) -> None:
        """Hand over the record of a cell."""
        if self._closed or not self.enabled:
            return
        if self._records.qsize() >= _MOST_WAITING:
            with self._lock:
                self._dropped += 1
            return
        self._records.put(record)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
            self._thread.start()

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until what was handed over has been dealt with; False if that takes too long."""
        if self._thread is None or self._closed:
            return self._thread is None or not self._thread.is_alive()
        done = threading.Event()
        self._records.put(done)
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is waiting and end the thread; False if that takes too long.

        The thread does not keep the process alive: what it has not written by then is lost.
        """
        if not self._closed:
            self._closed = True
            self._records.put(None)
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            sink = self._sink()
        except Exception as error:  # noqa: BLE001 - logged
            # The thread's border: an installation may lack what jupyter_events needs.
            _log.exception("the audit log could not be started")
            self._on_problem(f"There is no audit log in this session: {type(error).__name__}.")
            sink = None
        while (item := self._records.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            elif sink is not None:
                sink.lose(self._take_dropped())
                sink.write(item)
        if sink is not None:
            sink.lose(self._take_dropped())
            sink.close()

    def _sink(self) -> AuditSink:
        from coderemote_kernel.audit.sink import AuditSink

        return AuditSink(self._path, self._on_problem, self._config)

    def _take_dropped(self) -> int:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped
