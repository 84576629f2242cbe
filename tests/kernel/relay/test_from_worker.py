"""Frames out of the jail, honest and hostile, against a publisher that only writes down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderemote_kernel.from_worker import FromWorker
from coderemote_kernel.requests import Request
from coderemote_kernel.session import Session
from coderemote_kernel.settings import Settings
from coderemote_kernel.wire import ClientMessage
from coderemote_sandbox.launcher import Launcher, Plan
from coderemote_sandbox.limits import Limits
from coderemote_sandbox.worker.frames import CONTROL, IOPUB, NOTE, SHELL, STDIN, Frame

KIB = 1024


class Written:
    """In place of the publisher: what would have gone to the clients."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, dict[str, Any]]] = []
        self.buffers: list[list[bytes]] = []

    def publish(self, msg_type, parent, content, *, metadata=b"{}", buffers=()) -> None:
        self.sent.append((msg_type, parent, content))
        self.buffers.append(list(buffers))

    def status(self, state, parent=b"{}") -> None:
        self.sent.append(("status", parent, {"execution_state": state}))

    def reply(self, request, content, *, metadata=b"{}", buffers=()) -> None:
        kind = request.msg_type.removesuffix("_request") + "_reply"
        self.sent.append((kind, request.message.raw_header, content))
        self.metadata = json.loads(metadata)

    def ask_input(self, request, content) -> None:
        self.sent.append(("input_request", request.message.raw_header, content))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for msg_type, _, content in self.sent if msg_type == kind]

    def kinds(self) -> list[str]:
        return [msg_type for msg_type, *_ in self.sent]


class Desk:
    """A session with one request out, and a worker that answers it as the test likes."""

    def __init__(self, **limits: int) -> None:
        launcher = Launcher(Plan(limits=Limits(**limits)))
        self.session = Session(Settings(history_file=":memory:"), launcher)
        self.out = Written()
        self.ended: list[Request] = []
        self.worker = FromWorker(self.session, self.out, self.ended.append)  # type: ignore[arg-type]

    def ask(
        self,
        msg_id: str = "1",
        kind: str = "execute_request",
        channel: str = "shell",
        **content: Any,
    ):
        header = {"msg_id": msg_id, "msg_type": kind}
        raw = json.dumps(header).encode()
        message = ClientMessage([b"client"], header, raw, b"{}", b"{}", [])
        request = Request(message, channel, content, code=content.get("code", ""))  # type: ignore[arg-type]
        self.session.table.sent(request)
        return request

    def say(
        self, channel: int, kind: Any, content: Any, parent: Any = "1", buffers: tuple = ()
    ) -> list:
        """Let the worker say something; return what came of it."""
        before = len(self.out.sent)
        parts = [{"msg_type": kind}, {"msg_id": parent}, {}, content]
        raw = [json.dumps(part).encode() for part in parts]
        self.worker.handle(Frame(channel, [*raw, *buffers]))
        return self.out.sent[before:]

    def text(self, text: str, **more: Any) -> list:
        return self.say(IOPUB, "stream", {"name": "stdout", "text": text}, **more)

    def idle(self, parent: str = "1") -> list:
        return self.say(IOPUB, "status", {"execution_state": "idle"}, parent)

    def reply(self, **content: Any) -> list:
        return self.say(SHELL, "execute_reply", {"status": "ok", "execution_count": 1, **content})

    @property
    def rejected(self) -> int:
        return sum(self.session.rejected.values())


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.session.history.close()


@pytest.fixture
def narrow():
    desk = Desk(text_output_bytes=KIB, rich_output_bytes=4 * KIB, output_messages=20)
    yield desk
    desk.session.history.close()


def test_an_honest_cell_goes_through_and_ends(desk):
    request = desk.ask(code="1 + 1")
    desk.say(IOPUB, "status", {"execution_state": "busy"})
    desk.say(IOPUB, "execute_input", {"code": "forged", "execution_count": 1})
    desk.text("two")
    desk.reply()
    assert desk.ended == []
    desk.idle()
    assert desk.ended == [request]
    assert desk.out.kinds() == ["status", "execute_input", "stream", "execute_reply", "status"]
    assert desk.rejected == 0


