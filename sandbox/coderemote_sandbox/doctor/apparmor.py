"""Ubuntu's AppArmor restriction of user namespaces, and how a process of ours gets around it.

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

__all__ = ["PROFILE_NAME", "SWITCH", "enter_profile"]

PROFILE_NAME = "coderemote-nsjail"

SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
"""Exists where AppArmor can restrict user namespaces; not everywhere may everybody read it."""


def enter_profile() -> None:
    """Move this process, a child about to make user namespaces, into our profile.

    Does nothing where AppArmor does not restrict them or the profile is not loaded: the namespace
    then works or fails for itself, and the doctor says why. Costs one failed ``stat`` elsewhere.
    """
    if not os.path.exists(SWITCH):
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
