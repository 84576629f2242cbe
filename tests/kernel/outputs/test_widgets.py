"""Comms and widget states of a hostile worker."""

from __future__ import annotations

from typing import Any

import pytest

from coderemote_kernel.outputs import OutputPolicy

CONTROLS, BASE = "@jupyter-widgets/controls", "@jupyter-widgets/base"


def state_of(stem: str, **fields: Any) -> dict[str, Any]:
    module = BASE if stem == "Layout" else CONTROLS
    if stem == "Output":
        module = "@jupyter-widgets/output"
    return {
        "_model_module": module,
        "_model_name": f"{stem}Model",
        "_view_module": module,
        "_view_name": f"{stem}View",
        **fields,
    }


def opened(comm_id: str, state: Any, **data: Any) -> dict[str, Any]:
    return {
        "comm_id": comm_id,
        "target_name": "jupyter.widget",
        "data": {"state": state, "buffer_paths": [], **data},
    }


def update(comm_id: str, **state: Any) -> dict[str, Any]:
    return {"comm_id": comm_id, "data": {"method": "update", "state": state}}


def state_after(policy: OutputPolicy, stem: str, **fields: Any) -> dict[str, Any]:
    passed = policy.comm_open(opened("w1", state_of(stem, **fields)))
    assert passed is not None
    return passed["data"]["state"]


@pytest.mark.parametrize("target", ["evil", "jupyter.widget.", "", "ipympl", "__proto__"])
def test_comm_targets_pass_a_list(policy: OutputPolicy, target: str) -> None:
    assert policy.comm_open({"comm_id": "a", "target_name": target, "data": {}}) is None
    assert policy.open_comms() == []


def test_extra_targets_and_modules_pass_unchanged() -> None:
    policy = OutputPolicy(extra_comm_targets=["mine"], extra_widget_modules=["anywidget"])
    content = {"comm_id": "a", "target_name": "mine", "data": {"x": "<b>"}}
    assert policy.comm_open(content) == content
    assert policy.comm_msg({"comm_id": "a", "data": {"y": "<b>"}}) is not None
    state = {
        "_model_module": "anywidget",
        "_model_name": "M",
        "_view_module": "anywidget",
        "_esm": "x",
    }
    assert policy.comm_open(opened("b", state)) == opened("b", state)


def test_an_extra_model_may_not_borrow_a_core_view() -> None:
    policy = OutputPolicy(extra_widget_modules=["anywidget"])
    state = {
        "_model_module": "anywidget",
        "_model_name": "M",
        "_view_module": CONTROLS,
        "_view_name": "HTMLView",
        "value": "<script>",
    }
    assert policy.comm_open(opened("b", state)) is None


def test_a_module_to_load_is_never_named(policy: OutputPolicy) -> None:
    content = {**opened("a", state_of("Text")), "target_module": "http://e/x.js"}
    passed = policy.comm_open(content)
    assert passed is not None
    assert "target_module" not in passed


@pytest.mark.parametrize(
    "names",
    [
        {"_model_module": "anywidget", "_model_name": "AnyModel"},
        {"_model_module": "https://e/x.js"},
        {"_view_module": "anywidget"},
        {"_view_name": "HTMLView"},
        {"_model_name": "HTMLModel"},
        {"_view_name": "ErrorWidgetView", "_view_module": BASE},
        {"_model_name": "<img src=x onerror=alert(1)>"},
        {"_model_name": "constructor"},
        {"_model_name": None},
        {"_model_module": None},
        {"_view_name": ["TextView"]},
    ],
)
def test_a_widget_is_of_a_core_module_and_has_the_view_of_its_model(
    policy: OutputPolicy, names: dict[str, Any]
) -> None:
    assert policy.comm_open(opened("w1", state_of("Text") | names)) is None
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "w1"}}
    assert policy.bundle(view, {}).held != []


def test_the_view_of_a_denied_widget_says_why(policy: OutputPolicy) -> None:
    policy.comm_open(opened("w1", {"_model_module": "anywidget", "_model_name": "AnyModel"}))
    mime = "application/vnd.jupyter.widget-view+json"
    held = policy.bundle({mime: {"model_id": "w1", "version_major": 2}}, {}).held
    assert [item.reason for item in held] == ["widget module anywidget is not on the list"]
    assert policy.bundle({mime: {"model_id": "never"}}, {}).held != []
    assert policy.bundle({mime: "w1"}, {}).held != []


def test_the_view_of_a_widget_that_passed_passes(policy: OutputPolicy) -> None:
    state_after(policy, "Text")
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "w1", "version_major": 2}}
    assert policy.bundle(data, {}).data == data


