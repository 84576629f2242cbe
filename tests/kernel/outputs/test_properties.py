"""Whatever comes, the policy answers, and its answers hold nothing active."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coderemote_kernel.outputs import ISOLATED_MIME, OutputPolicy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
MIMES = st.sampled_from(
    [
        "text/html",
        "text/plain",
        "image/svg+xml",
        "text/markdown",
        "text/latex",
        "image/png",
        "application/json",
        "application/javascript",
        "application/vnd.jupyter.widget-view+json",
    ]
)
PIECES = st.sampled_from(
    r"""
    <b> </b> <p </p> <script> </script> <svg> </svg> <style> </style> <!-- --> <img <a <math> <td>
    <table> src= href= style= onerror= class= id= title= " ' > / = javascript: http://e/ url( ) #a1
    { } ; : @import \ &#60; &lt; & x data:image/png;base64,AAAA <title> </title> <use <g <![CDATA[
    ]]> <? ?> $ \href ![ ]( ]: ``` color:red position:fixed <textarea> <noscript> <template>
    </template> onload alert(1) T_1 .dataframe
    """.split()
) | st.sampled_from([" ", "\n", "\t", "\x00", "\x0c", "\u2028", "\u212a", "\ud800"])
MARKUP = st.lists(PIECES, max_size=25).map("".join)
FORBIDDEN = re.compile(
    r"<\s*(?:script|iframe|object|embed|link|meta|base|form|input|button|textarea|template|noscript|math"
    r"|foreignobject|animate|set|feimage)\b|<[^>]*[\s\"'/]on\w+\s*=|<[^>]*(?:src|srcset|poster|background"
    r"|action|ping|data-\w+)\s*=\s*[\"']?(?!data:(?:image/(?:png|jpeg|gif|webp)|audio|video))"
    r"|<[^>]*href\s*=\s*[\"']?\s*(?:javascript|data:(?!image/png)|vbscript)"
    r"|(?:<[^>]*style\s*=\s*[\"']?|<style[^>]*>)[^<>\"']*(?:fixed|@import|\\\\|url\(\s*[\"']?[^#])",
    re.IGNORECASE,
)


@given(data=st.dictionaries(MIMES | st.text(max_size=10), JSON | MARKUP, max_size=4), metadata=JSON)
def test_no_bundle_raises_and_every_answer_is_json(data: Any, metadata: Any) -> None:
    result = OutputPolicy().bundle(data, metadata)
    json.dumps([result.data, result.metadata])
    assert not result.held or "text/plain" in result.data
    for item in result.held:
        assert item.mime in result.data[ISOLATED_MIME]["data"]


@given(content=JSON, other=JSON)
def test_no_comm_message_raises(content: Any, other: Any) -> None:
    for shaped in (
        content,
        {"comm_id": "a", "target_name": "jupyter.widget", "data": content},
        {
            "comm_id": "a",
            "target_name": "jupyter.widget",
            "data": {"state": content, "buffer_paths": other},
        },
        {"comm_id": "a", "data": {"method": "update", "state": content, "buffer_paths": other}},
        {
            "comm_id": "c",
            "data": {"method": "update_states", "states": content, "buffer_paths": other},
        },
    ):
        policy = OutputPolicy()
        policy.client_comm_open({"comm_id": "c", "target_name": "jupyter.widget.control"})
        policy.client_comm_open({"comm_id": "a", "target_name": "jupyter.widget"})
        for method in (policy.comm_open, policy.comm_msg, policy.comm_close, policy.payload):
            method(shaped)  # type: ignore[operator]
        policy.client_comm_open(shaped)
        policy.client_comm_close(shaped)


@given(
    stem=st.sampled_from(
        ["HTML", "Text", "Output", "Image", "Link", "Layout", "Button", "IntSlider"]
    ),
    fields=st.dictionaries(
        st.sampled_from("value description outputs source format icon width tooltip x".split()),
        JSON | MARKUP,
    ),
)
def test_no_widget_state_raises(stem: str, fields: dict[str, Any]) -> None:
    module = "@jupyter-widgets/base" if stem == "Layout" else "@jupyter-widgets/controls"
    state = {"_model_module": module, "_model_name": f"{stem}Model", **fields}
    content = {"comm_id": "a", "target_name": "jupyter.widget", "data": {"state": state}}
    passed = OutputPolicy().comm_open(content)
    assert passed is not None
    json.dumps(passed)


@settings(max_examples=400)
@given(mime=st.sampled_from(["text/html", "image/svg+xml"]), text=MARKUP)
def test_markup_that_passes_holds_nothing_forbidden(mime: str, text: str) -> None:
    passed = OutputPolicy().bundle({mime: text}, {}).data.get(mime)
    assert passed is None or not FORBIDDEN.search(passed)


@settings(max_examples=400)
@given(mime=st.sampled_from(["text/html", "image/svg+xml", "text/markdown"]), text=MARKUP)
def test_what_has_passed_once_passes_again_unchanged(mime: str, text: str) -> None:
    once = OutputPolicy().bundle({mime: text}, {}).data.get(mime)
    if once is not None:
        again = OutputPolicy().bundle({mime: once}, {})
        assert again.held == []
        assert again.data == {mime: once}


@pytest.mark.parametrize("shape", [b"[", b'{"a":'])
def test_the_deepest_json_that_the_relay_parses_is_no_trouble(shape: bytes) -> None:
    closing = b"]" if shape == b"[" else b"}"
    deep = orjson.loads(shape * 1000 + b"1" + closing * 1000)
    policy = OutputPolicy()
    policy.bundle({"application/json": deep, "text/html": deep, "x": deep}, {"x": deep})
    for data in (deep, {"state": deep}, {"state": {"_model_module": deep, "value": deep}}):
        policy.comm_open({"comm_id": "a", "target_name": "jupyter.widget", "data": data})
    state = {
        "_model_module": "@jupyter-widgets/controls",
        "_model_name": "BoxModel",
        "children": deep,
    }
    passed = policy.comm_open(
        {"comm_id": "b", "target_name": "jupyter.widget", "data": {"state": state}}
    )
    assert passed is not None
    assert "children" not in passed["data"]["state"]


def test_an_output_widget_in_an_output_widget_ends_somewhere() -> None:
    output: dict[str, Any] = {"output_type": "display_data", "data": {"text/html": "<script>"}}
    for _ in range(300):
        output = {"output_type": "display_data", "data": {"text/plain": "x", "y": output}}
    state = {
        "_model_module": "@jupyter-widgets/output",
        "_model_name": "OutputModel",
        "outputs": [output],
    }
    OutputPolicy().comm_open(
        {"comm_id": "b", "target_name": "jupyter.widget", "data": {"state": state}}
    )
