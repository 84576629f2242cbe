"""Jupyter Notebook 7 opens the same notebooks on the same kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser


def test_notebook_7_runs_the_tours_first_cells(
    open_notebook: Callable[..., Any], write_notebook: Callable[..., str]
) -> None:
    stock = open_notebook(write_notebook("1 + 1", kernel="python3"), where="notebooks")
    notebook = open_notebook("tour.ipynb", where="notebooks")
    for number in range(1, 5):
        notebook.run(number)
    notebook.output(1).get_by_text("on a computer called 'coderemote'").wait_for()
    notebook.output(3).locator("table.dataframe").wait_for()
    notebook.output(4).locator("img").wait_for()
    assert notebook.page.evaluate("() => jupyterapp.name") == "Jupyter Notebook"
    # Notebook 7 has errors of its own in the console; they are the same without us.
    assert set(notebook.errors) <= set(stock.errors)