def test_html_values_are_cleaned_on_opening_and_on_update(policy: OutputPolicy) -> None:
    bad = "<b onclick=alert(1)>x</b><script>y</script><img src=http://e/>"
    for stem in ("HTML", "HTMLMath"):
        policy.forget_comms()
        assert state_after(policy, stem, value=bad)["value"] == "<b>x</b>"
        passed = policy.comm_msg(update("w1", value=bad))
        assert passed is not None
        assert passed["data"]["state"]["value"] == "<b>x</b>"
    assert (
        "script" not in state_after(OutputPolicy(), "HTML", value="<script>x</script>")["value"][:8]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"_view_name": "HTMLView"},
        {"_model_name": "HTMLModel"},
        {"_view_module": "anywidget"},
        {"_model_module": "anywidget"},
    ],
)
def test_a_widget_keeps_its_class(policy: OutputPolicy, change: dict[str, Any]) -> None:
    state_after(policy, "Text")
    assert policy.comm_msg(update("w1", value="<b>", **change)) is None


def test_an_id_keeps_the_class_it_was_opened_with(policy: OutputPolicy) -> None:
    state_after(policy, "Text")
    policy.comm_close({"comm_id": "w1"})
    assert policy.comm_open(opened("w1", state_of("HTML", value="x"))) is None


@pytest.mark.parametrize("stem", ["Image", "Audio", "Video"])
def test_media_from_an_address_are_held(policy: OutputPolicy, stem: str) -> None:
    assert "format" not in state_after(policy, stem, format="url", value="http://e/x")
    assert "value" not in state_after(policy, stem, value="http://e/x")
    passed = policy.comm_msg(update("w1", format="url"))
    assert passed is not None
    assert passed["data"]["state"] == {}
    assert state_after(policy, stem, format="png")["format"] == "png"


def test_sound_and_film_show_their_bytes_first(policy: OutputPolicy) -> None:
    content = opened("w1", state_of("Video", format="mp4"), buffer_paths=[["value"]])
    for buffers, paths in [
        ([b"\0\0\0\x18ftypmp42"], [["value"]]),
        ([b"#EXTM3U\nhttp://e/"], []),
        (1, []),
        ([], []),
    ]:
        passed = policy.comm_open(content, buffers)
        assert passed is not None
        assert passed["data"]["buffer_paths"] == paths


@pytest.mark.parametrize(
    "paths",
    [
        [["__proto__", "x"]],
        [["constructor", "prototype", "x"]],
        [["description"]],
        [["value"], ["format"]],
        "value",
        [[]],
        [[{}]],
        [7],
    ],
)
def test_buffers_go_nowhere_but_into_a_value(policy: OutputPolicy, paths: Any) -> None:
    passed = policy.comm_open(opened("w1", state_of("Image"), buffer_paths=paths), 2)
    assert passed is not None
    assert passed["data"]["buffer_paths"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"background": "url(http://e/)"},
        {"text_color": "u\\72l(http://e/)"},
        {"font_size": "1px;background:url(x)"},
        {"background": 'image-set("http://e/" 1x)'},
        {"background": ["url(http://e/)"]},
        {"background": "var(--x)"},
    ],
)
def test_style_values_are_inert_or_held(policy: OutputPolicy, fields: dict[str, Any]) -> None:
    names = {"_view_name": "StyleView", "_view_module": BASE}
    state = state_after(policy, "HTMLStyle", **names, **fields)
    assert not set(fields) & set(state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", "-900px"),
        ("width", "url(http://e/)"),
        ("overflow", "visible"),
        ("grid_area", "a/*"),
    ],
)
def test_layout_values_are_inert_or_held(policy: OutputPolicy, key: str, value: str) -> None:
    assert key not in state_after(policy, "Layout", **{key: value})


@pytest.mark.parametrize(
    ("stem", "fields"),
    [
        ("FloatSlider", {"readout_format": "<img src=x onerror=alert(1)>"}),
        ("IntSlider", {"value": "<img src=x onerror=alert(1)>"}),
        ("Box", {"children": ["IPY_MODEL_<img src=x>"]}),
        ("Button", {"icon": "x jp-Dialog lm-Menu"}),
        ("Button", {"_dom_classes": ["jp-Dialog"]}),
        ("Button", {"_dom_classes": ["a<b"]}),
        ("Button", {"description": ["<b>"]}),
        ("ToggleButtons", {"icons": ["check", 'x"<b>']}),
        ("Text", {"value": {"a": "<b>"}}),
        ("Dropdown", {"_options_labels": [["<b>"]]}),
        ("Button", {"msg": "<img src=x onerror=alert(1)>"}),
        ("Button", {"error": {"stack": "<img src=x onerror=alert(1)>"}}),
    ],
)
def test_text_that_could_reach_an_error_message_holds_no_markup(
    policy: OutputPolicy, stem: str, fields: dict[str, Any]
) -> None:
    # A view that throws has its error put into innerHTML by the front end.
    assert not set(fields) & set(state_after(policy, stem, **fields))


def test_a_description_is_html_only_if_it_was_from_the_start(policy: OutputPolicy) -> None:
    text = '<b>x</b><img src="http://e/">'
    state = state_after(policy, "Button", description=text, description_allow_html=True)
    assert state["description"] == "<b>x</b>"
    later = OutputPolicy()
    assert state_after(later, "Button", description=text)["description"] == text
    passed = later.comm_msg(update("w1", description_allow_html=True))
    assert passed is not None
    assert passed["data"]["state"] == {"description_allow_html": False}


