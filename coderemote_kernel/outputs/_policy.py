"""The policy object that the relay asks about everything that goes to the page."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coderemote_kernel.outputs import _reasons as why
from coderemote_kernel.outputs._held import FilteredBundle, Held

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coderemote_kernel.outputs._comms import CommGuard

__all__ = ["ISOLATED_MIME", "OutputPolicy"]

ISOLATED_MIME = "application/vnd.coderemote.isolated+json"
WIDGET_VIEW_MIME = "application/vnd.jupyter.widget-view+json"

_TEXT = frozenset(
    ("text/plain", "application/vnd.jupyter.stdout", "application/vnd.jupyter.stderr")
)
_IMAGES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_MARKUP = frozenset(("text/html", "image/svg+xml", "text/markdown", "text/latex"))
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"

# What JupyterLab and nbconvert read per type. Not `isolated` (a frame that is not one: same
# origin), not `filenames` (nbconvert would link the image from there).
_NUMBERS = frozenset(("width", "height"))
_FLAGS = frozenset(("unconfined", "expanded"))
_BACKGROUNDS = ("light", "dark")
_SHOWN_REASONS = 8
_COUNTED_REASONS = 200


class OutputPolicy:
    """Decides what of the worker's output the page may see.

    One per jail session; it remembers the comms. No method raises on any JSON value.

    Parameters
    ----------
    trusted
        Pass everything of the right shape unchanged: the wall is off.
    extra_widget_modules, extra_comm_targets
        Names allowed beside the core ipywidgets ones. Their code runs in the page and their state
        is not looked into, so each name is a grant of trust.
    """

    def __init__(
        self,
        *,
        trusted: bool = False,
        extra_widget_modules: Iterable[str] = (),
        extra_comm_targets: Iterable[str] = (),
    ) -> None:
        self.trusted = trusted
        self.held_total: Counter[str] = Counter()
        self._extra_modules = frozenset(extra_widget_modules)
        self._extra_targets = frozenset(extra_comm_targets)

    @cached_property
    def _comms(self) -> CommGuard:
        from coderemote_kernel.outputs._comms import CommGuard

        return CommGuard(
            bundle=self.bundle,
            note=self._note,
            trusted=self.trusted,
            extra_modules=self._extra_modules,
            extra_targets=self._extra_targets,
        )

    def bundle(self, data: object, metadata: object) -> FilteredBundle:
        """Filter one MIME bundle.

        Returns
        -------
        FilteredBundle
            Data and metadata for the page. Where something was held back, the data also holds the
            originals under `ISOLATED_MIME` and a text that says so.
        """
        if not isinstance(data, dict):
            return FilteredBundle({}, {}, [self._note(Held("bundle", why.NOT_A_MAPPING))])
        if not isinstance(metadata, dict):
            metadata = {}
        if self.trusted:
            return FilteredBundle(data, metadata, [])
        passed: dict[str, Any] = {}
        held: list[Held] = []
        for mime, value in data.items():
            if mime in _TEXT and isinstance(value, str):
                passed[mime] = value
                continue
            kept, reason = self._judge(mime, value)
            if kept is not None:
                passed[mime] = kept
            if reason is not None:
                held.append(self._note(Held(mime, reason)))
        known = _harmless_metadata(metadata, passed) if metadata else {}
        if held:
            self._keep_aside(passed, held, data, metadata)
        return FilteredBundle(passed, known, held)

    def payload(self, payload: object) -> tuple[list[dict[str, Any]], list[Held]]:
        """Filter the payload of an execute reply: pager, next input and exit pass, the rest not."""
        passed: list[dict[str, Any]] = []
        held: list[Held] = []
        for item in payload if isinstance(payload, list) else ():
            if not isinstance(item, dict):
                continue
            if self.trusted:
                passed.append(item)
                continue
            kept = self._payload_item(item, held)
            if kept is None:
                source = item.get("source")
                name = source[:64] if isinstance(source, str) else "payload"
                held.append(self._note(Held(f"payload {name}", why.NOT_LISTED)))
            else:
                passed.append(kept)
        return passed, held

    def comm_open(
        self, content: object, buffers: int | Iterable[object] = 0
    ) -> dict[str, Any] | None:
        """Filter a comm_open from the worker; None drops it, its widgets are then held back too.

        `buffers` may be their number, or the buffers, which sound and film widgets need to pass.
        """
        return self._comms.open(content, buffers)

    def comm_msg(
        self, content: object, buffers: int | Iterable[object] = 0
    ) -> dict[str, Any] | None:
        """Filter a comm_msg from the worker; None drops it."""
        return self._comms.message(content, buffers)

    def comm_close(self, content: object) -> dict[str, Any] | None:
        """Filter a comm_close from the worker; None drops it."""
        return self._comms.close(content)

    def client_comm_open(self, content: object) -> None:
        """Note a comm that the client opened, so that the worker may answer on it."""
        self._comms.client_open(content)

    def client_comm_close(self, content: object) -> None:
        """Note that the client closed a comm."""
        self._comms.client_close(content)

    def open_comms(self) -> list[str]:
        """Return the ids of the comms that the worker has opened and the client has seen."""
        return self._comms.open_ids()

    def forget_comms(self) -> None:
        """Forget every comm, as when the jail has died."""
        self._comms.forget()

    def _judge(  # noqa: PLR0911 - one per kind of type
        self, mime: str, value: object
    ) -> tuple[Any, str | None]:
        """Return what may pass of one value, and why something of it was held back."""
        if mime in _IMAGES:
            if (
                isinstance(value, str)
                and value.isascii()
                and not value.encode().translate(None, _BASE64)
            ):
                return value, None
            return None, why.NOT_AN_IMAGE
        if mime in _MARKUP:
            if not isinstance(value, str):
                # JupyterLab would join a list of strings; the kernel protocol knows none.
                return None, why.NOT_TEXT
            from coderemote_kernel.outputs._markup import judge_markup

            return judge_markup(mime, value)
        if mime == "application/json":
            return ({} if value is None else value), None
        if mime == WIDGET_VIEW_MIME:
            return self._comms.judge_view(value)
        return None, why.NOT_TEXT if mime in _TEXT else why.NOT_LISTED

    def _payload_item(self, item: dict[str, Any], held: list[Held]) -> dict[str, Any] | None:
        source = item.get("source")
        if source == "page":
            filtered = self.bundle(item.get("data"), {})
            held.extend(filtered.held)
            start = item.get("start")
            # Pagers show text; a copy in the isolated type would only be dropped there.
            filtered.data.pop(ISOLATED_MIME, None)
            return {
                "source": "page",
                "data": filtered.data,
                "start": start if type(start) is int else 0,
            }
        if source == "set_next_input":
            text = item.get("text")
            if isinstance(text, str):
                return {"source": source, "text": text, "replace": item.get("replace") is True}
        if source == "ask_exit":
            return {"source": source, "keepkernel": item.get("keepkernel") is True}
        return None

    def _keep_aside(
        self,
        passed: dict[str, Any],
        held: list[Held],
        data: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        names = [item.mime for item in held]
        notice = _notice(held)
        html = passed.get("text/html")
        if html is not None and "text/html" in names:
            passed["text/html"] = f"{html}\n<p><small>{_escape(notice)}</small></p>"
        if any(name not in passed for name in names):
            fallback = _fallback(data, names)
            passed["text/plain"] = f"{fallback}\n{notice}" if fallback else notice
        else:
            passed.setdefault("text/plain", notice)
        passed[ISOLATED_MIME] = {
            "version": 1,
            "data": {name: data[name] for name in names},
            "metadata": {name: metadata[name] for name in names if name in metadata},
            "held": [{"mime": item.mime, "reason": item.reason} for item in held],
        }

    def _note(self, held: Held) -> Held:
        reason = held.reason
        if reason not in self.held_total and len(self.held_total) >= _COUNTED_REASONS:
            reason = "other"
        self.held_total[reason] += 1
        return held


def _fallback(data: dict[str, Any], names: list[str]) -> str:
    """Return the text that stands in: the worker's own, or the source of markdown and math."""
    for mime in ("text/markdown", "text/latex"):
        source = data.get(mime)
        if mime in names and isinstance(source, str):
            return source
    text = data.get("text/plain")
    return text if isinstance(text, str) else ""


def _notice(held: list[Held]) -> str:
    shown = [
        f"{_printable(item.mime)} ({_printable(item.reason)})" for item in held[:_SHOWN_REASONS]
    ]
    more = f" and {len(held) - len(shown)} more" if len(held) > len(shown) else ""
    return f"[held back by coderemote: {', '.join(shown)}{more}]"


def _printable(text: str) -> str:
    """Return what is plain in a name the worker chose: it must not dress up the notice."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in " .,/+-_@*:") else "?" for c in text[:100]
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _harmless_metadata(metadata: dict[str, Any], passed: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for mime, entries in metadata.items():
        if mime not in passed or not isinstance(entries, dict):
            continue
        kept = {
            key: value
            for key, value in entries.items()
            if (key in _NUMBERS and type(value) in (int, float) and 0 <= value < 1e5)
            or (key in _FLAGS and type(value) is bool)
            or (key == "needs_background" and value in _BACKGROUNDS)
        }
        if kept:
            known[mime] = kept
    return known
