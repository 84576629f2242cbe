"""The import policy: a teaching aid, checked in the relay before a cell runs; never the wall."""

from __future__ import annotations

from coderemote_kernel.policy.checking import check
from coderemote_kernel.policy.reporting import as_error
from coderemote_kernel.policy.rules import ALLOWED_MODULES, Profile, Violation, allowed_modules

__all__ = ["ALLOWED_MODULES", "Profile", "Violation", "allowed_modules", "as_error", "check"]
