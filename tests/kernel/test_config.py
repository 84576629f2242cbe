"""Settings come from files and the command line, and a wrong one stops the kernel."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderemote_kernel.config import CodeRemoteKernel, load, read, settings_from
from coderemote_kernel.config.reference import markdown
from coderemote_kernel.settings import Settings, needs_loading
from coderemote_sandbox.errors import ConfigurationError

PROJECT = Path(__file__).parents[2]
PYTHON_FILE = "coderemote_kernel_config.py"
JSON_FILE = "coderemote_kernel_config.json"


@pytest.fixture
def config_dir(jupyter_dirs, monkeypatch):
    """Return the user's configuration directory, the only one with anything in it."""
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    monkeypatch.delenv("JUPYTER_NO_CONFIG", raising=False)
    return jupyter_dirs / "jupyter-config"


def option(name, value):
    return f"--CodeRemoteKernel.{name}={value}"


def test_traits_and_settings_have_the_same_names_and_defaults():
    kernel = CodeRemoteKernel()
    assert set(kernel.traits(config=True)) == {field.name for field in fields(Settings)}
    assert settings_from(read([])) == Settings()
    for field in fields(Settings):
        assert getattr(kernel, field.name) == getattr(Settings(), field.name)


def test_every_trait_has_help_and_a_group():
    for name, trait in CodeRemoteKernel.class_traits(config=True).items():
        assert trait.help.endswith("."), name
        assert trait.metadata["group"], name


def test_nothing_configured_gives_the_defaults(config_dir):
    assert load(["-f", "kernel-1.json"]) == Settings()


def test_a_python_file_is_read(config_dir):
    (config_dir / PYTHON_FILE).write_text(
        "c = get_config()\n"
        "c.CodeRemoteKernel.memory_bytes = '512M'\n"
        "c.CodeRemoteKernel.extra_allowed_imports.append('numpy')\n"
        "c.CodeRemoteKernel.environment.update({'COURSE': 'cs101'})\n"
    )
    assert needs_loading([])
    settings = load([])
    assert settings.memory_bytes == 512 * 1024**2
    assert settings.extra_allowed_imports == ("numpy",)
    assert settings.environment == {"COURSE": "cs101"}


def test_json_wins_over_python_and_the_command_line_over_both(config_dir):
    (config_dir / PYTHON_FILE).write_text(
        "c.CodeRemoteKernel.processes = 100\n"
        "c.CodeRemoteKernel.open_files = 100\n"
        "c.CodeRemoteKernel.cpus = 1\n"
    )
    (config_dir / JSON_FILE).write_text(
        json.dumps({"CodeRemoteKernel": {"open_files": 200, "cpus": 2}})
    )
    settings = load([option("cpus", "0.5")])
    assert (settings.processes, settings.open_files, settings.cpus) == (100, 200, 0.5)


def test_a_more_important_directory_wins(config_dir, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(site))
    (site / PYTHON_FILE).write_text("c.CodeRemoteKernel.processes = 50")
    (config_dir / JSON_FILE).write_text('{"CodeRemoteKernel": {"processes": 60, "cpus": 3}}')
    settings = load([])
    assert (settings.processes, settings.cpus) == (50, 3)


def test_a_named_file_replaces_those_found(config_dir, tmp_path):
    (config_dir / PYTHON_FILE).write_text("c.CodeRemoteKernel.processes = 100")
    named = tmp_path / "course.py"
    named.write_text("c.CodeRemoteKernel.cpus = 1")
    for argv in ([f"--config={named}"], ["--config", str(named)]):
        assert load(argv) == Settings(cpus=1)