def test_the_echo_is_what_the_user_wrote(desk):
    desk.ask(code="honest")
    desk.say(IOPUB, "execute_input", {"code": "forged", "execution_count": 7})
    assert desk.out.of("execute_input") == [{"code": "honest", "execution_count": 7}]
    assert desk.say(IOPUB, "execute_input", {"code": "again", "execution_count": 8}) == []


def test_everything_is_stamped_with_the_clients_own_header(desk):
    request = desk.ask()
    desk.text("x")
    desk.reply()
    assert {parent for _, parent, _ in desk.out.sent} == {request.message.raw_header}


@pytest.mark.parametrize("parent", ["2", "", None, 1, [], {}, ["1"]])
def test_a_forged_parent_is_nobodys(desk, parent):
    desk.ask("1")
    for channel, kind in ((IOPUB, "stream"), (SHELL, "execute_reply"), (STDIN, "input_request")):
        assert desk.say(channel, kind, {"name": "stdout", "text": "x"}, parent) == []
    assert desk.rejected == 3


@pytest.mark.parametrize(
    "kind",
    [
        "shutdown_reply",
        "iopub_welcome",
        "execute_request",
        "javascript",
        "",
        None,
        3,
        ["stream"],
        {},
    ],
)
@pytest.mark.parametrize("channel", [SHELL, CONTROL, STDIN, IOPUB, NOTE, 77, 255])
def test_an_unknown_type_is_dropped_on_any_channel(desk, channel, kind):
    desk.ask()
    assert desk.say(channel, kind, {"status": "ok"}) == []
    assert desk.rejected == 1


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        (SHELL, "stream"), (CONTROL, "stream"), (STDIN, "stream"), (IOPUB, "execute_reply"),
        (CONTROL, "execute_reply"), (STDIN, "execute_reply"), (IOPUB, "input_request"),
        (SHELL, "input_request"), (SHELL, "debug_reply"), (NOTE, "stream"),
    ],
)  # fmt: skip
def test_a_known_type_on_the_wrong_channel_is_dropped(desk, channel, kind):
    desk.ask(allow_stdin=True)
    content = {"name": "stdout", "text": "x", "status": "ok", "prompt": "? "}
    assert desk.say(channel, kind, content) == []
    assert desk.rejected == 1


def test_a_second_answer_is_dropped(desk):
    desk.ask()
    assert len(desk.reply()) == 1
    assert desk.reply() == []
    desk.idle()
    assert desk.reply() == []
    assert len(desk.ended) == 1


@pytest.mark.parametrize("kind", ["complete_reply", "kernel_info_reply", "inspect_reply"])
def test_an_answer_to_another_question_is_dropped(desk, kind):
    request = desk.ask()
    assert (
        desk.say(SHELL, kind, {"status": "ok", "matches": [], "cursor_start": 0, "cursor_end": 0})
        == []
    )
    assert not request.replied


def test_an_answer_of_the_control_channel_needs_a_question_there(desk):
    desk.ask("c", "kernel_info_request", "control")
    info = {
        "protocol_version": "5.4", "implementation": "ipython", "implementation_version": "1",
        "language_info": {"name": "python"}, "banner": "hello",
    }  # fmt: skip
    assert desk.say(SHELL, "kernel_info_reply", info, "c") == []
    [(kind, _, content)] = desk.say(CONTROL, "kernel_info_reply", info, "c")
    assert kind == "kernel_info_reply"
    assert content["implementation"] == "coderemote"
    assert "Sandbox: " in content["banner"]


def test_an_answer_to_a_cell_that_is_no_error_by_its_fields_is_built_anew(desk):
    desk.ask()
    [(_, _, content)] = desk.reply(status="error", ename="E", evalue="v", traceback=["t"], extra=1)
    assert content["ename"] == "E"
    assert "extra" not in content


