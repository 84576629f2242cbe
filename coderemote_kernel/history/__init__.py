"""The history of inputs, kept by the relay so that it survives the jail and the kernel."""

from __future__ import annotations

from coderemote_kernel.history.store import HistoryStore

__all__ = ["HistoryStore"]
