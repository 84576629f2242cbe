"""Widgets in a real browser: what a hand moves, Python sees, and what Python moves is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

SLIDER = """from ipywidgets import IntSlider
slider = IntSlider(value=3, min=0, max=9)
slider"""
INTERACT = """from ipywidgets import interact
@interact(x=(0, 10))
def square(x=4):
    print("square:", x * x)"""
PROGRESS = """from ipywidgets import IntProgress
from IPython.display import display
bar = IntProgress(max=20)
display(bar)
for step in range(20):
    bar.value += 1"""
BUTTON = """from ipywidgets import Button, Output, VBox
button, out = Button(description="press"), Output()
@button.on_click
def pressed(_):
    with out:
        print("it was pressed")
VBox([button, out])"""


@pytest.fixture(scope="module")
def notebook(new_notebook: Callable[..., Any]) -> Any:
    opened = new_notebook(SLIDER, INTERACT, PROGRESS, BUTTON)
    opened.run_all()
    return opened


def readout(notebook: Any) -> Any:
    return notebook.output(1).locator(".widget-readout, .jupyter-widget-readout")


def test_a_slider_moved_by_hand_is_seen_by_python(notebook: Any) -> None:
    handle = notebook.output(1).locator(".noUi-handle")
    handle.focus()
    notebook.page.keyboard.press("ArrowRight")
    readout(notebook).filter(has_text="4").wait_for()
    assert notebook.python("print(slider.value)").strip() == "4"


def test_a_slider_moved_by_python_moves_in_the_page(notebook: Any) -> None:
    notebook.python("slider.value = 8")
    readout(notebook).filter(has_text="8").wait_for()


def test_interact_runs_the_function_again(notebook: Any) -> None:
    output = notebook.output(2)
    output.get_by_text("square: 16").wait_for()
    output.locator(".noUi-handle").focus()
    notebook.page.keyboard.press("ArrowRight")
    output.get_by_text("square: 25").wait_for()


def test_a_progress_bar_ends_full(notebook: Any) -> None:
    bar = notebook.output(3).locator(".progress-bar")
    notebook.wait("bar => bar.style.width === '100%'", bar.element_handle())


def test_a_button_runs_code_whose_output_is_shown(notebook: Any) -> None:
    notebook.output(4).get_by_role("button", name="press").click()
    notebook.output(4).get_by_text("it was pressed").wait_for()


def test_widgets_leave_the_console_free_of_errors(notebook: Any) -> None:
    assert notebook.errors == []
