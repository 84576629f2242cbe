"""The demo holds a notebook to its tags, and shows it as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from coderemote_kernel import demo

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sandbox


@pytest.fixture
def run(tmp_path: Path, jupyter_dirs: Path, capsys: pytest.CaptureFixture[str]):
    def write_and_run(*cells: tuple[str, list[str]]) -> tuple[int, str]:
        content = {
            "cells": [
                {"cell_type": "code", "metadata": {"tags": tags}, "source": source}
                for source, tags in cells
            ]
        }
        folder = tmp_path / "notebook"
        folder.mkdir()
        (folder / "it.ipynb").write_text(json.dumps(content))
        status = demo.main([str(folder / "it.ipynb")])
        return status, capsys.readouterr().out

    return write_and_run


def test_cells_that_do_what_their_tags_say_are_shown_and_praised(run) -> None:
    status, text = run(
        ("print('first'); print('\\rsecond')", []),
        ("!echo from a shell", []),
        ("print('I am', input('who? '))", []),
        ("1 / 0", ["raises-exception", "expect-ZeroDivisionError"]),
        ("import time\ntime.sleep(30)", ["interrupt", "raises-exception"]),
    )
    assert status == 0, text
    for shown in (
        "first",
        "second",
        "from a shell",
        "who? Ada",
        "I am Ada",
        "ZeroDivisionError: div",
    ):
        assert shown in text
    assert text.endswith("Everything went as the tags say.\n")


@pytest.mark.parametrize(
    ("source", "tags", "problem"),
    [
        ("1 / 0", [], "cell 1 failed with ZeroDivisionError"),
        ("1", ["raises-exception"], "cell 1 succeeded and was to fail"),
        ("1", ["interrupt"], "cell 1 ended with no error, not KeyboardInterrupt"),
        ("1 / 0", ["expect-KeyError"], "cell 1 ended with ZeroDivisionError, not KeyError"),
    ],
)
def test_a_cell_that_does_otherwise_is_a_problem(run, source, tags, problem) -> None:
    status, text = run((source, tags))
    assert status == 1
    assert f"PROBLEM: {problem}." in text


def test_a_picture_is_shown_by_its_size(run) -> None:
    _, text = run(
        ("import matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1))\nplt.plot([1, 2]);", [])
    )
    assert "[image/png " in text
    assert "[image/png 0x0]" not in text


def test_a_notebook_that_is_not_there_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["/nowhere.ipynb"]) == 2
    assert "cannot be read" in capsys.readouterr().out
