"""Probes by a jail: what its process saw, judged out here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coderemote_sandbox.doctor import fixes
from coderemote_sandbox.doctor.report import yes_or_no
from coderemote_sandbox.doctor.rungs import LADDER, own_namespaces, try_rung

if TYPE_CHECKING:
    from coderemote_sandbox.doctor.ground import Ground
    from coderemote_sandbox.doctor.report import Rows

__all__ = [
    "probe_files",
    "probe_ladder",
    "probe_loopback",
    "probe_namespaces",
    "probe_network",
    "probe_proc",
    "probe_python",
    "probe_seccomp",
]

_REPORT = "this is a fault of coderemote: report it, with the output of coderemote doctor --json"
_NOT_TRIED = "not tried: no jail started"
_SHOWN = ("pid", "net", "ipc", "uts", "cgroup")
_REFUSED = {"unshare": "EPERM", "personality": "EPERM", "memfd_create": "ENOSYS"}


def probe_ladder(ground: Ground, rows: Rows) -> None:
    """Try every tier, so that what would work is known as well as what does not."""
    tier = ground.tier
    if not ground.binary or ground.interpreter is None:
        rows.add("tier", tier.name, "not tried: nsjail or the interpreter is missing", ok=None)
        return
    for rung in LADDER:
        ground.rungs[rung.name] = try_rung(ground, rung)
    possible = ground.possible()
    good = ground.inside() is not None
    problem = ground.rungs[tier.name].problem
    got = " ".join(possible) or "none"
    if not good:
        got += f" ({problem})"
    elif not tier.namespaces and len(possible) > 1:
        got = f"{tier.name}, though {possible[0]} would work too"
    rows.add("tier", tier.name, got, good, _tier_fix(possible, problem))


def _tier_fix(possible: tuple[str, ...], problem: str) -> str:
    if "no-namespaces" in possible:
        return (
            "see the rows above; or accept less, knowingly: CodeRemoteKernel.tier = "
            "'no-namespaces' (docs/operator.md, 'Tiers')"
        )
    return f"see the rows above; nsjail says: {problem}"


def probe_python(ground: Ground, rows: Rows) -> None:
    """Whether the jail's Python ran in it, and found ipykernel there."""
    facts = ground.inside()
    if facts is None:
        rows.add("ipykernel inside", "7 or later", _NOT_TRIED, ok=None)
        return
    version = str(facts.get("ipykernel") or "")
    major = version.partition(".")[0]
    good = major.isdigit() and int(major) >= 7
    where = ground.interpreter.executable if ground.interpreter else "python"
    fix = (
        f"{where} -m pip install 'ipykernel>=7', or, where its packages lie outside of its own "
        "folders, name those in CodeRemoteKernel.extra_read_only"
    )
    rows.add("ipykernel inside", "7 or later", version or "none", good, fix)


def probe_namespaces(ground: Ground, rows: Rows) -> None:
    """Compare the jail's namespaces with our own."""
    wanted = ground.tier.namespaces
    said = " ".join(_SHOWN) if wanted else "no"
    facts = ground.inside()
    if facts is None:
        rows.add("namespaces", said, _NOT_TRIED, ok=None)
        return
    outside = own_namespaces()
    inside: dict[str, Any] = facts["namespaces"]
    # Without a /proc the jail cannot read their names; then their effects have to do.
    by_effect = {
        "pid": facts["pid"] < 10,
        "net": facts["interfaces"] == ["lo"],
        "uts": facts["host"] == "coderemote",
    }
    own = [
        kind
        for kind in _SHOWN
        if by_effect.get(kind, True)
        and (inside[kind] != outside.get(kind) if ":[" in inside[kind] else kind in by_effect)
    ]
    unseen = [kind for kind in _SHOWN if ":[" not in inside[kind] and kind not in by_effect]
    got = " ".join(own) or "none"
    if not wanted:
        rows.add("namespaces", said, got, ok=None)
        return
    if unseen:
        got += f" ({' '.join(unseen)}: cannot be read without /proc)"
    rows.add("namespaces", said, got, len(own) + len(unseen) == len(_SHOWN), _REPORT)


