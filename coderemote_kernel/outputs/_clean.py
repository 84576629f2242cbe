"""Clean markup that is not provably inert, and prove what came out.

nh3 (ammonia, on a real HTML parser) does the cleaning; it is not trusted alone. Its result has to
pass the same proof as text that was never touched, and what fails is held back whole.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from coderemote_kernel.outputs._css import inert_declarations, inert_rules
from coderemote_kernel.outputs._html import (
    attribute_is_inert,
    nesting_is_shallow,
    reason_html_is_active,
    reason_svg_is_active,
)
from coderemote_kernel.outputs._latex import defuse_math
from coderemote_kernel.outputs._vocabulary import (
    BOOLEAN_ATTRIBUTES,
    HTML_ELEMENTS,
    PAINT_ATTRIBUTES,
    PLAIN_ATTRIBUTES,
    SVG_ATTRIBUTES,
    SVG_ELEMENTS,
)

if TYPE_CHECKING:
    import nh3

__all__ = ["SIZE_LIMIT", "clean_html", "clean_inline", "clean_svg"]

SIZE_LIMIT = 8 * 1024 * 1024
# html5ever is quadratic in the depth of nesting and in the attributes of a tag. A text this small
# cannot hold enough of either to matter; a larger one has to show its nesting first.
_SMALL = 64 * 1024
_SMALL_TAGS = 4_000
# About half a second of cleaning.
_TAG_LIMIT = 300_000

_CAMEL = {
    name.lower(): name
    for name in (
        "baseProfile clipPath clipPathUnits gradientTransform gradientUnits lengthAdjust "
        "linearGradient markerHeight markerUnits markerWidth maskContentUnits maskUnits "
        "patternContentUnits patternTransform patternUnits preserveAspectRatio radialGradient "
        "refX refY spreadMethod textLength textPath viewBox"
    ).split()
}
_DROPPED_WITH_CONTENT = frozenset(
    """
    script noscript template iframe frame frameset noframes noembed object embed applet math
    textarea select option button xmp plaintext listing head meta link base
    """.split()
)
_STYLE_ELEMENT = re.compile(r"(<style[^<>]*+>)([^<]*+)</style>")
_ID = re.compile(r'\sid="([^"<>]*+)"')
_TAG = re.compile(r"<[^<>]*+>")
_VISIBLE = re.compile(r"<(?:img|audio|video|source)\s[^<>]*?src=|<(?:svg|hr|meter|progress)[\s>]")
_BARE_IMAGE = re.compile(r"<img(?![^<>]*\ssrc=)[^<>]*>")
_SVG = re.compile(r"<svg[\s>].*</svg>", re.DOTALL)


def _filter(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return inert_declarations(value) or None
    return value if attribute_is_inert(tag, name, value) else None


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    from nh3 import Cleaner

    everywhere = PLAIN_ATTRIBUTES | BOOLEAN_ATTRIBUTES | {"id", "class", "style"}
    drawing = {_CAMEL.get(name, name) for name in SVG_ATTRIBUTES | PAINT_ATTRIBUTES}
    svg_tags = {_CAMEL.get(name, name) for name in SVG_ELEMENTS}
    attributes = {tag: set(drawing) for tag in svg_tags | {"svg", "a"}}
    for tag in ("a", "use", "image", "linearGradient", "radialGradient", "pattern"):
        attributes[tag].add("href")
    attributes["a"].add("target")
    for tag in ("img", "audio", "video", "source"):
        attributes[tag] = {"src"}
    return Cleaner(
        tags={*HTML_ELEMENTS, *svg_tags, "svg", "style"},
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes={"*": set(everywhere), **attributes},
        attribute_filter=_filter,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
    )


def _affordable(text: str) -> bool:
    tags = text.count("<")
    if len(text) > SIZE_LIMIT or tags > _TAG_LIMIT:
        return False
    return (len(text) <= _SMALL and tags <= _SMALL_TAGS) or nesting_is_shallow(text)


def _without_reaching_styles(html: str) -> str:
    ids = set(_ID.findall(html))

    def keep(match: re.Match[str]) -> str:
        rules = inert_rules(match[2], ids)
        return f"{match[1]}{rules}</style>" if rules.strip() else ""

    return _STYLE_ELEMENT.sub(keep, html)


def _cleaned(text: str) -> str:
    # A picture without its source is drawn as a broken one.
    html = _BARE_IMAGE.sub("", _cleaner().clean(text))
    if "<style" in html:
        html = _without_reaching_styles(html)
    return defuse_math(html)


def clean_html(html: str) -> str | None:
    """Return the inert part of `html`, or None where nothing worth showing is left."""
    if not _affordable(html):
        return None
    cleaned = _cleaned(html)
    if reason_html_is_active(cleaned) is not None:
        return None
    if not _VISIBLE.search(cleaned) and not _TAG.sub("", _STYLE_ELEMENT.sub("", cleaned)).strip():
        return None
    return cleaned


def clean_svg(svg: str) -> str | None:
    """Return the inert part of an SVG document, or None where nothing is left of it."""
    if not _affordable(svg):
        return None
    match = _SVG.search(_cleaned(svg))
    if match is None:
        return None
    # The cleaner writes HTML; as XML it needs its namespaces and knows no &nbsp;.
    cleaned = match[0].replace("&nbsp;", "&#160;")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    cleaned = head + re.sub(r'\sxmlns(?::\w+)?="[^"<>]*+"', "", cleaned[4:])
    return cleaned if reason_svg_is_active(cleaned) is None else None


def clean_inline(html: str) -> str:
    """Return `html` with nothing but plain inline markup, as for a widget's description."""
    import nh3

    if len(html) > _SMALL or html.count("<") > _SMALL_TAGS:
        return nh3.clean_text(html[:_SMALL])
    tags = {"b", "br", "code", "em", "i", "kbd", "small", "span", "strong", "sub", "sup", "u"}
    cleaned = nh3.clean(
        html, tags=tags, attributes={}, clean_content_tags=set(_DROPPED_WITH_CONTENT)
    )
    return defuse_math(cleaned)
