"""From the description of a jail to nsjail's configuration, and what the jail then looks like."""

# Names and descriptors are handled as the code under test does, by os.
# ruff: noqa: PTH110, PTH116

from __future__ import annotations

import json
import os
import stat
import sys
from typing import Any

import pytest

from coderemote_sandbox import interpreter, tiers
from coderemote_sandbox.errors import NsjailMissing
from coderemote_sandbox.limits import GIB, MIB, Limits
from coderemote_sandbox.nsjail import LEASH_FD, WALL_FD, JailSpec, configuration, find_nsjail


def configured(**options: Any) -> dict[str, Any]:
    chosen = {"limits": Limits(), "tier": tiers.FULL, "workspace": "/stage/workspace", **options}
    return json.loads(configuration(JailSpec(interpreter=interpreter.describe(), **chosen)))


def mounted(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["dst"]: mount for mount in config["mount"]}


def test_nothing_is_inherited_but_wall_and_leash():
    config = configured()
    assert config["pass_fd"] == [WALL_FD, LEASH_FD]
    assert config["keep_env"] is False
    assert config["keep_caps"] is False


def test_every_namespace_is_asked_for():
    config = configured()
    kinds = "net user ns pid ipc uts cgroup".split()
    assert all(config[f"clone_new{kind}"] is True for kind in kinds)


def test_without_namespaces_nothing_is_mounted_and_no_socket_can_be_made():
    config = configured(tier=tiers.NO_NAMESPACES)
    assert "mount" not in config
    assert not any(value for name, value in config.items() if name.startswith("clone_"))
    assert "ERRNO(95) { socket }" in config["seccomp_string"][0]


def test_the_worker_is_never_root_outside():
    for tier in (tiers.FULL, tiers.NO_NAMESPACES):
        config = configured(tier=tier)
        for identity in config["uidmap"] + config["gidmap"]:
            assert identity["outside_id"] != "0"
            assert identity["inside_id"] != "0"
            assert identity["count"] == 1
            # An empty id means the caller's own.
            assert identity["outside_id"] or os.geteuid() != 0


def test_nsjails_own_defaults_do_not_apply():
    config = configured()
    assert config["time_limit"] == 0
    assert config["nice_level"] == 0
    assert config["rlimit_cpu_type"] == "INF"
    assert config["rlimit_core"] == 0


def test_limits_are_handed_on_in_nsjails_units():
    limits = Limits(
        memory_bytes=GIB, processes=77, open_files=99, file_size_bytes=5 * MIB, tmp_bytes=3 * MIB
    )
    config = configured(limits=limits)
    assert config["rlimit_as"] == 1024 + 8192
    assert config["rlimit_nproc"] == 77
    assert config["rlimit_nofile"] == 99
    assert config["rlimit_fsize"] == 5
    assert f"size={3 * MIB}," in mounted(config)["/tmp"]["options"]
    assert f"size={3 * MIB}," in mounted(config)["/dev/shm"]["options"]
    assert config["exec_bin"]["arg"][-2] == str(GIB)  # for RLIMIT_DATA, which nsjail cannot set


@pytest.mark.parametrize(("cpus", "pinned"), [(0, None), (0.5, None), (1.0, 1), (2.5, 2)])
def test_whole_processors_are_pinned(cpus, pinned):
    assert configured(limits=Limits(cpus=cpus)).get("max_cpus") == pinned


def test_only_the_working_directory_and_tmpfs_are_writable():
    writable = {place for place, mount in mounted(configured()).items() if mount.get("rw")}
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "urandom", "random")}
    assert writable == {"/workspace", "/tmp", "/dev/shm", "/dev/pts", *devices}


def test_every_mount_refuses_set_user_id_programs():
    for mount in configured()["mount"]:
        own = mount.get("is_symlink") or "src_content" in mount or mount.get("fstype") == "devpts"
        assert own or mount["nosuid"], mount