def test_input_is_only_asked_where_the_client_allows_it(desk):
    desk.ask("no", allow_stdin=False)
    assert desk.say(STDIN, "input_request", {"prompt": "? "}, "no") == []
    request = desk.ask("yes", allow_stdin=True)
    [(kind, _, content)] = desk.say(STDIN, "input_request", {"prompt": "? ", "x": 1}, "yes")
    assert (kind, content) == ("input_request", {"prompt": "? ", "password": False})
    assert request.input_since
    # One question at a time.
    assert desk.say(STDIN, "input_request", {"prompt": "? "}, "yes") == []


@pytest.mark.parametrize("prompt", [1, None, [], {}])
def test_a_prompt_that_is_no_text_is_dropped(desk, prompt):
    desk.ask(allow_stdin=True)
    assert desk.say(STDIN, "input_request", {"prompt": prompt}) == []


def test_a_prompt_is_no_place_for_output(desk):
    desk.ask(allow_stdin=True)
    [(_, _, content)] = desk.say(STDIN, "input_request", {"prompt": "x" * 1_000_000})
    assert len(content["prompt"]) == 65_536


def test_buffers_come_with_comm_messages_alone(desk):
    desk.ask()
    assert desk.text("x", buffers=(b"buffer",)) == []
    data = {"data": {"text/plain": "x"}, "metadata": {}}
    assert desk.say(IOPUB, "display_data", data, buffers=(b"buffer",)) == []
    assert desk.rejected == 2


def test_a_header_that_is_too_large_is_dropped(desk):
    desk.ask()
    assert desk.say(IOPUB, "stream" + "x" * 70_000, {}) == []
    assert desk.say(IOPUB, "stream", {}, "1" * 70_000) == []
    assert desk.rejected == 2


def test_an_answer_that_is_too_large_is_dropped(narrow):
    narrow.ask()
    assert narrow.reply(payload=["x" * 10_000]) == []
    assert narrow.rejected == 1


def test_content_that_is_nested_without_end_is_dropped(desk):
    desk.ask()
    deep = b"[" * 100_000 + b"]" * 100_000
    parts = [b'{"msg_type":"display_data"}', b'{"msg_id":"1"}', b"{}"]
    desk.worker.handle(Frame(IOPUB, [*parts, b'{"data":{"application/json":' + deep + b"}}"]))
    desk.worker.handle(Frame(IOPUB, [b"[" * 60_000, *parts]))
    assert desk.out.sent == []
    assert desk.rejected == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
parts = st.one_of(
    st.binary(max_size=20),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b'{"msg_id":"1"}', b"{}", b'{"msg_type":"stream"}', b'{"msg_type":"execute_reply"}',
         b'{"msg_type":"comm_open"}', b'{"msg_type":"display_data"}', b'{"msg_type":"status"}',
         b'{"execution_state":"idle"}', b'{"comm_id":"c","target_name":"jupyter.widget","data":{}}',
         b'{"data":{"text/html":["<script>"]},"metadata":[]}', b'{"status":"ok"}']
    ),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 6), st.lists(parts, max_size=6)), max_size=6))
def test_no_frame_raises(frames):
    desk = Desk()
    try:
        desk.ask(allow_stdin=True)
        for channel, frame_parts in frames:
            desk.worker.handle(Frame(channel, frame_parts))
        for _, _, content in desk.out.sent:
            json.dumps(content)
        assert "it could not be handled" not in desk.session.rejected
    finally:
        desk.session.history.close()


def test_output_after_the_end_is_shown_under_its_cell(desk):
    """A thread goes on printing; the stock kernel shows that too."""
    desk.ask()
    desk.reply()
    desk.idle()
    desk.session.table.finish(desk.ended[0])
    assert len(desk.text("late")) == 1
    assert desk.idle() == []
    assert desk.say(IOPUB, "execute_input", {"execution_count": 3}) == []
    assert desk.reply() == []


def test_output_after_the_end_still_counts_against_the_limit(narrow):
    narrow.ask()
    narrow.reply()
    narrow.idle()
    narrow.session.table.finish(narrow.ended[0])
    for _ in range(50):
        narrow.text("x" * 100)
    assert len("".join(content["text"] for content in narrow.out.of("stream"))) < 2 * KIB


