"""A logging handler for a file of JSON lines that several kernels write to."""

from __future__ import annotations

import logging
import os
from pathlib import Path

__all__ = ["LineFileHandler"]


class LineFileHandler(logging.Handler):
    """Append each event as one line to a file of mode 0600, made if need be.

    A line is one ``write`` to a descriptor opened for appending, so that lines of several kernels
    never mix. The file is opened for each line, so that it may be rotated or come back. A failed
    write is remembered instead of being printed: see `failure`.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.failure: OSError | None = None
        self._path = Path(path)
        # After a write that only half succeeded, the next line needs an end put before it.
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event; whether that failed is in `failure` until the next one."""
        line = ("\n" * self._torn + self.format(record) + "\n").encode()
        self.failure = None
        try:
            written = self._append(line)
        except OSError as error:
            self.failure = error
            return
        self._torn = written < len(line)
        if self._torn:
            self.failure = OSError(f"only {written} of {len(line)} bytes were written")

    def _append(self, line: bytes) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            # Unless it is someone else's, or a device.
            if os.fstat(descriptor).st_uid == os.geteuid() and self._path.is_file():
                os.fchmod(descriptor, 0o600)
            return os.write(descriptor, line)
        finally:
            os.close(descriptor)
