"""Every attack there is, a module a category."""

from __future__ import annotations

from .browser import ATTACKS as BROWSER
from .browser_widgets import ATTACKS as BROWSER_WIDGETS
from .descriptors import ATTACKS as DESCRIPTORS
from .files import ATTACKS as FILES
from .forgery import ATTACKS as FORGERY
from .network import ATTACKS as NETWORK
from .outliving import ATTACKS as OUTLIVING
from .overlay import ATTACKS as OVERLAY
from .privilege import ATTACKS as PRIVILEGE
from .privilege_syscalls import ATTACKS as PRIVILEGE_SYSCALLS
from .resources import ATTACKS as RESOURCES
from .resources_flood import ATTACKS as RESOURCES_FLOOD
from .secrets import ATTACKS as SECRETS
from .signals import ATTACKS as SIGNALS

__all__ = ["ATTACKS"]

ATTACKS = (
    *NETWORK,
    *FILES,
    *OVERLAY,
    *PRIVILEGE,
    *PRIVILEGE_SYSCALLS,
    *DESCRIPTORS,
    *SECRETS,
    *RESOURCES,
    *RESOURCES_FLOOD,
    *FORGERY,
    *BROWSER,
    *BROWSER_WIDGETS,
    *SIGNALS,
    *OUTLIVING,
)
