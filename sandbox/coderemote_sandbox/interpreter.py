"""The Python that runs in the jail: the relay's own, or a course environment's."""

from __future__ import annotations

import json
import os
import sys
from typing import NamedTuple

from .errors import InterpreterError

__all__ = ["Interpreter", "describe"]

_MINIMUM_IPYKERNEL = 7

_QUESTION = """
import json, sys
from importlib.metadata import version, PackageNotFoundError
try:
    ipykernel = version("ipykernel")
except PackageNotFoundError:
    ipykernel = ""
print(json.dumps({"prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "version": sys.version.split()[0], "ipykernel": ipykernel}))
"""


class Interpreter(NamedTuple):
    """A Python and the folders it needs.

    Attributes
    ----------
    executable
        Path to run; the same inside the jail as outside.
    prefix, base_prefix
        ``sys.prefix`` and ``sys.base_prefix`` with links resolved: the folders to be mounted.
    version
        Such as ``3.12.4``.
    """

    executable: str
    prefix: str
    base_prefix: str
    version: str

    @property
    def folders(self) -> tuple[str, ...]:
        """Return what has to be mounted besides ``/usr``, outermost first."""
        wanted = {self.base_prefix, self.prefix, os.path.dirname(os.path.dirname(self._real()))}
        return tuple(sorted(path for path in wanted if not _below(path, "/usr")))

    def _real(self) -> str:
        return os.path.realpath(self.executable)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def describe(path: str = "") -> Interpreter:
    """Return what is known of the Python at `path`, or of the running one.

    Raises
    ------
    InterpreterError
        There is no such program, it is no Python, or it has no ipykernel the worker can use.
    """
    if not path or os.path.abspath(path) == sys.executable:
        version = ".".join(map(str, sys.version_info[:3]))
        executable = _without_links(sys.executable)
        prefix, base = os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)
        return Interpreter(executable, prefix, base, version)
    path = os.path.abspath(os.path.expanduser(path))
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        msg = (
            f"the jail's interpreter {path} does not exist or is not executable. "
            "Set CodeRemoteKernel.interpreter to a Python 3.10+ that has ipykernel"
        )
        raise InterpreterError(msg)
    facts = _ask(path)
    major = facts["ipykernel"].partition(".")[0]
    if not major.isdigit() or int(major) < _MINIMUM_IPYKERNEL:
        have = f"ipykernel {facts['ipykernel']}" if major else "no ipykernel"
        msg = (
            f"the jail's interpreter {path} has {have}: the worker needs ipykernel "
            f"{_MINIMUM_IPYKERNEL} or later. Run: {path} -m pip install -U ipykernel"
        )
        raise InterpreterError(msg)
    prefix, base = os.path.realpath(facts["prefix"]), os.path.realpath(facts["base_prefix"])
    return Interpreter(_without_links(path), prefix, base, facts["version"])


def _without_links(path: str) -> str:
    """Resolve the folder, which is mounted under its real path, and leave the program's own link.

    The link is what makes an environment: followed, it leads to the Python the environment was
    made from.
    """
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _ask(path: str) -> dict[str, str]:
    import subprocess  # only for another environment's Python

    try:
        done = subprocess.run(  # noqa: S603 - the path is the configuration's
            [path, "-I", "-c", _QUESTION],
            capture_output=True,
            timeout=30,
            check=True,
            env={"PATH": os.environ.get("PATH", "")},
        )
        facts: dict[str, str] = dict(json.loads(done.stdout).items())
    except (OSError, ValueError, AttributeError, subprocess.SubprocessError) as error:
        msg = f"the jail's interpreter {path} does not run as Python ({type(error).__name__})"
        raise InterpreterError(msg) from error
    return facts
