"""What a worker's message may hold: one check per message type, on parsed JSON.

Each check returns the content to forward, built anew with the known fields only, or raises
`Rejected`. Content that can become active in a browser goes through the output policy besides;
that is the caller's part, see `coderemote_kernel.answers`.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CONTROL_REPLIES",
    "IOPUB_TYPES",
    "SHELL_REPLIES",
    "Rejected",
    "check_content",
]

SHELL_REPLIES = frozenset(
    {
        "execute_reply",
        "complete_reply",
        "inspect_reply",
        "is_complete_reply",
        "comm_info_reply",
        "kernel_info_reply",
    }
)
CONTROL_REPLIES = frozenset(
    {
        "kernel_info_reply",
        "debug_reply",
        "usage_reply",
        "create_subshell_reply",
        "delete_subshell_reply",
        "list_subshell_reply",
    }
)
IOPUB_TYPES = frozenset(
    {
        "stream",
        "display_data",
        "update_display_data",
        "execute_result",
        "execute_input",
        "error",
        "status",
        "clear_output",
        "comm_open",
        "comm_msg",
        "comm_close",
        "debug_event",
    }
)

_FEATURES = ("kernel subshells", "debugger")  # a tuple: what is asked for may be unhashable
_MOST_MATCHES = 20_000
_LONGEST_WORD = 65_536
_DEEPEST = 200


class Rejected(ValueError):
    """The content is not what its type says; the text is a short reason, fit for counting."""


def _text(content: dict[str, Any], name: str, default: str | None = None) -> str:
    value = content.get(name, default)
    if not isinstance(value, str):
        raise Rejected(name + " is no text")
    return value


def _object(content: dict[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Rejected(name + " is no object")
    return value


def _count(content: dict[str, Any], name: str) -> int:
    value = content.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Rejected(name + " is no count")
    return value


def _lines(content: dict[str, Any], name: str) -> list[str]:
    value = content.get(name)
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise Rejected(name + " is no list of texts")
    return value


def _error_fields(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "ename": _text(content, "ename", ""),
        "evalue": _text(content, "evalue", ""),
        "traceback": _lines(content, "traceback") if content.get("traceback") else [],
    }


def _stream(content: dict[str, Any]) -> dict[str, Any]:
    name = _text(content, "name")
    if name not in {"stdout", "stderr"}:
        raise Rejected("no such stream")
    return {"name": name, "text": _text(content, "text")}


def _display(content: dict[str, Any]) -> dict[str, Any]:
    transient = _object(content, "transient")
    display_id = transient.get("display_id")
    if display_id is not None and not isinstance(display_id, str):
        raise Rejected("display_id is no text")
    return {
        "data": _object(content, "data"),
        "metadata": _object(content, "metadata"),
        "transient": {} if display_id is None else {"display_id": display_id},
    }


def _execute_result(content: dict[str, Any]) -> dict[str, Any]:
    return {**_display(content), "execution_count": _count(content, "execution_count")}


def _execute_input(content: dict[str, Any]) -> dict[str, Any]:
    return {"execution_count": _count(content, "execution_count")}


def _error(content: dict[str, Any]) -> dict[str, Any]:
    return _error_fields(content)


def _status(content: dict[str, Any]) -> dict[str, Any]:
    state = _text(content, "execution_state")
    if state not in {"busy", "idle"}:
        raise Rejected("no such state")
    return {"execution_state": state}


def _clear_output(content: dict[str, Any]) -> dict[str, Any]:
    return {"wait": bool(content.get("wait", False))}


def _comm(content: dict[str, Any]) -> dict[str, Any]:
    comm_id = _text(content, "comm_id")
    if len(comm_id) > 256:
        raise Rejected("comm_id is too long")
    return content


def _depth_checked(content: dict[str, Any]) -> dict[str, Any]:
    """Let nested data through as it is; JSON is inert, but a client must be able to read it."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return content
    raise Rejected("nested too deeply")


def _failed_or(content: dict[str, Any], ok: dict[str, Any]) -> dict[str, Any]:
    status = _text(content, "status", "ok")
    if status == "ok":
        return {"status": "ok", **ok}
    if status == "error":
        return {"status": "error", **_error_fields(content)}
    if status == "aborted":
        return {"status": "aborted"}
    raise Rejected("no such status")


def _execute_reply(content: dict[str, Any]) -> dict[str, Any]:
    status = _text(content, "status")
    reply: dict[str, Any] = {"status": status, "execution_count": 0}
    if content.get("execution_count") is not None:
        reply["execution_count"] = _count(content, "execution_count")
    if status == "error":
        reply.update(_error_fields(content))
    elif status not in {"ok", "aborted"}:
        raise Rejected("no such status")
    reply["user_expressions"] = {
        name: _expression(value) for name, value in _object(content, "user_expressions").items()
    }
    payload = content.get("payload") or []
    if not isinstance(payload, list):
        raise Rejected("payload is no list")
    reply["payload"] = payload
    return reply


