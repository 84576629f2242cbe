"""The import policy finds everything it refuses, at the place where the user typed it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderemote_kernel.policy import ALLOWED_MODULES, Violation, allowed_modules, as_error, check


def places(source, profile="teaching", extra=()):
    return [(found.line, found.column) for found in check(source, profile, extra)]


def messages(source, profile="teaching", extra=()):
    return [found.message for found in check(source, profile, extra)]


EVERYTHING_REFUSED = "import os\n!ls\n%run x.py\nopen('x').__class__\nget_ipython()"


def test_the_open_profile_refuses_nothing():
    assert check(EVERYTHING_REFUSED, "open") == []


@pytest.mark.parametrize("module", sorted(ALLOWED_MODULES))
@pytest.mark.parametrize("profile", ["teaching", "strict"])
def test_every_module_of_the_list_may_be_imported(module, profile):
    assert check(f"import {module} as it\nfrom {module} import name", profile) == []


def test_all_violations_are_found_at_once_and_in_order():
    source = "import math, os\nfrom sys import path\n\nif True:\n    import json, socket"
    assert check(source, "teaching") == [
        Violation(1, 14, "the module os is not available here"),
        Violation(2, 1, "the module sys is not available here"),
        Violation(5, 18, "the module socket is not available here"),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 1; import os", [(1, 15)]),
        ("é = '\N{SNOWMAN}'; import os", [(1, 17)]),
        ("\r\nx = 1\r\nimport os", [(3, 8)]),
        ("x = 1\rimport os", [(2, 8)]),
        ("x\x0cy = 1\nimport os", []),
        ("s = '\x0c\u2028'\nimport os", [(2, 8)]),
        ("import os.path", [(1, 8)]),
        ("import collections.abc", []),
        ("from os import *", [(1, 1)]),
        ("from math import *", []),
        ("from . import x", [(1, 1)]),
        ("from .math import x", [(1, 1)]),
        ("async def f():\n    import os\nawait f()", [(2, 12)]),
        ("async with a() as b:\n  async for c in d:\n    import os", [(3, 12)]),
        ("match x:\n    case [1, _]:\n        import os", [(3, 16)]),
        ("try:\n    import os\nexcept* ValueError:\n    pass", [(2, 12)]),
        ("f'{__import__(\"os\")}'", None),
        ("lambda: __import__('os')", [(1, 9)]),
        ("__import__('math')", []),
        ("__import__(name)", [(1, 1)]),
        ("importlib.import_module('os')", [(1, 1)]),
        ("import_module('os')", [(1, 1)]),
        ("import_module('math')", []),
        ("'import os'", []),
        ("# import os", []),
        ("", []),
        ("   \n\n", []),
    ],
    ids=repr,
)
def test_imports_are_found_where_they_stand(source, expected):
    found = places(source)
    # Before Python 3.12 the inside of an f-string has no place of its own.
    assert len(found) == 1 if expected is None else found == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("!ls", [(1, 1)]),
        ("x = 1\n\n    \nfiles = !ls", [(4, 9)]),
        ("!ls \\\n  -l\n\nimport os", [(1, 1), (4, 8)]),
        ("for i in x:\n    !echo {i}\n    import os", [(2, 5), (3, 12)]),
        ("\n\n  import math\n  import os", [(4, 10)]),
        (">>> import math\n>>> import os", [(2, 12)]),
        ("In [1]: import os\n   ...: !ls", [(1, 16), (2, 9)]),
        ("%run x.py", [(1, 1)]),
        ("%pip install x\n!!ls", [(1, 1), (2, 1)]),
        ("a = %env", [(1, 5)]),
        ("\n%%bash\nls", [(2, 1)]),
        ("%%writefile x.py\nimport math", [(1, 1)]),
        ("%%time\n\nimport math\nimport os", [(4, 8)]),
        ("\n\n%%timeit -n 10 -r3 import sys\n!ls\nimport os", [(3, 1), (4, 1), (5, 8)]),
        ("%%capture out --no-stderr\nimport os", [(2, 8)]),
        ("%%time\n%%capture\n%%bash\nls", [(3, 1)]),
        ("%time import os", [(1, 1)]),
        ("%timeit -n 3 -q __import__('os')", [(1, 1)]),
        ("%timeit -n 3 sum(range(10))", []),
        ("%matplotlib inline\nimport math", []),
        ("math?\n?math\nmath.s*?\nimport os", [(4, 8)]),
        ("%%time?", []),
        ("/print x\n,f a b\nimport os", [(3, 8)]),
        ("get_ipython()", [(1, 1)]),
        ("ip = get_ipython\nip().system('ls')", [(1, 6)]),
        ("get_ipython().run_line_magic('run', 'x')", [(1, 1)]),
        ("get_ipython().run_line_magic('matplotlib', 'inline')", []),
        ("get_ipython().run_line_magic(name, '')", [(1, 1)]),
        ("get_ipython().run_line_magic()", [(1, 1)]),
        ("get_ipython().run_cell_magic('time', '', 'import os')", [(1, 1)]),
        ("get_ipython().user_ns", [(1, 1)]),
        ("s = '''\n!ls\n%run x\n'''", []),
        ("foo(\n!ls\n)", []),
    ],
    ids=repr,
)
@pytest.mark.parametrize("profile", ["teaching", "strict"])
def test_the_syntax_of_ipython_is_understood(source, expected, profile):
    if profile == "strict" and "__import__" in source:
        expected = [(1, 1)]
    assert places(source, profile) == expected


@pytest.mark.parametrize(
    "source", ["x = 1 +", "import", "for", "x = )\nimport os", "(" * 300, "!("]
)
def test_what_is_not_python_is_left_for_the_worker_to_explain(source):
    assert [m for m in messages(source) if "shell" not in m] == []


@pytest.mark.parametrize(
    "name",
    "eval exec compile open input __import__ globals locals vars dir getattr setattr delattr "
    "hasattr breakpoint help memoryview".split(),
)
def test_the_strict_profile_blocks_builtins_wherever_they_are_read(name):
    (found,) = check(f"x = 1\nf = [{name}]", "strict")
    assert (found.line, found.column) == (2, 6)
    assert name in found.message
    assert check(f"f = [{name}]", "teaching") == []
    assert check(f"{name} = 1", "strict") == []


@pytest.mark.parametrize("name", "class bases subclasses mro globals code builtins import".split())
def test_the_strict_profile_blocks_names_that_reach_into_python(name):
    assert places(f"x.y.__{name}__", "strict") == [(1, 1)]
    assert places(f"x.__{name}__", "teaching") == []
    assert places(f"match x:\n  case object(__{name}__=y): pass", "strict") == [(2, 8)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time\ntime.sleep(1)", [(2, 1)]),
        ("import time as t\nf = t.sleep", [(2, 5)]),
        ("from time import time, sleep as wait", [(1, 24)]),
        ("from time import *", [(1, 18)]),
        ("time.time()", []),
        ("self.sleep()", []),
    ],
)
def test_the_strict_profile_does_not_wait(source, expected):
    assert places(source, "strict") == expected
    assert places(source, "teaching") == []


def test_a_site_can_allow_more_modules():
    source = "import numpy.linalg, os\nfrom scipy import stats"
    assert messages(source, extra=["numpy", "scipy.stats"]) == [
        "the module os is not available here"
    ]
    assert {"numpy", "scipy", "math"} <= allowed_modules(["numpy", "scipy.stats"])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1\0", "a null character"),
        ("x = '\ud800'", "not proper text"),
        ("-" * 100_000 + "1", "nested too deeply"),
        ("x" + ".a" * 100_000, "nested too deeply"),
        ("+".join("a" * 100_000), "nested too deeply"),
        ("lambda:" * 50_000 + "1", "nested too deeply"),
        ("x" * 600_000, "longer than"),
        ("!ls\n" * 2_000, "too many magics"),
        ("%%time\n" * 20, "magics within magics"),
    ],
    ids=lambda text: text[:12],
)
def test_what_cannot_be_checked_is_refused_in_one_line(source, reason):
    (found,) = check(source, "teaching")
    assert (found.line, found.column) == (1, 1)
    assert reason in found.message


@pytest.mark.parametrize("nesting", ["(", "[", "f(", "a[", "{1:", "if x:\n ", "f'{", "(a:=", "!("])
def test_no_nesting_ends_the_process(nesting):
    script = f"from coderemote_kernel.policy import check\ncheck({nesting!r} * 20_000, 'strict')"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_warnings_about_the_cell_are_not_the_relays():
    assert check(r"x = '\d' is '\w'", "strict") == []


def test_plain_python_is_checked_without_importing_ipython():
    script = (
        "import sys; from coderemote_kernel.policy import check;"
        "check('import os', 'strict'); print('IPython' in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


PIECES = (
    st.sampled_from(
        [
            "import os",
            "from . import x",
            "!ls",
            "%run x",
            "%%time",
            "%%bash",
            "x?",
            "\n",
            "\r\n",
            "  ",
        ]
    )
    | st.sampled_from(
        ["\\", "'''", "(", ")", "if x:", ">>> ", "In [1]: ", "x = ", "eval", "é", "\x0c", "\u2028"]
    )
    | st.sampled_from(
        ["get_ipython()", ".__class__", "lambda:", "%time ", "%timeit -n 1 ", "\0", "#", "f'{"]
    )
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_any_text_is_checked_and_every_place_is_in_it(source):
    for profile in ("teaching", "strict"):
        found = check(source, profile)
        assert found == sorted(set(found))
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for violation in found:
            assert 1 <= violation.line <= len(lines)
            assert 1 <= violation.column <= len(lines[violation.line - 1]) + 1


@given(st.integers(0, 5), st.integers(0, 8), st.sampled_from(["", "!ls \\\n -l", "x = 1", "?x"]))
def test_a_violation_is_where_it_was_typed(empty, indent, before):
    source = "\n" * empty + before + "\n" + "if True:\n" + " " * (indent + 1) + "import os"
    last = check(source, "teaching")[-1]
    assert (last.line, last.column) == (source.count("\n") + 1, indent + 9)


def test_the_error_names_every_place_and_the_list():
    violations = check("import os, sys", "teaching")
    name, value, traceback = as_error(violations, allowed_modules(["numpy"]))
    assert name == "NotAllowedHere"
    assert value.startswith("2 things in this cell are not allowed")
    text = "\n".join(traceback)
    assert "line 1, column 8: the module os" in text
    assert "line 1, column 12: the module sys" in text
    assert "json, math, numpy, operator" in text
    assert "teaching aid" in text


def test_a_long_list_of_violations_is_cut():
    violations = check("\n".join(f"import x{number}" for number in range(200)), "teaching")
    _, value, traceback = as_error(violations, allowed_modules())
    assert "200 things" in value
    assert len(traceback) < 60
    assert "... and 150 more" in "\n".join(traceback)
