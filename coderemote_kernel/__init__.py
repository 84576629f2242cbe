"""The relay: a Jupyter kernel that forwards cells to a jail and trusts nothing that comes back."""

from __future__ import annotations

__all__: list[str] = []