def _expression(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected("a user expression is no object")
    if value.get("status") == "error":
        return {"status": "error", **_error_fields(value)}
    return {
        "status": "ok",
        "data": _object(value, "data"),
        "metadata": _object(value, "metadata"),
    }


def _complete_reply(content: dict[str, Any]) -> dict[str, Any]:
    if content.get("status", "ok") != "ok":
        return _failed_or(content, {})
    matches = _lines(content, "matches")
    typed = _object(content, "metadata").get("_jupyter_types_experimental")
    metadata: dict[str, Any] = {}
    if isinstance(typed, list):
        metadata["_jupyter_types_experimental"] = [
            {
                key: value
                for key, value in entry.items()
                if key in {"start", "end", "text", "type", "signature"}
                and isinstance(value, (str, int))
            }
            for entry in typed[:_MOST_MATCHES]
            if isinstance(entry, dict)
        ]
    return {
        "status": "ok",
        "matches": [match[:_LONGEST_WORD] for match in matches[:_MOST_MATCHES]],
        "cursor_start": _count(content, "cursor_start"),
        "cursor_end": _count(content, "cursor_end"),
        "metadata": metadata,
    }


def _inspect_reply(content: dict[str, Any]) -> dict[str, Any]:
    ok = {
        "found": bool(content.get("found", False)),
        "data": _object(content, "data"),
        "metadata": _object(content, "metadata"),
    }
    return _failed_or(content, ok)


def _is_complete_reply(content: dict[str, Any]) -> dict[str, Any]:
    status = _text(content, "status")
    if status not in {"complete", "incomplete", "invalid", "unknown"}:
        raise Rejected("no such status")
    reply = {"status": status}
    if status == "incomplete":
        reply["indent"] = _text(content, "indent", "")[:1000]
    return reply


def _comm_info_reply(content: dict[str, Any]) -> dict[str, Any]:
    comms = {
        comm_id: {"target_name": _text(about, "target_name")}
        for comm_id, about in _object(content, "comms").items()
        if isinstance(about, dict)
    }
    return _failed_or(content, {"comms": comms})


def _kernel_info_reply(content: dict[str, Any]) -> dict[str, Any]:
    language = _object(content, "language_info")
    links = content.get("help_links")
    features = content.get("supported_features")
    return {
        "status": "ok",
        "protocol_version": _text(content, "protocol_version")[:20],
        "implementation": _text(content, "implementation")[:50],
        "implementation_version": _text(content, "implementation_version")[:50],
        "language_info": {
            **_depth_checked(
                {key: value for key, value in language.items() if isinstance(value, (str, dict))}
            ),
            "name": _text(language, "name")[:50],
        },
        "banner": _text(content, "banner", "")[:4000],
        "help_links": [
            {"text": link["text"], "url": link["url"]}
            for link in (links if isinstance(links, list) else [])[:50]
            if isinstance(link, dict)
            and isinstance(link.get("text"), str)
            and isinstance(link.get("url"), str)
            and link["url"].startswith(("https://", "http://"))
        ],
        "supported_features": [
            feature
            for feature in (features if isinstance(features, list) else [])[:20]
            if feature in _FEATURES
        ],
    }


def _subshell_reply(content: dict[str, Any]) -> dict[str, Any]:
    names = content.get("subshell_id")
    ok: dict[str, Any] = {}
    if isinstance(names, str) or (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        ok["subshell_id"] = names
    return _failed_or(content, ok)


_CHECKS = {
    "stream": _stream,
    "display_data": _display,
    "update_display_data": _display,
    "execute_result": _execute_result,
    "execute_input": _execute_input,
    "error": _error,
    "status": _status,
    "clear_output": _clear_output,
    "comm_open": _comm,
    "comm_msg": _comm,
    "comm_close": _comm,
    "debug_event": _depth_checked,
    "execute_reply": _execute_reply,
    "complete_reply": _complete_reply,
    "inspect_reply": _inspect_reply,
    "is_complete_reply": _is_complete_reply,
    "comm_info_reply": _comm_info_reply,
    "kernel_info_reply": _kernel_info_reply,
    "debug_reply": _depth_checked,
    "usage_reply": _depth_checked,
    "create_subshell_reply": _subshell_reply,
    "delete_subshell_reply": _subshell_reply,
    "list_subshell_reply": _subshell_reply,
}


def check_content(msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a message of that type, checked; raises Rejected."""
    return _CHECKS[msg_type](content)
