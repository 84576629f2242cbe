"""What the doctor stands on: a temporary folder, and everything of the product it tries out."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coderemote_sandbox import tiers

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.trial import Outcome
    from coderemote_sandbox.interpreter import Interpreter
    from coderemote_sandbox.launcher import Plan
    from coderemote_sandbox.stage import Stage

__all__ = ["Ground"]


@dataclass(slots=True)
class Ground:
    """The state of one examination; each probe leaves here what the next ones need.

    Attributes
    ----------
    plan
        What the configuration asks for; its folder, if it named none, is the trial's own.
    folder
        A stand-in for a notebook's folder: ``data.txt``, ``private.txt`` (for its owner alone) and
        ``.secret``.
    scratch
        An empty folder.
    binary, interpreter, stage
        As far as they were to be had.
    rungs
        How each tier's trial went, by the tier's name.
    """

    plan: Plan
    folder: str
    scratch: str
    binary: str = ""
    interpreter: Interpreter | None = None
    stage: Stage | None = None
    rungs: dict[str, Outcome] = field(default_factory=dict)
    _base: str = ""

    @classmethod
    def make(cls, plan: Plan) -> Ground:
        """Make the folders; `close` takes them away."""
        base = tempfile.mkdtemp(prefix="coderemote-doctor-")
        folder, scratch = f"{base}/notebook", f"{base}/scratch"
        for path in (folder, scratch):
            os.mkdir(path)
        for name, mode in (("data.txt", 0o644), ("private.txt", 0o600), (".secret", 0o600)):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write("original")
            os.chmod(f"{folder}/{name}", mode)
        if plan.folder is None and plan.workspace_mode != "none":
            plan = plan._replace(folder=folder)
        return cls(plan, folder, scratch, _base=base)

    @property
    def tier(self) -> tiers.Tier:
        """The tier the configuration asks for."""
        return tiers.by_name(self.plan.tier)

    def inside(self) -> dict[str, Any] | None:
        """Return what the best jail found that the configuration allows; None if none started."""
        allowed = [self.plan.tier]
        if self.plan.tier == "full":
            allowed.append("full-noproc")
        for name in allowed:
            outcome = self.rungs.get(name)
            if outcome:
                facts: dict[str, Any] = outcome.value
                return facts
        return None

    def possible(self) -> tuple[str, ...]:
        """Return the names of the tiers whose trial went well, strongest first."""
        return tuple(name for name, outcome in self.rungs.items() if outcome)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.stage is not None:
            self.stage.close()
            self.stage = None
        with contextlib.suppress(OSError):
            shutil.rmtree(self._base)


def distribution_version(name: str) -> str:
    """Return the version of an installed distribution; empty if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
