"""Jails: describe one, start it, talk to it, hold it to its limits, explain its death.

Knows nothing of notebooks and imports nothing else of ours. `Launcher` is where to begin.
"""

from __future__ import annotations

__all__: list[str] = []
