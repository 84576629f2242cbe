r"""Tell CSS that can do nothing but dress its own output from CSS that can do more.

A style sheet in an output is global: it restyles the page around it. A style attribute can lay
its element over the whole page, and any ``url()`` is a network connection. So a small grammar is
accepted and the rest refused: no at-rules, no backslashes (escapes are how ``u\72l(`` hides), no
attribute selectors, known properties, known functions, rules that start at an id of the very same
output. Whatever this grammar accepts, every CSS parser reads alike.
"""

from __future__ import annotations

import re

__all__ = [
    "inert_declarations",
    "inert_rules",
    "is_inert_sheet",
    "is_inert_style",
    "is_inert_value",
]

_PROPERTIES = frozenset(
    """
    align-content align-items align-self background background-color background-image
    background-position background-repeat background-size border border-bottom
    border-bottom-color border-bottom-left-radius border-bottom-right-radius border-bottom-style
    border-bottom-width border-collapse border-color border-left border-left-color
    border-left-style border-left-width border-radius border-right border-right-color
    border-right-style border-right-width border-spacing border-style border-top border-top-color
    border-top-left-radius border-top-right-radius border-top-style border-top-width border-width
    box-sizing caption-side clear color column-gap display empty-cells flex flex-basis
    flex-direction flex-flow flex-grow flex-shrink flex-wrap float font font-family
    font-feature-settings font-size font-stretch font-style font-variant font-variant-numeric
    font-weight gap grid-column grid-row grid-template-columns grid-template-rows height
    justify-content justify-items letter-spacing line-height list-style list-style-position
    list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width
    min-height min-width opacity overflow overflow-wrap overflow-x overflow-y padding
    padding-bottom padding-left padding-right padding-top position row-gap tab-size table-layout
    text-align text-decoration text-decoration-color text-decoration-line text-decoration-style
    text-indent text-overflow text-transform vertical-align visibility white-space width
    word-break word-spacing word-wrap
    clip-path clip-rule dominant-baseline fill fill-opacity fill-rule isolation marker marker-end
    marker-mid marker-start mask mix-blend-mode paint-order shape-rendering stop-color
    stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin
    stroke-miterlimit stroke-opacity stroke-width text-anchor text-rendering vector-effect
    """.split()
)
# Only here may a value point into the picture: url(#p1) is a lookup in the document, no request.
_REFERRING = frozenset(
    "clip-path fill marker marker-end marker-mid marker-start mask stroke".split()
)
# A negative one pulls the element over what stands beside the output.
_NOT_NEGATIVE = frozenset(
    "margin margin-bottom margin-left margin-right margin-top text-indent".split()
)
_FUNCTIONS = frozenset(
    """
    calc clamp conic-gradient fit-content hsl hsla hwb lab lch linear-gradient max min minmax
    oklab oklch radial-gradient repeat repeating-linear-gradient repeating-radial-gradient rgb rgba
    """.split()
)
# `.dataframe` is on every pandas table of the page, so a rule on it may only align text.
_SHARED_PROPERTIES = frozenset("text-align vertical-align white-space".split())
# matplotlib's `*{stroke-linejoin: round; stroke-linecap: butt}`: no effect outside of drawings.
_ANYWHERE_PROPERTIES = frozenset("stroke-linecap stroke-linejoin".split())

