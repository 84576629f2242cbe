"""Comms, and the widgets that live on them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sandbox

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def widgets(notebook):
    pytest.importorskip("ipywidgets")
    notebook.ok("import ipywidgets as w\nfrom IPython.display import display")
    return notebook


def opened(cell, model):
    """State and id of the widget model of this name that a cell has opened."""
    for comm in cell.of("comm_open"):
        state = comm["data"]["state"]
        if state.get("_model_name") == model:
            return comm["comm_id"], state
    raise AssertionError(f"no {model} among {[c['data'] for c in cell.of('comm_open')]}")


def update(notebook, comm_id, **state):
    """Say what a widget's front end says when a person has changed it; return the message's id."""
    data = {"method": "update", "state": state, "buffer_paths": []}
    return notebook.send("comm_msg", {"comm_id": comm_id, "data": data})


def test_a_widget_is_shown_and_its_model_opened(widgets):
    cell = widgets.ok("w.IntSlider(value=3, min=0, max=9)")
    comm_id, state = opened(cell, "IntSliderModel")
    assert (state["value"], state["max"]) == (3, 9)
    (result,) = cell.of("execute_result")
    assert result["data"][WIDGET_VIEW]["model_id"] == comm_id


def test_a_change_made_in_the_page_reaches_the_session(widgets):
    comm_id, _ = opened(widgets.ok("slider = w.IntSlider(); slider"), "IntSliderModel")
    widgets.outputs(update(widgets, comm_id, value=7))
    assert widgets.ok("slider.value").result == "7"


def test_an_observer_speaks_below_the_change(widgets):
    code = "seen = w.IntSlider()\nseen.observe(lambda c: print('now', c['new']), 'value')\nseen"
    comm_id, _ = opened(widgets.ok(code), "IntSliderModel")
    changed = update(widgets, comm_id, value=4)
    texts = [m["content"]["text"] for m in widgets.outputs(changed) if m["msg_type"] == "stream"]
    assert "".join(texts) == "now 4\n"


def test_a_change_made_in_the_session_reaches_the_page(widgets):
    comm_id, _ = opened(widgets.ok("told = w.IntSlider(); told"), "IntSliderModel")
    changes = [c for c in widgets.ok("told.value = 8").of("comm_msg") if c["comm_id"] == comm_id]
    assert {"value": 8} in [change["data"]["state"] for change in changes]


def test_a_button_is_pressed(widgets):
    code = "button = w.Button()\nbutton.on_click(lambda b: print('pressed'))\nbutton"
    comm_id, _ = opened(widgets.ok(code), "ButtonModel")
    press = {"method": "custom", "content": {"event": "click"}}
    pressed = widgets.send("comm_msg", {"comm_id": comm_id, "data": press})
    widgets.wait_for_text(pressed, "pressed")


def test_an_output_widget_takes_what_is_printed_in_it(widgets):
    cell = widgets.ok("out = w.Output()\nwith out:\n  print('caught')\ndisplay(out)")
    comm_id, _ = opened(cell, "OutputModel")
    states = [c["data"]["state"] for c in cell.of("comm_msg") if c["comm_id"] == comm_id]
    taken = [state["msg_id"] for state in states if "msg_id" in state]
    assert taken[0] == cell.message["parent_header"]["msg_id"]
    assert taken[-1] == ""
    assert cell.text() == "caught\n"


def test_interact_runs_again_at_every_change(widgets):
    cell = widgets.ok("@w.interact(x=(0, 10))\ndef shout(x=5):\n  print('x is', x)")
    assert "x is 5\n" in cell.text()
    comm_id, _ = opened(cell, "IntSliderModel")
    widgets.wait_for_text(update(widgets, comm_id, value=6), "x is 6")


def test_a_progress_bar_moves(widgets):
    pytest.importorskip("tqdm")
    cell = widgets.ok("from tqdm.notebook import tqdm\nfor _ in tqdm(range(3)): pass")
    comm_id, _ = opened(cell, "FloatProgressModel")
    states = [c["data"]["state"] for c in cell.of("comm_msg") if c["comm_id"] == comm_id]
    assert any(state.get("value") == 3.0 for state in states)


def test_a_picture_travels_as_a_buffer(widgets):
    cell = widgets.ok("w.Image(value=bytes(range(256)) * 10)")
    (message,) = [
        output
        for output in cell.outputs
        if output["msg_type"] == "comm_open"
        and output["content"]["data"]["state"].get("_model_name") == "ImageModel"
    ]
    assert message["content"]["data"]["buffer_paths"] == [["value"]]
    assert bytes(message["buffers"][0]) == bytes(range(256)) * 10


def test_a_file_chosen_in_the_page_arrives_in_the_session(widgets):
    comm_id, _ = opened(widgets.ok("upload = w.FileUpload(); upload"), "FileUploadModel")
    described = {"name": "a.bin", "type": "", "size": 4, "last_modified": 0, "error": ""}
    data = {
        "method": "update",
        "state": {"value": [described]},
        "buffer_paths": [["value", 0, "content"]],
    }
    message = widgets.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    widgets.client.session.send(
        widgets.client.shell_channel.socket, message, buffers=[b"\x00\xff\x01\xfe"]
    )
    widgets.outputs(message["header"]["msg_id"])
    assert widgets.ok("bytes(upload.value[0]['content'])").result == r"b'\x00\xff\x01\xfe'"


def test_the_page_can_ask_which_comms_are_open(widgets):
    comm_id, _ = opened(widgets.ok("listed = w.IntSlider(); listed"), "IntSliderModel")
    comms = widgets.ask("comm_info_request", {"target_name": "jupyter.widget"})["comms"]
    assert comms[comm_id] == {"target_name": "jupyter.widget"}
    widgets.ok("listed.close()")
    assert comm_id not in widgets.ask("comm_info_request", {})["comms"]


def test_the_page_can_ask_for_the_state_of_all_widgets(widgets):
    widgets.ok("remembered = w.IntSlider(value=11); remembered")
    comm = {"comm_id": "a-page-of-its-own", "target_name": "jupyter.widget.control", "data": {}}
    widgets.outputs(widgets.send("comm_open", comm, metadata={"version": "1.0.0"}))
    asked = widgets.send(
        "comm_msg", {"comm_id": comm["comm_id"], "data": {"method": "request_states"}}
    )
    answer = widgets.wait_for(asked, lambda message: message["msg_type"] == "comm_msg")
    data = answer["content"]["data"]
    assert data["method"] == "update_states"
    assert any(model["state"].get("value") == 11 for model in data["states"].values())


def test_a_comm_nobody_knows_is_closed_again(notebook):
    content = {"comm_id": "nobodys", "target_name": "unheard.of", "data": {}}
    sent = notebook.send("comm_open", content)
    assert "comm_close" in [message["msg_type"] for message in notebook.outputs(sent)]
