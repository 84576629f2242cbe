"""Which Python runs in the jail."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coderemote_sandbox.errors import InterpreterError
from coderemote_sandbox.interpreter import describe


def packages() -> Path:
    spec = importlib.util.find_spec("ipykernel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parents[1]


def make_environment(folder: Path, *, ipykernel: bool) -> Path:
    """Make a course's environment, without network: its packages are those of the tests."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    if ipykernel:
        site = next((folder / "lib").glob("python*")) / "site-packages"
        (site / "course.pth").write_text(f"{packages()}\n")
    return python


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    return make_environment(tmp_path_factory.mktemp("course") / "env", ipykernel=True)


def test_the_running_python_is_described_without_being_run():
    this = describe()
    assert this.executable == sys.executable
    assert this.prefix == os.path.realpath(sys.prefix)
    assert this.version == ".".join(map(str, sys.version_info[:3]))


def test_naming_the_running_python_is_the_same_as_naming_none():
    assert describe(sys.executable) == describe()


def test_an_environment_of_its_own_is_described_by_asking_it(course):
    found = describe(str(course))
    assert found.executable == str(course)
    assert found.prefix == os.path.realpath(course.parents[1])
    assert found.base_prefix == os.path.realpath(sys.base_prefix)
    assert found.prefix in found.folders


def test_folders_below_usr_are_not_named_twice(course):
    for folder in describe(str(course)).folders:
        assert not (folder + "/").startswith("/usr/")


def test_a_home_is_expanded(course, monkeypatch):
    monkeypatch.setenv("HOME", str(course.parents[2]))
    assert describe("~/env/bin/python").executable == str(course)


def refused(path: object) -> str:
    with pytest.raises(InterpreterError) as caught:
        describe(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_missing_interpreter_is_refused_with_the_setting_to_correct(tmp_path):
    assert "Set CodeRemoteKernel.interpreter" in refused(tmp_path / "python")


def test_a_folder_is_no_interpreter(tmp_path):
    assert "Set CodeRemoteKernel.interpreter" in refused(tmp_path)


def test_an_interpreter_without_ipykernel_is_refused_with_the_command_to_run(tmp_path):
    python = make_environment(tmp_path / "env", ipykernel=False)
    message = refused(python)
    assert "no ipykernel" in message
    assert f"{python} -m pip install" in message


def test_an_ipykernel_that_is_too_old_is_refused(tmp_path):
    python = make_environment(tmp_path / "env", ipykernel=False)
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    about = site / "ipykernel-6.29.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ipykernel\nVersion: 6.29.5\n")
    assert "ipykernel 6.29.5" in refused(python)


@pytest.mark.parametrize(
    "text",
    ["#!/bin/sh\necho hello\n", "#!/bin/sh\nexit 3\n", "no program at all", "#!/nowhere/at/all\n"],
    ids=["not Python", "fails", "not executable", "without its own interpreter"],
)
def test_a_program_that_is_no_python_is_refused(tmp_path, text):
    program = tmp_path / "python"
    program.write_text(text)
    program.chmod(0o755)
    assert "does not run as Python" in refused(program)


def test_a_program_that_answers_something_else_is_refused(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho '[1, 2]'\n")
    program.chmod(0o755)
    refused(program)


@pytest.mark.sandbox
def test_cells_run_in_the_courses_environment(course, opened, make_plan):
    with opened(interpreter=str(course), read_only=(str(packages()),)) as session:
        told = session.run(
            "import sys; print(sys.prefix)\n!python -c 'import sys; print(sys.prefix)'"
        )
        assert told.split() == [str(course.parents[1])] * 2


@pytest.mark.sandbox
def test_an_environment_reached_through_a_link_to_its_folder_runs(course, tmp_path, opened):
    """As in ``/opt/course -> /opt/course-2026``."""
    link = tmp_path / "course"
    link.symlink_to(course.parents[1])
    python = str(link / "bin" / "python")
    with opened(interpreter=python, read_only=(str(packages()),)) as session:
        assert session.run("print(1 + 1)") == "2\n"
