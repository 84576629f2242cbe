"""What is laid out to be caught: files, secrets, listeners and a bystander process.

Everything planted is remembered as it was, and every secret carries one prefix, so that looking for
all of them in a flood of output is one search.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .listeners import Listeners
from .shared_memory import SharedMemory

__all__ = ["Bait", "Leaks"]

_PREFIX = "crm-bait-"

# Says in a file which signals reach it, and otherwise does nothing at all.
_BYSTANDER = """
import os, signal, sys
def note(number, frame):
    os.write(int(sys.argv[1]), f"{signal.Signals(number).name}\\n".encode())
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, note)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.write(1, b"ready")
while True:
    if os.read(0, 1) == b"":
        os._exit(0)
"""

# A notebook's folder may come from anywhere, and what lies in it must not be run by the relay. Each
# trap says that it was run and then gives way to the real module.
_BOOBY_TRAPS = ("orjson", "nh3", "tinycss2", "jupyter_events", "psutil", "hmac")
_BOOBY_TRAP = """
import contextlib, importlib, os, sys
with contextlib.suppress(OSError):
    with open({log!r}, "a") as log:
        log.write(__name__ + "\\n")
here = os.path.realpath(os.path.dirname(__file__))
path = [entry for entry in sys.path if os.path.realpath(entry or ".") != here]
before, sys.path[:] = sys.path[:], path
trap = sys.modules.pop(__name__)
try:
    sys.modules[__name__] = importlib.import_module(__name__)
finally:
    sys.path[:] = before
"""


class Leaks:
    """Finds secrets in bytes: as they are, reversed, in hex, in base64."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def plant(self, name: str) -> str:
        """Return a new secret that is recognised from now on."""
        secret = f"{_PREFIX}{name}-{secrets.token_hex(12)}"
        raw = secret.encode()
        # Base64 comes in three alignments; the first and last characters depend on what is beside.
        forms = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()}
        forms |= {base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)}
        self._forms |= dict.fromkeys(forms, name)
        return secret

    def find(self, data: bytes) -> set[str]:
        """Return the names of the secrets in `data`."""
        if not any(start in data for start in self._starts()):
            return set()
        return {name for form, name in self._forms.items() if form in data}

    @staticmethod
    def _starts() -> list[bytes]:
        raw = _PREFIX.encode()
        shifted = [base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)]
        return [raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), *shifted]


