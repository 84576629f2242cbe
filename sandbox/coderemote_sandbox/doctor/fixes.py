"""What to do about what is missing: the most likely cause first, in one line."""

from __future__ import annotations

import errno
import os

from coderemote_sandbox.doctor import profile

__all__ = ["cgroup", "in_container", "mounting", "proc", "sysctl", "user_namespaces"]

_GUIDE = "see docs/operator.md"


def sysctl(name: str) -> str | None:
    """Return a kernel setting as text; None where it does not exist or may not be read."""
    try:
        with open(f"/proc/sys/{name.replace('.', '/')}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def in_container() -> bool:
    """Tell whether this looks like the inside of a container."""
    if any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))):
        return True
    return "KUBERNETES_SERVICE_HOST" in os.environ or "container" in os.environ


def _filtered() -> bool:
    """Tell whether this process itself runs under a seccomp filter, as in most containers."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return any(line.split() == ["Seccomp:", "2"] for line in status)
    except OSError:
        return False


def user_namespaces(code: int) -> str:
    """Say how to get user namespaces, after an attempt ended with error number `code`."""
    if code in {errno.EINVAL, errno.ENOSYS}:
        return "use a kernel that has user namespaces (CONFIG_USER_NS=y)"
    if code == errno.ENOSPC or sysctl("user.max_user_namespaces") == "0":
        return (
            "sudo sysctl -w user.max_user_namespaces=15000, and the same line in "
            "/etc/sysctl.d/60-coderemote.conf to keep it"
        )
    if sysctl("kernel.unprivileged_userns_clone") == "0":
        return (
            "sudo sysctl -w kernel.unprivileged_userns_clone=1, and the same line in "
            "/etc/sysctl.d/60-coderemote.conf to keep it"
        )
    if _filtered() or in_container():
        return (
            "the container's seccomp profile refuses them: run it with a profile that allows "
            f"clone, unshare, setns, mount, umount2 and pivot_root ({_GUIDE}, 'Containers')"
        )
    return mounting()


def mounting() -> str:
    """Say how to be allowed to mount inside one's own user namespace."""
    if profile.restriction().active is not False:
        return "coderemote doctor --fix (installs an AppArmor profile with sudo)"
    if in_container() or _filtered():
        return (
            f"the container's AppArmor or seccomp profile refuses mounts ({_GUIDE}, 'Containers')"
        )
    return (
        f"a security module of this machine refuses: look for a denial in its log ({_GUIDE}), "
        "or set CodeRemoteKernel.tier to 'no-namespaces'"
    )


def proc() -> str:
    """Say how to get a ``/proc`` of the jail's own."""
    return (
        "something is mounted over parts of /proc, as container runtimes do: procMount: Unmasked "
        "with hostUsers: false (Kubernetes), --security-opt systempaths=unconfined (Docker)"
    )


def cgroup(problem: str) -> str:
    """Say how to get a cgroup, from what stood in the way."""
    if "Read-only" in problem or in_container():
        return (
            "container runtimes mount cgroups read-only; without one, coderemote watches the "
            f"jail's memory from outside ({_GUIDE}, 'Containers')"
        )
    if "busy" in problem:
        return (
            "the server sits in the delegated group itself, where none can be made below it: use "
            f"DelegateSubgroup= and CodeRemoteKernel.cgroup_parent ({_GUIDE}, 'Cgroups')"
        )
    if "no cgroup file system" in problem:
        return "mount a cgroup v2 file system on /sys/fs/cgroup"
    return f"have one delegated by systemd: Delegate=yes ({_GUIDE}, 'Cgroups')"
