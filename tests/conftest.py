"""What tests of every part may use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def jupyter_dirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point Jupyter's user folders below ``tmp_path``; kernels that are started inherit them."""
    for variable in ("CONFIG", "DATA", "RUNTIME"):
        folder = tmp_path / f"jupyter-{variable.lower()}"
        folder.mkdir()
        monkeypatch.setenv(f"JUPYTER_{variable}_DIR", str(folder))
    ipython = tmp_path / "ipython"
    ipython.mkdir()
    monkeypatch.setenv("IPYTHONDIR", str(ipython))
    return tmp_path


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The Chromium that browser tests start; playwright's own download is never used."""
    finder = Path(__file__).parents[1] / "scripts" / "browser"
    found = subprocess.run([finder], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.fail(found.stderr)
    return found.stdout.strip()
