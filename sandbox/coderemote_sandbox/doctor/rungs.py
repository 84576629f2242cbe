"""The ladder of tiers, each rung tried by a real jail on the real configuration.

Only the program differs from what a notebook's cells run in: `inside.py` instead of the worker.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from coderemote_sandbox import nsjail, tiers
from coderemote_sandbox.doctor.trial import Outcome, run_nsjail

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.ground import Ground
    from coderemote_sandbox.tiers import Tier

__all__ = ["LADDER", "own_namespaces", "try_rung"]

LADDER = (tiers.FULL, tiers.FULL_NOPROC, tiers.NO_NAMESPACES)


def try_rung(ground: Ground, tier: Tier) -> Outcome:
    """Start a jail of `tier` and return what its process found, see ``inside.py``."""
    plan, python = ground.plan, ground.interpreter
    stage = ground.stage if tier.namespaces else None
    if tier.namespaces and stage is None:
        return Outcome(problem="not tried: there is no private mount namespace to build it in")
    if not ground.binary or python is None:
        return Outcome(problem="not tried: nsjail or the interpreter is missing")
    spec = nsjail.JailSpec(
        interpreter=python,
        limits=plan.limits,
        tier=tier,
        workspace=stage.workspace if stage else ground.scratch,
        folder=stage.folder if stage else None,
        sources=stage.sources if stage else {},
        read_only=plan.read_only,
        environment=plan.environment,
    )
    config = json.loads(nsjail.configuration(spec))
    # Somebody listens outside: whether the jail can reach him is seen, not believed.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        config["exec_bin"] = _program(python.executable, port)
        enter = stage.enter if stage else lambda: None
        outcome = run_nsjail(ground.binary, config, enter=enter)
    if outcome and not isinstance(outcome.value, dict):
        return Outcome(problem="the jail's answer makes no sense")
    return outcome


def _program(python: str, port: int) -> dict[str, Any]:
    text = importlib.resources.files(__package__).joinpath("inside.py").read_text("utf-8")
    return {"path": python, "arg": ["-I", "-c", text, str(port)]}


def own_namespaces() -> dict[str, str]:
    """Return this process's own namespaces, to compare a jail's with."""
    kinds = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
    found = {}
    for kind in kinds:
        try:
            found[kind] = os.readlink(f"/proc/self/ns/{kind}")
        except OSError:
            continue
    return found
