"""Which files of the notebook's folder the jail must not see: everything whose name has a dot first.

Keys, tokens, histories and checkpoints live in such files. The walk is breadth first and bounded: a
folder too deep to be looked at in time is hidden whole, because what was not looked at may hold a
key.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

__all__ = ["USUAL_NAMES", "Hidden", "find"]

USUAL_NAMES = (
    ".ipynb_checkpoints",
    ".env",
    ".git",
    ".ssh",
    ".aws",
    ".netrc",
    ".config",
    ".virtual_documents",
)
"""Names hidden at the top of the folder even if they come into being after the jail has started:
Jupyter makes its checkpoints at the first save."""


@dataclass(slots=True)
class Hidden:
    """Paths relative to the folder.

    Attributes
    ----------
    entries
        Dot-files and dot-folders.
    unseen
        Folders that were not looked into within the budget, hidden whole.
    """

    entries: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def find(folder: str, *, entries: int = 50_000, seconds: float = 0.5) -> Hidden:
    """Walk `folder` and return what is to be hidden in it.

    Parameters
    ----------
    folder
        Where to look; links are not followed.
    entries, seconds
        Budget: the names read and the time spent before the rest is hidden whole.
    """
    result = Hidden()
    deadline = time.monotonic() + seconds
    level = [""]
    while level:
        deeper: list[str] = []
        for at, relative in enumerate(level):
            if entries <= 0 or time.monotonic() > deadline:
                result.unseen += [path for path in level[at:] + deeper if path]
                return result
            try:
                listing = os.scandir(os.path.join(folder, relative))
            except OSError:
                continue  # the worker, the same user, cannot read it either
            with listing:
                for entry in listing:
                    entries -= 1
                    path = f"{relative}/{entry.name}" if relative else entry.name
                    if entry.name.startswith("."):
                        result.entries.append(path)
                    elif entry.is_dir(follow_symlinks=False):
                        deeper.append(path)
        level = deeper
    return result