def test_math_in_labels_is_defused(policy: OutputPolicy) -> None:
    state = state_after(
        policy, "Label", value=r"$\href{javascript:x}{y}$", description=r"$\style{a}{b}$"
    )
    assert "\\href" not in state["value"]
    assert "\\style" not in state["description"]


def test_a_link_carries_no_text_into_html(policy: OutputPolicy) -> None:
    policy.comm_open(opened("t", state_of("Text", value="<script>")))
    policy.comm_open(opened("h", state_of("HTML", value="")))
    policy.comm_open(opened("s", state_of("IntSlider", value=1)))
    names = {"_view_name": None}
    for ends, fine in [
        ((["IPY_MODEL_t", "value"], ["IPY_MODEL_h", "value"]), False),
        ((["IPY_MODEL_t", "value"], ["IPY_MODEL_s", "description"]), False),
        ((["IPY_MODEL_t", "value"], ["IPY_MODEL_unknown", "value"]), False),
        ((["IPY_MODEL_t", "value"], ["IPY_MODEL_s", "value"]), True),
    ]:
        state = state_after(policy, "Link", **names, source=ends[0], target=ends[1])
        assert ("target" in state) is fine


def test_outputs_inside_of_an_output_widget_are_filtered(policy: OutputPolicy) -> None:
    outputs = [
        {
            "output_type": "display_data",
            "data": {"text/html": "<script>x</script>"},
            "metadata": {},
        },
        {"output_type": "stream", "name": "stdout", "text": "<b>"},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t", 1]},
        {"output_type": "update_display_data", "data": {}},
        "junk",
    ]
    passed = state_after(policy, "Output", outputs=outputs)["outputs"]
    assert [output["output_type"] for output in passed] == ["display_data", "stream", "error"]
    assert "text/html" not in passed[0]["data"]
    assert passed[2]["traceback"] == ["t"]


def test_messages_on_unknown_or_closed_comms_are_dropped(policy: OutputPolicy) -> None:
    assert policy.comm_msg(update("w1", value=1)) is None
    state_after(policy, "IntSlider", value=1)
    assert policy.comm_msg(update("w1", value=2)) is not None
    assert policy.open_comms() == ["w1"]
    assert policy.comm_close({"comm_id": "w1", "data": {"x": 1}}) == {"comm_id": "w1", "data": {}}
    assert policy.comm_msg(update("w1", value=2)) is None
    assert policy.comm_close({"comm_id": "w1"}) is None
    assert policy.open_comms() == []


def test_the_answer_with_every_state_is_filtered(policy: OutputPolicy) -> None:
    state_after(policy, "HTML", value="x")
    policy.client_comm_open({"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}})
    bad = {"state": state_of("HTML", value="<script>x</script>y"), "model_name": "Evil"}
    states = {"w1": bad, "unknown": bad, "x": 7}
    passed = policy.comm_msg(
        {"comm_id": "c", "data": {"method": "update_states", "states": states, "buffer_paths": []}}
    )
    assert passed is not None
    assert set(passed["data"]["states"]) == {"w1"}
    assert passed["data"]["states"]["w1"]["model_name"] == "HTMLModel"
    assert passed["data"]["states"]["w1"]["state"]["value"] == "y"
    assert policy.open_comms() == ["w1"]


def test_a_reloaded_page_takes_up_a_comm_and_its_rules(policy: OutputPolicy) -> None:
    state_after(policy, "HTML", value="x")
    policy.client_comm_open({"comm_id": "w1", "target_name": "jupyter.widget", "data": {}})
    passed = policy.comm_msg(update("w1", **state_of("HTML", value="<script>x</script>y")))
    assert passed is not None
    assert passed["data"]["state"]["value"] == "y"


def test_a_comm_that_the_client_opened_shows_its_class_first(policy: OutputPolicy) -> None:
    policy.client_comm_open({"comm_id": "k", "target_name": "jupyter.widget", "data": {}})
    assert policy.comm_msg(update("k", value="<script>")) is None
    assert policy.comm_msg(update("k", **state_of("HTML", value="y"))) is not None
    assert policy.open_comms() == []


def test_custom_messages_to_core_widgets_hold_no_markup(policy: OutputPolicy) -> None:
    state_after(policy, "Button")
    for content, fine in [({"do": "focus"}, True), ({"do": "<b>"}, False)]:
        message = {"comm_id": "w1", "data": {"method": "custom", "content": content}}
        assert (policy.comm_msg(message) is not None) is fine


def test_remembered_comms_are_bounded(policy: OutputPolicy) -> None:
    state = state_of("IntSlider")
    for number in range(10_000):
        policy.comm_open(opened(f"w{number}", state))
    assert policy.comm_open(opened("one-more", state)) is None
    for number in range(30_000):
        policy.comm_open({"comm_id": f"d{number}", "target_name": "evil", "data": {}})
    assert len(policy._comms._denied) <= 10_000
    policy.forget_comms()
    assert policy.open_comms() == []
    assert policy.comm_open(opened("one-more", state)) is not None
