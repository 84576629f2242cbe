"""The relay's own table of what was asked."""

from __future__ import annotations

import json

import pytest

from coderemote_kernel import requests
from coderemote_kernel.requests import Request, RequestTable
from coderemote_kernel.wire import ClientMessage


def ask(msg_id: str = "1", msg_type: str = "execute_request", **content: object) -> Request:
    header = {"msg_id": msg_id, "msg_type": msg_type}
    raw = json.dumps(header).encode()
    message = ClientMessage([b"c"], header, raw, b"{}", json.dumps(content).encode(), [b"buffer"])
    return Request(message, "shell", content, code=str(content.get("code", "")))


def test_only_what_was_sent_can_be_answered():
    table = RequestTable()
    request = ask("known")
    assert table.find("known") is None
    table.sent(request)
    assert table.find("known") is request
    assert table.active() == [request]


@pytest.mark.parametrize("msg_id", [None, 1, [], {}, True, "", "unknown", 1.5])
def test_a_parent_that_is_anything_else_is_nobodys(msg_id):
    table = RequestTable()
    table.sent(ask("known"))
    assert table.find(msg_id) is None


def test_late_outputs_still_find_what_they_belong_to():
    table = RequestTable()
    request = ask("1", code="x" * 1000, allow_stdin=True)
    table.sent(request)
    table.finish(request)
    assert table.active() == []
    assert table.find("1") is request
    assert request.finished
    # What is not needed any more is let go.
    assert (request.code, request.message.content, request.message.buffers) == ("", b"", [])
    assert request.content == {"allow_stdin": True}


def test_the_memory_of_what_was_asked_is_bounded(monkeypatch):
    monkeypatch.setattr(requests, "_REMEMBERED", 10)
    table = RequestTable()
    for number in range(25):
        request = ask(str(number))
        table.sent(request)
        table.finish(request)
    assert [number for number in range(25) if table.find(str(number))] == list(range(15, 25))


def test_finishing_twice_is_finishing_once():
    table = RequestTable()
    request = ask()
    table.sent(request)
    table.finish(request)
    table.finish(request)
    assert table.find("1") is request


def test_an_id_that_is_used_again_belongs_to_the_later_request():
    table = RequestTable()
    first, second = ask(), ask()
    table.sent(first)
    table.sent(second)
    table.finish(first)
    assert table.active() == [second]
    assert table.find("1") is second


def test_another_jail_knows_nothing_of_it():
    table = RequestTable()
    table.sent(ask("1"))
    table.clear()
    assert table.find("1") is None
    assert table.active() == []


def test_waiting_for_input_does_not_count_as_running():
    request = ask()
    request.sent_at, request.waited_s = 100.0, 5.0
    assert request.running_s(120.0) == 15.0
    request.input_since = 110.0
    assert request.running_s(120.0) == 5.0
    assert request.running_s(500.0) == 5.0


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ({}, True),
        ({"store_history": False}, False),
        ({"silent": True}, False),
        ({"silent": False}, True),
    ],
)
def test_what_is_kept_in_history_is_as_the_protocol_has_it(content, kept):
    assert ask(**content).stores_history is kept
