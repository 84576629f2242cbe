"""Put nothing in the place of what the jail must not see, inside the session's stage."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from . import _kernel_calls as kernel
from . import hidden

if TYPE_CHECKING:
    from .hidden import Hidden

__all__ = ["cover", "mask"]


def mask(lower: str, mask: str, found: Hidden) -> None:
    """Fill the layer above the folder with a whiteout for every hidden path."""
    facts = os.stat(lower)  # the top layer's owner and mode are what the jail sees
    with contextlib.suppress(OSError):
        os.chown(mask, facts.st_uid, facts.st_gid)
    os.chmod(mask, stat.S_IMODE(facts.st_mode))
    paths = dict.fromkeys([*found.entries, *hidden.USUAL_NAMES, *found.unseen])
    for path in paths:
        parent = os.path.dirname(path)
        if parent:
            _mirror(lower, mask, parent)
        os.mknod(f"{mask}/{path}", stat.S_IFCHR, os.makedev(0, 0))


def _mirror(lower: str, mask: str, relative: str) -> None:
    """Make the folder in the mask with the owner and mode it has below: the top layer's count."""
    at = ""
    for name in relative.split("/"):
        at = f"{at}/{name}"
        if os.path.isdir(mask + at):
            continue
        facts = os.stat(lower + at)
        os.mkdir(mask + at)
        with contextlib.suppress(OSError):  # an owner this namespace does not know
            os.chown(mask + at, facts.st_uid, facts.st_gid)
        os.chmod(mask + at, stat.S_IMODE(facts.st_mode))
        os.utime(mask + at, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def cover(lower: str, found: Hidden) -> None:
    """Mount something empty over every hidden path, where there is no overlay to mask it in."""
    for path in [*found.entries, *found.unseen]:
        target = f"{lower}/{path}"
        if os.path.islink(target):
            continue  # a link's own text is no secret, and what it points to is not in the jail
        if os.path.isdir(target):
            kernel.mount("tmpfs", target, "tmpfs", 0, "size=4k,mode=000")
        else:
            kernel.mount("/dev/null", target, "", kernel.MS_BIND)
