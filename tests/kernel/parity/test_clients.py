"""The programs people run kernels with, as they run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.sandbox

JUPYTER = Path(sys.executable).with_name("jupyter")
TIMEOUT_S = 120


def run(*command, folder, text=None):
    """Run a program to its end and return what it printed."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@pytest.fixture
def document(kernel_name, tmp_path):
    """A small notebook in the test's folder."""
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")
    cells = [
        new_code_cell("n = 2", metadata={"tags": ["parameters"]}),
        new_code_cell("import csv\nrows = list(csv.reader(open('data.csv')))\nprint(rows[1])"),
        new_code_cell("sum(range(n)) + 41"),
    ]
    metadata = {"kernelspec": {"name": kernel_name, "display_name": "", "language": "python"}}
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def printed(notebook):
    """Text of the second-last cell and value of the last."""
    reading, value = notebook.cells[-2:]
    return reading.outputs[0].text, value.outputs[0].data["text/plain"]


def test_nbclient_runs_a_notebook(document):
    import nbclient

    notebook = nbformat.read(document, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(document.parent)}}
    )
    client.execute()
    assert printed(notebook) == ("['1', '2']\n", "42")


def test_nbclient_tells_of_a_cell_that_fails(kernel_name, tmp_path):
    import nbclient

    notebook = new_notebook(cells=[new_code_cell("1/0"), new_code_cell("'never'")])
    client = nbclient.NotebookClient(
        notebook, kernel_name=kernel_name, resources={"metadata": {"path": str(tmp_path)}}
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        client.execute()
    assert notebook.cells[1].outputs == []


def test_nbconvert_executes_a_notebook(document, kernel_name):
    run(
        JUPYTER,
        "nbconvert",
        "--to=notebook",
        "--execute",
        "--inplace",
        document.name,
        folder=document.parent,
    )
    assert printed(nbformat.read(document, as_version=4)) == ("['1', '2']\n", "42")


def test_papermill_runs_a_notebook_with_parameters(document):
    command = (sys.executable, "-W", "ignore", "-m", "papermill", "--no-progress-bar")
    run(*command, document.name, "out.ipynb", "-p", "n", "4", folder=document.parent)
    result = nbformat.read(document.with_name("out.ipynb"), as_version=4)
    assert printed(result) == ("['1', '2']\n", "47")


def test_jupyter_run_runs_a_file(kernel_name, tmp_path):
    (tmp_path / "script.py").write_text("import os\nprint('six times seven is', 6 * 7)\n")
    out = run(JUPYTER, "run", f"--kernel={kernel_name}", "script.py", folder=tmp_path)
    assert "six times seven is 42" in out


def test_jupyter_console_talks_with_the_kernel(kernel_name, tmp_path):
    # the console does not wait until it is subscribed to the kernel's output, and waits for ever
    # for an idle that it has missed: the first line takes longer than the subscription
    typed = "import time; time.sleep(1)\nnumber = 6\nprint('it is', number * 7)\nexit\n"
    command = (JUPYTER, "console", f"--kernel={kernel_name}", "--simple-prompt")
    assert "it is 42" in run(*command, folder=tmp_path, text=typed)