_LENGTH_LIMIT = 2_000
_VALUE = re.compile(
    r"""(?:[\w\s\#%.,+*!-]++ | /(?!\*) | "[\w\s.,\#+-]*+" | '[\w\s.,\#+-]*+'"""
    r"""| ([A-Za-z-]*+)\( | \) )*+""",
    re.ASCII | re.VERBOSE,
)
_CALL = re.compile(r"([A-Za-z-]*+)\(", re.ASCII)
_LOCAL_URL = re.compile(r"""url\(\s*+(?:\#[\w.-]++|"\#[\w.-]++"|'\#[\w.-]++')\s*+\)""", re.ASCII)
_DECLARATION = re.compile(r"\s*+([A-Za-z][A-Za-z-]*+)\s*+:([^:]*+)", re.ASCII)
_NEGATIVE = re.compile(r"-\s*+[\d.]|\(", re.ASCII)
_RULE = re.compile(r"([^{}]*+)\{([^{}]*+)\}")
_COMMENT = re.compile(r"/\*[\w\s.,:;=()\#'-]*+\*/", re.ASCII)
_COMPOUND = (
    r"(?:[A-Za-z][\w-]*+|\*)?+(?:[.\#][A-Za-z_][\w-]*+|::?(?:hover|first-child|last-child|first-of-type"
    r"|last-of-type|only-of-type|only-child|nth-(?:last-)?(?:child|of-type)\([\w\s+-]*+\)))*+"
)
_SELECTOR = re.compile(
    rf"\s*+(\#[A-Za-z_][\w-]*+|\.dataframe|\*)(?![\w-])({_COMPOUND}(?:\s*+>\s*+{_COMPOUND}|\s++{_COMPOUND})*+)\s*+",
    re.ASCII,
)


def is_inert_value(value: str, name: str = "") -> bool:
    """Tell whether `value` is harmless as the value of the CSS property `name`."""
    if len(value) > _LENGTH_LIMIT:
        return False
    if name in _REFERRING:
        value = _LOCAL_URL.sub("none", value)
    if not _VALUE.fullmatch(value):
        return False
    if "(" in value or ")" in value:
        calls = _CALL.findall(value)
        if any(call.lower() not in _FUNCTIONS and call for call in calls) or not _balanced(value):
            return False
    if name in _NOT_NEGATIVE:
        return not _NEGATIVE.search(value)
    words = value.lower().replace("!important", "").split()
    if name == "position":
        return words in (["static"], ["relative"])
    # A drawing that overflows lies over the page, whatever its own size says.
    return not (name.startswith("overflow") and "visible" in words)


def _balanced(value: str) -> bool:
    depth = 0
    for char in value:
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def _declaration(text: str) -> str | None:
    """Return the property that `text` sets, or None where it is not provably inert."""
    match = _DECLARATION.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower()
    if name not in _PROPERTIES or not is_inert_value(match[2], name):
        return None
    return name


def is_inert_style(style: str) -> bool:
    """Tell whether every declaration of a style attribute is inert."""
    return all(not part.strip() or _declaration(part) for part in style.split(";"))


def inert_declarations(style: str) -> str:
    """Return the inert declarations of a style attribute, the others left out."""
    if not style.isprintable() or set(style) & set("\\{}@<>&"):
        return ""
    return ";".join(part for part in style.split(";") if _declaration(part))


def _rule_is_inert(selectors: str, body: str, ids: frozenset[str] | set[str]) -> bool:
    allowed: frozenset[str] | None = None
    for selector in selectors.split(","):
        match = _SELECTOR.fullmatch(selector)
        if match is None:
            return False
        anchor = match[1]
        if anchor.startswith("#"):
            if anchor[1:] not in ids:
                return False
        elif anchor == "*":
            allowed = _ANYWHERE_PROPERTIES
        elif allowed is None:
            allowed = _SHARED_PROPERTIES
    for part in body.split(";"):
        if not part.strip():
            continue
        name = _declaration(part)
        if name is None or (allowed is not None and name not in allowed):
            return False
    return True


def is_inert_sheet(sheet: str, ids: frozenset[str] | set[str]) -> bool:
    """Tell whether a style sheet only dresses elements under one of `ids`."""
    sheet = _COMMENT.sub(" ", sheet)
    end = 0
    for match in _RULE.finditer(sheet):
        if match.start() != end or not _rule_is_inert(match[1], match[2], ids):
            return False
        end = match.end()
    return not sheet[end:].strip()


def inert_rules(sheet: str, ids: frozenset[str] | set[str]) -> str:
    """Return the inert rules of a style sheet, the others left out."""
    if "\\" in sheet or "@" in sheet or "<" in sheet or "&" in sheet:
        return ""
    sheet = _COMMENT.sub(" ", sheet)
    return "".join(
        match[0] for match in _RULE.finditer(sheet) if _rule_is_inert(match[1], match[2], ids)
    )
