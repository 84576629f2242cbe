"""The tour, in a real browser, as a new user would take it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser

HAS_OUTPUT_TEXT = """([number, text]) => document
  .querySelectorAll('.jp-Notebook .jp-CodeCell')[number - 1]
  .querySelector('.jp-Cell-outputArea')?.textContent.includes(text)"""


class Tour:
    """The tour as somebody takes it: runs every cell, answers the question, interrupts once."""

    def __init__(self, notebook: Any, folder: Path) -> None:
        self.notebook = notebook
        cells = json.loads((folder / "tour.ipynb").read_text())["cells"]
        self.cells = [cell for cell in cells if cell["cell_type"] == "code"]
        self.before = (folder / "data.csv").read_bytes()

    def run_to_the_question(self) -> None:
        self.notebook.command("notebook:run-all-cells")
        self.notebook.page.locator(".jp-Stdin-input").wait_for()

    def answer_and_run_on(self) -> None:
        notebook = self.notebook
        notebook.page.locator(".jp-Stdin-input").fill("Grace")
        notebook.page.keyboard.press("Enter")
        notebook.wait(HAS_OUTPUT_TEXT, [self.number("interrupt"), "Interrupt me!"])
        notebook.press("interrupt")
        notebook.wait("""() => { const cells = jupyterapp.shell.currentWidget.content.widgets
          .filter(cell => cell.model.type === 'code');
          return cells.every(cell => cell.model.executionCount !== null); }""")

    def number(self, cell_id: str) -> int:
        return 1 + [cell["id"] for cell in self.cells].index(cell_id)

    def output(self, cell_id: str) -> Any:
        return self.notebook.output(self.number(cell_id))

    def text(self, cell_id: str) -> str:
        return str(self.output(cell_id).inner_text())

    def ends(self) -> dict[str, str]:
        """Name of the error each cell ended with, or nothing."""
        return dict(
            self.notebook.page.evaluate("""() => jupyterapp.shell.currentWidget.content.widgets
              .filter(cell => cell.model.type === 'code')
              .map(({ model }) => [
                model.id,
                model.sharedModel.outputs.find(o => o.output_type === 'error')?.ename ?? ''
              ])""")
        )


@pytest.fixture(scope="module")
def tour(server: Any, open_notebook: Callable[..., Any]) -> Tour:
    found = Tour(open_notebook("tour.ipynb"), server.folder)
    found.run_to_the_question()
    found.answer_and_run_on()
    return found


def expected_end(cell: dict[str, Any]) -> str:
    tags = cell["metadata"].get("tags", [])
    if "interrupt" in tags:
        return "KeyboardInterrupt"
    return next((tag.removeprefix("expect-") for tag in tags if "expect-" in tag), "")


def test_every_cell_ends_as_the_tour_says(tour: Tour) -> None:
    assert tour.ends() == {cell["id"]: expected_end(cell) for cell in tour.cells}


def test_the_plot_can_be_seen(tour: Tour) -> None:
    plot = tour.output("plot").locator("img")
    plot.scroll_into_view_if_needed()
    assert plot.is_visible()
    assert plot.evaluate("image => image.complete && image.naturalWidth") > 300


def test_a_table_is_drawn_as_a_table(tour: Tour) -> None:
    table = tour.output("read-csv").locator("table.dataframe")
    assert table.is_visible()
    assert "harbour" in table.inner_text()


def test_a_question_is_answered(tour: Tour) -> None:
    assert "Nice to meet you, Grace." in tour.text("input")


def test_the_error_of_a_time_out_can_be_read(tour: Tour) -> None:
    assert "CellTimeout: the cell ran longer than" in tour.text("timeout")
    assert "Still here, Grace" in tour.text("still-here")


def test_what_was_held_back_is_said_where_it_would_have_been(tour: Tour) -> None:
    assert "held back by coderemote: application/javascript" in tour.text("attack-script")
    assert "held back by coderemote: text/html" in tour.text("attack-html")
    assert "A harmless looking headline" in tour.text("attack-html")


def test_the_attacks_leave_no_trace_in_the_page(tour: Tour) -> None:
    page = tour.notebook.page
    assert page.evaluate("() => window.stolen === undefined")
    assert tour.output("attack-html").locator("img[src], script").count() == 0
    assert tour.notebook.elsewhere == []


def test_the_end_of_the_sandbox_is_told_and_the_next_cell_runs(tour: Tour) -> None:
    death = tour.text("attack-exit")
    assert "SandboxExit" in death
    assert "Variables are gone; history and files are kept" in death
    assert "variables: gone" in tour.text("carry-on")


def test_files_beside_the_notebook_are_as_they_were(tour: Tour, server: Any) -> None:
    assert (server.folder / "data.csv").read_bytes() == tour.before
    assert not (server.folder / "best-day.txt").exists()


def test_magics_show_tables(tour: Tour) -> None:
    assert "cell_timeout_s" in tour.output("limits").locator("table").inner_text()
    assert "seccomp" in tour.output("sandbox").locator("table").first.inner_text()


def test_the_console_stays_free_of_errors(tour: Tour) -> None:
    assert tour.notebook.errors == []