class Bait:
    """All that is planted, from the folder of a notebook to a stranger's process.

    Attributes
    ----------
    targets
        Where things are, for the attacks; holds no secret.
    environment
        What the kernel is started with: an environment full of secrets.
    """

    def __init__(self) -> None:
        self.leaks = Leaks()
        self.marker = f"crm{secrets.token_hex(5)}"
        self.root = Path(tempfile.mkdtemp(prefix="crm-escape-", dir="/var/tmp"))
        self.root.chmod(0o755)
        self.home = self.root / "home"
        self.folder = self.home / "course"
        self.other = self.root / "other"
        self.runtime = self.root / "runtime"
        self._loose: list[Path] = []
        self._tripped = self.root / "tripped"
        self._plant_files()
        self.listeners = Listeners(self.root)
        self.shared = SharedMemory(self.leaks.plant("shm").encode())
        self._bystander_log = self.root / "bystander.log"
        self._read_of_log = 0
        self.bystander = self._start_bystander()
        self.environment = self._environment()
        self.targets = self._targets()
        self._before = self._snapshot()

    def close(self) -> None:
        """Take everything away again."""
        self.listeners.close()
        self.shared.close()
        self._stop_bystander()
        for path in self._loose:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def touched(self) -> list[str]:
        """Return what has been changed since it was planted, and put it back as it was."""
        now, before = self._snapshot(), self._before
        changed = sorted(
            path for path in now.keys() | before.keys() if now.get(path) != before.get(path)
        )
        for path in changed:
            _restore(Path(path), before.get(path))
        if changed:
            self._before = self._snapshot()
        return [f"changed: {path.removeprefix(str(self.root))}" for path in changed]

    def tripped(self) -> list[str]:
        """Return which modules of the notebook's folder were run outside the jail."""
        if not self._tripped.exists():
            return []
        modules = sorted(set(self._tripped.read_text().split()))
        self._tripped.unlink()
        return [f"run outside the jail from the notebook's folder: {', '.join(modules)}"]

    def visits(self) -> list[str]:
        """Return which listeners were spoken to since the last call."""
        heard, self.listeners.heard[:] = list(self.listeners.heard), []
        return [f"connected to the {name} listener" for name in sorted(set(heard))]

    def disturbances(self) -> list[str]:
        """Return what was done to the bystander since the last call; replaces a dead one."""
        log = self._bystander_log.read_text()
        found = [f"the bystander got {name}" for name in log[self._read_of_log :].split()]
        self._read_of_log = len(log)
        if self.bystander.poll() is not None:
            found.append("the bystander was killed")
            self._stop_bystander()
            self.bystander = self._start_bystander()
            self.targets["bystander"] = self.bystander.pid
        elif _state(self.bystander.pid) in "Tt":
            self.bystander.send_signal(signal.SIGCONT)
            found.append("the bystander was stopped")
        return found

    def _write(self, path: Path, name: str, text: str = "{}\n", mode: int = 0o644) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(self.leaks.plant(name)))
        path.chmod(mode)

    def _plant_files(self) -> None:
        folder, home = self.folder, self.home
        self._write(home / "private.txt", "private")
        self._write(home / ".ssh/id_ed25519", "ssh", mode=0o600)
        self._write(home / ".bashrc", "bashrc", "export API_KEY={}\n")
        self._write(home / ".ipython/profile_default/startup/README", "startup")
        self._write(home / "rootonly.txt", "rootonly", mode=0o600)
        self._write(self.other / "notes.txt", "neighbour")
        self._write(self.other / "locked/keys.txt", "neighbourkeys")
        (self.other / "locked").chmod(0o700)
        self._write(self.runtime / "jpserver-1.json", "jpserver", '{{"token": "{}"}}\n')
        (folder / "notes").mkdir(parents=True)
        (folder / "data.csv").write_text("name,points\nada,3\ngrace,4\n")
        (folder / "notes/readme.txt").write_text("Read the data.\n")
        (folder / "lesson.ipynb").write_text('{"cells": []}\n')
        self._write(folder / ".env", "dotenv", "SECRET={}\n")
        self._write(folder / ".git/config", "git", "[remote]\nurl = https://u:{}@example.org/\n")
        self._write(folder / ".ipynb_checkpoints/lesson-checkpoint.ipynb", "checkpoint")
        self._write(folder / "notes/.env", "nesteddotenv")
        (folder / "leads-out").symlink_to("../private.txt")
        (folder / "leads-far").symlink_to(self.other)
        for module in _BOOBY_TRAPS:
            (folder / f"{module}.py").write_text(_BOOBY_TRAP.format(log=str(self._tripped)))
        for place in ("/tmp", "/dev/shm"):  # noqa: S108 - the real ones are the bait
            for suffix, mode in (("open", 0o644), ("closed", 0o600)):
                loose = Path(place) / f"{self.marker}-{suffix}"
                self._write(loose, f"{Path(place).name}{suffix}", mode=mode)
                self._loose.append(loose)
        self._plant_history()

    def _plant_history(self) -> None:
        path = self.home / ".ipython/profile_default/history.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "CREATE TABLE sessions (session integer primary key autoincrement,"
                " start timestamp, end timestamp, num_cmds integer, remark text)"
            )
            database.execute(
                "CREATE TABLE history (session integer, line integer, source text,"
                " source_raw text, PRIMARY KEY (session, line))"
            )
            database.execute("INSERT INTO sessions (session, remark) VALUES (1, '')")
            line = f"token = '{self.leaks.plant('history')}'"
            database.execute("INSERT INTO history VALUES (1, 1, ?, ?)", (line, line))

    def _environment(self) -> dict[str, str]:
        secret = self.leaks.plant
        return os.environ | {
            "HOME": str(self.home),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_DATA_DIR": str(self.root / "data"),
            "JUPYTER_CONFIG_DIR": str(self.root / "config"),
            "IPYTHONDIR": str(self.home / ".ipython"),
            "JUPYTER_TOKEN": secret("token"),
            "JUPYTERHUB_API_TOKEN": secret("hubtoken"),
            "CODEREMOTE_DATABASE_URL": f"postgresql://u:{secret('database')}@127.0.0.1:1/none",
            "GEMINI_API_KEY": secret("gemini"),
            "AWS_SECRET_ACCESS_KEY": secret("aws"),
        }

    def _targets(self) -> dict[str, Any]:
        return {
            "root": str(self.root),
            "home": str(self.home),
            "folder": str(self.folder),
            "other": str(self.other),
            "runtime": str(self.runtime),
            "tmp": [str(path) for path in self._loose],
            "history": str(self.home / ".ipython/profile_default/history.sqlite"),
            "marker": self.marker,
            "bystander": self.bystander.pid,
            "shm": self.shared.key,
            **self.listeners.targets,
        }

    def _start_bystander(self) -> subprocess.Popen[bytes]:
        self._bystander_log.touch()
        log = os.open(self._bystander_log, os.O_WRONLY | os.O_APPEND)
        secret = f"--token={self.leaks.plant('argument')}"
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _BYSTANDER, str(log), secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"BYSTANDER_SECRET": self.leaks.plant("bystander")},
            pass_fds=(log,),
            process_group=0,
        )
        os.close(log)
        assert process.stdout is not None
        process.stdout.read(5)
        return process

    def _stop_bystander(self) -> None:
        with self.bystander:
            self.bystander.kill()

    def _snapshot(self) -> dict[str, object]:
        trees = [
            self.folder,
            self.other,
            self.home / ".ssh",
            self.home / ".ipython/profile_default/startup",
        ]
        single = [self.home / name for name in ("private.txt", ".bashrc", "rootonly.txt")]
        paths = [path for tree in trees for path in (tree, *tree.rglob("*"))]
        paths += [*single, *self._loose, self.runtime / "jpserver-1.json"]
        return {str(path): _likeness(path) for path in paths}


def _restore(path: Path, before: object) -> None:
    with contextlib.suppress(OSError):
        if before is None:
            path.unlink() if not path.is_dir() or path.is_symlink() else shutil.rmtree(path)
        elif isinstance(before, tuple) and stat.S_ISREG(before[0]):
            path.write_bytes(before[-1])
            path.chmod(stat.S_IMODE(before[0]))


def _likeness(path: Path) -> object:
    """Return all of a file that must stay the same."""
    try:
        status = path.lstat()
        names = os.listxattr(path, follow_symlinks=False)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        content = b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
    except OSError as error:
        return error.errno
    owner = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink)
    return (*owner, status.st_size, status.st_mtime_ns, attributes, content)


def _state(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]
