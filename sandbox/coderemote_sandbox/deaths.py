"""Why a jail ended: as data, and as one sentence for the person whose cell it was."""

from __future__ import annotations

import signal
from typing import Literal, NamedTuple

__all__ = ["Cause", "Death"]

Cause = Literal[
    "exit", "signal", "memory", "time", "cpu", "processes", "lost", "closed", "start failed"
]


class Death(NamedTuple):
    """How a jail ended.

    Attributes
    ----------
    cause
        ``exit`` the user's code left; ``signal`` it crashed; ``memory``, ``time``, ``cpu`` and
        ``processes`` it passed a limit; ``lost`` the jail ended without a word, which something
        outside must have done; ``closed`` we ended it; ``start failed`` it never came up.
    code
        Exit status, signal number, or None.
    detail
        What else is known, such as the limit in figures.
    """

    cause: Cause
    code: int | None = None
    detail: str = ""

    @property
    def error_name(self) -> str:
        """Name of the error the cell ends with."""
        return _ERROR_NAMES[self.cause]

    def sentence(self) -> str:
        """Say what happened in one sentence, without a full stop."""
        text = {
            "exit": f"the cell's code ended the Python process (exit status {self.code})",
            "signal": f"the Python process crashed with {_signal_name(self.code)}",
            "memory": "the sandbox ran out of memory",
            "time": "the cell ran longer than it may and did not stop when interrupted",
            "cpu": "the cell used more CPU time than it may and did not stop when interrupted",
            "processes": "the sandbox ran out of processes",
            "lost": "the sandbox was ended from outside",
            "closed": "the sandbox was closed",
            "start failed": "the sandbox did not start",
        }[self.cause]
        return f"{text} ({self.detail})" if self.detail else text


_ERROR_NAMES: dict[Cause, str] = {
    "exit": "SandboxExit",
    "signal": "SandboxCrash",
    "memory": "SandboxMemoryError",
    "time": "CellTimeout",
    "cpu": "CellCpuTimeout",
    "processes": "SandboxProcessError",
    "lost": "SandboxLost",
    "closed": "SandboxClosed",
    "start failed": "SandboxUnavailable",
}


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"
