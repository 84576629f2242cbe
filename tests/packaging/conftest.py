"""The repository as a thing to be built and shipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = {
    "coderemote_kernel": ROOT / "coderemote_kernel",
    "coderemote_sandbox": ROOT / "sandbox" / "coderemote_sandbox",
    "coderemote_server": ROOT / "server_extension" / "coderemote_server",
}


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def packages() -> dict[str, Path]:
    """The folder of each import package."""
    return PACKAGES


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program of this environment, and return what it printed; show all of it if it fails."""
    # jlpm and jupyter-builder lie beside the interpreter, which need not be on the PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


@pytest.fixture(scope="session")
def run_program():
    """The function :func:`run`."""
    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made without network: the build's requirements are those of the test extra."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel
