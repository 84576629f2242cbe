"""Finds what a browser would run or fetch in the messages of a kernel.

A second opinion on purpose: it shares no code with the relay's own cleaning, knows no exceptions
but the ones written here, and rather cries wolf. What is held back under the isolated type is not
looked into: that is shown in a frame of its own.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .client import Message

__all__ = ["active_in_html", "active_in_message"]

_INERT = frozenset(
    (
        "text/plain",
        "application/json",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/bmp",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.coderemote.isolated+json",
    )
)
_MARKUP = frozenset(("text/html", "image/svg+xml", "text/markdown", "text/latex"))
_TAGS = frozenset(
    "script iframe frame frameset object embed applet link meta base form portal webview"
    " foreignobject animate animatemotion animatetransform set handler listener noscript"
    " template".split()
)
_FETCHING = frozenset(
    "src srcset poster background data lowsrc dynsrc ping manifest archive classid codebase"
    " imagesrcset xlink:href icon".split()
)
_FETCHED_BY_HREF = frozenset(("image", "use", "feimage", "link", "mpath", "textpath", "pattern"))
_LINKING = frozenset(("href", "action", "formaction", "xlink:href", "to", "from", "values"))
_AWAY = re.compile(
    r"^\s*(?:[a-z][a-z0-9+.-]*:)?[\\/]{2}|^\s*(?:https?|ftp|wss?|file|blob):", re.IGNORECASE
)
_SCHEME = re.compile(
    r"^(?:javascript|vbscript|livescript|data:(?!image/(?:png|jpe?g|gif|webp|bmp)))", re.IGNORECASE
)
_RAW = re.compile(
    r"<[^<>]*[\s/\"']on[a-z]{3,}\s*=|<\s*(?:script|iframe|object|embed|base|meta|form)\b",
    re.IGNORECASE,
)
_CSS = re.compile(
    r"@import|expression\s*\(|-moz-binding|behavior\s*:|image-set\s*\(|(?<![\w-])src\s*\(",
    re.IGNORECASE,
)
_CSS_URL = re.compile(
    r"url\s*\(\s*['\"]?\s*(?!data:image/(?:png|jpeg|gif|webp)|#)[^)]", re.IGNORECASE
)
_MARKDOWN = re.compile(
    r"!\[[^\]]*\]\s*\(\s*<?\s*(?:[a-z]+:)?//|!\[[^\]]*\]\s*\[|\]\s*\(\s*<?\s*(?:javascript|vbscript|data:text)"
    r"|^\s*\[[^\]]+\]:\s*<?(?:javascript:|data:text)",
    re.IGNORECASE | re.MULTILINE,
)
_LATEX = re.compile(
    r"\\href\s*\{\s*(?:javascript|vbscript|data)\s*:|\\style\s*\{[^}]*url\s*\(", re.IGNORECASE
)
_COMM_TARGETS = frozenset(("jupyter.widget", "jupyter.widget.control", "jupyter.widget.version"))
_WIDGET_MODULES = frozenset(
    ("@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output", None)
)
_PLAIN = frozenset(("tooltip", "placeholder"))  # set as attributes, never as markup
_PAYLOADS = frozenset(("page", "set_next_input", "ask_exit"))


def active_in_message(message: Message) -> Iterator[str]:
    """Yield what is active in one message, each as a short sentence."""
    content = message.content
    kind = message.msg_type
    if kind in {"display_data", "update_display_data", "execute_result", "inspect_reply"}:
        yield from _bundle(content.get("data"))
    elif kind.startswith("comm_"):
        yield from _comm(kind, content)
    elif kind == "execute_reply":
        yield from _reply(content)
    elif kind == "complete_reply":
        for item in (content.get("metadata") or {}).get("_jupyter_types_experimental") or ():
            if not all(isinstance(value, str | int) for value in item.values()):
                yield "a completion carries more than text"


def _reply(content: dict[str, Any]) -> Iterator[str]:
    for payload in content.get("payload") or ():
        if payload.get("source") not in _PAYLOADS:
            yield f"a payload of the kind {payload.get('source')!r}"
        yield from _bundle(payload.get("data"))
    for expression in (content.get("user_expressions") or {}).values():
        yield from _bundle(expression.get("data"))


def _bundle(data: object) -> Iterator[str]:
    if not isinstance(data, dict):
        return
    for mime, value in data.items():
        if mime in _INERT:
            continue
        if mime not in _MARKUP:
            yield f"{mime} as itself"
            continue
        text = "".join(map(str, value)) if isinstance(value, list) else str(value)
        yield from (f"{mime}: {flaw}" for flaw in _markup(mime, text))


def _markup(mime: str, text: str) -> Iterator[str]:
    yield from active_in_html(text)
    if mime == "text/markdown" and (found := _MARKDOWN.search(text)):
        yield f"markdown {found[0]!r}"
    if found := _LATEX.search(text):
        yield f"LaTeX {found[0]!r}"


def _comm(kind: str, content: dict[str, Any]) -> Iterator[str]:
    target = content.get("target_name")
    if kind == "comm_open" and not (isinstance(target, str) and target in _COMM_TARGETS):
        yield f"a comm to the target {target!r}"
    if content.get("target_module"):
        yield f"a comm to the module {content.get('target_module')!r}"
    data = content.get("data")
    state = data.get("state") if isinstance(data, dict) else None
    if isinstance(state, dict):
        yield from _widget(state)


def _widget(state: dict[str, Any]) -> Iterator[str]:
    for key in ("_view_module", "_model_module"):
        module = state.get(key)
        if not isinstance(module, str | None) or module not in _WIDGET_MODULES:
            yield f"a widget of the module {module!r}"
    if state.get("format") == "url":
        # The address itself is in a buffer, or comes in a later message.
        yield "a widget whose value is an address to fetch"
    for output in state.get("outputs") or ():
        yield from _bundle(output.get("data") if isinstance(output, dict) else None)
    for key, value in state.items():
        if key not in _PLAIN and key != "outputs":
            for text in _strings(value):
                yield from (f"a widget's {key}: {flaw}" for flaw in _trait(key, text))


def _trait(key: str, text: str) -> Iterator[str]:
    yield from _markup("text/html", text)
    if key not in {"value", "description"}:
        yield from _style(text)
    if _AWAY.match(text):
        yield f"refers to {text[:60]!r}"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def active_in_html(text: str) -> list[str]:
    """Return what a browser would run or fetch in a piece of HTML or SVG."""
    finder = _Finder()
    finder.feed(text)
    finder.close()
    found = finder.found
    if raw := _RAW.search(text):
        found.append(f"{raw[0][:40]!r}")
    return found


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in _TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            self.found += _attribute(tag, name, value or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _style(data)


def _attribute(tag: str, name: str, value: str) -> Iterable[str]:
    bare = re.sub(r"[\x00-\x20]+", "", html.unescape(value))
    if name.startswith("on"):
        yield f"{name}="
    if name.startswith("data-commandlinker") or name in {"srcdoc", "formaction", "http-equiv"}:
        yield f"{name}="
    if name in _LINKING and (_SCHEME.match(bare) or "javascript:" in bare.lower()):
        yield f"{name}={bare[:30]!r}"
    fetches = name in _FETCHING or (name == "href" and tag in _FETCHED_BY_HREF)
    if fetches and (_SCHEME.match(bare) or any(map(_AWAY.match, bare.split(",")))):
        yield f"{name}={bare[:30]!r}"
    if name == "style" or "url(" in bare.lower():
        yield from _style(value)


def _style(text: str) -> Iterable[str]:
    # CSS lets every letter be written as \75 and be torn apart by comments.
    plain = re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda m: chr(min(int(m[1], 16), 0x10FFFF)), text)
    plain = re.sub(r"/\*.*?\*/", "", plain, flags=re.DOTALL).replace("\\", "")
    for pattern in (_CSS, _CSS_URL):
        if found := pattern.search(plain):
            yield f"style {found[0]!r}"
