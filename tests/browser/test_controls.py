"""The buttons and boxes around a cell: interrupt, restart, questions, completion, a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

LOOP = """import time
print("looping")
while True:
    time.sleep(0.05)"""


@pytest.fixture(scope="module")
def notebook(new_notebook: Callable[..., Any]) -> Any:
    return new_notebook(
        LOOP,
        "print('carrying', 'on')",
        "word = input('Say a word: ')\nprint('heard', word)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        "'kept' if 'word' in globals() else 'forgotten'",
    )


def test_the_interrupt_button_stops_a_cell_and_the_next_one_runs(notebook: Any) -> None:
    notebook.run(1)
    notebook.output(1).get_by_text("looping").wait_for()
    notebook.press("interrupt")
    notebook.output(1).get_by_text("KeyboardInterrupt").first.wait_for()
    notebook.run(2)
    notebook.output(2).get_by_text("carrying on").wait_for()


def test_a_question_gets_the_answer_typed_into_its_box(notebook: Any) -> None:
    notebook.run(3)
    notebook.page.locator(".jp-Stdin-input").fill("lemon")
    notebook.page.keyboard.press("Enter")
    notebook.output(3).get_by_text("heard lemon").wait_for()


def test_a_crash_is_explained_and_the_next_cell_gets_a_fresh_sandbox(notebook: Any) -> None:
    notebook.python("word = 'before the crash'")
    notebook.run(4)
    notebook.output(4).get_by_text("SandboxCrash").first.wait_for()
    assert "Variables are gone; history and files are kept" in notebook.output(4).inner_text()
    notebook.run(5)
    notebook.output(5).get_by_text("forgotten").wait_for()
    assert notebook.page.locator(".jp-Dialog").count() == 0


def test_restart_forgets_variables_and_the_kernel_answers(notebook: Any) -> None:
    notebook.python("word = 'before the restart'")
    notebook.press("restart")
    notebook.page.get_by_role("button", name="Confirm Kernel Restart").click()
    notebook.wait(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    assert notebook.python("print('word' in globals())").strip() == "False"


def test_tab_completes_what_python_knows(notebook: Any) -> None:
    notebook.python("lemonade_stand = lemonade_stall = 1")
    notebook.command("notebook:insert-cell-below")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.type("lemonade_s")
    # JupyterLab waits for a second, and the first answer of a fresh Python may take longer.
    for _ in range(10):
        notebook.page.keyboard.press("Tab")
        if notebook.shows(".jp-Completer-item", 2_000):
            break
    found = notebook.page.locator(".jp-Completer-item")
    found.filter(has_text="lemonade_stand").wait_for()
    found.filter(has_text="lemonade_stall").wait_for()


def test_the_console_stays_free_of_errors(notebook: Any) -> None:
    assert notebook.errors == []
