"""The AppArmor profile that the package ships: whether it is needed, and how it is installed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from coderemote_sandbox.doctor.apparmor import PROFILE_NAME, SWITCH

__all__ = [
    "Restriction",
    "install_commands",
    "profile_path",
    "profile_text",
    "restriction",
]

_STRICT_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_unconfined"
_PROFILES = "/sys/kernel/security/apparmor/profiles"
_TEMPLATE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "apparmor", PROFILE_NAME
)
_PLACE = "NSJAIL_PATH"
# Everything else in a path would be a pattern, a variable or an end of the quotes to AppArmor.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+,:~ /@-]*")


@dataclass(frozen=True, slots=True)
class Restriction:
    """What AppArmor does to user namespaces on this machine.

    Attributes
    ----------
    known
        Whether the kernel has the restriction at all.
    active
        Whether it is on; None if only root may know.
    strict
        Whether unconfined processes may not choose a profile either; None if only root may know.
    loaded
        Whether our profile is in the kernel; None if only root may know.
    installed
        Whether our profile lies where it is loaded from at every boot.
    """

    known: bool
    active: bool | None
    strict: bool | None
    loaded: bool | None
    installed: bool


def restriction(root: str = "") -> Restriction:
    """Read what AppArmor does here; `root` is a folder to read below instead of ``/``."""
    profiles = _read(root + _PROFILES)
    names = [line.rpartition(" (")[0] for line in (profiles or "").splitlines()]
    return Restriction(
        known=os.path.exists(root + SWITCH),
        active=_switch(root + SWITCH),
        strict=_switch(root + _STRICT_SWITCH),
        loaded=None if profiles is None else PROFILE_NAME in names,
        installed=os.path.exists(root + profile_path()),
    )


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def _switch(path: str) -> bool | None:
    if not os.path.exists(path):
        return False
    text = _read(path)
    return None if text is None else text.strip() not in {"", "0"}


def profile_path() -> str:
    """Return the file that AppArmor loads our profile from at every boot."""
    return f"/etc/apparmor.d/{PROFILE_NAME}"


def profile_text(nsjail: str) -> str:
    """Return our profile for the nsjail at this path.

    Raises
    ------
    ValueError
        The path holds characters that mean something in a profile.
    """
    path = os.path.realpath(nsjail)
    if not _PLAIN_PATH.fullmatch(path):
        msg = f"{path!r} cannot be written into an AppArmor profile. Install to a plainer path"
        raise ValueError(msg)
    with open(_TEMPLATE, encoding="utf-8") as file:
        return file.read().replace(_PLACE, path)


def install_commands(root: str = "") -> list[list[str]]:
    """Return the commands that put the profile in place; the first one reads it from its input."""
    target = root + profile_path()
    become_root = [] if os.geteuid() == 0 else ["sudo"]
    return [
        [*become_root, "tee", target],
        [*become_root, "apparmor_parser", "--replace", target],
    ]