def test_file_systems_in_memory_come_before_what_may_lie_below_them():
    order = [mount["dst"] for mount in configured(read_only=("/tmp/course",))["mount"]]
    assert order.index("/tmp") < order.index("/tmp/course")


def test_a_source_on_the_stage_is_bound_to_its_own_path():
    config = configured(read_only=("/data",), sources={"/data": "/stage/source-3"})
    assert mounted(config)["/data"]["src"] == "/stage/source-3"


def test_a_tier_without_proc_has_none():
    assert "/proc" in mounted(configured())
    assert "/proc" not in mounted(configured(tier=tiers.FULL_NOPROC))


def test_a_folder_beside_the_workspace_is_read_only():
    mount = mounted(configured(folder="/stage/lower"))["/notebook"]
    assert mount["src"] == "/stage/lower"
    assert mount["rw"] is False


def test_text_of_any_kind_survives_the_configuration():
    awkward = 'a "quoted" \\ back\nline\tä€😀 $HOME'
    config = configured(environment={"X": awkward}, options={"x": awkward})
    assert f"X={awkward}" in config["envar"]
    assert json.loads(config["exec_bin"]["arg"][-1])["x"] == awkward


def test_a_configured_nsjail_is_taken_as_it_is():
    assert find_nsjail(sys.executable) == sys.executable


def test_nsjail_is_never_looked_for_where_others_can_put_one(tmp_path, monkeypatch):
    planted = tmp_path / "nsjail"
    planted.write_text("#!/bin/sh\n")
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NSJAIL", str(planted))
    assert find_nsjail() != str(planted)


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_a_wrong_nsjail_is_refused_with_the_setting_to_correct(tmp_path, kind):
    path = tmp_path / "nsjail"
    if kind == "folder":
        path.mkdir()
    elif kind == "not executable":
        path.write_text("")
    with pytest.raises(NsjailMissing, match=r"CodeRemoteKernel\.nsjail"):
        find_nsjail(str(path))


# From here on: as it looks from inside.


@pytest.mark.sandbox
def test_the_worker_is_nobody_in_particular(shared_session):
    ids = shared_session.value(
        "import json, os; print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups()]))"
    )
    # Supplementary groups of the starter would show as "nogroup" and still give access.
    assert ids[:2] == [[1000] * 3] * 2


@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="an unprivileged user cannot drop its groups")
def test_no_group_of_the_starter_is_kept(shared_session):
    groups = shared_session.value("import json, os; print(json.dumps(os.getgroups()))")
    assert set(groups) <= {1000}


@pytest.mark.sandbox
def test_no_variable_of_the_starter_is_inherited(shared_session):
    inside = shared_session.value("import json, os; print(json.dumps(dict(os.environ)))")
    expected = {
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME",
        "JUPYTER_RUNTIME_DIR", "PYTHONDONTWRITEBYTECODE",
    }  # fmt: skip
    # The rest is set by ipykernel and IPython themselves.
    theirs = {
        "TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "GIT_PAGER", "MPLBACKEND",
        "JPY_PARENT_PID", "PYDEVD_USE_FRAME_EVAL",
    }  # fmt: skip
    assert set(inside) <= expected | theirs | {"USER", "LOGNAME", "SHELL", "PWD"}


@pytest.mark.sandbox
def test_only_wall_and_standard_streams_are_open_in_the_worker(shared_session):
    code = r"""
import json, os, stat
kinds = {}
for name in os.listdir("/proc/self/fd"):
    try:
        kinds[name] = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        pass
files = {n: k for n, k in kinds.items() if k.startswith("/") and not k.startswith("/dev/")}
print(json.dumps(files))
"""
    opened = shared_session.value(code)
    assert not [
        path for path in opened.values() if not path.startswith(("/proc", "/tmp", "/workspace"))
    ]


