"""Judge one text of a MIME type that browsers or MathJax interpret."""

from __future__ import annotations

import re

from coderemote_kernel.outputs import _reasons as why
from coderemote_kernel.outputs._clean import clean_html, clean_svg
from coderemote_kernel.outputs._html import reason_html_is_active, reason_svg_is_active
from coderemote_kernel.outputs._latex import has_active_math
from coderemote_kernel.outputs._markdown import reason_markdown_is_active

__all__ = ["inert_html", "judge_markup"]

# About a second of proving; the length leaves room for inline images.
_TAG_LIMIT = 1_000_000
_LENGTH_LIMIT = 64 * 1024 * 1024
# No text needs them, and parsers differ on what to do with them.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


def judge_markup(mime: str, text: str) -> tuple[str | None, str | None]:
    """Return what may pass of `text`, and why not all of it does.

    Inert text comes back as it is, with no reason; cleaned text with the reason it was cleaned for;
    None with the reason it is held back.
    """
    if _CONTROL.search(text):
        return None, why.BAD_TEXT
    if mime == "text/latex":
        return (None, why.MATH) if has_active_math(text) else (text, None)
    if mime == "text/markdown":
        reason = reason_markdown_is_active(text)
        return (text, None) if reason is None else (None, reason)
    if text.count("<") > _TAG_LIMIT or len(text) > _LENGTH_LIMIT:
        return None, why.TOO_LARGE
    svg = mime == "image/svg+xml"
    reason = reason_svg_is_active(text) if svg else reason_html_is_active(text)
    if reason is None:
        return text, None
    return (clean_svg(text) if svg else clean_html(text)), reason


def inert_html(text: str) -> tuple[str, str | None]:
    """Return `text` as HTML that may be shown, and why it differs if it does."""
    kept, reason = judge_markup("text/html", text)
    if kept is None:
        kept = f"<em>[held back by coderemote: {reason}]</em>"
    return kept, reason
