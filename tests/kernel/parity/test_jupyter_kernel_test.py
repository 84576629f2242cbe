"""The conformance suite that kernels are held to, with every sample it knows filled in."""

# ruff: noqa: RUF012 - the suite reads its samples from class attributes

from __future__ import annotations

import jupyter_kernel_test
import pytest

pytestmark = pytest.mark.sandbox


class TestConformance(jupyter_kernel_test.KernelTests):
    kernel_name = "coderemote"
    language_name = "python"
    file_extension = ".py"

    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oh, no', file=sys.stderr)"
    completion_samples = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "import itertools; itertools.accum", "matches": {"accumulate"}},
        {"text": "'abc'.isasc", "matches": {"isascii"}},
    ]
    complete_code_samples = [
        "1",
        "print('hello, world')",
        "def f(x):\n  return x*2\n\n\n",
        "f'{1}'",
    ]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2", "for i in [1]:", "(1,"]
    invalid_code_samples = ["import = 7q", "1 +* 2", "1 = 2"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('as asked')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "'1+2+3'", "result": "'1+2+3'"},
        {
            "code": "from IPython.display import Math; Math('x^2')",
            "result": "$\\displaystyle x^2$",
            "mime": "text/latex",
        },
    ]
    code_display_data = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
            "mime": "text/html",
        },
        {
            "code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))",
            "mime": "text/latex",
        },
    ]
    code_history_pattern = "1?2*"
    # ipykernel numbers the current session 0 in a range, and so fails that part of the suite; our
    # history is the relay's, which gives the session the number that the tail gave it
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    # the suite looks for samples by name, and skips what has none: nothing here may be skipped
    def test_every_sample_is_filled_in(self):
        names = [name for name in vars(jupyter_kernel_test.KernelTests) if _is_sample(name)]
        assert names
        assert [name for name in names if not getattr(self, name)] == []


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "coderemote"
    support_iopub_welcome = True


def _is_sample(name: str) -> bool:
    return name.startswith(("code_", "supported_", "language_", "file_")) or name.endswith(
        "_samples"
    )
