"""The relay's magics are found at the head of a cell, run there, and never end the relay."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderemote_kernel.__main__ import FIRST_MAGICS
from coderemote_kernel.magics import (
    LayerRow,
    LimitRow,
    MagicCall,
    MagicResult,
    Registry,
    SandboxStatus,
    UsageError,
    default_registry,
    split,
)
from coderemote_kernel.magics.parsing import arguments_of, make_parser


class Session:
    """A session as the relay shows it to magics, at one moment."""

    def limits(self):
        return [
            LimitRow(
                "memory_bytes", 2**30, "bytes", "memory of the whole jail", "cgroup", 5 * 2**20
            ),
            LimitRow("cell_timeout_s", 120.0, "s", "wall time of a cell", "interrupt, then kill"),
            LimitRow("cpu_time_s", None, "s", "CPU time of a cell", "watchdog", 0.25),
            LimitRow("processes", 256, "count", "processes & <threads>", "RLIMIT_NPROC", 12),
            LimitRow("cpus", 1.5, "cores", "CPUs", "cgroup"),
        ]

    def status(self):
        return SandboxStatus(
            tier="full",
            layers=(
                LayerRow("namespaces", "yes", "yes"),
                LayerRow("cgroup", "yes", "no", "not delegated:\nsee <doctor>"),
            ),
            interpreter="/opt/course/bin/python",
            processes=9,
            memory_bytes=80 * 2**20,
            cpu_s=1.25,
            output_bytes=2048,
            cells_run=1234,
            jails_started=2,
            held_back=MappingProxyType({"text/html": 2, "application/javascript": 1}),
        )


class Job:
    """A magic in both forms, with the words of its call for a result."""

    name = "job"
    forms = frozenset({"line", "cell"})
    options = ("--name", "--wait")

    def help_text(self):
        return "%job: run it later"

    def run(self, call, session):
        parser = make_parser("job", "Run it later")
        parser.add_argument("--name")
        parser.add_argument("--wait", type=int)
        parser.add_argument("words", nargs="*")
        found = arguments_of(parser, call.args)
        if found.words == ["crash"]:
            raise ZeroDivisionError("by accident")
        return MagicResult(f"{found.name} {found.wait} {found.words} {call.cell_body!r}")


@pytest.fixture
def registry():
    registry = default_registry()
    registry.add(Job())
    return registry


def run(registry, source):
    calls, _ = split(source, registry)
    (result,) = [registry.run(call, Session()) for call in calls]
    return result


@pytest.mark.parametrize(
    ("source", "calls", "rest"),
    [
        ("%limits", [("limits", "", 1, None)], ""),
        ("%limits\n", [("limits", "", 1, None)], "\n"),
        ("%limits --json\nx = 1", [("limits", "--json", 1, None)], "\nx = 1"),
        ("%limits\r\n%job\r\nx", [("limits", "", 1, None), ("job", "", 2, None)], "\r\n\r\nx"),
        ("\n\n  %limits  \nx", [("limits", "", 3, None)], "\n\n\nx"),
        ("# first\n%limits # x\ny", [("limits", "# x", 2, None)], "# first\n\ny"),
        ("%limits \\\n  --json\nx", [("limits", "--json", 1, None)], "\n\nx"),
        ("%limits \\", [("limits", "", 1, None)], ""),
        ("%limits?\nx", [("limits", "--help", 1, None)], "\nx"),
        ("%limits ??", [("limits", "--help", 1, None)], ""),
        ("?%limits", [("limits", "--help", 1, None)], ""),
        ("??%%job\nx", [("job", "--help", 1, None)], "\nx"),
        ("%%job?\nx", [("job", "--help", 1, None)], "\nx"),
        ("%job a b", [("job", "a b", 1, None)], ""),
        ("%%job --wait 3\nx = 1\n\ny", [("job", "--wait 3", 1, "x = 1\n\ny")], "\n\n\n"),
        ("%%job", [("job", "", 1, "")], ""),
        ("%limits\n\n%%job\nx", [("limits", "", 1, None), ("job", "", 3, "x")], "\n\n\n"),
        ("%%job\n%limits", [("job", "", 1, "%limits")], "\n"),
    ],
    ids=repr,
)  # fmt: skip
def test_leading_magics_are_taken_out_and_lines_keep_their_numbers(registry, source, calls, rest):
    assert split(source, registry) == ([MagicCall(*call) for call in calls], rest)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1",
        "x = 1\n%limits",
        "%time\n%limits",
        "%limitsx",
        "%limits.x",
        "%limits-x",
        "%%limits\nx",
        "a = %limits",
        "%",
        "%%",
        "% limits",
        "# comment\n%%job\nx",
        "if x:\n    %limits",
        "'''\n%limits\n'''",
        "x = 5 \\\n%limits",
        "%timeit \\\n%limits",
        "!%limits",
    ],
    ids=repr,
)
def test_anything_else_is_left_to_the_worker(registry, source):
    assert split(source, registry) == ([], source)


LINES = st.lists(
    st.sampled_from(["%limits", "%%job", "%job?", "# x", "", "x = 1", "  ", "%sandbox \\", "?%job"])
    | st.text(max_size=10),
    max_size=6,
)


@given(st.builds(lambda lines, end: end.join(lines), LINES, st.sampled_from(["\n", "\r\n", "\r"])))
def test_no_line_is_ever_lost_or_moved(source):
    registry = default_registry()
    registry.add(Job())
    calls, rest = split(source, registry)
    ends = re.compile(r"\r\n|\r|\n")
    assert ends.findall(rest) == ends.findall(source)
    for before, after in zip(ends.split(source), ends.split(rest), strict=True):
        assert after in {before, ""}
    if not calls:
        assert rest == source
    # What has been taken out is not found again.
    assert split(rest, registry)[0] == [] or any(call.cell_body is None for call in calls)
    for call in calls:
        assert registry.run(call, Session()) is not None


def test_limits_are_shown_with_units_and_use(registry):
    result = run(registry, "%limits")
    assert result.error is None
    assert result.text_plain.splitlines() == [
        "limit           value      used    bounds                    means",
        "--------------  ---------  ------  ------------------------  --------------------",
        "memory_bytes    1 GiB      5 MiB   memory of the whole jail  cgroup",
        "cell_timeout_s  120 s      -       wall time of a cell       interrupt, then kill",
        "cpu_time_s      no limit   0.25 s  CPU time of a cell        watchdog",
        "processes       256        12      processes & <threads>     RLIMIT_NPROC",
        "cpus            1.5 cores  -       CPUs                      cgroup",
    ]


def test_limits_are_given_as_data_on_request(registry):
    data = json.loads(run(registry, "%limits --json").text_plain)
    assert data[0] == {
        "name": "memory_bytes",
        "value": 2**30,
        "unit": "bytes",
        "bounds": "memory of the whole jail",
        "means": "cgroup",
        "used": 5 * 2**20,
    }
    assert data[2]["value"] is None


def test_the_sandbox_shows_layers_and_use(registry):
    lines = run(registry, "%sandbox").text_plain.splitlines()
    assert lines[2:4] == [
        "namespaces  yes     yes",
        "cgroup      yes     no   not delegated: see <doctor>",
    ]
    facts = dict(re.split(r"\s{2,}", line) for line in lines[7:])
    assert facts == {
        "tier": "full",
        "interpreter": "/opt/course/bin/python",
        "processes and threads now": "9",
        "memory now": "80 MiB",
        "CPU time used": "1.25 s",
        "output sent": "2 KiB",
        "cells run": "1,234",
        "jails started": "2",
        "active output held back": "1 x application/javascript, 2 x text/html",
    }


def test_the_sandbox_is_given_as_data_on_request(registry):
    data = json.loads(run(registry, "%sandbox --json").text_plain)
    assert data["layers"][1]["got"] == "no"
    assert data["held_back"] == {"text/html": 2, "application/javascript": 1}


@pytest.mark.parametrize("magic", ["%limits", "%sandbox"])
def test_tables_are_inert_html(registry, magic):
    tags = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append((tag, dict(attrs)))

    html = run(registry, magic).html
    Collector().feed(html)
    assert {tag for tag, _ in tags} == {"table", "thead", "tbody", "tr", "th", "td"}
    plain = ({}, {"border": "1", "class": "dataframe"}, {"style": "text-align: left"})
    assert all(attrs in plain for _, attrs in tags)
    assert "<threads>" not in html
    assert "<doctor>" not in html


@pytest.mark.parametrize("source", ["%limits --help", "%limits -h", "%limits?", "?%limits"])
def test_help_says_what_a_magic_does_and_takes(registry, source):
    result = run(registry, source)
    assert result.error is None
    assert result.text_plain.startswith("usage: %limits [-h] [--json]")
    assert "--json" in result.text_plain
    assert "exit" not in result.text_plain


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("%limits --js", "%limits: unrecognized arguments: --js. Try %limits --help."),
        ("%limits memory", "%limits: unrecognized arguments: memory. Try %limits --help."),
        ("%limits 'a", "%limits: no closing quotation in \"'a\"."),
        ("%job --wait x", "%job: argument --wait: invalid int value: 'x'. Try %job --help."),
        ("%job --name", "%job: argument --name: expected one argument. Try %job --help."),
    ],
    ids=repr,
)  # fmt: skip
def test_a_wrong_call_is_one_line_and_prints_nothing(registry, source, error, capfd):
    assert run(registry, source).error == f"UsageError: {error}"
    assert capfd.readouterr() == ("", "")


def test_a_magic_that_fails_answers_the_cell(registry, caplog):
    assert run(registry, "%job crash").error == "ZeroDivisionError: %job failed: by accident"


def test_an_unknown_magic_is_an_error(registry):
    result = registry.run(MagicCall("snippet", "", 1), Session())
    assert result.error == "UsageError: there is no magic named %snippet here."


def test_a_cell_magic_gets_its_body(registry):
    result = run(registry, "%%job --name 'a b' --wait 3 x\nprint(1)")
    assert result.text_plain == "a b 3 ['x'] 'print(1)'"


def test_two_magics_of_one_name_are_refused(registry):
    with pytest.raises(ValueError, match="'job' is registered already"):
        registry.add(Job())


def test_subcommands_keep_the_manners_of_the_parser(capfd):
    parser = make_parser("snippet", "Keep code")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("save").add_argument("title")
    assert arguments_of(parser, "save 'my title'").title == "my title"
    for wrong in ("", "save", "lose x", "save a b"):
        with pytest.raises(UsageError, match="%snippet"):
            arguments_of(parser, wrong)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "matches", "start"),
    [
        ("%", ("%%job", "%job", "%limits", "%sandbox"), 0),
        ("%l", ("%limits",), 0),
        ("  %sand", ("%sandbox",), 2),
        ("%%", ("%%job",), 0),
        ("%%l", (), 0),
        ("%limits ", ("--help", "--json"), 8),
        ("%limits --j", ("--json",), 8),
        ("%%job --name x --w", ("--wait",), 15),
        ("%limits --x", (), 8),
        ("limits", (), 6),
        ("%timeit --", (), 10),
        ("x = %l", (), 6),
        ("", (), 0),
    ],
    ids=repr,
)
def test_names_and_options_are_completed(registry, line, matches, start):
    found = registry.complete(line, len(line))
    assert (found.matches, found.start, found.end) == (matches, start, len(line))


def test_completion_looks_only_at_what_is_before_the_cursor(registry):
    found = registry.complete("%limits --json", 10)
    assert (found.matches, found.start, found.end) == (("--help", "--json"), 8, 10)
    assert registry.complete("%l", 99).matches == ("%limits",)
    assert registry.complete("%l", -1).matches == ()


@given(st.text(max_size=30), st.integers(-5, 40))
def test_any_line_is_completed_within_itself(line, cursor):
    found = Registry(default_registry()).complete(line, cursor)
    assert 0 <= found.start <= found.end <= len(line)


def test_nothing_slow_is_imported_before_a_magic_is_called():
    script = (
        "import sys; from coderemote_kernel.magics import default_registry, split;"
        "split('%limits', default_registry()); print('argparse' in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_first_worker_is_told_of_the_magics_there_are():
    assert [magic.name for magic in default_registry()] == FIRST_MAGICS
