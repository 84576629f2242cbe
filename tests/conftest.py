"""What every test may rely on: Jupyter's own folders are never the developer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


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
