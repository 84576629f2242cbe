from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_only_our_three_names_land_in_site_packages(names):
    top = {name.split("/")[0] for name in names}

    assert {name for name in top if ".dist-info" not in name and ".data" not in name} == {
        "coderemote_kernel",
        "coderemote_sandbox",
        "coderemote_server",
    }


def test_check_wheel_contents_has_no_complaint(wheel, run_program):
    run_program(Path(sys.executable).with_name("check-wheel-contents"), wheel)


def test_everything_in_the_packages_is_shipped(names, packages):
    wanted = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in packages.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert wanted - names == set()


def test_what_is_installed_is_found_by_jupyter(wheel, tmp_path, run_program):
    # Another environment: in ours, pip would remove the editable install as an older version.
    run_program(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    run_program(
        *(sys.executable, "-m", "pip", "--python", tmp_path / "bin" / "python", "install"),
        *("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", wheel),
    )

    def read(*where: str) -> dict[str, object]:
        return json.loads(tmp_path.joinpath(*where).read_text("utf-8"))

    jupyter = ("share", "jupyter")
    assert read(*jupyter, "kernels", "coderemote", "kernel.json")["language"] == "python"
    assert (tmp_path / "share/jupyter/kernels/coderemote/logo-svg.svg").exists()
    assert read(*jupyter, "labextensions", "coderemote", "package.json")["name"] == "coderemote"
    assert (
        read(*jupyter, "labextensions", "coderemote", "install.json")["packageManager"] == "python"
    )
    config = read("etc", "jupyter", "jupyter_server_config.d", "coderemote.json")
    assert config == {"ServerApp": {"jpserver_extensions": {"coderemote_server": True}}}
    assert (tmp_path / "bin" / "coderemote").exists()


def test_the_source_archive_can_be_built_without_node(tmp_path, run_program):
    run_program(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path)

    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    # The build looks for these before it calls Node.
    assert {"labextension/dist/static/style.js", "labextension/dist/package.json"} <= inside
    assert {"LICENSE", "yarn.lock", "labextension/src/index.ts"} <= inside
    tops = {name.split("/")[0] for name in inside}
    assert tops.isdisjoint({".venv", "node_modules", ".git", ".yarn", "binder"})
