"""Ubuntu's restriction of user namespaces, as far as it can be played without an AppArmor."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from coderemote_sandbox.doctor import profile
from coderemote_sandbox.doctor.repair import RepairError, repair

COMMAND = [sys.executable, "-m", "coderemote_kernel.cli", "doctor", "--fix"]


@pytest.fixture
def ubuntu(tmp_path):
    """A folder that stands for the ``/`` of a machine with the restriction."""
    root = tmp_path / "root"
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    (root / "sys/kernel/security/apparmor").mkdir(parents=True)
    (root / "sys/kernel/security/apparmor/profiles").write_text("other (enforce)\n")
    (root / "etc/apparmor.d").mkdir(parents=True)
    return root


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The programs of the outside world, writing down what they were asked to do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"

    def add(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    add("apparmor_parser", "")
    add("sudo", 'exec "$@"')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return add, log


def no_question(question: str) -> bool:
    raise AssertionError(question)


def test_the_profile_grants_user_namespaces_to_nsjail_alone():
    text = profile.profile_text("/opt/x/nsjail")
    rules = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]

    assert rules == [
        "abi <abi/4.0>,",
        "include <tunables/global>",
        'profile coderemote-nsjail "/opt/x/nsjail" flags=(unconfined) {',
        "userns,",
        "include if exists <local/coderemote-nsjail>",
        "}",
    ]


def test_the_profile_names_the_file_that_a_link_leads_to(tmp_path):
    # AppArmor sees the path of what is run, links resolved.
    real = tmp_path / "real"
    real.write_text("")
    (tmp_path / "link").symlink_to(real)

    assert f'"{os.path.realpath(real)}"' in profile.profile_text(str(tmp_path / "link"))


@pytest.mark.parametrize("path", ['/a"b', "/a*", "/a{b,c}", "/a\nb", "/@{HOME}/a", "/a[b]"])
def test_a_path_that_means_more_to_apparmor_is_refused(path):
    with pytest.raises(ValueError, match="plainer path"):
        profile.profile_text(path)


def test_a_machine_without_apparmor_has_no_restriction(tmp_path):
    found = profile.restriction(str(tmp_path))

    assert (found.known, found.active, found.loaded, found.installed) == (False, False, None, False)


def test_the_restriction_and_our_profile_are_found(ubuntu):
    before = profile.restriction(str(ubuntu))
    (ubuntu / "sys/kernel/security/apparmor/profiles").write_text(
        "coderemote-nsjail (unconfined)\n"
    )
    (ubuntu / "etc/apparmor.d/coderemote-nsjail").write_text("")
    after = profile.restriction(str(ubuntu))

    assert (before.known, before.active, before.loaded, before.installed) == (
        True,
        True,
        False,
        False,
    )
    assert (after.loaded, after.installed) == (True, True)


def test_a_fix_shows_the_commands_asks_and_runs_them(ubuntu, programs):
    _, log = programs
    said, asked = [], []

    def agree(question: str) -> bool:
        asked.append(question)
        assert not log.exists(), "something was run before the answer"
        return True

    done = repair("/opt/x/nsjail", agreed=agree, say=said.append, root=str(ubuntu))

    target = ubuntu / "etc/apparmor.d/coderemote-nsjail"
    assert done
    assert len(asked) == 1
    assert target.read_text() == profile.profile_text("/opt/x/nsjail")
    assert f"apparmor_parser --replace {target}" in log.read_text()
    assert any("apparmor_parser --replace" in line for line in said)


def test_a_fix_that_is_declined_runs_nothing(ubuntu, programs):
    _, log = programs

    assert not repair("/x/nsjail", agreed=lambda _: False, say=lambda _: None, root=str(ubuntu))
    assert not log.exists()
    assert not (ubuntu / "etc/apparmor.d/coderemote-nsjail").exists()


def test_a_fix_where_nothing_is_restricted_asks_nothing(tmp_path):
    said = []

    assert repair("/x/nsjail", agreed=no_question, say=said.append, root=str(tmp_path))
    assert "nothing else to repair" in said[0]


def test_a_fix_that_fails_names_the_command_and_its_words(ubuntu, programs):
    add, _ = programs
    add("apparmor_parser", "echo 'syntax error' >&2; exit 7")

    with pytest.raises(RepairError, match=r"apparmor_parser .* exit status 7: syntax error"):
        repair("/x/nsjail", agreed=lambda _: True, say=lambda _: None, root=str(ubuntu))


def test_a_fix_without_the_program_says_so(ubuntu, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RepairError, match="No such file"):
        repair("/x/nsjail", agreed=lambda _: True, say=lambda _: None, root=str(ubuntu))


@pytest.mark.sandbox
def test_somebody_who_is_not_root_is_helped_by_sudo(run_in, switches, programs):
    add, log = programs
    add("sudo", f"cat >>{log}")  # the real /etc is none of a test's business

    done = run_in("ubuntu", [*COMMAND, "--yes"], environment=switches)

    assert done.returncode == 0, done.stderr
    written = log.read_text()
    assert "sudo tee /etc/apparmor.d/coderemote-nsjail\n" in written
    assert "sudo apparmor_parser --replace /etc/apparmor.d/coderemote-nsjail" in written
    assert "profile coderemote-nsjail" in written


@pytest.mark.sandbox
@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_the_command_takes_anything_but_yes_for_no(run_in, switches, programs, answer):
    _, log = programs

    done = run_in("ubuntu", COMMAND, environment=switches, text=answer)

    assert done.returncode == 1
    assert not log.exists()


@pytest.mark.sandbox
def test_a_failed_sudo_ends_the_command_with_one_line(run_in, switches, programs):
    add, _ = programs
    add("sudo", "echo 'a password is required' >&2; exit 1")

    done = run_in("ubuntu", [*COMMAND, "--yes"], environment=switches)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "a password is required" in done.stderr


ENTER = """
from coderemote_sandbox.doctor.apparmor import enter_profile
enter_profile()
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("place", ["self/attr/apparmor/current", "self/attr/current"])
def test_a_process_asks_for_the_profile_by_name(run_in, tmp_path, place):
    fake = fake_proc(tmp_path, place, restricted=True)

    done = run_in("another proc", [sys.executable, "-c", ENTER], environment={"FAKE_PROC": fake})

    assert done.returncode == 0, done.stderr
    assert Path(fake, place).read_text() == "changeprofile coderemote-nsjail"


@pytest.mark.sandbox
def test_a_process_asks_for_nothing_where_nothing_is_restricted(run_in, tmp_path):
    place = "self/attr/apparmor/current"
    fake = fake_proc(tmp_path, place, restricted=False)

    done = run_in("another proc", [sys.executable, "-c", ENTER], environment={"FAKE_PROC": fake})

    assert done.returncode == 0, done.stderr
    assert Path(fake, place).read_text() == ""


@pytest.mark.sandbox
def test_a_process_goes_on_where_it_may_not_ask(run_in, tmp_path):
    fake = fake_proc(tmp_path, "self/other", restricted=True)

    done = run_in("another proc", [sys.executable, "-c", ENTER], environment={"FAKE_PROC": fake})

    assert done.returncode == 0, done.stderr


def fake_proc(tmp_path: Path, place: str, *, restricted: bool) -> str:
    proc = tmp_path / "proc"
    (proc / place).parent.mkdir(parents=True)
    (proc / place).write_text("")
    (proc / "sys/kernel").mkdir(parents=True)
    if restricted:
        (proc / "sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    return str(proc)
