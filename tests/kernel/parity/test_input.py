"""Cells that ask their reader something."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox


def answer(notebook, msg_id, value):
    """Wait for the question of a cell and answer it; return the question."""
    question = notebook.receive("stdin", msg_id)
    assert question["msg_type"] == "input_request"
    notebook.client.input(value)
    return question["content"]


def test_input_asks_and_gets_its_answer(notebook):
    msg_id = notebook.execute("name = input('who? '); name.upper()", allow_stdin=True)
    assert answer(notebook, msg_id, "ada") == {"prompt": "who? ", "password": False}
    assert notebook.finish(msg_id).result == "'ADA'"


def test_several_questions_are_answered_in_turn(notebook):
    msg_id = notebook.execute("[input(str(n)) for n in range(3)]", allow_stdin=True)
    prompts = [answer(notebook, msg_id, f"answer {n}")["prompt"] for n in range(3)]
    assert prompts == ["0", "1", "2"]
    assert notebook.finish(msg_id).result == "['answer 0', 'answer 1', 'answer 2']"


def test_getpass_asks_for_a_password(notebook):
    msg_id = notebook.execute("import getpass; len(getpass.getpass('key: '))", allow_stdin=True)
    assert answer(notebook, msg_id, "secret") == {"prompt": "key: ", "password": True}
    assert notebook.finish(msg_id).result == "6"


def test_input_is_refused_to_a_client_that_cannot_answer(notebook):
    cell = notebook.run("input()", allow_stdin=False)
    assert cell.reply["ename"] == "StdinNotImplementedError"


def test_the_debugger_pdb_can_be_talked_to(notebook):
    msg_id = notebook.execute("import pdb\nnumber = 5\npdb.set_trace()\nnumber", allow_stdin=True)
    assert "db>" in answer(notebook, msg_id, "p number * 3")["prompt"]
    assert "db>" in answer(notebook, msg_id, "c")["prompt"]
    cell = notebook.finish(msg_id)
    assert "15" in cell.text()


def test_a_failure_can_be_looked_at_afterwards(notebook):
    notebook.run("def fails(): culprit = 'x' * 3; return culprit / 2\nfails()")
    msg_id = notebook.execute("%debug", allow_stdin=True)
    assert "db>" in answer(notebook, msg_id, "p culprit")["prompt"]
    answer(notebook, msg_id, "q")
    assert "'xxx'" in notebook.finish(msg_id).text()


def test_an_answer_nobody_asked_for_is_ignored(notebook):
    notebook.client.input("unasked")
    assert notebook.ok("'alive'").result == "'alive'"
