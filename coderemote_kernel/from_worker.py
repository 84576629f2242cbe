"""Frames out of the jail: hostile input until proven otherwise.

A frame is forwarded only if its channel, its type and its content are what they must be and its
parent is a request that this jail was really given. What a client then receives is written by the
relay: header, parent, content. Anything else is dropped and counted; nothing raises.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from coderemote_kernel.checks import (
    CONTROL_REPLIES,
    IOPUB_TYPES,
    SHELL_REPLIES,
    Rejected,
    check_content,
)
from coderemote_kernel.magics import complete
from coderemote_kernel.requests import COMM_TYPES
from coderemote_kernel.wire import EMPTY, WireError, dumps, parse
from coderemote_sandbox.worker import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderemote_kernel.publisher import Publisher
    from coderemote_kernel.requests import Request
    from coderemote_kernel.session import Session

__all__ = ["FromWorker"]

Part = bytes | memoryview

_log = logging.getLogger(__name__)

_LARGEST_HEADER = 65_536
_REPLY_TYPES = {frames.SHELL: SHELL_REPLIES, frames.CONTROL: CONTROL_REPLIES}


class FromWorker:
    """Checks the worker's frames and passes on what is left.

    Parameters
    ----------
    ended
        Called with a request when both its answer and its end have come.
    """

    def __init__(self, session: Session, out: Publisher, ended: Callable[[Request], None]) -> None:
        self._session = session
        self._out = out
        self._ended = ended
        self._show: dict[str, Callable[[Request, str, dict[str, Any], list[Part]], None]] = {
            "stream": self._forward,
            "display_data": self._rich,
            "update_display_data": self._rich,
            "execute_result": self._rich,
            "execute_input": self._input_echo,
            "error": self._error,
            "status": self._status,
            "clear_output": self._forward,
            "debug_event": self._forward,
            "comm_open": self._comm_open,
            "comm_msg": self._comm,
            "comm_close": self._comm,
        }

    def handle(self, frame: frames.Frame) -> None:
        """Take one frame; never raises on what is in it."""
        self._session.output_bytes += sum(map(len, frame.parts))
        try:
            self._handle(frame.channel, frame.parts)
        except (WireError, Rejected) as problem:
            self._session.reject(str(problem)[:80])
        except RecursionError:
            self._session.reject("nested too deeply")
        except Exception:  # noqa: BLE001 - logged
            # The wall's own border: whatever a frame makes us stumble over, it is the frame that
            # goes. A fault of ours is found by the traceback.
            _log.exception("a frame of the worker could not be handled")
            self._session.reject("it could not be handled")

    def _handle(self, channel: int, parts: list[Part]) -> None:
        if len(parts) < 4:
            raise Rejected("parts are missing")
        if len(parts[0]) > _LARGEST_HEADER or len(parts[1]) > _LARGEST_HEADER:
            raise Rejected("the header is too large")
        msg_type = parse(parts[0], "the header").get("msg_type")
        if not isinstance(msg_type, str):
            raise Rejected("it has no type")
        parent = parse(parts[1], "the parent header").get("msg_id")
        request = self._session.table.find(parent)
        if request is None:
            if parent is None and msg_type == "status":
                return  # the stock kernel's word that it starts; the relay has said so itself
            raise Rejected("nobody asked for it" if parent else "it has no parent")
        if channel == frames.IOPUB and msg_type in IOPUB_TYPES:
            self._output(request, msg_type, parts)
        elif msg_type in _REPLY_TYPES.get(channel, ()):
            self._reply(request, channel, msg_type, parts)
        elif channel == frames.STDIN and msg_type == "input_request":
            self._ask_input(request, parse(parts[3], "the content"))
        else:
            raise Rejected("such a message does not belong here")

    def _output(self, request: Request, msg_type: str, parts: list[Part]) -> None:
        if msg_type not in {"status", "execute_input"} and not self._within_budget(
            request, msg_type, parts
        ):
            return
        if len(parts) > 4 and msg_type not in COMM_TYPES:
            raise Rejected("it has buffers")
        content = check_content(msg_type, parse(parts[3], "the content"))
        self._show[msg_type](request, msg_type, content, parts)

    def _within_budget(self, request: Request, msg_type: str, parts: list[Part]) -> bool:
        """Count an output; drop it, and say so once, when the cell has had enough."""
        if request.truncated and msg_type != "error":
            return False
        limits = self._session.launcher.plan.limits
        request.messages += 1
        size = sum(map(len, parts[3:]))
        if msg_type == "stream":
            request.text_bytes += size
            if request.text_bytes > limits.text_output_bytes:
                self._truncate_text(request, parts, request.text_bytes - limits.text_output_bytes)
                return False
        else:
            request.rich_bytes += size
            if request.rich_bytes > limits.rich_output_bytes:
                self._truncate(request, "rich_output_bytes", "rich output")
                return False
        if request.messages > limits.output_messages:
            self._truncate(request, "output_messages", "output messages")
            return False
        return True

    def _truncate_text(self, request: Request, parts: list[Part], excess: int) -> None:
        """Show of the message that goes over the limit what still fits."""
        content = check_content("stream", parse(parts[3], "the content"))
        keep = max(len(parts[3]) - excess, 0)
        head = content["text"].encode()[:keep].decode("utf-8", "ignore")
        if head:
            self._out.publish(
                "stream", request.message.raw_header, {"name": content["name"], "text": head}
            )
        self._truncate(request, "text_output_bytes", "text")

    def _truncate(self, request: Request, limit: str, what: str) -> None:
        request.truncated = limit
        value = getattr(self._session.launcher.plan.limits, limit)
        amount = f"{value / (1 << 20):g} MiB" if limit.endswith("_bytes") else str(value)
        self.say(
            request,
            f"\n[coderemote] The rest of this cell's output is not shown: it passed {amount} of "
            f"{what} (CodeRemoteKernel.{limit}).\n",
        )

    def say(self, request: Request, text: str) -> None:
        """Print a remark of the relay's own under a cell."""
        self._out.publish("stream", request.message.raw_header, {"name": "stderr", "text": text})

    def _forward(
        self, request: Request, msg_type: str, content: dict[str, Any], _: list[Part]
    ) -> None:
        self._out.publish(msg_type, request.message.raw_header, content)

    def _rich(
        self, request: Request, msg_type: str, content: dict[str, Any], _: list[Part]
    ) -> None:
        filtered = self._session.policy.bundle(content["data"], content["metadata"])
        request.held += len(filtered.held)
        content["data"], content["metadata"] = filtered.data, filtered.metadata
        if msg_type == "execute_result":
            text = filtered.data.get("text/plain")
            if isinstance(text, str) and request.is_cell and not request.silent:
                self._session.history.record_output(content["execution_count"], text)
        self._out.publish(msg_type, request.message.raw_header, content)

    def _input_echo(
        self, request: Request, _: str, content: dict[str, Any], __: list[Part]
    ) -> None:
        if not request.is_cell or request.finished or request.started:
            raise Rejected("such an echo is not due")
        self.echo(request, content["execution_count"])

    def echo(self, request: Request, count: int) -> None:
        """Show a cell's code and number once: what the user wrote, not what the worker claims."""
        if request.started or request.silent:
            return
        request.started = True
        if request.stores_history:
            self._session.execution_count = count
        content = {"code": request.code, "execution_count": count}
        self._out.publish("execute_input", request.message.raw_header, content)
        self._show_magics(request)

    def _show_magics(self, request: Request) -> None:
        for result in request.magics:
            data = {"text/plain": result.text_plain}
            if result.html:
                data["text/html"] = result.html
            self._out.publish(
                "display_data",
                request.message.raw_header,
                {"data": data, "metadata": {}, "transient": {}},
            )

    def _error(self, request: Request, _: str, content: dict[str, Any], __: list[Part]) -> None:
        if request.stopped_for and not request.finished:
            return  # the reply brings the error that says why
        self._out.publish("error", request.message.raw_header, content)

    def _comm_open(
        self, request: Request, msg_type: str, content: dict[str, Any], parts: list[Part]
    ) -> None:
        metadata = EMPTY
        if len(parts[2]) <= _LARGEST_HEADER:
            version = parse(parts[2], "the metadata").get("version")
            if isinstance(version, str):
                metadata = dumps({"version": version})
        buffers = [bytes(part) for part in parts[4:]]
        allowed = self._session.policy.comm_open(content, buffers)
        self._pass_comm(request, msg_type, allowed, metadata, buffers)

    def _comm(
        self, request: Request, msg_type: str, content: dict[str, Any], parts: list[Part]
    ) -> None:
        policy = self._session.policy
        buffers = [bytes(part) for part in parts[4:]]
        if msg_type == "comm_msg":
            allowed = policy.comm_msg(content, buffers)
        else:
            allowed = policy.comm_close(content)
        self._pass_comm(request, msg_type, allowed, EMPTY, buffers)

    def _pass_comm(
        self,
        request: Request,
        msg_type: str,
        allowed: dict[str, Any] | None,
        metadata: bytes,
        buffers: list[bytes],
    ) -> None:
        if allowed is None:
            request.held += 1
            return
        data = allowed.get("data")
        wanted = data.get("buffer_paths") if isinstance(data, dict) else None
        if not wanted and not self._session.settings.trusted_output:
            buffers = []  # what no path of the filtered state leads to is for nobody
        parent = request.message.raw_header
        self._out.publish(msg_type, parent, allowed, metadata=metadata, buffers=buffers)

    def _status(self, request: Request, _: str, content: dict[str, Any], __: list[Part]) -> None:
        state = content["execution_state"]
        if request.finished or request.idle:
            raise Rejected("such a status is not due")
        if state == "idle":
            request.idle = True
            if request.is_cell and not request.replied:
                # Clients stop listening at idle, and what the relay has to say about the cell, it
                # says when the reply comes, which takes another way out of the worker.
                request.idle_held = True
                return
        self._out.status(state, request.message.raw_header)
        if request.idle and request.replied:
            self._ended(request)

    def _reply(self, request: Request, channel: int, msg_type: str, parts: list[Part]) -> None:
        due = request.msg_type.removesuffix("_request") + "_reply"
        right_channel = (channel == frames.CONTROL) == (request.channel == "control")
        if msg_type != due or request.replied or request.finished or not right_channel:
            raise Rejected("such an answer is not due")
        if sum(map(len, parts[3:])) > self._session.launcher.plan.limits.rich_output_bytes:
            raise Rejected("the answer is too large")
        buffers = [bytes(part) for part in parts[4:]] if msg_type == "debug_reply" else []
        raw = parse(parts[3], "the content")
        failed = raw.get("status") == "error" and msg_type not in {"execute_reply", "debug_reply"}
        if failed:
            content = {
                "status": "error",
                **{key: str(raw.get(key, ""))[:10_000] for key in ("ename", "evalue")},
                "traceback": [],
            }
        else:
            content = check_content(msg_type, raw)
        request.replied = True
        metadata = EMPTY
        if msg_type == "execute_reply":
            metadata = self._finish_cell(request, content, parts[2])
        elif not failed:
            content = self._filter_reply(msg_type, request, content)
        self._out.reply(request, content, metadata=metadata, buffers=buffers)
        if request.idle_held:
            self._out.status("idle", request.message.raw_header)
        if request.idle:
            self._ended(request)

    def _filter_reply(
        self, msg_type: str, request: Request, content: dict[str, Any]
    ) -> dict[str, Any]:
        session = self._session
        if msg_type == "inspect_reply" and content.get("status") == "ok":
            filtered = session.policy.bundle(content["data"], content["metadata"])
            content["data"], content["metadata"] = filtered.data, filtered.metadata
        elif msg_type == "comm_info_reply" and content.get("status") == "ok":
            known = set(session.policy.open_comms())
            content["comms"] = {
                comm_id: about for comm_id, about in content["comms"].items() if comm_id in known
            }
        elif msg_type == "complete_reply" and content.get("status") == "ok":
            complete(session.registry, request.content, content)
        elif msg_type == "kernel_info_reply":
            content = self.with_banner(content)
            session.kernel_info = content
        return content

    def with_banner(self, info: dict[str, Any]) -> dict[str, Any]:
        """Add to the kernel's introduction where its code runs."""
        session = self._session
        lines = [info["banner"].rstrip(), f"Sandbox: {session.launcher.tier.summary}."]
        lines += [f"Note: {note}." for note in session.launcher.notes]
        if session.settings.trusted_output:
            lines.append(
                "WARNING: trusted_output is on: what cells display is not filtered and can act in "
                "your browser as you."
            )
        return {**info, "implementation": "coderemote", "banner": "\n".join(lines)}

    def _finish_cell(self, request: Request, content: dict[str, Any], raw_metadata: Part) -> bytes:
        """Complete the reply to a cell in place; return its metadata."""
        session = self._session
        for value in content["user_expressions"].values():
            if value["status"] == "ok":
                filtered = session.policy.bundle(value["data"], value["metadata"])
                value["data"], value["metadata"] = filtered.data, filtered.metadata
        content["payload"], held = session.policy.payload(content["payload"])
        request.held += len(held)
        if content["status"] == "error":
            interrupted = content["ename"] == "KeyboardInterrupt"
            request.outcome = "interrupted" if interrupted else "error"
        if session.memory_kills(request):
            self.say(
                request,
                "[coderemote] The sandbox ran out of memory, and the system ended one of the "
                "cell's processes.\n",
            )
        if request.stopped_for:
            self._stopped(request, content)
        theirs = parse(raw_metadata, "the metadata") if len(raw_metadata) < 4096 else {}
        metadata = {
            key: theirs[key]
            for key in ("started", "dependencies_met", "engine", "status")
            if isinstance(theirs.get(key), (str, bool))
        }
        return dumps({**metadata, "coderemote": session.account(request)})

    def _stopped(self, request: Request, content: dict[str, Any]) -> None:
        """Say that the cell was stopped, whatever it made of the interrupt."""
        limits = self._session.launcher.plan.limits
        if request.stopped_for == "time":
            name, text = "CellTimeout", f"the cell ran longer than {limits.cell_timeout_s:g} s"
        else:
            name, text = "CellCpuTimeout", f"the cell used more than {limits.cpu_time_s:g} s of CPU"
        text += " and was interrupted; the variables are kept"
        trace = [*content.get("traceback", []), f"\x1b[31m{name}\x1b[0m: {text}"]
        content.update(status="error", ename=name, evalue=text, traceback=trace)
        request.outcome = "timeout"
        error = {"ename": name, "evalue": text, "traceback": trace}
        self._out.publish("error", request.message.raw_header, error)

    def _ask_input(self, request: Request, content: dict[str, Any]) -> None:
        prompt, password = content.get("prompt", ""), content.get("password", False)
        if not request.is_cell or request.finished or not request.content.get("allow_stdin"):
            raise Rejected("input may not be asked for here")
        if request.input_since or not isinstance(prompt, str):
            raise Rejected("such a question is not due")
        request.input_since = time.monotonic()
        # A prompt is no place for output that would not fit elsewhere.
        self._out.ask_input(request, {"prompt": prompt[:65_536], "password": bool(password)})