def test_the_event_loggers_section_is_passed_on_untouched(config_dir):
    (config_dir / PYTHON_FILE).write_text(
        "import logging\nc.EventLogger.handlers = [logging.NullHandler()]"
    )
    config = read([])
    assert settings_from(config) == Settings()
    assert len(config.EventLogger.handlers) == 1


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([option("cell_timeout_s", "60")], {"cell_timeout_s": 60.0}),
        (["--CodeRemoteKernel.cell_timeout_s", "1.5"], {"cell_timeout_s": 1.5}),
        ([option("memory_bytes", "1.5 GiB")], {"memory_bytes": 3 * 512 * 1024**2}),
        ([option("memory_bytes", "268435456")], {"memory_bytes": 2**28}),
        ([option("tmp_bytes", "2mb")], {"tmp_bytes": 2 * 1024**2}),
        ([option("trusted_output", "true")], {"trusted_output": True}),
        ([option("tier", "no-namespaces")], {"tier": "no-namespaces"}),
        ([option("extra_comm_targets", "a, b")], {"extra_comm_targets": ("a", "b")}),
        (
            [option("extra_allowed_imports", "numpy"), option("extra_allowed_imports", "scipy")],
            {"extra_allowed_imports": ("numpy", "scipy")},
        ),
        (
            [option("environment", "A=1"), option("environment", "B=x=y")],
            {"environment": {"A": "1", "B": "x=y"}},
        ),
        ([option("extra_widget_modules", "@a/b")], {"extra_widget_modules": ("@a/b",)}),
        ([option("history_file", ":memory:")], {"history_file": ":memory:"}),
        ([option("workspace", "~/course")], {"workspace": str(Path("~/course").expanduser())}),
        ([option("workspace", "")], {}),
        ([option("require_cgroup", "True"), "-f", "x.json"], {"require_cgroup": True}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_the_command_line_is_understood(config_dir, argv, expected):
    assert load(argv) == Settings(**expected)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        ([option("cell_timeout_s", "soon")], "'soon' is not allowed; it takes seconds, 0 or more"),
        ([option("cell_timeout_s", "-1")], "0 or more"),
        ([option("cell_timeout_s", "nan")], "'nan' is not allowed"),
        ([option("cell_timeout_s", "inf")], "'inf' is not allowed"),
        ([option("cell_timeout_s", "1"), option("cell_timeout_s", "2")], "cell_timeout_s"),
        ([option("memory_bytes", "lots")], 'text such as "512M"'),
        ([option("memory_bytes", "1K")], "128 MiB or more"),
        ([option("memory_bytes", "9" * 99)], "128 MiB or more"),
        ([option("processes", "1e3")], "a whole number of processes"),
        ([option("processes", "99999999999")], "processes"),
        ([option("tier", "fulll")], "it takes 'full', 'full-noproc' or 'no-namespaces'."),
        ([option("trusted_output", "perhaps")], "True or False"),
        ([option("workspace", "course")], "the absolute path of a folder"),
        ([option("workspace", "\0/x")], "the absolute path of a folder"),
        ([option("extra_read_only", "/data,course")], "absolute folders"),
        ([option("extra_widget_modules", "Not A Package")], "npm package names"),
        ([option("extra_allowed_imports", "os; import sys")], "top-level modules"),
        ([option("memory", "1G")], "there is no such setting; did you mean memory_bytes?"),
        ([option("zzz", "1")], "there is no such setting; there are audit_log"),
        (["--CodeRemoteKernel.cpus"], "its value is missing"),
        (["--CodeRemoteKernel=1"], "there is no such option"),
        (["--OtherKernel.cpus=1"], "--OtherKernel.cpus: there is no such option"),
        (["-x", "1"], "-x: there is no such option"),

        (["--config=/nowhere/at/all.py"], "/nowhere/at/all.py: it cannot be read"),
        (["--config=/etc/hostname"], "ends in .py or .json"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_command_line_is_one_clear_line(config_dir, argv, complaint):
    with pytest.raises(ConfigurationError) as caught:
        load(argv)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("c.CodeRemoteKernel.processes = '256'", "a whole number"),
        ("c.CodeRemoteKernel.processes = True", "True is not allowed"),
        ("c.CodeRemoteKernel.cpus = 10**999", "CPUs, 0 or more"),
        ("c.CodeRemoteKernel.memory_bytes = None", "None is not allowed"),
        ("c.CodeRemoteKernel.trusted_output = 'no'", "True or False"),
        ("c.CodeRemoteKernel.extra_read_only = [1]", "absolute folders"),
        ("c.CodeRemoteKernel.environment = {'A': 1}", "a dictionary"),
        ("c.CodeRemoteKernel.environment = {'A B': 'x'}", "a dictionary"),
        ("c.CodeRemotKernel.cpus = 1", "CodeRemotKernel: these settings begin with"),
        ("c.CodeRemoteKernel.procesess = 1", "did you mean processes?"),
        ("c.CodeRemoteKernel.cpus =", "SyntaxError"),
        ("import nowhere", "ModuleNotFoundError"),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
    ],
    ids=lambda value: value,
)
def test_a_wrong_file_is_one_clear_line(config_dir, code, complaint):
    (config_dir / PYTHON_FILE).write_text(code)
    with pytest.raises(ConfigurationError) as caught:
        load([])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"CodeRemoteKernel": 3}', '{"CodeRemoteKernel": []}']
)
def test_wrong_json_is_one_clear_line(config_dir, text):
    (config_dir / JSON_FILE).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load([])
    assert "\n" not in str(caught.value)


def test_values_of_the_environment_are_not_repeated_in_an_error(config_dir):
    with pytest.raises(ConfigurationError) as caught:
        load([option("environment", "hunter2")])
    assert "hunter2" not in str(caught.value)


def test_naming_a_section_without_setting_anything_is_fine(config_dir):
    (config_dir / PYTHON_FILE).write_text("c.Application\nc.CodeRemoteKernel")
    assert load([]) == Settings()


@given(st.lists(st.text(max_size=40) | st.just(option("cpus", "1")), max_size=5))
def test_any_command_line_is_read_or_refused(argv):
    try:
        read([word for word in argv if not word.startswith("--config")])
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017 - either outcome is fine; a third one is not


@given(st.sampled_from(sorted(CodeRemoteKernel.class_traits(config=True))), st.text(max_size=30))
def test_any_text_is_taken_or_refused(name, text):
    try:
        settings_from(read(["--config=/dev/null.json", option(name, text)]))
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017


def test_the_reference_page_is_what_the_traits_say():
    assert (PROJECT / "docs" / "configuration.md").read_text() == markdown()


def test_the_reference_is_printed_on_demand():
    command = [sys.executable, "-m", "coderemote_kernel.config", "--markdown"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == markdown()
