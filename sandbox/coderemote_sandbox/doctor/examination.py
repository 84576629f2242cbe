"""The examination: every probe in turn, none of which can end it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from coderemote_sandbox.doctor import machine, means, seen
from coderemote_sandbox.doctor.ground import Ground
from coderemote_sandbox.doctor.report import Report, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderemote_sandbox.launcher import Plan

__all__ = ["run"]

_log = logging.getLogger(__name__)

_PROBES: tuple[tuple[str, Callable[[Ground, Rows], None]], ...] = (
    ("nsjail", means.probe_nsjail),
    ("interpreter", means.probe_interpreter),
    ("limits", means.probe_limits),
    ("user namespaces", means.probe_user_namespaces),
    ("mount namespace", means.probe_stage),
    ("working directory", means.probe_workspace),
    ("mapped owners", means.probe_owners),
    ("cgroup", means.probe_cgroup),
    ("landlock", machine.probe_landlock),
    ("tier", seen.probe_ladder),
    ("apparmor", machine.probe_apparmor),
    ("namespaces", seen.probe_namespaces),
    ("own /proc", seen.probe_proc),
    ("seccomp", seen.probe_seccomp),
    ("network", seen.probe_network),
    ("loopback", seen.probe_loopback),
    ("system files", seen.probe_files),
    ("ipykernel inside", seen.probe_python),
    ("a cell", machine.probe_cell),
    ("kernel switches", machine.probe_switches),
    ("server start", machine.probe_hints),
)
"""In this order: each may use what the ones before it have left on the ground."""


def run(plan: Plan) -> Report:
    """Try out what `plan` asks for, see `coderemote_sandbox.doctor.examine`."""
    began = time.monotonic()
    rows = Rows()
    ground = Ground.make(plan)
    try:
        for layer, probe in _PROBES:
            try:
                probe(ground, rows)
            except Exception as error:  # noqa: BLE001 - one broken probe must not hide the others
                _log.debug("the probe of %s failed", layer, exc_info=True)
                got = f"the probe itself failed: {type(error).__name__}: {error}"
                rows.add(layer, "to be known", got, ok=False, fix="report this, with --json")
        possible = ground.possible()
    finally:
        ground.close()
    return Report(plan.tier, possible, tuple(rows.all), (time.monotonic() - began) * 1000)
