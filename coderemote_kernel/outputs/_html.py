"""Prove HTML and SVG inert, without trusting any two parsers to agree.

What passes here reaches the notebook page byte for byte and is put into it with the user's token
at hand, so the question is not "does our parser see a script" but "could any parser". Only a
subset of HTML is accepted that has one reading: every tag complete, quoted and balanced, no stray
``<``, no raw-text elements but style and title (whose text may hold neither ``<`` nor ``&``, so
that it reads alike as HTML, as foreign content and as XML), comments without dashes. On top of that
come lists of elements and attributes, and a check for each kind of value. Outside of the subset
the answer is a reason, and the cleaner takes over.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from coderemote_kernel.outputs import _reasons as why
from coderemote_kernel.outputs._css import is_inert_sheet, is_inert_style, is_inert_value
from coderemote_kernel.outputs._latex import typesets_active_math
from coderemote_kernel.outputs._vocabulary import (
    BOOLEAN_ATTRIBUTES,
    HTML_ELEMENTS,
    METADATA_ELEMENTS,
    NAMESPACES,
    PAINT_ATTRIBUTES,
    PLAIN_ATTRIBUTES,
    SHARED_ELEMENTS,
    SVG_ATTRIBUTES,
    SVG_ELEMENTS,
    VOID_ELEMENTS,
    is_inert_class,
    is_inert_data_url,
    is_inert_id,
    is_inert_link,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "attribute_is_inert",
    "nesting_is_shallow",
    "reason_html_is_active",
    "reason_svg_is_active",
]

_DEPTH_LIMIT = 256
_ATTRIBUTE_LIMIT = 64
_TAG = re.compile(
    r"""<(/?)([A-Za-z][\w:]*+)((?:\s++[A-Za-z_][\w:.-]*+"""
    r"""(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[\w\#%.,-]++(?=[\s>])))?+)*+)\s*+(/?)>""",
    re.ASCII,
)
_ATTRIBUTE = re.compile(
    r"""\s++([A-Za-z_][\w:.-]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([\w\#%.,-]++)))?+""", re.ASCII
)
_COMMENT = re.compile(r"<!--(?!>)[^<>\-!]*+(?:-(?![->])[^<>\-!]*+)*+-->")
_BEFORE_ROOT = re.compile(
    r"""\s*+(?:<\?xml(?:\s++(?:version|encoding|standalone)=(?:"[\w.-]*+"|'[\w.-]*+'))*+\s*+\?>)?+\s*+"""
    r"""(?:<!DOCTYPE\s++svg(?:\s++PUBLIC\s++"[\w/ .-]*+"\s++"https?://www\.w3\.org/[\w/.-]*+")?+\s*+>)?+"""
    rf"""(?:\s*+{_COMMENT.pattern})*+\s*+""",
    re.ASCII,
)
_ROOT = re.compile(r"<svg[\s>]", re.ASCII)
_TAG_NAME = re.compile(r"<[/!]?\s*+([A-Za-z][\w:-]*+)?+", re.ASCII)
_HANDLER = re.compile(r"<[^>]{0,2000}[\s/\"']on[a-z]+\s*=", re.IGNORECASE | re.ASCII)
_RAW_TEXT = re.compile(r"[^<&]*+")
_REFERENCE = re.compile(r"url\(\s*+[\"']?+#([\w.-]++)", re.ASCII | re.IGNORECASE)
_LOCAL = re.compile(r"\#([\w.-]++)", re.ASCII)


def reason_html_is_active(html: str) -> str | None:
    """Return why `html` is not provably inert, or None where it is."""
    return _Proof(html).run(0)


def reason_svg_is_active(svg: str) -> str | None:
    """Return why `svg` is not provably inert as XML and as HTML, or None where it is."""
    root = _BEFORE_ROOT.match(svg)
    start = root.end() if root else 0
    # Exactly: XML knows no <SVG>, and what stands before the root could make the rest text.
    if not _ROOT.match(svg, start):
        return why.MALFORMED
    proof = _Proof(svg)
    proof.as_xml = True
    return proof.run(start)


def attribute_is_inert(element: str, name: str, value: str) -> bool:
    """Tell whether one attribute, already decoded, passes on its own."""
    if "<" in value or ">" in value or '"' in value:
        return False
    lower = element.lower()
    in_svg = lower == "svg" or lower in SVG_ELEMENTS
    proof = _Proof("")
    return proof.reason_for_attribute(lower, name.lower(), value, in_svg=in_svg) is None


def nesting_is_shallow(html: str) -> bool:
    """Tell whether `html` is complete, balanced tags of bounded depth, of whatever kind."""
    stack: list[str] = []
    position = 0
    while (start := html.find("<", position)) >= 0:
        match = _TAG.match(html, start) or _COMMENT.match(html, start)
        if match is None:
            return False
        position = match.end()
        if match.re is _COMMENT:
            continue
        closing, name, attributes, slash = match.groups()
        lower = name.lower()
        if lower not in HTML_ELEMENTS and lower not in SVG_ELEMENTS and lower != "svg":
            return False
        if closing:
            if not stack or stack.pop() != lower:
                return False
        elif not slash and lower not in VOID_ELEMENTS:
            stack.append(lower)
        if len(stack) > _DEPTH_LIMIT or (attributes and attributes.count("=") > _ATTRIBUTE_LIMIT):
            return False
    return True


class _Active(Exception):
    """Ends the walk through the markup with the reason for holding it back."""


class _Proof:
    """One walk through one text; every method raises _Active where the proof fails."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.as_xml = False
        self.open: list[tuple[str, str, str]] = []  # name as written, lower case, id
        self.svg_depth = 0
        self.ids: set[str] = set()
        self.referred: set[str] = set()
        self.referring: list[list[str]] = []  # the ids around each reference
        self.sheets: list[str] = []
        self.text: list[str] = []
        self.known: dict[str, tuple[str, str, str]] = {}  # tags that are the same each time

    def run(self, start: int) -> str | None:
        try:
            self._walk(start)
            self._check_sheets()
            self._check_references()
        except _Active as verdict:
            return str(verdict)
        return None

    def _walk(self, position: int) -> None:
        html, text, match_tag, known = self.html, self.text, _TAG.match, self.known
        stack = self.open
        while (start := html.find("<", position)) >= 0:
            if start > position:
                text.append(html[position:start])
            match = match_tag(html, start)
            if match is None:
                position = self._skip_comment(start)
                continue
            position = match.end()
            closing, name, attributes, slash = match.groups()
            if closing:
                if not stack or stack[-1][0] != name or attributes or slash:
                    raise _Active(self._reason_for_tag(name, why.MALFORMED))
                if stack.pop()[1] == "svg":
                    self.svg_depth -= 1
                    known.clear()
            elif (again := known.get(match[0])) is not None:
                stack.append(again)
            else:
                position = self._open(match, position)
            if len(stack) > _DEPTH_LIMIT:
                raise _Active(why.MALFORMED)
        text.append(html[position:])
        if stack:
            raise _Active(why.MALFORMED)
        self._check_math()

    def _skip_comment(self, start: int) -> int:
        match = _COMMENT.match(self.html, start)
        if match is None:
            head = _TAG_NAME.match(self.html, start)
            raise _Active(self._reason_for_tag(head[1] or "" if head else "", why.MALFORMED, start))
        return match.end()

    def _reason_for_tag(self, name: str, fallback: str, start: int = -1) -> str:
        """Name what a reader would want to know first about a tag that was refused."""
        lower = name.lower()
        if lower == "script":
            return why.SCRIPT
        if start >= 0 and _HANDLER.match(self.html, start):
            return why.HANDLER
        if lower and lower not in HTML_ELEMENTS and lower not in SVG_ELEMENTS | SHARED_ELEMENTS:
            return why.ELEMENT
        return fallback

    def _open(self, match: re.Match[str], position: int) -> int:
        _, name, attributes, slash = match.groups()
        lower = name.lower()
        in_svg = self.svg_depth > 0
        self._check_element(name, lower, in_svg=in_svg)
        before = len(self.referring)
        identity = self._check_attributes(lower, attributes, in_svg=in_svg or lower == "svg")
        if lower in VOID_ELEMENTS and not in_svg:
            if self.as_xml:
                raise _Active(why.ELEMENT)
            return position
        if slash:
            # <div/> is an open tag to HTML and a closed one to XML; in SVG both close it.
            if not in_svg:
                raise _Active(why.MALFORMED)
            return position
        if lower in ("style", "title"):
            return self._raw_text(name, lower, position)
        entry = (name, lower, identity)
        if lower == "svg":
            self.svg_depth += 1
            self.known.clear()
        elif not identity and len(self.referring) == before:
            self.known[match[0]] = entry
        self.open.append(entry)
        return position

    def _check_element(self, name: str, lower: str, *, in_svg: bool) -> None:
        if lower == "svg" or lower in SHARED_ELEMENTS:
            if lower == "title" and not in_svg:
                raise _Active(why.ELEMENT)
            return
        if in_svg:
            # An HTML element inside of <svg> makes HTML parsers leave the drawing: two readings.
            if lower not in SVG_ELEMENTS and name not in METADATA_ELEMENTS:
                raise _Active(self._reason_for_tag(lower, why.MALFORMED))
        elif self.as_xml or lower not in HTML_ELEMENTS:
            raise _Active(why.SCRIPT if lower == "script" else why.ELEMENT)

    def _raw_text(self, name: str, lower: str, position: int) -> int:
        match = _RAW_TEXT.match(self.html, position)
        end = match.end() if match else position
        closing = f"</{name}>"
        if not self.html.startswith(closing, end):
            if lower == "title" and self.svg_depth:
                # Text with entities reads alike in both worlds as long as no tag opens.
                end = self.html.find("<", position)
                if end >= 0 and self.html.startswith(closing, end):
                    return end + len(closing)
            raise _Active(why.STYLE_SHEET if lower == "style" else why.MALFORMED)
        if lower == "style":
            self.sheets.append(self.html[position:end])
        return end + len(closing)

    def _check_attributes(self, element: str, attributes: str, *, in_svg: bool) -> str:
        identity = ""
        for match in _ATTRIBUTE.finditer(attributes):
            name, value = match[1].lower(), match[2] or match[3] or match[4]
            if value is None:
                empty = match[0].endswith(('""', "''"))
                if not empty and name not in BOOLEAN_ATTRIBUTES:
                    raise _Active(why.HANDLER if name.startswith("on") else why.ATTRIBUTE)
                value = ""
            reason = self.reason_for_attribute(element, name, value, in_svg=in_svg)
            if reason is not None:
                raise _Active(reason)
            if name == "id" and value:
                identity = value
        return identity

    def reason_for_attribute(  # noqa: PLR0911 - one per kind of attribute
        self, element: str, name: str, value: str, *, in_svg: bool
    ) -> str | None:
        check = _CHECKS.get(name)
        if check is not None:
            return check(self, element, value)
        if name in PLAIN_ATTRIBUTES or name.startswith("aria-"):
            return None
        if in_svg and name in SVG_ATTRIBUTES:
            return None
        if in_svg and name in PAINT_ATTRIBUTES:
            if not is_inert_value(value, name):
                return why.REFERENCE if "url" in value.lower() else why.STYLE
            self._note_references(value)
            return None
        if name in NAMESPACES:
            return None if value == NAMESPACES[name] else why.ATTRIBUTE
        if name in BOOLEAN_ATTRIBUTES and value in ("", name):
            return None
        return why.HANDLER if name.startswith("on") else why.ATTRIBUTE

    def _note_references(self, value: str) -> None:
        names = _REFERENCE.findall(value)
        if names:
            self.referred.update(names)
            self.referring.append([identity for _, _, identity in self.open])

    def check_id(self, _element: str, value: str) -> str | None:
        if not is_inert_id(value):
            return why.ATTRIBUTE
        self.ids.add(value)
        return None

    def check_class(self, _element: str, value: str) -> str | None:
        return None if is_inert_class(value) else why.ATTRIBUTE

    def check_style(self, _element: str, value: str) -> str | None:
        if "&" in value or not is_inert_style(value):
            return why.STYLE
        if "url" in value:
            self._note_references(value)
        return None

    def check_href(self, element: str, value: str) -> str | None:
        if element == "a":
            return None if is_inert_link(value) else why.LINK
        if element == "image":
            return None if is_inert_data_url(value, "image") else why.REMOTE
        local = _LOCAL.fullmatch(value)
        if local is None or element not in ("use", "lineargradient", "radialgradient", "pattern"):
            return why.REFERENCE
        self.referred.add(local[1])
        self.referring.append([identity for _, _, identity in self.open])
        return None

    def check_src(self, element: str, value: str) -> str | None:
        kind = "image" if element == "img" else "media"
        ok = element in ("img", "audio", "video", "source") and is_inert_data_url(value, kind)
        return None if ok else why.REMOTE

    def check_target(self, element: str, value: str) -> str | None:
        # Any other name could steer a window the page has already opened.
        return None if element == "a" and value == "_blank" else why.ATTRIBUTE

    def check_rel(self, element: str, value: str) -> str | None:
        ok = element == "a" and set(value.split()) <= {
            "noopener",
            "noreferrer",
            "nofollow",
            "external",
        }
        return None if ok else why.ATTRIBUTE

    def _check_sheets(self) -> None:
        if not all(is_inert_sheet(sheet, self.ids) for sheet in self.sheets):
            raise _Active(why.STYLE_SHEET)

    def _check_references(self) -> None:
        # A reference from inside of something that is itself referred to multiplies: twenty
        # levels of <use> are a million elements and a frozen tab.
        for around in self.referring:
            if not self.referred.isdisjoint(around):
                raise _Active(why.REFERENCE)

    def _check_math(self) -> None:
        if ("\\" in self.html or "&" in self.html) and typesets_active_math(
            unescape("".join(self.text))
        ):
            raise _Active(why.MATH)


_CHECKS: dict[str, Callable[[_Proof, str, str], str | None]] = {
    "id": _Proof.check_id,
    "class": _Proof.check_class,
    "style": _Proof.check_style,
    "href": _Proof.check_href,
    "xlink:href": _Proof.check_href,
    "src": _Proof.check_src,
    "target": _Proof.check_target,
    "rel": _Proof.check_rel,
}
