"""Probes of the machine: Landlock, AppArmor, switches of the kernel, hints."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from coderemote_sandbox.doctor import fixes, profile
from coderemote_sandbox.doctor.apparmor import PROFILE_NAME
from coderemote_sandbox.doctor.cell import try_cell
from coderemote_sandbox.doctor.ground import distribution_version
from coderemote_sandbox.doctor.report import yes_or_no
from coderemote_sandbox.doctor.trial import in_child

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.ground import Ground
    from coderemote_sandbox.doctor.report import Rows

__all__ = ["probe_apparmor", "probe_cell", "probe_hints", "probe_landlock", "probe_switches"]

_SCOPES_ABI = 6
"""From here on Landlock keeps a process from signalling others, and from their abstract sockets."""


_SWITCHES = ("user.max_user_namespaces", "kernel.unprivileged_userns_clone")


def probe_landlock(ground: Ground, rows: Rows) -> None:
    """Restrict a process to one folder, and see it refused another."""
    wanted = not ground.tier.namespaces

    def restrict() -> list[int]:
        from coderemote_sandbox.worker import landlock

        landlock.restrict({"read": [ground.scratch]})
        os.listdir(ground.scratch)
        try:
            os.listdir(ground.folder)
        except PermissionError:
            return [landlock.abi_version(), 1]
        return [landlock.abi_version(), 0]

    outcome = in_child(restrict)
    bad = False if wanted else None
    if not outcome:
        missing = outcome.code in {errno.ENOSYS, errno.EOPNOTSUPP}
        got = "no" if missing else f"no ({outcome.problem})"
        fix = "use Linux 5.13 or later with landlock in its lsm= list"
        rows.add("landlock", yes_or_no(wanted), got, bad, fix if wanted else "")
        return
    version, refused = outcome.value
    got = f"yes, ABI {version}" if refused else f"ABI {version}, but it refuses nothing"
    fix = ""
    if wanted and version < _SCOPES_ABI:
        got += ": the jail can signal this user's other processes"
        fix = f"use Linux 6.12 or later (Landlock ABI {_SCOPES_ABI})"
    good = bool(refused) if wanted else None
    rows.add("landlock", yes_or_no(wanted), got, None if good and fix else good, fix)


def probe_apparmor(ground: Ground, rows: Rows) -> None:
    """Whether AppArmor keeps programs from user namespaces, and our profile is there."""
    found = profile.restriction()
    wanted = "no obstacle"
    if not found.known or found.active is False or os.geteuid() == 0:
        got = "no restriction" if not found.known or found.active is False else "not for root"
        rows.add("apparmor", wanted, got, ok=None)
        return
    state = "is on" if found.active else "is perhaps on (only root may know)"
    have = found.loaded if found.loaded is not None else found.installed
    got = f"restriction {state}; our profile is {'there' if have else 'missing'}"
    fix = "coderemote doctor --fix"
    if have and found.strict:
        got += ", but unconfined programs may not choose it"
        fix = (
            f"start the server under the profile (systemd: AppArmorProfile={PROFILE_NAME})"
            ", or set kernel.apparmor_restrict_unprivileged_unconfined to 0"
        )
    # The trial counts, not the switch: where user namespaces work, nothing needs to be done.
    works = bool(ground.possible()) and ground.possible()[0] != "no-namespaces"
    if works or not ground.tier.namespaces:
        rows.add("apparmor", wanted, got, True if works else None)
    else:
        rows.add("apparmor", wanted, got, ok=False, fix=fix)


def probe_switches(ground: Ground, rows: Rows) -> None:
    """Name the kernel's switches that turn user namespaces off."""
    values = {name: fixes.sysctl(name) for name in _SWITCHES}
    got = ", ".join(f"{name} = {value}" for name, value in values.items() if value is not None)
    off = "0" in values.values() and ground.tier.namespaces
    fix = fixes.user_namespaces(errno.EPERM) if off else ""
    rows.add("kernel switches", "not 0", got or "none", None, fix)


def probe_cell(ground: Ground, rows: Rows) -> None:
    """Run ``1+1`` the whole way."""
    cell = try_cell(ground.plan)
    if cell.problem:
        # The launcher's own advice is mostly to run the doctor.
        fix = "see the rows above" if "coderemote doctor" in cell.fix else cell.fix
        rows.add("a cell", "1+1 is 2", cell.problem, ok=False, fix=fix)
    else:
        rows.add("a cell", "1+1 is 2", f"2, after {cell.ms:.0f} ms, on tier {cell.tier}", ok=True)


def probe_hints(ground: Ground, rows: Rows) -> None:
    """Say what makes Jupyter itself slow."""
    del ground
    if distribution_version("rfc3987-syntax"):
        fix = (
            "pip uninstall rfc3987-syntax halves it, and loses only a check of international "
            "addresses in event schemas"
        )
        rows.add("server start", "fast", "slowed by rfc3987-syntax", None, fix)
