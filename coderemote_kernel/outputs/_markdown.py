"""Prove markdown inert under any renderer.

JupyterLab renders it with marked as trusted HTML, nbconvert with mistune. Instead of following
either, every place where markdown could produce an attribute or a tag has to look plain: link and
image targets, titles, alternative texts, info strings of fences. JupyterLab also takes math out
before rendering and puts it back afterwards, quotes included, so ``[x]($" onclick="..."$)`` writes
attributes: a dollar or a quote in any of those places is refused.
"""

from __future__ import annotations

import re
from html import unescape

from coderemote_kernel.outputs import _reasons as why
from coderemote_kernel.outputs._latex import typesets_active_math

__all__ = ["SIZE_LIMIT", "reason_markdown_is_active"]

SIZE_LIMIT = 8 * 1024 * 1024
_TARGET = (
    r"(?:https?://[\w.-]++(?::\d{1,5})?+(?:[/?\#][\w./?\#=%+~:,&-]*+)?+|mailto:[\w.+%@-]++|\#[\w.%-]*+"
    r"|(?:\./)?+\w[\w%-]*+(?:\.[\w%-]++)*+(?:/\w[\w%-]*+(?:\.[\w%-]++)*+)*+)"
)
_TITLE = r"(?:[ \t]++(?:\"[\w\s.,:;/-]*+\"|'[\w\s.,:;/-]*+'))?+"
_LINK = re.compile(rf"\]\([ \t]*+(?:{_TARGET})?+{_TITLE}[ \t]*+\)", re.ASCII)
# The address of a definition may follow on the next line, and so may its title after that.
_DEFINITION = re.compile(
    rf"\]:(?:\s*+{_TARGET}{_TITLE}[ \t]*+|[ \t]*+\w[\w ,]*+)(?:\Z|\n(?![\s>]*+[\"'(]))|\]:\s*+\Z",
    re.ASCII,
)
_IMAGE = re.compile(
    r"!\[[\w\s.,:;()/-]*+\]\(data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]*+=*+\)", re.ASCII
)
# Up to the first "<" that could open anything but a bare tag or an address in angle brackets.
_PLAIN = re.compile(
    r"(?:[^<]++|<(?![A-Za-z/!?])|</?(?:b|blockquote|br|center|code|dd|del|details|div|dl|dt|em|h[1-6]|hr|i|ins"
    r"|kbd|li|mark|ol|p|pre|s|small|span|strong|sub|summary|sup|table|tbody|td|th|thead"
    r"|tr|u|ul) ?+/?>"
    r"|<(?:https?://|mailto:)[a-z0-9_./?\#=%+~:,&@-]*+>)*+",
    re.IGNORECASE | re.ASCII,
)
_FENCE = re.compile(r"`{3,}+([^\n`]*+)(`?)|~{3,}+([^\n]*+)()")
_INFO = re.compile(r"[\w+\#.{}=,\s-]*+", re.ASCII)


def reason_markdown_is_active(text: str) -> str | None:  # noqa: PLR0911 - one per rule
    """Return why `text` is not provably inert as markdown, or None where it is."""
    if len(text) > SIZE_LIMIT:
        return why.TOO_LARGE
    if "<" in text:
        plain = _PLAIN.match(text)
        end = plain.end() if plain else 0
        if end < len(text):
            return why.SCRIPT if text[end : end + 7].lower() == "<script" else why.HTML_IN_MARKDOWN
    if not _all_match(text, "![", _IMAGE):
        return why.IMAGE_IN_MARKDOWN
    without_images = _IMAGE.sub(" ", text) if "![" in text else text
    if not _all_match(without_images, "](", _LINK) or not _all_match(text, "]:", _DEFINITION):
        return why.LINK_IN_MARKDOWN
    if not _fences_are_plain(text):
        return why.MERMAID
    if "\\" in text or "&" in text:
        # As it stands, with its entities read, and with the backslash that markdown takes away.
        for read in (text, unescape(text), text.replace("\\\\", "\\")):
            if typesets_active_math(read):
                return why.MATH
    return None


def _all_match(text: str, marker: str, pattern: re.Pattern[str]) -> bool:
    position = text.find(marker)
    while position >= 0:
        if not pattern.match(text, position):
            return False
        position = text.find(marker, position + 1)
    return True


def _fences_are_plain(text: str) -> bool:
    if "```" not in text and "~~~" not in text:
        return True
    for ticks, inline, tildes, _ in _FENCE.findall(text):
        info = ticks or tildes
        if inline:
            continue
        if not _INFO.fullmatch(info) or "mermaid" in info.lower():
            return False
    return True