@pytest.mark.sandbox
def test_nothing_can_be_written_but_workspace_tmp_and_shared_memory(shared_session):
    code = r"""
import json, os
written = []
for top, folders, files in os.walk("/"):
    if top.startswith(("/proc", "/usr", "/lib")):
        folders.clear()
        continue
    try:
        with open(os.path.join(top, "x"), "w"):
            pass
        os.remove(os.path.join(top, "x"))
        written.append(top)
    except OSError:
        pass
    if top in ("/workspace", "/tmp"):
        folders.clear()
    elif top.count("/") > 6:
        folders.clear()
for top in ("/usr", "/usr/bin", "/usr/lib", "/coderemote"):
    assert not os.access(top, os.W_OK), top
print(json.dumps(sorted(written)))
"""
    assert shared_session.value(code) == ["/dev/shm", "/tmp", "/workspace"]


@pytest.mark.sandbox
def test_there_is_no_network_but_the_jails_own_loopback(shared_session):
    code = r"""
import json, socket
def reach(address):
    try:
        socket.create_connection(address, 2).close()
    except OSError as error:
        return error.errno
    return 0
listener = socket.create_server(("127.0.0.1", 0))
own = reach(listener.getsockname())
far = [reach((place, 80)) for place in ("192.0.2.1", "10.0.0.1", "169.254.169.254")]
print(json.dumps([own, far, [name for _, name in socket.if_nameindex()]]))
"""
    own, far, interfaces = shared_session.value(code)
    assert own == 0
    assert all(far)
    assert set(interfaces) <= {
        "lo",
        "tunl0",
        "sit0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "ip6tnl0",
        "ip6gre0",
    }
    assert "lo" in interfaces


@pytest.mark.sandbox
def test_only_the_jails_own_processes_are_to_be_seen(shared_session):
    code = (
        "import json, os; print(json.dumps([int(p) for p in os.listdir('/proc') if p.isdigit()]))"
    )
    pids = shared_session.value(code)
    assert 1 in pids
    assert len(pids) <= 3


@pytest.mark.sandbox
def test_pid_1_is_closed_to_the_worker(shared_session):
    code = r"""
import json, os, signal
refused = []
for path in ("environ", "mem", "fd", "maps", "root", "cwd"):
    try:
        os.listdir(f"/proc/1/{path}") if path == "fd" else open(f"/proc/1/{path}", "rb").read(1)
    except OSError:
        refused.append(path)
os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGSTOP)
os.kill(1, signal.SIGTERM)
os.kill(1, signal.SIGINT)
print(json.dumps(refused))
"""
    assert shared_session.value(code) == ["environ", "mem", "fd", "maps", "root", "cwd"]
    assert shared_session.run("print('alive')") == "alive\n"


@pytest.mark.sandbox
def test_a_set_user_id_program_gives_no_rights(shared_session):
    found = [p for p in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd") if os.path.exists(p)]
    found = [path for path in found if os.stat(path).st_mode & stat.S_ISUID]
    if not found:
        pytest.skip("no set-user-id program here")
    flags = f"[os.statvfs(path).f_flag & os.ST_NOSUID for path in {found}]"
    code = f"import json, os; print(json.dumps({flags}))"
    assert all(shared_session.value(code))


@pytest.mark.sandbox
def test_variables_and_folders_of_the_plan_reach_the_jail(opened, tmp_path, make_plan):
    data = tmp_path / "some data, with: oddities"
    data.mkdir()
    (data / "table.csv").write_text("1,2")
    tmp_path.chmod(0o755)
    read_only = (*make_plan().read_only, str(data))
    with opened(environment={"COURSE": "physics = 1"}, read_only=read_only) as session:
        assert session.run("import os; print(os.environ['COURSE'])") == "physics = 1\n"
        assert session.run(f"print(open({str(data / 'table.csv')!r}).read())") == "1,2\n"
        assert (
            session.value(f"import json; print(json.dumps(os.access({str(data)!r}, os.W_OK)))")
            is False
        )
