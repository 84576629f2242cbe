"""Jupyter's messages: signed, checked, and never built from bytes the worker chose."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session

from coderemote_kernel.wire import DELIMITER, Signer, WireError, dumps, loads, parse

KEY = b"key of this connection"


def signed(*parts: bytes, key: bytes = KEY) -> list[bytes]:
    mac = hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    return [DELIMITER, mac, *parts]


HEADER = json.dumps({"msg_id": "1", "msg_type": "execute_request"}).encode()


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        value = loads(data)
    except WireError:
        return
    # What comes out can always be written again.
    assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    "data",
    [b"NaN", b"[Infinity]", b'{"a": 1e999}', b"[1,]", b"", b'"\\ud800"', b"[" * 2000, b'{"a":1}x'],
)
def test_what_is_no_strict_json_is_refused(data):
    with pytest.raises(WireError):
        parse(data, "it")


def test_bytes_that_are_no_utf8_are_read_with_replacements():
    assert loads(b'{"a": "caf\xe9"}') == {"a": "caf\ufffd"}


def test_views_are_read_like_bytes():
    assert loads(memoryview(b'{"a": 1}')) == {"a": 1}
    assert loads(memoryview(b'{"a": "\xff"}')) == {"a": "\ufffd"}


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"x"'])
def test_only_an_object_is_an_object(data):
    with pytest.raises(WireError, match="it is no object"):
        parse(data, "it")


def test_what_json_cannot_hold_is_refused():
    for value in ({1, 2}, object(), 1 << 70):
        with pytest.raises(WireError):
            dumps({"a": value})


def test_a_message_is_taken_apart_once_its_signature_is_right():
    frames = [b"client", *signed(HEADER, b"{}", b'{"m":1}', b'{"c":1}'), b"buffer"]
    message = Signer(KEY).read(frames)
    assert message.idents == [b"client"]
    assert message.header["msg_id"] == "1"
    assert message.raw_header == HEADER
    assert (message.metadata, message.content, message.buffers) == (
        b'{"m":1}',
        b'{"c":1}',
        [b"buffer"],
    )


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"no delimiter"] * 7,
        [DELIMITER],
        [DELIMITER, b"", HEADER, b"{}", b"{}"],
        [DELIMITER, b"", HEADER, b"{}", b"{}", b"{}"],
        [DELIMITER, b"\xff\xfe", HEADER, b"{}", b"{}", b"{}"],
        signed(HEADER, b"{}", b"{}", b"{}", key=b"another"),
        signed(b"no json", b"{}", b"{}", b"{}"),
        signed(b"[]", b"{}", b"{}", b"{}"),
        signed(b"{}", b"{}", b"{}", b"{}"),
        signed(b'{"msg_id": 1, "msg_type": "x"}', b"{}", b"{}", b"{}"),
        signed(b'{"msg_id": "1"}', b"{}", b"{}", b"{}"),
    ],
)
def test_what_is_no_message_is_refused(frames):
    with pytest.raises(WireError):
        Signer(KEY).read(frames)


@given(st.lists(st.binary(max_size=20) | st.just(DELIMITER), max_size=9))
def test_no_frames_at_all_raise_anything_else(frames):
    for key in (KEY, b""):
        with contextlib.suppress(WireError):
            Signer(key).read(frames)


def test_without_a_key_nothing_is_signed():
    signer = Signer(b"")
    assert signer.build([], "status", b"{}", b"{}")[1] == b""
    assert signer.read([DELIMITER, b"", HEADER, b"{}", b"{}", b"{}"]).header["msg_id"] == "1"


def test_jupyters_own_client_reads_what_is_built():
    client = Session(key=KEY)
    frames = Signer(KEY).build([b"topic"], "stream", HEADER, b'{"text":"x"}', buffers=[b"b"])
    _, parts = client.feed_identities(frames)
    message = client.deserialize(parts)
    assert message["msg_type"] == "stream"
    assert message["content"] == {"text": "x"}
    assert message["parent_header"]["msg_id"] == "1"
    assert [bytes(buffer) for buffer in message["buffers"]] == [b"b"]


def test_what_jupyters_own_client_sends_is_read():
    client = Session(key=KEY)
    frames = client.serialize(client.msg("kernel_info_request", {"a": 1}))
    assert Signer(KEY).read(frames).header["msg_type"] == "kernel_info_request"


def test_no_two_messages_have_the_same_id():
    signer = Signer(KEY)
    ids = {orjson.loads(signer.header("status"))["msg_id"] for _ in range(100)}
    assert len(ids) == 100


def test_the_worker_learns_nothing_about_the_client():
    header = {
        "msg_id": "1", "msg_type": "execute_request", "session": "client session",
        "username": "alice", "date": "2026", "token": "secret", "subshell_id": "s",
    }  # fmt: skip
    frames = [b"ident", *signed(json.dumps(header).encode(), b'{"p":1}', b"{}", b"{}"), b"buffer"]
    message = Signer(KEY).read(frames)
    told = Signer(KEY).for_worker(message)
    sent = orjson.loads(told[0])
    assert (sent["msg_id"], sent["msg_type"], sent["subshell_id"]) == ("1", "execute_request", "s")
    assert not {b"alice", b"client session", b"secret", b"ident"} & set(told)
    for secret in (b"alice", b"client session", b"secret"):
        assert secret not in b"".join(told)
    assert told[1:] == [b"{}", b"{}", b"{}", b"buffer"]
    assert Signer(KEY).for_worker(message, b'{"code":"2"}')[3] == b'{"code":"2"}'


def test_a_scheme_that_does_not_exist_is_refused():
    with pytest.raises(WireError, match="hmac-none"):
        Signer(KEY, "hmac-none")


def test_other_schemes_work():
    assert len(Signer(KEY, "hmac-sha512").build([], "status", b"{}", b"{}")[1]) == 128
