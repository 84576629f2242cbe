"""What a worker's message may hold: any JSON is either checked or rejected, nothing else."""

from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coderemote_kernel.checks import (
    CONTROL_REPLIES,
    IOPUB_TYPES,
    SHELL_REPLIES,
    Rejected,
    check_content,
)

TYPES = sorted(IOPUB_TYPES | SHELL_REPLIES | CONTROL_REPLIES)

# What comes out of orjson: no NaN, no surrogates, integers of 64 bits.
text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)
fields = """name text data metadata transient display_id execution_count ename evalue traceback
execution_state wait comm_id status user_expressions payload matches cursor_start cursor_end found
indent comms protocol_version implementation implementation_version language_info banner help_links
supported_features subshell_id _jupyter_types_experimental target_name""".split()
plausible = st.dictionaries(
    st.sampled_from(fields) | text,
    values
    | st.sampled_from(["ok", "error", "aborted", "busy", "idle", "stdout", "complete", "python"])
    | st.dictionaries(st.sampled_from(fields) | text, values, max_size=4),
    max_size=8,
)


@given(st.sampled_from(TYPES), plausible | st.dictionaries(text, values, max_size=5))
@example("stream", {"name": ["stdout"], "text": "x"})
@example("stream", {"name": {}, "text": "x"})
@example("status", {"execution_state": []})
@example("execute_reply", {"status": {}})
@example("is_complete_reply", {"status": []})
@example("kernel_info_reply", {
    "protocol_version": "5", "implementation": "", "implementation_version": "",
    "language_info": {"name": "x"}, "supported_features": [[], {}, "debugger"],
})  # fmt: skip
def test_any_content_is_checked_or_rejected(msg_type, content):
    try:
        checked = check_content(msg_type, content)
    except Rejected as reason:
        short = 0 < len(str(reason)) < 80
    else:
        short = orjson.loads(orjson.dumps(checked)) is not None
    assert short


@pytest.mark.parametrize("msg_type", TYPES)
def test_empty_content_is_checked_or_rejected(msg_type):
    with contextlib.suppress(Rejected):
        orjson.dumps(check_content(msg_type, {}))


def nested(depth: int, kind: str) -> dict:
    value: object = "bottom"
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return {"data": {"application/json": value}, "x": value}


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("msg_type", ["debug_reply", "debug_event", "usage_reply"])
def test_what_is_nested_too_deeply_to_be_read_again_is_rejected(msg_type, kind):
    check_content(msg_type, nested(50, kind))
    with pytest.raises(Rejected, match="deep"):
        check_content(msg_type, nested(900, kind))


def test_known_fields_only_come_through():
    got = check_content("stream", {"name": "stdout", "text": "x", "extra": 1})
    assert got == {"name": "stdout", "text": "x"}
    got = check_content("display_data", {"data": {}, "transient": {"display_id": "i", "x": 1}})
    assert got == {"data": {}, "metadata": {}, "transient": {"display_id": "i"}}
    got = check_content("execute_reply", {"status": "ok", "execution_count": 1, "engine_info": {}})
    assert set(got) == {"status", "execution_count", "user_expressions", "payload"}


@pytest.mark.parametrize("count", [-1, 1 << 53, 1.0, True, "1", None, [], {}])
def test_a_count_is_a_small_whole_number(count):
    with pytest.raises(Rejected):
        check_content("execute_input", {"execution_count": count})


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//x", "", "JAVASCRIPT:x"]
)
def test_help_links_lead_to_the_web_alone(url):
    info = {
        "protocol_version": "5.4", "implementation": "i", "implementation_version": "1",
        "language_info": {"name": "python"}, "help_links": [{"text": "t", "url": url}],
    }  # fmt: skip
    assert check_content("kernel_info_reply", info)["help_links"] == []


def test_completions_are_bounded():
    got = check_content(
        "complete_reply",
        {"matches": ["m" * 100_000] * 30_000, "cursor_start": 0, "cursor_end": 0, "status": "ok"},
    )
    assert len(got["matches"]) == 20_000
    assert len(got["matches"][0]) == 65_536
