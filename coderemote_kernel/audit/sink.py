"""The event logger behind the audit log, and the count of what it could not write."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coderemote_kernel.audit.files import LineFileHandler
from coderemote_kernel.audit.records import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_events import EventLogger
    from traitlets.config import Config

    from coderemote_kernel.audit.records import CellRecord

__all__ = ["AuditSink"]

_log = logging.getLogger(__name__)

_HERE = Path(__file__).parent
_CELL_RUN = "urn:coderemote:events:cell-run:v1"
_RECORDS_LOST = "urn:coderemote:events:records-lost:v1"
_SCHEMA_FILES = ("cell-run.v1.yaml", "records-lost.v1.yaml")


class AuditSink:
    """Writes records through jupyter_events; used by one thread only.

    Parameters
    ----------
    path
        The file of JSON lines, or empty for none.
    on_problem
        Told in one sentence, once, that records are not written as they should be.
    config
        A configuration whose ``EventLogger`` section names more handlers, or None.
    """

    def __init__(
        self, path: str, on_problem: Callable[[str], None], config: Config | None = None
    ) -> None:
        self._path = path
        self._on_problem = on_problem
        self._told = False
        self._lost = 0
        self._last: CellRecord | None = None
        self._file = LineFileHandler(path) if path else None
        self._logger = self._event_logger(config)
        if self._file is not None:
            self._logger.register_handler(self._file)

    def _event_logger(self, config: Config | None) -> EventLogger:
        make = _import_event_logger()
        try:
            logger = make(config=config)
        except Exception as error:  # noqa: BLE001 - a border: any handler a site has configured
            self._tell(error)
            logger = make()
        for name in _SCHEMA_FILES:
            logger.register_event_schema(_HERE / name)
        return logger

    def lose(self, count: int) -> None:
        """Count records that never came here."""
        self._lost += count

    def write(self, record: CellRecord) -> None:
        """Write a record and, before it, how many are missing."""
        self._last = record
        self._write_gap(record)
        if not self._emit(_CELL_RUN, record.as_event(), record.ended_at):
            self._lost += 1

    def _write_gap(self, record: CellRecord) -> None:
        if not self._lost:
            return
        now = time.time()
        data = {
            "time": timestamp(now),
            "user": record.user,
            "kernel_id": record.kernel_id,
            "session_id": record.session_id,
            "lost": self._lost,
        }
        if self._emit(_RECORDS_LOST, data, now):
            self._lost = 0

    def _emit(self, schema_id: str, data: dict[str, object], seconds: float) -> bool:
        # jupyter_events puts a Z behind whatever it is given: it wants UTC that does not say so.
        moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        try:
            self._logger.emit(schema_id=schema_id, data=data, timestamp_override=moment)
        except Exception as error:  # noqa: BLE001 - logged
            # A border: the data may not fit the schema, a site's handler may fail in any way.
            _log.exception("an audit event could not be emitted")
            self._tell(error)
            return False
        failure = self._file.failure if self._file else None
        if failure:
            self._tell(failure)
        return failure is None

    def _tell(self, error: Exception) -> None:
        if self._told:
            return
        self._told = True
        where = self._path or "the configured handlers"
        self._on_problem(
            f"Records of cells cannot be written to {where} ({type(error).__name__}: {error}). "
            "They are counted, and the count is written when that is possible again."
        )

    def close(self) -> None:
        """Write how many records are still missing, and close the handlers."""
        if self._last is not None:
            self._write_gap(self._last)
        for handler in list(self._logger.handlers or []):
            self._logger.remove_handler(handler)
            handler.close()


def _import_event_logger() -> type[EventLogger]:
    # jsonschema imports rfc3987_syntax if it is there, only to check formats that no schema of
    # ours uses. That import builds a parser: 1.1 s of 1.25 s, measured on a 2-core machine. None
    # in its place makes the import fail, as if the package were not installed.
    name = "rfc3987_syntax"
    absent = object()
    before = sys.modules.get(name, absent)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        from jupyter_events import EventLogger
    finally:
        if before is absent:
            del sys.modules[name]
        else:
            sys.modules[name] = before  # type: ignore[assignment]
    return EventLogger
