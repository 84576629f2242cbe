"""Subshells: cells that run beside the main one."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox


def execute_in(notebook, subshell, code):
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    return notebook.send("execute_request", content, header={"subshell_id": subshell})


@pytest.fixture
def subshell(notebook):
    made = notebook.ask("create_subshell_request", channel="control")
    assert made["status"] == "ok"
    yield made["subshell_id"]
    notebook.ask("delete_subshell_request", {"subshell_id": made["subshell_id"]}, "control")


def test_subshells_are_made_listed_and_deleted(notebook):
    made = notebook.ask("create_subshell_request", channel="control")["subshell_id"]
    assert made in notebook.ask("list_subshell_request", channel="control")["subshell_id"]
    deleted = notebook.ask("delete_subshell_request", {"subshell_id": made}, "control")
    assert deleted["status"] == "ok"
    assert made not in notebook.ask("list_subshell_request", channel="control")["subshell_id"]


def test_a_subshell_runs_while_the_main_cell_does(notebook, subshell):
    notebook.ok("import threading; seen = threading.Event()")
    main = notebook.execute("seen.wait(30)")
    beside = execute_in(notebook, subshell, "print('beside'); seen.set()")
    assert notebook.reply(beside)["content"]["status"] == "ok"
    assert notebook.finish(main).result == "True"
    texts = [m["content"]["text"] for m in notebook.outputs(beside) if m["msg_type"] == "stream"]
    assert "".join(texts) == "beside\n"


def test_the_answer_of_a_subshell_is_named_as_its_own(notebook, subshell):
    reply = notebook.reply(execute_in(notebook, subshell, "1 + 1"))
    assert reply["parent_header"]["subshell_id"] == subshell


def test_names_are_completed_while_the_main_cell_runs(notebook, subshell):
    notebook.ok("import threading; completed = threading.Event(); wanted_name = 1")
    main = notebook.execute("completed.wait(30)")
    content = {"code": "wanted_na", "cursor_pos": 9}
    asked = notebook.send("complete_request", content, header={"subshell_id": subshell})
    assert "wanted_name" in notebook.reply(asked)["content"]["matches"]
    notebook.reply(execute_in(notebook, subshell, "completed.set()"))
    assert notebook.finish(main).result == "True"


def test_an_error_in_a_subshell_aborts_nothing_elsewhere(notebook, subshell):
    failing = execute_in(notebook, subshell, "1/0")
    main = notebook.execute("'untouched'")
    assert notebook.reply(failing)["content"]["ename"] == "ZeroDivisionError"
    assert notebook.finish(main).result == "'untouched'"


def test_a_subshell_that_does_not_exist_is_told_to_be_unknown(notebook):
    reply = notebook.reply(execute_in(notebook, "never-made", "1 + 1"))
    assert reply["content"]["status"] == "error"
    assert reply["content"]["ename"] == "UnknownSubshellError"
