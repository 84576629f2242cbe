"""What the policy does with bundles: the lists, the fallback, the copy kept aside."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from coderemote_kernel.outputs import ISOLATED_MIME, OutputPolicy


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "text/javascript",
        "Text/HTML",
        "text/html;charset=utf-8",
        "text/html ",
        "application/pdf",
        "application/geo+json",
        "application/vnd.plotly.v1+json",
        "application/vnd.vega.v5+json",
        "application/vnd.bokehjs_exec.v0+json",
        "application/vnd.jupyter.error",
        "text/vnd.mermaid",
        "image/bmp",
        "video/mp4",
        ISOLATED_MIME,
    ],
)
def test_types_that_are_not_listed_are_held_and_kept_aside(policy: Any, mime: str) -> None:
    result = policy.bundle({mime: "x"}, {mime: {"a": 1}})
    assert set(result.data) == {"text/plain", ISOLATED_MIME}
    assert result.data["text/plain"].startswith("[held back by coderemote: ")
    aside = result.data[ISOLATED_MIME]
    assert aside["version"] == 1
    assert aside["data"] == {mime: "x"}
    assert aside["metadata"] == {mime: {"a": 1}}
    assert aside["held"] == [{"mime": mime, "reason": "type not on the list of inert types"}]


def test_the_text_of_the_worker_stays_above_the_notice(policy: Any) -> None:
    result = policy.bundle({"application/javascript": "x", "text/plain": "<object>"}, {})
    assert result.data["text/plain"] == (
        "<object>\n[held back by coderemote: application/javascript "
        "(type not on the list of inert types)]"
    )


def test_cleaned_html_passes_with_a_line_that_says_so(policy: Any) -> None:
    source = "<p>one</p><script>two</script>"
    result = policy.bundle({"text/html": source}, {})
    assert result.data["text/html"].startswith("<p>one</p>\n<p><small>[held back by coderemote: ")
    assert "script element" in result.data["text/html"]
    assert "two" not in result.data["text/html"]
    assert result.data[ISOLATED_MIME]["data"] == {"text/html": source}


def test_what_cleaning_made_passes_when_it_comes_back(policy: Any) -> None:
    html = policy.bundle({"text/html": "<p>a</p><img src=http://e/>"}, {}).data["text/html"]
    assert policy.bundle({"text/html": html}, {}).held == []


def test_held_markdown_leaves_its_source_as_text(policy: Any) -> None:
    source = "# Title\n\n[x](javascript:alert(1))"
    data = policy.bundle({"text/markdown": source, "text/plain": "<Markdown object>"}, {}).data
    assert "text/markdown" not in data
    assert data["text/plain"].startswith(source)


def test_a_name_that_the_worker_chose_cannot_dress_up_the_notice(policy: Any) -> None:
    text = policy.bundle({"\x1b[2J\n<b>" * 40: 1}, {}).data["text/plain"]
    assert "\x1b" not in text
    assert "\n" not in text
    assert len(text) < 300


def test_many_held_types_are_summed_up(policy: Any) -> None:
    text = policy.bundle({f"x/{number}": 1 for number in range(1000)}, {}).data["text/plain"]
    assert text.endswith(" and 992 more]")


@pytest.mark.parametrize("value", [None, 1, ["<script>", "x</script>"], {"a": 1}, True])
def test_text_that_is_not_a_string_is_held(policy: Any, value: Any) -> None:
    for mime in ("text/plain", "text/html", "image/svg+xml", "text/markdown", "text/latex"):
        result = OutputPolicy().bundle({mime: value}, {})
        assert result.data[ISOLATED_MIME]["held"][0]["reason"] == "value is not text"


@pytest.mark.parametrize("value", ['AA" onerror=x', "AAé", ["AAAA"], "http://x/y", "A A<", None])
def test_an_image_is_base64_or_held(policy: Any, value: Any) -> None:
    assert "image/png" not in policy.bundle({"image/png": value}, {}).data


def test_metadata_is_cut_down_to_what_is_harmless(policy: Any) -> None:
    metadata = {
        "image/png": {"width": 3, "height": '3" onload=x', "isolated": True, "unconfined": True},
        "isolated": True,
        "filenames": {"image/png": "http://e/x.png"},
        "text/html": {"isolated": True},
        "application/json": {"expanded": True, "root": "<b>"},
    }
    data = {"image/png": "AAAA", "text/html": "x", "application/json": {}}
    assert policy.bundle(data, metadata).metadata == {
        "image/png": {"width": 3, "unconfined": True},
        "application/json": {"expanded": True},
    }


def test_a_trusted_policy_passes_everything_of_the_right_shape() -> None:
    policy = OutputPolicy(trusted=True)
    data = {"application/javascript": "alert(1)"}
    assert policy.bundle(data, {"isolated": True}).data == data
    assert policy.bundle([1], {}).data == {}
    assert policy.payload([{"source": "edit"}, 7])[0] == [{"source": "edit"}]
    assert policy.comm_open({"comm_id": "a", "target_name": "any", "data": {}}) is not None
    assert policy.comm_msg({"comm_id": "a", "data": {"x": "<b>"}}) is not None
    assert policy.comm_open(["a"]) is None
    assert policy.open_comms() == ["a"]


def test_payloads_are_filtered(policy: Any) -> None:
    passed, held = policy.payload(
        [
            {"source": "page", "data": {"text/plain": "help", "text/html": "<script>"}, "start": 2},
            {"source": "set_next_input", "text": "1+1", "replace": "yes", "more": 1},
            {"source": "ask_exit", "keepkernel": True},
            {"source": "edit", "filename": "/etc/passwd"},
            {"source": "set_next_input", "text": 7},
            "junk",
        ]
    )
    assert [item["source"] for item in passed] == ["page", "set_next_input", "ask_exit"]
    assert set(passed[0]["data"]) == {"text/plain"}
    assert passed[1] == {"source": "set_next_input", "text": "1+1", "replace": False}
    assert [item.mime for item in held] == ["text/html", "payload edit", "payload set_next_input"]


def test_what_was_held_is_counted_by_reason_within_bounds(policy: Any) -> None:
    policy.bundle({"a/b": 1, "text/html": "<script>"}, {})
    assert policy.held_total["script element"] == 1
    assert policy.held_total["type not on the list of inert types"] == 1


def test_a_sound_is_a_sound_and_not_a_playlist(policy: Any) -> None:
    playlist = base64.b64encode(b"#EXTM3U\nhttp://e/x.ts\n").decode()
    html = f'<audio controls src="data:audio/mpeg;base64,{playlist}"></audio>'
    result = policy.bundle({"text/html": html}, {})
    assert "EXTM" not in str(result.data.get("text/html"))
    assert playlist not in str(result.data.get("text/html"))


def test_references_that_multiply_are_held(policy: Any) -> None:
    levels = "".join(
        f'<g id="l{n}"><use href="#l{n - 1}"/><use href="#l{n - 1}"/></g>' for n in range(1, 40)
    )
    result = policy.bundle({"text/html": f'<svg><g id="l0"></g>{levels}</svg>'}, {})
    assert "<use" not in str(result.data.get("text/html"))


@pytest.mark.parametrize("group", ["LATEX", "HTML_MATH", "MARKDOWN"])
def test_nothing_active_in_math_and_markdown_passes_as_it_is(
    policy: Any, corpus: Any, group: str
) -> None:
    mime = {"LATEX": "text/latex", "HTML_MATH": "text/html", "MARKDOWN": "text/markdown"}[group]
    for template in corpus[group]:
        text = template.replace("PWN", "alert(1)").replace("URL", "http://e/x").replace("HOST", "e")
        result = policy.bundle({mime: text}, {})
        assert result.held, text
        assert mime == "text/html" or mime not in result.data


SLOW = {
    "text/html": [
        "<div>",
        "<",
        "<b>",
        "<p a=1 ",
        "<!--",
        "&",
        "<a><b><p>",
        "<b x=y>z</b>",
        "<td>1</td>",
    ],
    "image/svg+xml": ["<svg ", "<!-- a -->", "<g>", "<?xml "],
    "text/markdown": ["[", "](", "[a]: ", "![", "```a\n", "<b>", "]:\n", "\\"],
    "text/latex": ["\\ ", "\\hre", "\\begin {"],
}


@pytest.mark.parametrize(
    ("mime", "unit"), [(mime, unit) for mime, units in SLOW.items() for unit in units]
)
def test_five_megabytes_of_anything_are_judged_in_time(policy: Any, mime: str, unit: str) -> None:
    text = unit * (5_000_000 // len(unit))
    began = time.perf_counter()
    policy.bundle({mime: text}, {})
    # Under a second on an idle core; a quadratic step would take minutes.
    assert time.perf_counter() - began < 10
