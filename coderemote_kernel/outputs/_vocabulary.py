"""The elements, attributes and values that inert markup is made of.

What is missing is missing on purpose: form controls (a jail could ask for a password), `name` and
`data-*` (JupyterLab runs commands from `data-commandlinker-command`), anything that fetches.
"""

from __future__ import annotations

import re
from base64 import b64decode

HTML_ELEMENTS = frozenset(
    """
    a abbr address article aside audio b bdi bdo big blockquote br caption center cite code col
    colgroup dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header
    hr i img ins kbd label li main mark meter ol p pre progress q rp rt ruby s samp section small
    source span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var
    video
    """.split()
)
SHARED_ELEMENTS = frozenset("a style title".split())
# No animation (it can set href), no foreignObject (HTML again), no filters (feImage fetches).
SVG_ELEMENTS = frozenset(
    """
    circle clippath defs desc ellipse g image line lineargradient marker mask metadata path pattern
    polygon polyline radialgradient rect stop switch symbol text textpath tspan use
    """.split()
)
METADATA_ELEMENTS = frozenset(
    """
    rdf:RDF cc:Work cc:Agent dc:type dc:title dc:date dc:format dc:creator dc:contributor
    dc:coverage dc:description dc:identifier dc:language dc:publisher dc:relation dc:rights
    dc:source dc:subject
    """.split()
)
VOID_ELEMENTS = frozenset("br col hr img source".split())
BOOLEAN_ATTRIBUTES = frozenset("controls hidden loop muted nowrap open reversed scoped".split())
PLAIN_ATTRIBUTES = frozenset(
    """
    abbr align alt border cellpadding cellspacing char charoff colspan color cols datetime
    dir face frame halign headers height high hspace label lang low max min optimum
    role rows rowspan rules scope size span start summary title type valign value vspace width
    xml:lang xml:space
    """.split()
)
SVG_ATTRIBUTES = frozenset(
    """
    baseprofile clippathunits cx cy d dx dy fr fx fy gradienttransform gradientunits height
    lengthadjust markerheight markerunits markerwidth maskcontentunits maskunits offset orient
    patterncontentunits patterntransform patternunits points preserveaspectratio r rdf:about
    rdf:resource refx refy rotate rx ry spreadmethod textlength transform version viewbox width x
    x1 x2 xlink:title y y1 y2
    """.split()
)
# Attributes that are CSS by another name: their values pass the same check as a style's.
PAINT_ATTRIBUTES = frozenset(
    """
    clip-path clip-rule color dominant-baseline fill fill-opacity fill-rule font-family font-size
    font-style font-weight letter-spacing marker-end marker-mid marker-start mask opacity
    shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset
    stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor
    text-rendering visibility word-spacing
    """.split()
)
# A prefix bound to another namespace would make <dc:script> a script to an XML parser.
NAMESPACES = {
    "xmlns": "http://www.w3.org/2000/svg",
    "xmlns:svg": "http://www.w3.org/2000/svg",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    "xmlns:rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmlns:cc": "http://creativecommons.org/ns#",
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
}

# Classes and ids that mean something to the page: a class can carry "cover everything" (lm-Menu,
# jp-Dialog) or be looked for by a click handler, an id can stand in for a global of that name.
_PAGES_OWN = (
    r"(?!(?:jp|lm|p|crm|coderemote|jupyter|cm|bp\d*|fa|fas|far|codicon|mjx|nb|ui|ace|widget|monaco|rp|sr|rdg"
    r"|rjsf|xterm|cell|notebook|modal|output|tooltip|galata)(?:[-_]|$)|mathjax|mathquill|codemirror|toastify|vega)"
)
_CLASS = re.compile(rf"{_PAGES_OWN}[A-Za-z_][\w.:/%-]*+", re.ASCII | re.IGNORECASE)
_ID = re.compile(rf"{_PAGES_OWN}(?=[\w.:-]*?\d)[A-Za-z][\w.:-]{{0,199}}+", re.ASCII | re.IGNORECASE)
# A link waits for a click, which is the user's act: http(s) and mail go through. Within the server
# only plain file names below the notebook do (IPython's FileLink): no leading slash, no "..", no
# query, so neither /logout nor an API address can be dressed up as a result.
_LINK = re.compile(
    r"https?://[\w.-]++(?::\d{1,5})?+(?:[/?\#](?:[\w./?\#=%+~:@,;!*()$|\[\]-]|&amp;|&(?=[\w.~-]++=))*+)?+"
    r"|mailto:[\w.+%@-]++(?:\?subject=[\w%+.-]*+)?+"
    r"|\#[\w.:%-]*+"
    r"|(?:\./)?+\w[\w %-]*+(?:\.[\w %-]++)*+(?:/\w[\w %-]*+(?:\.[\w %-]++)*+)*+",
    re.ASCII,
)
_DATA_URL = {
    "image": re.compile(
        r"data:image/(?:png|jpeg|jpg|gif|webp);base64,\s*+[A-Za-z0-9+/\s]*+=*+\s*+"
    ),
    "media": re.compile(
        r"data:(?:audio/(?:wav|x-wav|wave|mpeg|mp3|ogg|flac|mp4|webm|aac)|video/(?:mp4|webm|ogg))"
        r";base64,([A-Za-z0-9+/\n]*+)=*+\n?+"
    ),
}


def is_inert_class(value: str) -> bool:
    """Tell whether no word of a class attribute belongs to the page around the output."""
    return all(_CLASS.fullmatch(word) for word in value.split())


def is_inert_id(value: str) -> bool:
    """Tell whether an id can neither shadow a global nor be taken for one of the page's own."""
    return _ID.fullmatch(value) is not None


def is_inert_link(value: str) -> bool:
    """Tell whether a click on this address is no more than a visit or a download."""
    return _LINK.fullmatch(value) is not None


def is_inert_data_url(value: str, kind: str) -> bool:
    """Tell whether `value` carries its image or its sound within itself."""
    match = _DATA_URL[kind].fullmatch(value)
    return match is not None and (kind == "image" or is_media(_decode_head(match[1])))


def _decode_head(encoded: str) -> bytes:
    head = "".join(encoded[:64].split())
    return b64decode(head[: len(head) // 4 * 4])


def is_media(head: bytes) -> bool:
    """Tell sound and film from a playlist: browsers sniff, and an HLS playlist fetches."""
    return (
        head.startswith((b"RIFF", b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3"))
        or head[4:8] == b"ftyp"
        or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)
    )