def test_too_much_text_is_cut_and_said_to_be_once(narrow):
    narrow.ask()
    for _ in range(50):
        narrow.text("x" * 100)
    shown = "".join(c["text"] for c in narrow.out.of("stream") if c["name"] == "stdout")
    notes = [c["text"] for c in narrow.out.of("stream") if c["name"] == "stderr"]
    assert 500 < len(shown) <= KIB
    assert len(notes) == 1
    assert "text_output_bytes" in notes[0]


def test_a_cut_does_not_split_a_character(narrow):
    narrow.ask()
    narrow.text("é" * 3000)
    shown = "".join(c["text"] for c in narrow.out.of("stream") if c["name"] == "stdout")
    assert set(shown) == {"é"}


def test_too_much_rich_output_is_dropped_and_said_to_be_once(narrow):
    narrow.ask()
    for _ in range(10):
        narrow.say(IOPUB, "display_data", {"data": {"text/plain": "x" * KIB}, "metadata": {}})
    assert 2 <= len(narrow.out.of("display_data")) <= 4
    assert len(narrow.out.of("stream")) == 1


def test_too_many_messages_are_dropped_and_said_to_be_once(narrow):
    narrow.ask()
    for _ in range(60):
        narrow.say(IOPUB, "clear_output", {"wait": False})
    assert len(narrow.out.of("clear_output")) == 20
    assert len(narrow.out.of("stream")) == 1


def test_an_error_gets_through_a_truncated_cell_but_not_a_flood_of_errors(narrow):
    narrow.ask()
    narrow.text("x" * 2000)
    error = {"ename": "E", "evalue": "v", "traceback": []}
    assert narrow.say(IOPUB, "error", error) != []
    for _ in range(100):
        narrow.say(IOPUB, "error", error)
    assert len(narrow.out.of("error")) <= 20


def test_what_was_cut_is_in_the_accounting(narrow):
    narrow.ask()
    narrow.text("x" * 2000)
    narrow.reply()
    assert narrow.out.metadata["coderemote"]["truncated"] is True
    assert narrow.out.metadata["coderemote"]["output_bytes"] > 1000


def test_metadata_of_the_worker_does_not_speak_for_the_relay(desk):
    desk.ask()
    theirs = {"coderemote": {"tier": "forged"}, "started": "2026", "evil": 1, "status": {"x": 1}}
    raw = [
        {"msg_type": "execute_reply"},
        {"msg_id": "1"},
        theirs,
        {"status": "ok", "execution_count": 1},
    ]
    desk.worker.handle(Frame(SHELL, [json.dumps(part).encode() for part in raw]))
    assert set(desk.out.metadata) == {"started", "coderemote"}
    assert desk.out.metadata["coderemote"]["tier"] == "full"


def test_a_stopped_cells_error_comes_before_its_end(desk):
    """A client stops listening at idle."""
    request = desk.ask()
    request.stopped_for = "time"
    desk.say(IOPUB, "error", {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []})
    desk.idle()
    desk.reply(status="error", ename="KeyboardInterrupt", evalue="", traceback=[])
    assert desk.out.of("error")[0]["ename"] == "CellTimeout"
    kinds = desk.out.kinds()
    assert kinds.index("error") < kinds.index("status")


def test_dropped_frames_are_counted_by_reason_and_reasons_are_bounded(desk):
    desk.ask()
    for number in range(200):
        desk.say(IOPUB, f"type-{number}", {})
        desk.worker.handle(Frame(IOPUB, [f"no json {number}".encode(), b"{}", b"{}", b"{}"]))
        desk.text("x", parent=f"parent-{number}")
    assert desk.rejected == 600
    assert len(desk.session.rejected) < 20


def test_the_worker_cannot_make_up_reasons(desk):
    for number in range(200):
        desk.worker.handle(Frame(IOPUB, [b" " * number + b"no json", b"{}", b"{}", b"{}"]))
    assert len(desk.session.rejected) < 20
