"""What is written down about a cell; neither its code nor its output."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

__all__ = ["CellRecord", "Outcome", "hash_of_cell", "timestamp"]

Outcome = Literal["ok", "error", "timeout", "memory", "died", "policy", "aborted", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One cell that has come to its end; the fields are those of ``cell-run.v1.yaml``.

    `ended_at` is in seconds since the epoch and is now unless given. None stands for what this
    machine does not measure.
    """

    user: str
    kernel_id: str
    session_id: str
    cell_hash: str
    outcome: Outcome
    wall_ms: float
    output_bytes: int
    tier: str
    cpu_ms: float | None = None
    peak_memory_bytes: int | None = None
    truncated: bool = False
    held_back: int = 0
    ended_at: float = field(default_factory=time.time)

    def as_event(self) -> dict[str, object]:
        """Return the data of the event."""
        data = asdict(self)
        return {"time": timestamp(data.pop("ended_at"))} | data


def hash_of_cell(source: str) -> str:
    """Return the SHA-256 of a cell's text, in hexadecimal."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def timestamp(seconds: float) -> str:
    """Write a time as RFC 3339 has it, in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"
