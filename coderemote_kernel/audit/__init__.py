"""The audit log: who ran what, how it ended and what it used; no code and no output."""

from __future__ import annotations

from coderemote_kernel.audit.log import AuditLog
from coderemote_kernel.audit.records import CellRecord, Outcome, hash_of_cell

__all__ = ["AuditLog", "CellRecord", "Outcome", "hash_of_cell"]
