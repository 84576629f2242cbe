"""The tests of this folder once more, as a user without rights and without an account.

That is how nearly everybody runs it; the other modules are run by whoever runs the tests, which on
a test machine is root.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these tests run unprivileged anyway"),
]

HERE = Path(__file__).parent
USERS = {"nobody": 65534, "a user without an account": 54321}


def run_as(uid: int, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="coderemote-test-") as home:
        os.chown(home, uid, uid)
        environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "TMPDIR": home,
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/hypothesis",
        }
        return subprocess.run(
            [python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--no-showlocals", *arguments],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd=HERE.parents[1],
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "nsjail_configuration",
        "seccomp",
        "interpreter",
        "stage",
        "stage_changes",
        "stage_doors",
        "stage_folders",
        "jail",
        "jail_orphans",
        "landlock",
        "cgroups",
    ],
)
def test_what_holds_for_root_holds_for_nobody(public_python, module):
    path = HERE / f"test_{module}.py"
    done = run_as(USERS["nobody"], public_python, str(path), "-m", "not slow")
    assert done.returncode == 0, done.stdout[-5000:]


def test_a_user_without_an_account_can_run_jails(public_python):
    module = HERE / "test_nsjail_configuration.py"
    done = run_as(USERS["a user without an account"], public_python, str(module), "-k", "variable")
    assert done.returncode == 0, done.stdout[-5000:]
