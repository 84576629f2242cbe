"""Worlds in which something is missing, made for real, and the doctor run in each as a command."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coderemote_sandbox import nsjail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT_S = 60

# Every world begins as a process that is nobody's root, in namespaces of its own, and ends by
# becoming the command: it holds its capabilities only until then.
PREPARE = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
def bind(source, target):
    check(libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(0x1000), None))
uid, gid = os.geteuid(), os.getegid()
check(libc.unshare(0x10000000 | 0x20000))
check(libc.prctl(4, 1, 0, 0, 0))
write("/proc/self/setgroups", "deny")
write("/proc/self/uid_map", f"1000 {uid} 1")
write("/proc/self/gid_map", f"1000 {gid} 1")
check(libc.mount(b"none", b"/", None, ctypes.c_ulong(0x44000), None))
"""

WORLDS = {
    "plain": "",
    "no user namespaces": 'write("/proc/sys/user/max_user_namespaces", "0")',
    # As every container runtime does it.
    "masked proc": 'bind("/dev/null", "/proc/keys")',
    "read-only cgroups": """
attributes = struct.pack("=QQQQ", 1, 0, 0, 0)
check(libc.syscall(442, -100, b"/sys/fs/cgroup", 0x8000, attributes, len(attributes)))
""",
    # A machine whose AppArmor has the restriction, as far as files can tell.
    "ubuntu": 'bind(os.environ["FAKE_SWITCHES"], "/proc/sys/kernel")',
    "another proc": 'bind(os.environ["FAKE_PROC"], "/proc")',
}

BECOME = "\nos.execv(sys.argv[1], sys.argv[1:])\n"

MOUNTING = "mount, umount, pivot_root, open_tree, move_mount, mount_setattr, fsopen"

FILTERS = {
    # What Docker's default filter does to somebody without capabilities.
    "docker": f"""
      ERRNO(38) {{ clone3 }},
      ERRNO(1) {{ clone(clone_flags) {{ (clone_flags & 0x7e020000) != 0 }} }},
      ERRNO(1) {{ unshare, setns, {MOUNTING} }}
    """,
    # What Ubuntu's AppArmor does: the namespace is made, and then nothing may be done in it.
    "powerless": f"ERRNO(13) {{ {MOUNTING} }}",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What ``coderemote doctor --json`` said, and how it ended."""

    status: int
    report: dict[str, Any]

    def row(self, layer: str) -> dict[str, Any]:
        [row] = [row for row in self.report["rows"] if row["layer"] == layer]
        return row

    def missing(self) -> set[str]:
        return {row["layer"] for row in self.report["rows"] if row["ok"] is False}


def in_world(
    world: str, command: Sequence[str], *, environment: dict[str, str] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    program = PREPARE + WORLDS[world] + BECOME
    return subprocess.run(
        [sys.executable, "-c", program, *command],
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def doctor(*options: str, python: str = sys.executable) -> list[str]:
    return [python, "-m", "coderemote_kernel.cli", "doctor", "--json", *options]


def read(done: subprocess.CompletedProcess[str]) -> Examination:
    assert done.stdout, done.stderr
    return Examination(done.returncode, json.loads(done.stdout))


def filtered(name: str, command: Sequence[str]) -> dict[str, Any]:
    """An nsjail that isolates nothing and puts a seccomp filter on `command`."""
    who = {"inside_id": "1000", "outside_id": "1000", "count": 1}
    kinds = ("newnet", "newuser", "newns", "newpid", "newipc", "newuts", "newcgroup")
    return {
        "mode": "ONCE",
        "log_level": "FATAL",
        "time_limit": TIMEOUT_S,
        "keep_env": True,
        "disable_rl": True,
        "nice_level": 0,
        "cwd": str(Path.cwd()),
        "uidmap": [who],
        "gidmap": [who],
        "seccomp_string": [f"POLICY trial {{ {FILTERS[name]} }} USE trial DEFAULT ALLOW"],
        "exec_bin": {"path": command[0], "arg": list(command[1:])},
        **{f"clone_{kind}": False for kind in kinds},
    }


def reading() -> list[str]:
    """The option that lets the jail read our packages, where a .pth file points to them."""
    spec = importlib.util.find_spec("ipykernel")
    assert spec is not None
    assert spec.origin is not None
    packages = str(Path(spec.origin).parents[1].resolve())
    prefixes = [os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)]
    if any(packages.startswith(f"{prefix}/") for prefix in prefixes):
        return []
    return [f"--CodeRemoteKernel.extra_read_only={packages}"]


@pytest.fixture(scope="session")
def run_in() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in one of the worlds."""
    return in_world


@pytest.fixture(scope="session")
def examined() -> Callable[..., Examination]:
    """Run the doctor in one of the worlds."""

    def examine(world: str, *options: str, **environment: str) -> Examination:
        command = doctor(*reading(), *options)
        return read(in_world(world, command, environment=environment))

    return examine


@pytest.fixture
def examined_under(tmp_path: Path) -> Callable[..., Examination]:
    """Run the doctor under one more seccomp filter, in one of the worlds."""

    def examine(name: str, *options: str, world: str = "plain", **environment: str) -> Examination:
        file = tmp_path / "nsjail.json"
        file.write_text(json.dumps(filtered(name, doctor(*reading(), *options))))
        command = [nsjail.find_nsjail(), "-C", str(file)]
        return read(in_world(world, command, environment=environment))

    return examine


@pytest.fixture
def switches(tmp_path: Path) -> dict[str, str]:
    """The environment of a world whose AppArmor restricts user namespaces."""
    folder = tmp_path / "switches"
    folder.mkdir()
    (folder / "apparmor_restrict_unprivileged_userns").write_text("1\n")
    (folder / "apparmor_restrict_unprivileged_unconfined").write_text("0\n")
    return {"FAKE_SWITCHES": str(folder)}


@dataclass(frozen=True, slots=True)
class OtherUser:
    """A user without any rights, and a Python he may run."""

    python: str
    uid: int = 65_534

    def examine(self, *options: str) -> Examination:
        become = (
            f"import os, sys; os.setgroups([]); os.setgid({self.uid}); os.setuid({self.uid}); "
            "os.chdir('/tmp'); os.environ['HOME'] = '/nonexistent'; "
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        done = subprocess.run(
            [sys.executable, "-c", become, *doctor(*options, python=self.python)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return read(done)


@pytest.fixture(scope="session")
def other_user() -> Iterator[OtherUser]:
    """Where the tests run as root: somebody else, who shares no more than the packages."""
    system = "/usr/bin/python3"
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    ask = [system, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    with contextlib.suppress(OSError):
        found = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
        if found == version:
            yield from _made_user(system)
            return
    pytest.skip(f"there is no Python {version} at {system}")


def _made_user(system: str) -> Iterator[OtherUser]:
    folder = Path(tempfile.mkdtemp(prefix="coderemote-test-"))
    try:
        folder.chmod(0o755)
        subprocess.run([system, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        [packages] = (folder / "venv" / "lib").glob("python3.*/site-packages")
        paths = [path for path in sys.path if path and Path(path).is_dir()]
        (packages / "ours.pth").write_text("\n".join(paths))
        yield OtherUser(str(folder / "venv" / "bin" / "python"))
    finally:
        shutil.rmtree(folder)
