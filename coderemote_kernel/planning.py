"""From the kernel's settings to what the sandbox is asked for."""

from __future__ import annotations

import os

from coderemote_sandbox.launcher import Plan
from coderemote_sandbox.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coderemote_kernel.settings import Settings

__all__ = ["plan_from"]


def plan_from(settings: Settings) -> Plan:
    """Return the sandbox's plan; the notebook's folder is the kernel's own working directory."""
    limits = Limits(**{name: getattr(settings, name) for name in Limits._fields})
    folder: str | None = settings.workspace or os.getcwd()
    if settings.workspace_mode == "none":
        folder = None
    return Plan(
        limits=limits,
        tier=settings.tier,
        require_cgroup=settings.require_cgroup,
        cgroup_parent=settings.cgroup_parent,
        nsjail=settings.nsjail,
        interpreter=settings.interpreter,
        folder=os.path.abspath(os.path.expanduser(folder)) if folder else None,
        workspace_mode=settings.workspace_mode,
        read_only=settings.extra_read_only,
        environment=settings.environment,
    )
