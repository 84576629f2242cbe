"""The doctor in worlds where something is missing: it says what, why, and what to do."""

from __future__ import annotations

import os
import sys

import pytest

pytestmark = pytest.mark.sandbox


def test_where_nothing_is_missing_every_layer_is_there(examined):
    found = examined("plain")

    assert found.missing() == set()
    assert found.status == 0
    assert found.report["possible"] == ["full", "full-noproc", "no-namespaces"]
    assert found.row("namespaces")["got"] == "pid net ipc uts cgroup"
    assert found.row("a cell")["got"].endswith("on tier full")


def test_it_is_done_in_seconds(examined):
    assert examined("plain").report["ms"] < 5000


def test_without_user_namespaces_it_names_the_switch(examined):
    found = examined("no user namespaces")

    assert found.status == 1
    assert {"user namespaces", "mount namespace", "tier", "a cell"} <= found.missing()
    assert "sysctl -w user.max_user_namespaces" in found.row("user namespaces")["fix"]
    assert found.report["possible"] == ["no-namespaces"]


def test_what_is_not_wanted_is_not_missing(examined):
    found = examined("no user namespaces", "--tier", "no-namespaces")

    assert found.status == 0
    assert found.row("user namespaces")["ok"] is None
    assert found.row("user namespaces")["fix"] == ""
    assert found.row("landlock")["ok"] in {True, None}
    assert found.row("network")["ok"] is True
    assert found.row("a cell")["got"].endswith("on tier no-namespaces")


def test_a_masked_proc_is_noticed(examined):
    found = examined("masked proc")

    assert found.report["possible"] == ["full-noproc", "no-namespaces"]
    assert found.row("tier")["ok"] is True
    assert found.row("own /proc")["ok"] is None
    assert "procMount" in found.row("own /proc")["fix"]


def test_a_masked_proc_is_done_without(examined):
    assert examined("masked proc").row("a cell")["got"].endswith("on tier full-noproc")


def test_read_only_cgroups_are_noticed(examined):
    found = examined("read-only cgroups")

    assert found.row("cgroup")["ok"] is None
    assert "Read-only" in found.row("cgroup")["got"]
    assert "read-only" in found.row("cgroup")["fix"]


def test_a_cgroup_that_is_required_is_missing_where_there_is_none(examined):
    found = examined("read-only cgroups", "--CodeRemoteKernel.require_cgroup=True")

    assert found.status == 1
    assert found.row("cgroup")["ok"] is False
    assert "cgroup" in found.row("a cell")["got"]


def test_a_filter_like_dockers_is_blamed_on_the_container(examined_under):
    found = examined_under("docker")

    assert found.status == 1
    assert "seccomp profile" in found.row("user namespaces")["fix"]
    assert found.report["possible"] == ["no-namespaces"]
    assert "no-namespaces" in found.row("tier")["fix"]


def test_under_a_filter_like_dockers_the_weaker_tier_runs_a_cell(examined_under):
    found = examined_under("docker", "--tier=no-namespaces")

    assert found.missing() == set()
    assert found.status == 0


def test_namespaces_without_power_are_blamed_on_apparmor(examined_under, switches):
    found = examined_under("powerless", world="ubuntu", **switches)

    assert "powerless" in found.row("user namespaces")["got"]
    assert found.row("user namespaces")["fix"].startswith("coderemote doctor --fix")
    assert found.row("apparmor")["ok"] is False
    assert found.row("apparmor")["fix"] == "coderemote doctor --fix"


def test_a_restriction_that_does_not_hold_us_back_is_no_fault(examined, switches):
    found = examined("ubuntu", **switches)

    assert found.row("apparmor")["ok"] is True
    assert "our profile is missing" in found.row("apparmor")["got"]


@pytest.mark.parametrize("path", ["/nonexistent/nsjail", "/bin/true"])
def test_an_nsjail_that_is_none_is_named(examined, path):
    found = examined("plain", f"--CodeRemoteKernel.nsjail={path}")

    assert found.status == 1
    assert path in found.row("nsjail")["got"]
    assert "CodeRemoteKernel.nsjail" in found.row("nsjail")["fix"]


@pytest.mark.parametrize("path", ["/nonexistent/python", "/bin/true"])
def test_an_interpreter_that_is_none_is_named(examined, path):
    found = examined("plain", f"--CodeRemoteKernel.interpreter={path}")

    assert found.status == 1
    assert path in found.row("interpreter")["got"]
    assert {"interpreter", "a cell"} <= found.missing()


def test_limits_that_this_machine_cannot_hold_are_missing(examined):
    found = examined("plain", "--CodeRemoteKernel.memory_bytes=512T")

    assert found.row("limits")["ok"] is False
    assert "memory_bytes" in found.row("limits")["got"]


def test_a_working_directory_of_another_kind_is_what_was_asked_for(examined):
    found = examined("plain", "--CodeRemoteKernel.workspace_mode=readonly")

    assert found.row("working directory")["got"] == "readonly"
    assert found.missing() == set()


def test_a_folder_that_does_not_exist_keeps_the_cell_from_running(examined):
    found = examined("plain", "--CodeRemoteKernel.workspace=/nonexistent/folder")

    assert found.missing() == {"a cell"}
    assert "/nonexistent/folder" in found.row("a cell")["got"]


def test_packages_outside_of_the_jail_are_missed_inside(other_user):
    found = other_user.examine()

    assert "ipykernel inside" in found.missing()
    assert "extra_read_only" in found.row("ipykernel inside")["fix"]


def test_a_user_without_rights_gets_the_whole_tier(other_user):
    found = other_user.examine(f"--CodeRemoteKernel.extra_read_only={os.path.realpath(sys.prefix)}")

    assert found.missing() == set()
    assert found.row("user namespaces")["got"] == "yes, as this user"
    assert found.row("a cell")["got"].endswith("on tier full")


@pytest.mark.skipif(os.geteuid() != 0, reason="what root does differently")
def test_root_keeps_the_owners_of_files_apart_from_the_jails_user():
    from coderemote_sandbox.doctor import examine
    from coderemote_sandbox.launcher import Plan

    rows = {row.layer: row for row in examine(Plan()).rows}

    assert rows["mapped owners"].got == "yes"
    assert rows["user namespaces"].got == "yes, as root"
