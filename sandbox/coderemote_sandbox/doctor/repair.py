"""``coderemote doctor --fix``: install the AppArmor profile, after asking."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from coderemote_sandbox.doctor import profile
from coderemote_sandbox.errors import CodeRemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RepairError", "repair"]


class RepairError(CodeRemoteError):
    """The profile could not be installed; the message names the command that failed."""


def repair(
    nsjail: str, *, agreed: Callable[[str], bool], say: Callable[[str], None], root: str = ""
) -> bool:
    """Install the AppArmor profile for `nsjail`, if AppArmor restricts user namespaces here.

    Parameters
    ----------
    agreed
        Asked once, with a question, before anything is run.
    say
        Told what is going on, a line at a time.
    root
        A folder that stands for ``/``.

    Returns
    -------
    bool
        False if the answer was no.

    Raises
    ------
    RepairError
        A command could not be run or failed.
    """
    if not profile.restriction(root).known:
        say("AppArmor does not restrict user namespaces here; there is nothing else to repair.")
        return True
    try:
        text = profile.profile_text(nsjail)
    except ValueError as error:
        raise RepairError(str(error)) from error
    commands = profile.install_commands(root)
    say(f"This AppArmor profile lets {nsjail} make user namespaces:\n")
    say(text)
    say("It is installed with these commands; the first one reads it from its input:\n")
    for command in commands:
        say(f"  {shlex.join(command)}")
    if not agreed("\nRun them?"):
        return False
    for command in commands:
        _run(command, text if "tee" in command else "")
    say("Done. Run coderemote doctor again to see the difference.")
    return True


def _run(command: list[str], text: str) -> None:
    try:
        # sudo asks for the password on the terminal itself, whatever its input is.
        done = subprocess.run(  # noqa: S603 - the commands were shown and agreed to
            command,
            input=text,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        msg = f"{shlex.join(command)}: {error.strerror}"
        raise RepairError(msg) from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or "no reason given"
        msg = f"{shlex.join(command)} failed with exit status {done.returncode}: {said}"
        raise RepairError(msg)
