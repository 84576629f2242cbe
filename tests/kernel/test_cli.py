"""The command line: its commands, its exit statuses, its one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from coderemote_kernel.cli import main

DOCTOR = [sys.executable, "-m", "coderemote_kernel.cli", "doctor"]


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coderemote_kernel.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, **options
    )


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    return int(exited.value.code or 0)


def test_the_version_is_the_distributions(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip() == version("coderemote")


def test_the_version_option_says_the_same(capsys):
    assert ended("--version") == 0
    assert capsys.readouterr().out.strip() == version("coderemote")


def test_the_help_lists_every_command(capsys):
    assert ended("--help") == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("doctor", "escape-test", "demo", "version"))


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["--bogus"], ["version", "more"]])
def test_a_command_line_that_is_none_ends_with_status_2(arguments, capsys):
    assert ended(*arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_commands_of_others_get_their_own_arguments(capsys):
    assert main(["escape-test", "--list"]) == 0
    assert "network" in capsys.readouterr().out
    assert ended("escape-test", "--help") == 0
    assert "coderemote escape-test" in capsys.readouterr().out
    assert ended("demo", "--help") == 0
    assert "demo" in capsys.readouterr().out


def test_asking_for_the_version_imports_nothing_heavy():
    code = (
        "import sys; from coderemote_kernel.cli import main; main(['version']); "
        "print(sorted({'traitlets', 'zmq', 'IPython', 'jupyter_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--CodeRemoteKernel.tierr=full", "did you mean tier?"),
        ("--CodeRemoteKernel.tier=fulll", "is not allowed"),
        ("--bogus=1", "there is no such option"),
        ("--config=/nonexistent/config.py", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(argument, said, jupyter_dirs, capsys):
    assert main(["doctor", argument]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("coderemote: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["word"], ["--CodeRemoteKernel.cpus=1", "word"]])
def test_a_stray_word_is_refused(arguments, capsys):
    assert ended("doctor", *arguments) == 2
    assert "unrecognized argument: word" in capsys.readouterr().err


@pytest.mark.sandbox
def test_the_doctor_wants_what_a_configuration_file_asks_for(jupyter_dirs, tmp_path):
    file = tmp_path / "some_config.py"
    file.write_text('c.CodeRemoteKernel.tier = "no-namespaces"\n')

    done = run("doctor", "--json", "--config", str(file))

    assert json.loads(done.stdout)["tier"] == "no-namespaces"


@pytest.mark.sandbox
def test_the_doctor_reads_the_files_that_a_kernel_reads(jupyter_dirs):
    file = jupyter_dirs / "jupyter-config" / "coderemote_kernel_config.py"
    file.write_text('c.CodeRemoteKernel.tier = "full-noproc"\n')

    found = json.loads(run("doctor", "--json").stdout)

    assert found["tier"] == "full-noproc"
    [cell] = [row for row in found["rows"] if row["layer"] == "a cell"]
    assert cell["got"].endswith("full-noproc")


@pytest.mark.sandbox
def test_a_tier_on_the_command_line_wins(jupyter_dirs):
    file = jupyter_dirs / "jupyter-config" / "coderemote_kernel_config.py"
    file.write_text('c.CodeRemoteKernel.tier = "no-namespaces"\n')

    assert json.loads(run("doctor", "--json", "--tier=full").stdout)["tier"] == "full"


@pytest.mark.sandbox
def test_settings_may_be_given_with_a_space(jupyter_dirs):
    done = run("doctor", "--json", "--CodeRemoteKernel.nsjail", "/nonexistent/nsjail")

    assert done.returncode == 1
    assert "/nonexistent/nsjail" in done.stdout


@pytest.mark.sandbox
def test_a_missing_layer_is_status_1_and_named_in_the_last_line(jupyter_dirs):
    done = run("doctor", "--CodeRemoteKernel.nsjail=/nonexistent/nsjail")

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("Missing for tier full: nsjail")
    assert "\x1b" not in done.stdout


@pytest.mark.sandbox
def test_a_reader_that_has_seen_enough_is_no_error(jupyter_dirs):
    doctor = subprocess.Popen(DOCTOR, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert doctor.stdout is not None
    assert doctor.stderr is not None
    doctor.stdout.close()
    complaints = doctor.stderr.read()
    doctor.stderr.close()
    doctor.wait(60)

    assert complaints == b""
