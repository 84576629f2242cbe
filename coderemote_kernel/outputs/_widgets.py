"""Make the state of a core widget safe to give to the page.

Read from ipywidgets' front end: `HTML.value` goes to innerHTML as it is; descriptions and labels
are typeset; layout and style values go to `style.setProperty`; `format: "url"` makes an address of
a value; icons and `_dom_classes` become classes; `Output.outputs` is a list of bundles; links copy
any attribute of one widget to any attribute of another within the page; and a view that throws
puts the error's text into innerHTML, so a ``<`` in, say, a number format ends up as markup.
Text that is shown as text is free; everything else may not hold markup at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coderemote_kernel.outputs import _reasons as why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coderemote_kernel.outputs._comms import CommGuard, Widget

__all__ = ["control_paths", "core_view_fits", "filter_state", "is_plain_json", "media_paths"]

# Model names without "Model" whose view has the same stem. A model with another's view would have
# its state read by rules we have not applied (TextModel in an HTMLView).
_SAME_STEM = frozenset(
    """
    Accordion Audio Box Button Checkbox ColorPicker ColorsInput Combobox Controller ControllerAxis
    ControllerButton DatePicker Datetime Dropdown FileUpload FloatLogSlider FloatRangeSlider
    FloatSlider FloatText FloatsInput GridBox HBox HTML HTMLMath Image IntRangeSlider IntSlider
    IntText IntsInput Label Layout Output Password Play RadioButtons Select SelectMultiple
    SelectionRangeSlider SelectionSlider Stack Style Tab TagsInput Text Textarea Time ToggleButton
    ToggleButtons VBox Valid Video
    """.split()
)
_OTHER_VIEWS = {
    "FloatProgressModel": "ProgressView",
    "IntProgressModel": "ProgressView",
    "BoundedIntTextModel": "IntTextView",
    "BoundedFloatTextModel": "FloatTextView",
    "NaiveDatetimeModel": "DatetimeView",
    "LinkModel": None,
    "DirectionalLinkModel": None,
}
_NAMES = frozenset(
    """
    _model_module _model_module_version _model_name _view_count _view_module _view_module_version
    _view_name
    """.split()
)
_HTML_MODELS = frozenset(("HTMLModel", "HTMLMathModel"))
_MEDIA_MODELS = frozenset(("ImageModel", "AudioModel", "VideoModel"))
_LINK_MODELS = frozenset(("LinkModel", "DirectionalLinkModel"))
_TEXT_VALUES = frozenset(
    ("LabelModel", "TextModel", "TextareaModel", "PasswordModel", "ComboboxModel", "TagsInputModel")
)
# Shown by the page through textContent, setAttribute("title") or option.text.
_FREE_TEXT = frozenset(
    "placeholder tooltip tooltips options _options_labels titles readout label allowed_tags".split()
)
_CLASS_FIELDS = frozenset(("icon", "icons", "_dom_classes"))
# What a link may carry. Values of widgets whose value is HTML, math or bytes are out: text that a
# Text widget may hold freely would arrive there unseen.
_LINKABLE = frozenset("value index max min step lower upper selected_index disabled".split())
_SIZE_LIMIT = 1024 * 1024
_DEPTH_LIMIT = 32


def core_view_fits(model: str, view: object) -> bool:
    """Tell whether `view` is the one that ipywidgets shows the core model `model` with."""
    if model in _OTHER_VIEWS:
        return view is None or view == _OTHER_VIEWS[model]
    stem = model.removesuffix("Model")
    if stem == model:
        return False
    if stem.endswith("Style"):
        return stem.isidentifier() and view in (None, "StyleView")
    return stem in _SAME_STEM and (view is None or view == f"{stem}View")


def is_plain_json(value: object, depth: int = 0) -> bool:
    """Tell whether no text in `value` could be markup, or the start of an address."""
    if isinstance(value, str):
        return not any(mark in value for mark in ("<", "&", "://", "javascript:", "data:"))
    if depth > _DEPTH_LIMIT:
        return False
    if isinstance(value, dict):
        return all(
            is_plain_json(key, depth + 1) and is_plain_json(item, depth + 1)
            for key, item in value.items()
        )
    if isinstance(value, list):
        return all(is_plain_json(item, depth + 1) for item in value)
    return True


def filter_state(guard: CommGuard, widget: Widget, state: dict[str, Any]) -> dict[str, Any]:
    """Return the part of `state` that may reach the page, cleaned where that makes sense."""
    passed: dict[str, Any] = {}
    if "description_allow_html" in state:
        allowed = state["description_allow_html"] is True
        # Switched on later, it would turn a description into HTML that was sent as text.
        widget.html_description |= allowed and "description" in state
        passed["description_allow_html"] = allowed and widget.html_description
    for key, value in state.items():
        if key == "description_allow_html":
            continue
        kept, reason = _field(guard, widget, key, value)
        if reason is not None:
            guard.hold(widget.module, reason)
        if kept is not _DROPPED:
            passed[key] = kept
    return passed


_DROPPED: Any = object()


def _field(  # noqa: PLR0911 - one per kind of field
    guard: CommGuard, widget: Widget, key: str, value: object
) -> tuple[Any, str | None]:
    if key in _NAMES:
        return (value, None) if is_plain_json(value) else (_DROPPED, why.WIDGET_MODULE)
    model = widget.model
    if key == "value" and model in _HTML_MODELS | _TEXT_VALUES | _MEDIA_MODELS:
        return _value(model, value)
    if key == "description":
        return _description(widget, value)
    if key == "outputs" and model == "OutputModel":
        return _outputs(guard, value), None
    if key in ("source", "target") and model in _LINK_MODELS:
        return (value, None) if _may_link(guard, value) else (_DROPPED, why.WIDGET_LINK)
    if key in _CLASS_FIELDS:
        return _classes(value)
    if key in _FREE_TEXT:
        return (value, None) if _is_text(value) else (_DROPPED, why.NOT_TEXT)
    if key == "format" and model in _MEDIA_MODELS:
        ok = isinstance(value, str) and value.lower() != "url" and len(value) < 40
        return (value, None) if ok and is_plain_json(value) else (_DROPPED, why.WIDGET_URL)
    if model == "LayoutModel" or model.endswith("StyleModel"):
        return _style_value(key, value)
    return (value, None) if is_plain_json(value) else (_DROPPED, why.ELEMENT)


def _value(  # noqa: PLR0911 - one per kind of value
    model: str, value: object
) -> tuple[Any, str | None]:
    if model in _MEDIA_MODELS:
        # The bytes come as buffers; whatever stands here in JSON is not an image.
        return (None, None) if value is None else (_DROPPED, why.NOT_AN_IMAGE)
    if model == "TagsInputModel":
        return (value, None) if _is_text(value) else (_DROPPED, why.NOT_TEXT)
    if not isinstance(value, str):
        return _DROPPED, why.NOT_TEXT
    if model in _HTML_MODELS:
        if "<" not in value and "&" not in value and "\\" not in value:
            return value, None
        from coderemote_kernel.outputs._markup import inert_html

        return inert_html(value)
    if model == "LabelModel":
        return _typeset(value)
    return value, None


def _typeset(text: str) -> tuple[str, str | None]:
    from coderemote_kernel.outputs._latex import defuse_math, typesets_active_math

    return (defuse_math(text), why.MATH) if typesets_active_math(text) else (text, None)


def _description(widget: Widget, value: object) -> tuple[Any, str | None]:
    if not isinstance(value, str):
        return _DROPPED, why.NOT_TEXT
    if widget.html_description and ("<" in value or "&" in value):
        from coderemote_kernel.outputs._clean import clean_inline

        return clean_inline(value), None
    return _typeset(value)


def _is_text(value: object) -> bool:
    if value is None or isinstance(value, str | bool | int | float):
        return True
    return isinstance(value, list) and all(
        item is None or isinstance(item, str | bool | int | float) for item in value
    )


def _classes(value: object) -> tuple[Any, str | None]:
    from coderemote_kernel.outputs._vocabulary import is_inert_class

    words = value if isinstance(value, list) else [value]
    if all(word is None or (isinstance(word, str) and is_inert_class(word)) for word in words):
        return value, None
    return _DROPPED, why.ATTRIBUTE


def _style_value(key: str, value: object) -> tuple[Any, str | None]:
    from coderemote_kernel.outputs._css import is_inert_value

    if value is None or isinstance(value, bool | int | float):
        return value, None
    if isinstance(value, str) and is_inert_value(value, key.replace("_", "-")):
        return value, None
    return _DROPPED, why.STYLE


def _may_link(guard: CommGuard, end: object) -> bool:
    if end is None:
        return True
    if not isinstance(end, list) or len(end) != 2 or not all(isinstance(part, str) for part in end):
        return False
    reference, name = end
    widget = guard.widgets.get(reference.removeprefix("IPY_MODEL_"))
    if widget is None or not widget.core or name not in _LINKABLE:
        return False
    kept_apart = _HTML_MODELS | _MEDIA_MODELS | {"LabelModel", "OutputModel", "LayoutModel"}
    return widget.model not in kept_apart and not widget.model.endswith("StyleModel")


def _outputs(guard: CommGuard, outputs: object) -> list[dict[str, Any]]:
    passed: list[dict[str, Any]] = []
    for output in outputs if isinstance(outputs, list) else ():
        kept = _output(guard, output) if isinstance(output, dict) else None
        if kept is not None:
            passed.append(kept)
    return passed


def _output(guard: CommGuard, output: dict[str, Any]) -> dict[str, Any] | None:
    kind = output.get("output_type")
    if kind == "stream":
        name, text = output.get("name"), output.get("text")
        if name in ("stdout", "stderr") and isinstance(text, str):
            return {"output_type": kind, "name": name, "text": text}
    elif kind in ("display_data", "execute_result"):
        filtered = guard.bundle(output.get("data"), output.get("metadata"))
        kept = {"output_type": kind, "data": filtered.data, "metadata": filtered.metadata}
        if kind == "execute_result":
            count = output.get("execution_count")
            kept["execution_count"] = count if type(count) is int else None
        return kept
    elif kind == "error":
        name, message, trace = (output.get(key) for key in ("ename", "evalue", "traceback"))
        lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
        if isinstance(name, str) and isinstance(message, str):
            return {"output_type": kind, "ename": name, "evalue": message, "traceback": lines}
    return None


def media_paths(
    widget: Widget, paths: list[list[Any]], buffers: int | Iterable[object]
) -> list[list[Any]]:
    """Return the buffer paths if the buffers may go where they say, else none."""
    if not paths:
        return []
    if widget.model == "FileUploadModel":
        return paths
    if widget.model not in _MEDIA_MODELS or paths != [["value"]]:
        return []
    return paths if widget.model == "ImageModel" or _is_media(buffers, 0) else []


def control_paths(
    widgets: dict[str, Widget], paths: list[list[Any]], buffers: int | Iterable[object]
) -> list[list[Any]]:
    """Return the buffer paths of a reply with every state, if all buffers may go there."""
    held = [] if isinstance(buffers, int) else list(buffers)
    for position, (widget_id, *path) in enumerate(paths):
        one: int | list[object] = held[position : position + 1] if held else 1
        if not media_paths(widgets[widget_id], [path], one):
            return []
    return paths


def _is_media(buffers: int | Iterable[object], position: int) -> bool:
    from coderemote_kernel.outputs._vocabulary import is_media

    if isinstance(buffers, int):
        return False
    for index, buffer in enumerate(buffers):
        if index == position and isinstance(buffer, bytes | bytearray | memoryview):
            return is_media(bytes(buffer[:16]))
    return False
