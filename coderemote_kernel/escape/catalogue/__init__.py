"""Every attack there is, a module a category."""

from __future__ import annotations

from . import (
    browser,
    browser_widgets,
    descriptors,
    files,
    forgery,
    network,
    outliving,
    overlay,
    privilege,
    privilege_syscalls,
    resources,
    resources_flood,
    secrets,
    signals,
)

__all__ = ["ATTACKS"]

ATTACKS = (
    *network.ATTACKS,
    *files.ATTACKS,
    *overlay.ATTACKS,
    *privilege.ATTACKS,
    *privilege_syscalls.ATTACKS,
    *descriptors.ATTACKS,
    *secrets.ATTACKS,
    *resources.ATTACKS,
    *resources_flood.ATTACKS,
    *forgery.ATTACKS,
    *browser.ATTACKS,
    *browser_widgets.ATTACKS,
    *signals.ATTACKS,
    *outliving.ATTACKS,
)
