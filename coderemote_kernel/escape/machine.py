"""Facts about the machine that no jail may change."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

__all__ = ["Machine"]

_SETTINGS = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/fs/binfmt_misc/status",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/pids/release_agent",
    "/etc/passwd",
    "/etc/ld.so.preload",
    "/etc/crontab",
)
_CLOCK_MAY_DRIFT_S = 2.0


class Machine:
    """What the machine was like; `changed` says what is different now.

    Parameters
    ----------
    marker
        What the attacks call the mounts, files and interfaces they try to make.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._before = self._look()

    def changed(self) -> list[str]:
        """Return what has changed since the last call."""
        now, before = self._look(), self._before
        self._before = now
        found = [f"the machine's {name} changed" for name in now if now[name] != before[name]]
        if self._marker in Path("/proc/self/mountinfo").read_text():
            found.append("a mount in the machine's own tree")
        return found

    def _look(self) -> dict[str, object]:
        facts: dict[str, object] = {"hostname": socket.gethostname()}
        for name in _SETTINGS:
            facts[name] = None
            with contextlib.suppress(OSError):
                facts[name] = Path(name).read_bytes()
        with contextlib.suppress(OSError):
            binfmt = Path("/proc/sys/fs/binfmt_misc")
            facts["binfmt_misc"] = sorted(path.name for path in binfmt.iterdir())
        offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        facts["clock"] = round(offset / _CLOCK_MAY_DRIFT_S)
        facts["interfaces"] = [name for _, name in socket.if_nameindex() if name.startswith("crm")]
        return facts
