"""Restart, shutdown, several clients, and clients that talk nonsense."""

from __future__ import annotations

import json
import signal

import pytest
import zmq

pytestmark = pytest.mark.sandbox

DELIMITER = b"<IDS|MSG>"


def test_a_restart_forgets_the_variables_and_counts_anew(own_notebook):
    own_notebook.ok("forgotten = 1")
    own_notebook.manager.restart_kernel()
    own_notebook.client.wait_for_ready(timeout=60)
    cell = own_notebook.run("forgotten")
    assert cell.reply["ename"] == "NameError"
    assert cell.reply["execution_count"] == 1


def test_a_restart_ends_a_cell_that_does_not_end(own_notebook):
    stuck = own_notebook.execute("print('on it', flush=True)\nwhile True: pass")
    own_notebook.wait_for_text(stuck, "on it")
    own_notebook.manager.restart_kernel(now=True)
    own_notebook.client.wait_for_ready(timeout=60)
    assert own_notebook.ok("1 + 1").result == "2"


@pytest.mark.parametrize("restart", [False, True])
def test_a_shutdown_is_answered_and_the_process_gone(own_notebook, restart):
    reply = own_notebook.ask("shutdown_request", {"restart": restart}, "control")
    assert (reply["status"], reply["restart"]) == ("ok", restart)
    process = own_notebook.manager.provisioner.process
    assert process.wait(timeout=30) == 0


def test_a_shutdown_is_told_to_every_client(own_notebook):
    asked = own_notebook.send("shutdown_request", {"restart": False}, "control")
    told = own_notebook.wait_for(asked, lambda message: message["msg_type"] == "shutdown_reply")
    assert told["content"]["restart"] is False


def test_a_termination_signal_ends_the_kernel(own_notebook):
    process = own_notebook.manager.provisioner.process
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)


def test_an_interrupt_signal_leaves_the_kernel_alive(own_notebook):
    own_notebook.ok("kept = 1")
    own_notebook.manager.signal_kernel(signal.SIGINT)
    assert own_notebook.ok("kept").result == "1"


def test_exit_asks_the_client_to_leave(own_notebook):
    cell = own_notebook.ok("exit(keep_kernel=True)")
    assert {"source": "ask_exit", "keepkernel": True} in cell.reply["payload"]


def test_two_clients_get_their_own_replies_and_see_all_output(own_notebook):
    one, other = own_notebook, type(own_notebook)(own_notebook.manager)
    try:
        first, second = one.execute("print('from one')"), other.execute("print('from other')")
        assert one.reply(first)["parent_header"]["session"] == one.client.session.session
        assert other.reply(second)["parent_header"]["session"] == other.client.session.session
        for notebook in (one, other):
            notebook.wait_for_text(first, "from one")
            notebook.wait_for_text(second, "from other")
        assert one.ok("shared = 5").reply["status"] == "ok"
        assert other.ok("shared").result == "5"
    finally:
        other.close()


def test_a_question_goes_to_the_client_whose_cell_asks(own_notebook):
    one, other = own_notebook, type(own_notebook)(own_notebook.manager)
    try:
        asked = other.execute("input('yours? ')", allow_stdin=True)
        assert other.receive("stdin", asked)["content"]["prompt"] == "yours? "
        assert not one.client.stdin_channel.socket.poll(200)
        other.client.input("mine")
        assert other.finish(asked).result == "'mine'"
    finally:
        other.close()


def test_a_client_that_comes_back_goes_on(own_notebook):
    own_notebook.ok("left = 'on the table'")
    own_notebook.close()
    again = type(own_notebook)(own_notebook.manager)
    try:
        assert again.ok("left").result == "'on the table'"
    finally:
        again.close()


def test_a_message_of_unknown_type_is_ignored(notebook):
    for channel in ("shell", "control"):
        notebook.send("telepathy_request", {"thought": 1}, channel)
    assert notebook.ok("'alive'").result == "'alive'"
    assert notebook.ask("kernel_info_request", channel="control")["status"] == "ok"


class Wire:
    """A client's socket without the client, for saying what no client would say."""

    def __init__(self, notebook, channel):
        self.session = notebook.client.session
        port = notebook.client.get_connection_info()[f"{channel}_port"]
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(f"tcp://127.0.0.1:{port}")

    def close(self):
        self._context.destroy(linger=0)

    def parts(self, kind="kernel_info_request", content=None):
        """Header, parent, metadata and content of a request, as they travel."""
        header = self.session.msg_header(kind) | {"date": "2026-01-01T00:00:00Z"}
        return [json.dumps(part).encode() for part in (header, {}, {}, content or {})]

    def send(self, parts, signature=None):
        signature = self.session.sign(parts) if signature is None else signature
        self.socket.send_multipart([DELIMITER, signature, *parts])

    def answered(self, timeout_ms=500):
        return bool(self.socket.poll(timeout_ms))


@pytest.fixture(params=["shell", "control"])
def wire(notebook, request):
    wire = Wire(notebook, request.param)
    wire.send(wire.parts())  # shows that the wire works at all
    assert wire.answered(30_000)
    wire.socket.recv_multipart()
    yield wire
    wire.send(wire.parts())  # and that the kernel does after whatever was said
    assert wire.answered(30_000)
    wire.close()


def test_a_message_with_a_wrong_signature_is_dropped(wire):
    wire.send(wire.parts(), signature=b"0" * 64)
    wire.send(wire.parts(), signature=b"")
    assert not wire.answered()


def test_a_message_said_twice_is_heard_once(wire):
    parts = wire.parts()
    wire.send(parts)
    assert wire.answered(30_000)
    wire.socket.recv_multipart()
    wire.send(parts)
    assert not wire.answered()


def test_a_message_that_is_no_json_is_dropped(wire):
    header, parent, metadata, _ = wire.parts("execute_request")
    for content in (b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b"{" * 5000, b"1" * 5000):
        wire.send([header, parent, metadata, content])
    for broken in (b"", b"{}", b"[]", b"\x00", json.dumps({"msg_type": 7}).encode()):
        wire.send([broken, parent, metadata, b"{}"])
    # the kernel may answer the ones that are JSON with an error: what counts is that it goes on
    while wire.answered():
        wire.socket.recv_multipart()


def test_a_message_with_too_few_parts_is_dropped(wire):
    for frames in ([b""], [DELIMITER], [DELIMITER, b"x"], [b"a", b"b", b"c"], [DELIMITER] * 3):
        wire.socket.send_multipart(frames)
    assert not wire.answered()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("execute_request", {"silent": False}),
        ("complete_request", {"cursor_pos": "seven"}),
        ("inspect_request", {}),
        ("is_complete_request", {}),
        ("history_request", {"hist_access_type": "sideways"}),
        ("comm_info_request", {"target_name": [1]}),
        ("comm_msg", {"comm_id": "nobodys", "data": {}}),
        ("comm_close", {}),
    ],
)
def test_a_request_the_kernel_cannot_answer_holds_nothing_up(own_notebook, kind, content):
    own_notebook.send(kind, content)
    assert own_notebook.ok("'goes on'").result == "'goes on'"
