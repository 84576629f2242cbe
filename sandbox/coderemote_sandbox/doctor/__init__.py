"""The doctor: says which isolation layers this machine gives, and how to get the others.

Nothing is looked up that can be tried: namespaces are made, jails are started, a cell is run.
Importing this package costs next to nothing, because every start of a jail imports its `apparmor`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coderemote_sandbox.doctor.report import Report
    from coderemote_sandbox.launcher import Plan

__all__ = ["examine"]


def examine(plan: Plan) -> Report:
    """Try out on this machine what `plan` asks for; never raises, and leaves nothing behind.

    Call from the main thread. Takes a second or two on an idle machine.
    """
    from coderemote_sandbox.doctor.examination import run

    return run(plan)
