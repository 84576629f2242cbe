"""Start a kernel: ``python -m coderemote_kernel -f CONNECTION_FILE``.

The jail is started first of all, before ZeroMQ and the rest of the relay are imported: the worker's
imports are the longest part of a start, and both sides then come up side by side.
"""

from __future__ import annotations

import json
import os
import sys

from coderemote_kernel.settings import Settings, needs_loading
from coderemote_sandbox.errors import CodeRemoteError, ConfigurationError, SandboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coderemote_sandbox.jail import Jail
    from coderemote_sandbox.launcher import Launcher, Plan

_FIRST_MAGICS = {
    "limits": "Show the limits of this session and what has been used of them.",
    "sandbox": "Show what isolates this session and what it has used.",
}
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
    # From here on the worker is importing too.
    from coderemote_kernel.relay import Relay

    _log_to_stderr()
    # Jupyter Server names the file kernel-<id>.json.
    name = os.path.basename(_connection_path(arguments))
    kernel_id = name.removeprefix("kernel-").removesuffix(".json")
    Relay(connection, settings, launcher, jail, problem, kernel_id=kernel_id).run()
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
    except (OSError, ValueError) as error:
        msg = f"the connection file {path} cannot be read ({error})"
        raise ConfigurationError(msg) from error
    return connection


def _launcher(settings: Settings) -> Launcher:
    from coderemote_sandbox.launcher import Launcher

    return Launcher(_plan(settings))


def _plan(settings: Settings) -> Plan:
    from coderemote_sandbox.launcher import Plan
    from coderemote_sandbox.limits import Limits

    limits = Limits(**{name: getattr(settings, name) for name in Limits.__dataclass_fields__})
    folder: str | None = settings.workspace or os.getcwd()
    if settings.workspace_mode == "none":
        folder = None
    return Plan(
        limits=limits,
        tier=settings.tier,
        require_cgroup=settings.require_cgroup,
        cgroup_parent=settings.cgroup_parent,
        nsjail=settings.nsjail,
        interpreter=settings.interpreter,
        folder=os.path.abspath(os.path.expanduser(folder)) if folder else None,
        workspace_mode=settings.workspace_mode,
        read_only=settings.extra_read_only,
        environment=settings.environment,
    )


def _first_jail(launcher: Launcher) -> tuple[Jail | None, SandboxError | None]:
    """Start the first jail; a kernel without one still lives, to say why."""
    try:
        launcher.prepare()
        return launcher.start({"execution_count": 1, "relay_magics": _FIRST_MAGICS}), None
    except SandboxError as error:
        return None, error


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