def probe_proc(ground: Ground, rows: Rows) -> None:
    """Whether the jail has a ``/proc``, and sees none but its own processes in it."""
    tier = ground.tier
    if not tier.namespaces or not tier.proc:
        rows.add("own /proc", "no", "not asked for", ok=None)
        return
    full, without = ground.rungs.get("full"), ground.rungs.get("full-noproc")
    if full:
        processes = full.value["processes"]
        alone = isinstance(processes, list) and max(processes, default=1) < 10
        got = "yes" if alone else f"foreign processes are visible: {processes}"
        rows.add("own /proc", "if to be had", got, alone, _REPORT)
    elif without:
        got = f"no ({full.problem if full is not None else 'masked'})"
        rows.add("own /proc", "if to be had", got, None, fixes.proc())
    else:
        rows.add("own /proc", "if to be had", _NOT_TRIED, ok=None)


def probe_seccomp(ground: Ground, rows: Rows) -> None:
    """Whether calls that would succeed without the filter are refused, each as it should be."""
    facts = ground.inside()
    if facts is None:
        rows.add("seccomp", "allow list", _NOT_TRIED, ok=None)
        return
    calls: dict[str, str] = facts["calls"]
    good = calls == _REFUSED
    got = ", ".join(f"{name} {answer}" for name, answer in calls.items())
    fix = "use a kernel with seccomp filters (CONFIG_SECCOMP_FILTER=y)"
    rows.add("seccomp", "allow list", got, good, fix)


def probe_network(ground: Ground, rows: Rows) -> None:
    """Whether the jail reached somebody who listens outside, or found a way to anywhere."""
    facts = ground.inside()
    if facts is None:
        rows.add("network", "none", _NOT_TRIED, ok=None)
        return
    reached = [name for name in ("outside", "route") if facts[name] == "reached"]
    got = f"none ({facts['outside']}, {facts['route']})"
    if reached:
        got = "the jail reaches " + ("the host" if "outside" in reached else "other machines")
    rows.add("network", "none", got, not reached, _REPORT)


def probe_loopback(ground: Ground, rows: Rows) -> None:
    """Whether processes of the jail can talk over its own 127.0.0.1."""
    wanted = ground.tier.namespaces
    facts = ground.inside()
    if facts is None or not wanted:
        got = "no sockets" if facts else _NOT_TRIED
        rows.add("loopback", yes_or_no(wanted), got, ok=None)
        return
    works = facts["loopback"] == "works"
    rows.add("loopback", "yes", "yes" if works else f"no ({facts['loopback']})", works, _REPORT)


def probe_files(ground: Ground, rows: Rows) -> None:
    """Whether system files are read-only and the temporary ones have their size."""
    facts = ground.inside()
    limit = ground.plan.limits.tmp_bytes
    if facts is None or not ground.tier.namespaces:
        rows.add("system files", "read-only", "by Landlock" if facts else _NOT_TRIED, ok=None)
        return
    writes: dict[str, str] = facts["writes"]
    locked = "written" not in {writes["/usr"], writes["/"]}
    got = "read-only" if locked else f"writable: {writes}"
    rows.add("system files", "read-only", got, locked, _REPORT)
    sizes: dict[str, Any] = facts["sizes"]
    got = ", ".join(f"{path} {_mib(size)}" for path, size in sizes.items())
    # A tmpfs counts in whole pages.
    held = all(isinstance(size, int) and 0 < size <= limit + 65_536 for size in sizes.values())
    rows.add("temporary files", f"{_mib(limit)} each", got, held, _REPORT)


def _mib(size: object) -> str:
    return f"{size / (1 << 20):g} MiB" if isinstance(size, int) else str(size)
