"""Settings are cheap, and know when there is something to load."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_data_dir

from coderemote_kernel import settings
from coderemote_kernel.settings import Settings, data_directory, history_path, needs_loading

# Run in a process of its own, because jupyter_core fixes parts of the path when it is imported.
COMPARE = """
import importlib, json, os, sys
from coderemote_kernel import settings
import jupyter_core.paths as paths
outer = dict(os.environ)
for variables in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(outer | variables)
    importlib.reload(paths)
    ours = settings.config_directories()
    theirs = [directory for directory in paths.jupyter_config_path() if directory]
    if os.environ.get("JUPYTER_NO_CONFIG"):
        same = ours == [] and os.listdir(theirs[0]) == []
    elif ours is None:
        same = bool(os.environ.get("JUPYTER_PLATFORM_DIRS"))
    else:
        same = set(theirs) <= set(ours)
    same = same and settings.data_directory() == paths.jupyter_data_dir()
    if not same:
        print(variables, ours, theirs)
"""

CHOICES: dict[str, list[str | None]] = {
    "JUPYTER_CONFIG_DIR": [None, "", "/srv/one"],
    "JUPYTER_CONFIG_PATH": [None, "/srv/two:/srv/three/", ":/srv/two:"],
    "JUPYTER_NO_CONFIG": [None, "1"],
    "JUPYTER_PREFER_ENV_PATH": [None, "0", "1"],
    "JUPYTER_PLATFORM_DIRS": [None, "1", "no"],
    "JUPYTER_DATA_DIR": [None, "/srv/data"],
    "XDG_DATA_HOME": [None, "/srv/xdg"],
    "CONDA_PREFIX": [None, sys.prefix],
    "HOME": [None, "/srv/elsewhere/.."],
}


@pytest.fixture
def quiet_machine(monkeypatch, tmp_path):
    """Keep what is configured on this machine out of the test."""
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr("site.USER_BASE", None)
    return tmp_path


@pytest.mark.parametrize("flags", [[], ["-s"], ["-E"]], ids=["plain", "no-user-site", "no-env"])
def test_no_directory_of_jupyters_path_is_missed(flags, tmp_path):
    combinations = [
        {name: value for name, value in zip(CHOICES, values, strict=True) if value is not None}
        for values in itertools.product(*CHOICES.values())
    ]
    environment = {k: v for k, v in os.environ.items() if k not in CHOICES} | {
        "HOME": str(tmp_path),
        "PYTHONUSERBASE": str(tmp_path / "base"),
    }
    finished = subprocess.run(
        [sys.executable, *flags, "-c", COMPARE],
        input=json.dumps(combinations[:: 7 if flags else 2]),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == ""


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["-f", "kernel-1.json"],
        ["--f=kernel-1.json"],
        ["-f=kernel-1.json"],
        ["-f"],
        ["script.py"],
    ],
    ids=repr,
)
def test_the_connection_file_alone_needs_no_loading(quiet_machine, argv):
    assert needs_loading(argv) is False


@pytest.mark.parametrize(
    "argv",
    [
        ["-f", "kernel-1.json", "--CodeRemoteKernel.cell_timeout_s=1"],
        ["--config=x.py", "-f", "kernel-1.json"],
        ["--help"],
    ],
    ids=repr,
)
def test_any_other_argument_needs_loading(quiet_machine, argv):
    assert needs_loading(argv) is True


@pytest.mark.parametrize("name", settings.CONFIG_FILE_NAMES)
@pytest.mark.parametrize("place", ["home/.jupyter", "base/etc/jupyter", "prefix/etc/jupyter"])
def test_a_configuration_file_needs_loading(quiet_machine, name, place):
    file = quiet_machine / place / name
    file.parent.mkdir(parents=True)
    file.touch()
    assert needs_loading([]) is True


def test_platform_dirs_are_left_to_jupyter_itself(quiet_machine, monkeypatch):
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    assert needs_loading([]) is True


def test_the_notebooks_folder_cannot_configure_its_own_jail(quiet_machine, monkeypatch):
    (quiet_machine / settings.CONFIG_FILE_NAMES[0]).touch()
    monkeypatch.chdir(quiet_machine)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", os.pathsep)
    assert needs_loading([]) is False


def test_the_data_directory_is_jupyters(quiet_machine):
    assert data_directory() == jupyter_data_dir()


def test_history_lies_in_the_data_directory_unless_it_is_told_otherwise(quiet_machine):
    assert Path(history_path(Settings())) == Path(
        jupyter_data_dir(), "coderemote", "history.sqlite"
    )
    assert history_path(Settings(history_file="/srv/h.sqlite")) == "/srv/h.sqlite"
    assert history_path(Settings(history_file=":memory:")) == ":memory:"


def test_importing_the_settings_loads_nothing_slow():
    script = (
        "import sys, dataclasses; before = set(sys.modules);"
        "from coderemote_kernel.settings import needs_loading; needs_loading(['-f', 'x']);"
        "print(*(set(sys.modules) - before))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(finished.stdout.split()) <= {
        "__future__",
        "coderemote_kernel",
        "coderemote_kernel.settings",
    }
