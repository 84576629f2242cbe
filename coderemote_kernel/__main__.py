"""Start a kernel: ``python -m coderemote_kernel -f CONNECTION_FILE``.

The jail is started first of all, before ZeroMQ and the rest of the relay are imported: the worker's
imports are the longest part of a start, and both sides then come up side by side.
"""

from __future__ import annotations

import sys

if not sys.flags.safe_path and sys.path and not sys.path[0]:
    del sys.path[0]
if not sys.flags.safe_path and sys.path:
    # Without -P the notebook's folder comes first: a file of its author's called orjson.py would
    # run here, on the trusted side. Nothing was imported yet but this package.
    import os

    if sys.path[0] == os.getcwd():
        del sys.path[0]

import importlib
import os


def _import_dataclasses() -> None:
    """Import dataclasses without inspect: a third of what stands before the jail's start.

    dataclasses needs inspect for classes that have no docstring, and should it meet one, the
    stand-in fetches it.
    """
    if "dataclasses" in sys.modules or "inspect" in sys.modules:
        return
    stand_in = type(sys)("inspect")
    vars(stand_in)["__getattr__"] = lambda name: getattr(importlib.import_module("inspect"), name)
    sys.modules["inspect"] = stand_in
    importlib.import_module("dataclasses")
    del sys.modules["inspect"]


_import_dataclasses()

import json

from coderemote_kernel.settings import Settings, needs_loading
from coderemote_sandbox.errors import CodeRemoteError, ConfigurationError, SandboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coderemote_sandbox.jail import Jail
    from coderemote_sandbox.launcher import Launcher

_CHANNELS = ("shell", "control", "stdin", "iopub", "hb")
FIRST_MAGICS = ["limits", "sandbox"]
"""Told to the first worker without importing the magics; a test holds it to them."""


def main(argv: list[str] | None = None) -> int:
    """Run a kernel until it is shut down; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        settings = _settings(arguments)
        connection = _connection(arguments)
    except CodeRemoteError as error:
        print(f"coderemote: {error}", file=sys.stderr)
        return 2
    launcher = _launcher(settings)
    jail, problem = _first_jail(launcher)
    _tidy_environment()
    # From here on the worker is importing too. First what clients are waiting to connect to.
    from coderemote_kernel.publisher import Publisher

    try:
        out = Publisher(connection)
    except (ValueError, OSError) as error:
        # A port that is taken, a signature scheme that does not exist.
        print(f"coderemote: the connection file asks for the impossible: {error}", file=sys.stderr)
        _close(launcher, jail)
        return 2
    out.status("starting")
    from coderemote_kernel.relay import Relay
    from coderemote_kernel.session import Session

    _log_to_stderr()
    # Jupyter Server names the file kernel-<id>.json.
    name = os.path.basename(_connection_path(arguments))
    kernel_id = name.removeprefix("kernel-").removesuffix(".json")
    session = Session(settings, launcher, kernel_id)
    session.problem = problem
    Relay(session, out, jail).run()
    return 0


def _settings(arguments: list[str]) -> Settings:
    if not needs_loading(arguments):
        return Settings()
    from coderemote_kernel.config import load

    return load(arguments)


def _connection_path(arguments: list[str]) -> str:
    for at, argument in enumerate(arguments):
        if argument in {"-f", "--f"} and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith(("-f=", "--f=")):
            return argument.partition("=")[2]
    return ""


def _connection(arguments: list[str]) -> dict[str, Any]:
    path = _connection_path(arguments)
    if not path:
        msg = "there is no connection file. Start this kernel through Jupyter, or with -f FILE"
        raise ConfigurationError(msg)
    try:
        with open(path, encoding="utf-8") as file:
            connection: dict[str, Any] = json.load(file)
        connection["ip"] = str(connection["ip"])
        for name in _CHANNELS:
            connection[f"{name}_port"] = int(connection[f"{name}_port"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f"the connection file {path} cannot be read ({error})"
        raise ConfigurationError(msg) from error
    return connection


def _launcher(settings: Settings) -> Launcher:
    from coderemote_kernel.planning import plan_from
    from coderemote_sandbox.launcher import Launcher

    return Launcher(plan_from(settings))


def _first_jail(launcher: Launcher) -> tuple[Jail | None, SandboxError | None]:
    """Start the first jail; a kernel without one still lives, to say why."""
    try:
        launcher.prepare()
        return launcher.start({"execution_count": 1, "relay_magics": FIRST_MAGICS}), None
    except SandboxError as error:
        return None, error


def _close(launcher: Launcher, jail: Jail | None) -> None:
    if jail is not None:
        jail.close()
    launcher.close()


def _tidy_environment() -> None:
    """Forget secrets that this process inherited and has no use for.

    The jail never had them: its environment is empty to begin with. But what is not here cannot
    leak from here either.
    """
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")) or name in {
            "CODEREMOTE_DATABASE_URL",
            "DATABASE_URL",
            "PGPASSWORD",
        }:
            del os.environ[name]


def _log_to_stderr() -> None:
    import logging

    logging.basicConfig(
        level=logging.WARNING, format="[coderemote] %(levelname)s %(message)s", stream=sys.stderr
    )


if __name__ == "__main__":
    sys.exit(main())
