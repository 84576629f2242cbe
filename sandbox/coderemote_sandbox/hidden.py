"""Which files of the notebook's folder the jail must not see: those whose name has a dot first.

Keys, tokens, histories and checkpoints live in such files. Sockets, pipes and devices are hidden
too: behind a database's socket in the folder is a process outside. The walk is breadth first and
bounded: a folder too deep to be looked at in time is hidden whole, because what was not looked at
may hold a key.
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
        Dot-files and dot-folders, sockets, pipes and devices.
    unseen
        Folders that were not looked into within the budget, hidden whole.
    folders
        Folders that were looked into, outermost first, the top one as ``""``.
    """

    entries: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def _is_door(entry: os.DirEntry[str]) -> bool:
    return not (
        entry.is_file(follow_symlinks=False)
        or entry.is_dir(follow_symlinks=False)
        or entry.is_symlink()
    )


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
            # The top folder is read whatever the budget: that is where the keys are.
            if relative and (entries <= 0 or time.monotonic() > deadline):
                result.unseen += [path for path in level[at:] + deeper if path]
                return result
            try:
                listing = os.scandir(os.path.join(folder, relative))
            except OSError:
                continue  # the worker, the same user, cannot read it either
            result.folders.append(relative)
            with listing:
                for entry in listing:
                    entries -= 1
                    path = f"{relative}/{entry.name}" if relative else entry.name
                    if entry.name.startswith(".") or _is_door(entry):
                        result.entries.append(path)
                    elif entry.is_dir(follow_symlinks=False):
                        deeper.append(path)
        level = deeper
    return result


def visible(folder: str) -> tuple[list[str], list[str]]:
    """Return what may be shown of `folder` by rules that only ever allow.

    Returns
    -------
    tuple
        Folders that may be listed, because something in them is hidden, and paths that may be
        read with all that is below them.
    """
    found = find(folder)
    mixed = {""} | {os.path.dirname(path) for path in (*found.entries, *found.unseen)}
    for path in tuple(mixed):
        above = path
        while above:
            above = os.path.dirname(above)
            mixed.add(above)
    covered = {*found.entries, *found.unseen}
    readable = []
    for relative in sorted(mixed):
        for name in os.listdir(os.path.join(folder, relative)):
            path = f"{relative}/{name}" if relative else name
            if path not in covered and path not in mixed:
                readable.append(os.path.join(folder, path))
    return [os.path.join(folder, path) for path in sorted(mixed)], readable
