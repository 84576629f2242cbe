"""Complete the relay's magics beside what the worker completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coderemote_kernel.magics.registry import Registry

__all__ = ["complete"]


def complete(registry: Registry, asked: dict[str, Any], reply: dict[str, Any]) -> None:
    """Add the magics and their options to the content of a ``complete_reply``, in place.

    Parameters
    ----------
    asked
        Content of the ``complete_request``.
    reply
        Content of the worker's answer, checked; left as it is where the two speak of different
        places in the code.
    """
    code, cursor = asked.get("code"), asked.get("cursor_pos")
    if not isinstance(code, str) or type(cursor) is not int or "%" not in code:
        return
    before, _, after = code[:cursor].rpartition("\n")
    offset = len(before) + 1 if before or code[:cursor].startswith("\n") else 0
    line = after + code[cursor:].partition("\n")[0]
    found = registry.complete(line, len(after))
    if not found.matches:
        return
    start = offset + found.start
    if start == reply["cursor_start"] or not reply["matches"]:
        reply["cursor_start"], reply["cursor_end"] = start, offset + found.end
        reply["matches"] = list(dict.fromkeys([*found.matches, *reply["matches"]]))
