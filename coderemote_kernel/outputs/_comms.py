"""Which comms and widget messages of the worker reach the page.

Widgets are code of the page driven by state from the jail. Only modules on the list may be named,
a widget keeps the class it was opened with, and its state passes `_widgets`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coderemote_kernel.outputs import _reasons as why
from coderemote_kernel.outputs._held import FilteredBundle, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CORE_MODULES", "CommGuard", "Widget"]

CORE_MODULES = frozenset(
    ("@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output")
)
_WIDGET = "jupyter.widget"
_CONTROL = "jupyter.widget.control"
_CORE_TARGETS = frozenset((_WIDGET, _CONTROL, "jupyter.widget.version"))
# Remembered for the life of the jail, closed ones too: an id keeps its class.
_COMM_LIMIT = 10_000
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
_UNSAFE_KEYS = frozenset(("__proto__", "constructor", "prototype"))


@dataclass(slots=True)
class Widget:
    """What is remembered of one comm."""

    target: str
    module: str = ""
    model: str = ""
    view: object = None
    core: bool = True
    html_description: bool = False
    alive: bool = True
    by_client: bool = False


class CommGuard:
    """The comms of one jail. Every method answers None for what must not reach the page."""

    def __init__(
        self,
        *,
        bundle: Callable[[object, object], FilteredBundle],
        note: Callable[[Held], Held],
        trusted: bool,
        extra_modules: frozenset[str],
        extra_targets: frozenset[str],
    ) -> None:
        self.bundle = bundle
        self.widgets: dict[str, Widget] = {}
        self._note = note
        self._trusted = trusted
        self._extra_modules = extra_modules
        self._targets = _CORE_TARGETS | extra_targets
        self._denied: dict[str, str] = {}

    def hold(self, what: str, reason: str) -> None:
        """Count something that was held back."""
        self._note(Held(what[:100], reason))

    def open(self, content: object, buffers: int | Iterable[object]) -> dict[str, Any] | None:
        if not isinstance(content, dict):
            return None
        comm_id, target, data = (content.get(key) for key in ("comm_id", "target_name", "data"))
        if not isinstance(comm_id, str) or not _ID.fullmatch(comm_id):
            return None
        if not isinstance(target, str) or not isinstance(data, dict):
            self._deny(comm_id, "comm", why.NOT_A_MAPPING)
            return None
        if self._trusted:
            self._remember(comm_id, Widget(target))
            return content
        judged = self._judge_open(comm_id, target, data, buffers)
        if judged is None:
            return None
        self._denied.pop(comm_id, None)
        self.widgets[comm_id], data = judged
        # No target_module: the page would load a script of that name.
        return {"comm_id": comm_id, "target_name": target, "data": data}

    def _judge_open(
        self, comm_id: str, target: str, data: dict[str, Any], buffers: int | Iterable[object]
    ) -> tuple[Widget, dict[str, Any]] | None:
        if target not in self._targets:
            self._deny(comm_id, target, why.COMM_TARGET)
        elif comm_id not in self.widgets and len(self.widgets) >= _COMM_LIMIT:
            self._deny(comm_id, target, why.TOO_MANY_COMMS)
        elif target == _WIDGET:
            return self._open_widget(comm_id, data, buffers)
        else:
            return Widget(target), {} if target in _CORE_TARGETS else data
        return None

    def _open_widget(
        self, comm_id: str, data: dict[str, Any], buffers: int | Iterable[object]
    ) -> tuple[Widget, dict[str, Any]] | None:
        state = data.get("state")
        if not isinstance(state, dict):
            self._deny(comm_id, _WIDGET, why.NOT_A_MAPPING)
            return None
        widget = self._classify(comm_id, state)
        if widget is None:
            return None
        # A link made for the widget of this id must not find another class behind it.
        before = self.widgets.get(comm_id)
        if before is not None and (before.module, before.model) != (widget.module, widget.model):
            self._deny(comm_id, widget.module, why.WIDGET_MODULE)
            return None
        return widget, self._state_message({}, data, widget, buffers)

    def _classify(self, comm_id: str, state: dict[str, Any]) -> Widget | None:
        from coderemote_kernel.outputs._widgets import core_view_fits

        module, model = state.get("_model_module"), state.get("_model_name")
        view_module, view = state.get("_view_module"), state.get("_view_name")
        if not (isinstance(module, str) and isinstance(model, str)):
            self._deny(comm_id, _WIDGET, why.WIDGET_MODULE)
            return None
        if module in CORE_MODULES:
            if (view_module is None or view_module in CORE_MODULES) and core_view_fits(model, view):
                return Widget(_WIDGET, module, model, view)
        elif module in self._extra_modules and (
            view_module is None or view_module in self._extra_modules
        ):
            return Widget(_WIDGET, module, model, view, core=False)
        name = module if module not in CORE_MODULES | self._extra_modules else str(view_module)
        self._deny(comm_id, name, f"widget module {name[:60]} is not on the list")
        return None

    def message(  # noqa: PLR0911 - one per kind of comm
        self, content: object, buffers: int | Iterable[object]
    ) -> dict[str, Any] | None:
        if not isinstance(content, dict):
            return None
        comm_id, data = content.get("comm_id"), content.get("data")
        if not isinstance(comm_id, str) or not isinstance(data, dict):
            return None
        if self._trusted:
            return content
        widget = self.widgets.get(comm_id)
        if widget is None or not widget.alive:
            return None
        if widget.target == _CONTROL:
            return self._control_reply(comm_id, data, buffers)
        if widget.target == _WIDGET:
            judged = self._widget_message(comm_id, widget, data, buffers)
            return None if judged is None else {"comm_id": comm_id, "data": judged}
        return {"comm_id": comm_id, "data": data} if widget.target not in _CORE_TARGETS else None

    def _widget_message(  # noqa: PLR0911 - one per rule
        self, comm_id: str, widget: Widget, data: dict[str, Any], buffers: int | Iterable[object]
    ) -> dict[str, Any] | None:
        from coderemote_kernel.outputs._widgets import is_plain_json

        method = data.get("method")
        if method == "custom":
            content = data.get("content")
            if widget.core and not is_plain_json(content):
                self.hold(widget.module, why.HTML_IN_MARKDOWN)
                return None
            return {"method": "custom", "content": content}
        state = data.get("state")
        if method not in ("update", "echo_update") or not isinstance(state, dict):
            return None
        if not widget.module:
            # Opened by the client, which has not said its class: the first full state does.
            named = self._classify(comm_id, state)
            if named is None:
                return None
            named.by_client = True
            self.widgets[comm_id] = widget = named
        fixed = {
            "_model_module": widget.module,
            "_model_name": widget.model,
            "_view_name": widget.view,
        }
        if any(key in state and state[key] != value for key, value in fixed.items()):
            return None
        view_module = state.get("_view_module")
        allowed = CORE_MODULES if widget.core else self._extra_modules
        if view_module is not None and view_module not in allowed:
            return None
        return self._state_message({"method": method}, data, widget, buffers)

    def _state_message(
        self,
        head: dict[str, Any],
        data: dict[str, Any],
        widget: Widget,
        buffers: int | Iterable[object],
    ) -> dict[str, Any]:
        paths = _buffer_paths(data.get("buffer_paths"))
        state = data["state"]
        if widget.core:
            from coderemote_kernel.outputs._widgets import filter_state, media_paths

            state = filter_state(self, widget, state)
            paths = media_paths(widget, paths, buffers)
        return {**head, "state": state, "buffer_paths": paths}

    def _control_reply(
        self, comm_id: str, data: dict[str, Any], buffers: int | Iterable[object]
    ) -> dict[str, Any] | None:
        states = data.get("states")
        if data.get("method") != "update_states" or not isinstance(states, dict):
            return None
        passed: dict[str, Any] = {}
        paths = _buffer_paths(data.get("buffer_paths"))
        for widget_id, entry in states.items():
            widget = self.widgets.get(widget_id)
            state = entry.get("state") if isinstance(entry, dict) else None
            if widget is None or not isinstance(state, dict) or not widget.module:
                continue
            judged = self._widget_message(
                widget_id, widget, {"method": "update", "state": state}, buffers
            )
            if judged is not None:
                version = entry.get("model_module_version")
                passed[widget_id] = {
                    "model_name": widget.model,
                    "model_module": widget.module,
                    "model_module_version": version if isinstance(version, str) else "*",
                    "state": judged["state"],
                }
        if paths and all(len(path) > 1 and path[0] in passed for path in paths):
            from coderemote_kernel.outputs._widgets import control_paths

            paths = control_paths(self.widgets, paths, buffers)
        else:
            paths = []
        reply = {"method": "update_states", "states": passed, "buffer_paths": paths}
        return {"comm_id": comm_id, "data": reply}

    def close(self, content: object) -> dict[str, Any] | None:
        comm_id = content.get("comm_id") if isinstance(content, dict) else None
        if not isinstance(comm_id, str):
            return None
        widget = self.widgets.get(comm_id)
        if widget is None or not widget.alive:
            return None
        widget.alive = False
        if self._trusted and isinstance(content, dict):
            return content
        return {"comm_id": comm_id, "data": {}}

    def client_open(self, content: object) -> None:
        if not isinstance(content, dict):
            return
        comm_id, target = content.get("comm_id"), content.get("target_name")
        if isinstance(comm_id, str) and isinstance(target, str):
            known = self.widgets.get(comm_id)
            if known is not None:
                # A reloaded page takes up a comm again: what we know of it still holds.
                known.alive = True
                return
            self._remember(comm_id, Widget(target, by_client=True))

    def client_close(self, content: object) -> None:
        comm_id = content.get("comm_id") if isinstance(content, dict) else None
        if isinstance(comm_id, str) and comm_id in self.widgets:
            self.widgets[comm_id].alive = False

    def judge_view(self, value: object) -> tuple[Any, str | None]:
        """Judge a widget view: it may only show a widget that has passed."""
        model_id = value.get("model_id") if isinstance(value, dict) else None
        if not isinstance(model_id, str):
            return None, why.UNKNOWN_WIDGET
        if self._trusted or (model_id in self.widgets and model_id not in self._denied):
            return value, None
        return None, self._denied.get(model_id, why.UNKNOWN_WIDGET)

    def open_ids(self) -> list[str]:
        return [
            comm_id
            for comm_id, widget in self.widgets.items()
            if widget.alive and not widget.by_client
        ]

    def forget(self) -> None:
        self.widgets.clear()
        self._denied.clear()

    def _remember(self, comm_id: str, widget: Widget) -> None:
        if len(self.widgets) < _COMM_LIMIT or comm_id in self.widgets:
            self.widgets[comm_id] = widget

    def _deny(self, comm_id: str, what: str, reason: str) -> None:
        if len(self._denied) < _COMM_LIMIT:
            self._denied[comm_id] = reason
        self.hold(what, reason)


def _buffer_paths(paths: object) -> list[list[Any]]:
    """Return the paths; the page assigns along them, so none may name a prototype."""
    if not isinstance(paths, list):
        return []
    for path in paths:
        if not isinstance(path, list) or not path:
            return []
        if not all(type(p) is int or (isinstance(p, str) and p not in _UNSAFE_KEYS) for p in path):
            return []
    return paths
