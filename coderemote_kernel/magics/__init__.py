"""Magics that the relay runs itself, on the trusted side of the wall.

::

    registry = default_registry()
    calls, rest = split(cell, registry)
    for call in calls:
        result = registry.run(call, session)
"""

from __future__ import annotations

from coderemote_kernel.magics.completion import complete
from coderemote_kernel.magics.limits import LimitsMagic
from coderemote_kernel.magics.model import (
    HelpAsked,
    LayerRow,
    LimitRow,
    Magic,
    MagicCall,
    MagicResult,
    SandboxStatus,
    SessionView,
    Unit,
    UsageError,
)
from coderemote_kernel.magics.registry import Completions, Registry
from coderemote_kernel.magics.sandbox import SandboxMagic
from coderemote_kernel.magics.splitting import split

__all__ = [
    "Completions",
    "HelpAsked",
    "LayerRow",
    "LimitRow",
    "Magic",
    "MagicCall",
    "MagicResult",
    "Registry",
    "SandboxStatus",
    "SessionView",
    "Unit",
    "UsageError",
    "complete",
    "default_registry",
    "split",
]


def default_registry() -> Registry:
    """Return a registry with the magics every session has."""
    return Registry([LimitsMagic(), SandboxMagic()])
