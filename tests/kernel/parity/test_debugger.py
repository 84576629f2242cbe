"""The debugger, as JupyterLab's panel drives it."""

from __future__ import annotations

import itertools
import time

import pytest

pytestmark = pytest.mark.sandbox

CODE = "def triple(number):\n    result = number * 3\n    return result\ntriple(5)"


class Debugger:
    """The client's half of the Debug Adapter Protocol."""

    def __init__(self, notebook):
        self.notebook = notebook
        self._sequence = itertools.count(1)

    def ask(self, command, **arguments):
        content = {
            "type": "request",
            "seq": next(self._sequence),
            "command": command,
            "arguments": arguments,
        }
        reply = self.notebook.ask("debug_request", content, "control")
        assert reply.get("success", command == "modules"), (command, reply)
        return reply.get("body") or {}

    def begin(self):
        self.ask(
            "initialize",
            clientID="test",
            clientName="test",
            adapterID="python",
            pathFormat="path",
            linesStartAt1=True,
            columnsStartAt1=True,
            supportsVariableType=True,
        )
        self.ask("attach")

    def break_at(self, code, *lines):
        path = self.ask("dumpCell", code=code)["sourcePath"]
        wanted = [{"line": line} for line in lines]
        set_ = self.ask(
            "setBreakpoints", breakpoints=wanted, source={"path": path}, sourceModified=False
        )
        self.ask("configurationDone")
        return path, set_["breakpoints"]

    def wait_for(self, event):
        """Wait for an event, whatever request it is published under."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.notebook.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == event:
                return message["content"]["body"]
        raise TimeoutError(event)


@pytest.fixture
def debugger(own_notebook):
    return Debugger(own_notebook)


def test_the_debugger_is_off_until_it_is_asked_for(debugger):
    info = debugger.ask("debugInfo")
    assert info["isStarted"] is False
    assert info["breakpoints"] == []
    debugger.begin()
    assert debugger.ask("debugInfo")["isStarted"] is True
    debugger.ask("disconnect", restart=False, terminateDebuggee=False)
    assert debugger.ask("debugInfo")["isStarted"] is False


def test_a_cell_stops_at_a_breakpoint_and_goes_on(debugger):
    debugger.begin()
    path, breakpoints = debugger.break_at(CODE, 2)
    assert breakpoints[0]["verified"] is True
    cell = debugger.notebook.execute(CODE)
    stopped = debugger.wait_for("stopped")
    assert stopped["reason"] == "breakpoint"
    frame = debugger.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
    assert (frame["name"], frame["line"], frame["source"]["path"]) == ("triple", 2, path)
    assert debugger.ask("source", source={"path": path})["content"] == CODE
    debugger.ask("next", threadId=stopped["threadId"])
    assert debugger.wait_for("stopped")["reason"] == "step"
    frame = debugger.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
    scopes = debugger.ask("scopes", frameId=frame["id"])["scopes"]
    variables = debugger.ask("variables", variablesReference=scopes[0]["variablesReference"])
    assert {v["name"]: v["value"] for v in variables["variables"]}["result"] == "15"
    evaluated = debugger.ask(
        "evaluate", expression="number + 1", frameId=frame["id"], context="repl"
    )
    assert evaluated["result"] == "6"
    debugger.ask("continue", threadId=stopped["threadId"])
    assert debugger.notebook.reply(cell)["content"]["status"] == "ok"


def test_variables_are_listed_whether_or_not_the_debugger_runs(debugger):
    debugger.notebook.ok("weighed = 12.5")
    listed = debugger.ask("inspectVariables")["variables"]
    assert {variable["name"]: variable["value"] for variable in listed}["weighed"] == "12.5"
    debugger.begin()
    listed = debugger.ask("inspectVariables")["variables"]
    assert "weighed" in {variable["name"] for variable in listed}
    rich = debugger.ask("richInspectVariables", variableName="weighed")
    assert "12.5" in rich["data"]["text/plain"]


def test_the_debugger_begins_again_after_a_restart(debugger):
    debugger.begin()
    debugger.notebook.manager.restart_kernel()
    debugger.notebook.client.wait_for_ready(timeout=60)
    assert debugger.ask("debugInfo")["isStarted"] is False
    debugger.begin()
    debugger.break_at(CODE, 3)
    cell = debugger.notebook.execute(CODE)
    stopped = debugger.wait_for("stopped")
    debugger.ask("continue", threadId=stopped["threadId"])
    assert debugger.notebook.reply(cell)["content"]["status"] == "ok"


def test_loaded_modules_are_told(debugger):
    debugger.begin()
    names = {module["name"] for module in debugger.ask("modules")["modules"]}
    assert "json" in names
