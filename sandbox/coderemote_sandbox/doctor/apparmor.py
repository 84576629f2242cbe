"""Ubuntu's AppArmor restriction of user namespaces: notice it, live with it, install our profile.

Since 23.10 Ubuntu lets a program make a user namespace, but takes every capability in it away
unless an AppArmor profile grants ``userns`` to the program: nsjail and the stage then fail at their
first mount. The remedy is a profile that confines nothing and grants just that.

It is attached to nsjail by its path. The stage, however, is made by Python, and a profile attached
to the path of a Python would free every script on the machine. So the child that makes the stage
asks for the profile by name, which an unconfined process may do - unless the administrator has also
set ``kernel.apparmor_restrict_unprivileged_unconfined``.

Sources: https://gitlab.com/apparmor/apparmor/-/wikis/unprivileged_userns_restriction,
aa_change_profile(2).
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

__all__ = [
    "PROFILE_NAME",
    "Restriction",
    "enter_profile",
    "install_commands",
    "profile_path",
    "profile_text",
    "restriction",
]

PROFILE_NAME = "coderemote-nsjail"

_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_STRICT_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_unconfined"
_PROFILES = "/sys/kernel/security/apparmor/profiles"
_TEMPLATE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "apparmor", PROFILE_NAME
)
_PLACE = "NSJAIL_PATH"
# Everything else in a path would be a pattern, a variable or an end of the quotes to AppArmor.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+,:~ /@-]*")


def enter_profile() -> None:
    """Move this process, a child about to make user namespaces, into our profile.

    Does nothing where AppArmor does not restrict them or the profile is not loaded: the namespace
    then works or fails for itself, and the doctor says why. Costs one failed ``stat`` elsewhere.
    """
    if not os.path.exists(_SWITCH):
        return
    order = f"changeprofile {PROFILE_NAME}".encode()
    for place in ("/proc/self/attr/apparmor/current", "/proc/self/attr/current"):
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, order)
            finally:
                os.close(descriptor)
            return


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
        known=os.path.exists(root + _SWITCH),
        active=_switch(root + _SWITCH),
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
