"""The escape suite: cells that try to get out, and oracles outside that see whether they do."""

from __future__ import annotations

from .attack import Attack, Category, Outcome, Tier
from .command import main
from .runner import chosen, run
from .session import Kernel, Result

__all__ = ["Attack", "Category", "Kernel", "Outcome", "Result", "Tier", "chosen", "main", "run"]
