"""Frames: what goes in comes out, and nothing a hostile worker writes does any harm."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderemote_sandbox.worker.frames import (
    CONTROL,
    IOPUB,
    NOTE,
    SHELL,
    Decoder,
    Frame,
    Writer,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FRAME = 4096

messages = st.builds(
    Frame,
    st.integers(0, 255),
    st.lists(st.binary(max_size=60), max_size=8),
)


def wire(frames: Iterable[Frame]) -> bytes:
    return b"".join(bytes(piece) for frame in frames for piece in encode(*frame))


def chunked(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def fed(decoder: Decoder, chunks: Iterable[bytes]) -> list[Frame]:
    return [frame for chunk in chunks for frame in decoder.feed(chunk)]


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(sent, cuts):
    decoder = Decoder(MAX_FRAME)
    assert fed(decoder, chunked(wire(sent), cuts)) == sent
    assert (decoder.oversized, decoder.malformed) == (0, 0)


@given(st.lists(messages, max_size=4))
def test_frames_come_out_as_they_went_in_byte_by_byte(sent):
    data = wire(sent)
    assert fed(Decoder(MAX_FRAME), (data[i : i + 1] for i in range(len(data)))) == sent


@given(messages)
def test_memoryviews_of_any_kind_are_written_as_their_bytes(frame):
    views = [memoryview(part) for part in frame.parts]
    assert b"".join(map(bytes, encode(frame.channel, views))) == wire([frame])


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_stream_of_bytes_raises(chunks):
    decoder = Decoder(64, max_parts=4)
    for frame in fed(decoder, chunks):
        assert sum(map(len, frame.parts)) <= 64
        assert len(frame.parts) <= 4


structured = st.one_of(
    messages.map(lambda frame: wire([frame])),
    st.binary(max_size=30),
    # An honest length around a dishonest inside.
    st.binary(max_size=40).map(lambda inside: struct.pack("<I", len(inside)) + inside),
    st.builds(
        lambda size, rest: struct.pack("<I", size) + rest,
        st.integers(0, 2**32 - 1),
        st.binary(max_size=40),
    ),
)


@given(st.lists(structured, max_size=10), st.lists(st.integers(0, 10_000), max_size=20))
def test_how_a_hostile_stream_is_cut_changes_nothing(pieces, cuts):
    data = b"".join(pieces)
    whole, cut = Decoder(128, max_parts=4), Decoder(128, max_parts=4)
    assert fed(whole, [data]) == fed(cut, chunked(data, cuts))
    assert (whole.oversized, whole.malformed) == (cut.oversized, cut.malformed)


@given(
    st.binary(max_size=60).filter(lambda inside: not fits(inside)),
    messages,
    st.lists(st.integers(0, 200), max_size=10),
)
def test_a_malformed_frame_is_counted_and_the_next_one_is_found(inside, following, cuts):
    decoder = Decoder(MAX_FRAME)
    data = struct.pack("<I", len(inside)) + inside + wire([following])
    assert fed(decoder, chunked(data, cuts)) == [following]
    assert decoder.malformed == 1


def fits(inside: bytes) -> bool:
    """Whether the bytes are what a frame may have behind its size."""
    if len(inside) < 3:
        return False
    (count,) = struct.unpack_from("<H", inside, 1)
    if len(inside) < 3 + 4 * count:
        return False
    return sum(struct.unpack_from(f"<{count}I", inside, 3)) == len(inside) - 3 - 4 * count


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (b"", "nothing at all"),
        (b"\0", "no count"),
        (struct.pack("<BH", 0, 1), "a part without a length"),
        (struct.pack("<BHI", 0, 1, 5), "a part that is not there"),
        (struct.pack("<BHI", 0, 1, 0xFFFFFFFF), "a part of 4 GiB"),
        (struct.pack("<BHII", 0, 2, 0xFFFFFFFF, 1), "lengths that add up to nothing in 32 bits"),
        (struct.pack("<BH", 0, 0) + b"x", "bytes of no part"),
        (struct.pack("<BH", 0, 0xFFFF), "65,535 parts"),
        (struct.pack("<BH", 0, 2000) + bytes(8000), "more parts than are taken"),
    ],
)
def test_what_is_malformed_is_dropped_alone(inside, why):
    decoder = Decoder(1 << 20)
    last = Frame(SHELL, [b"after"])
    assert fed(decoder, [struct.pack("<I", len(inside)) + inside + wire([last])]) == [last], why
    assert decoder.malformed == 1


@given(st.integers(1, 20_000), st.integers(1, 3000))
def test_a_frame_that_is_too_large_is_skipped_and_the_next_one_is_found(excess, step):
    decoder = Decoder(MAX_FRAME)
    size = MAX_FRAME + excess
    last = Frame(IOPUB, [b"after", b""])
    data = struct.pack("<I", size) + bytes(size) + wire([last])
    assert fed(decoder, (data[i : i + step] for i in range(0, len(data), step))) == [last]
    assert (decoder.oversized, decoder.malformed) == (1, 0)


def test_a_frame_of_exactly_the_largest_size_is_taken():
    frame = Frame(SHELL, [bytes(MAX_FRAME - 7)])
    assert fed(Decoder(MAX_FRAME), [wire([frame])]) == [frame]
    assert fed(Decoder(MAX_FRAME - 1), [wire([frame])]) == []


def test_a_declared_size_of_4_gib_costs_no_memory():
    decoder = Decoder(1 << 20)
    chunk = bytes(1 << 16)
    tracemalloc.start()
    try:
        assert fed(decoder, [b"\xff\xff\xff\xff"]) == []
        for _ in range(200):
            assert fed(decoder, [chunk]) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.oversized == 1
    assert peak < 2 * len(chunk)


def test_a_frame_that_trickles_in_costs_its_own_size_once():
    decoder = Decoder(1 << 20)
    body = bytes(900_000)
    data = wire([Frame(SHELL, [body])])
    tracemalloc.start()
    try:
        found = fed(decoder, (data[i : i + 1000] for i in range(0, len(data), 1000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [Frame(SHELL, [body])]
    # The pieces, then the whole, then its part.
    assert peak < 4 * len(body)


def test_an_announced_frame_never_costs_more_than_has_arrived():
    decoder = Decoder(1 << 30)
    tracemalloc.start()
    try:
        assert fed(decoder, [struct.pack("<I", 1 << 29)]) == []
        assert fed(decoder, [bytes(100_000)]) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000


def test_many_tiny_chunks_do_not_take_quadratic_time():
    """The pieces of a frame are joined once, not at every byte."""
    decoder = Decoder(1 << 20)
    data = wire([Frame(SHELL, [bytes(300_000)])])
    assert len(fed(decoder, (data[i : i + 1] for i in range(len(data))))) == 1


@pytest.fixture
def pair():
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    yield ends
    for end in ends:
        end.close()


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            data += sock.recv(5000)
        except BlockingIOError:
            return data


def test_a_writer_keeps_what_the_socket_does_not_take(pair):
    ours, theirs = pair
    writer, decoder = Writer(ours), Decoder(1 << 20)
    frame = Frame(SHELL, [b"a", bytes(range(256)) * 1000, b""])
    writer.send(*frame)
    assert writer.pending > 0
    found = []
    while not found:
        found = fed(decoder, [read_all(theirs)])
        writer.flush()
    assert found == [frame]
    assert writer.pending == 0


def test_both_directions_full_do_not_lock_each_other(pair):
    rng = random.Random(7)
    writers = [Writer(end) for end in pair]
    decoders = [Decoder(1 << 20) for _ in pair]
    sent = [
        [
            Frame(channel, [rng.randbytes(rng.randrange(60_000)) for _ in range(3)])
            for _ in range(20)
        ]
        for channel in (SHELL, CONTROL)
    ]
    for writer, frames in zip(writers, sent, strict=True):
        for frame in frames:
            writer.send(*frame)
        assert writer.pending > 0
    got: list[list[Frame]] = [[], []]
    while any(writer.pending for writer in writers) or [*map(len, got)] != [20, 20]:
        for at, end in enumerate(pair):
            got[at] += fed(decoders[at], [read_all(end)])
            writers[at].flush()
    assert got == [sent[1], sent[0]]


def test_a_frame_of_a_thousand_parts_goes_through_in_pieces(pair):
    """One sendmsg takes at most 1024 pieces."""
    ours, theirs = pair
    writer, decoder = Writer(ours), Decoder(1 << 20, max_parts=5000)
    frame = Frame(NOTE, [str(n).encode() for n in range(4000)])
    writer.send(*frame)
    found = []
    while not found:
        found = fed(decoder, [read_all(theirs)])
        writer.flush()
    assert found == [frame]


def test_views_of_wider_items_count_in_bytes(pair):
    ours, theirs = pair
    numbers = memoryview(struct.pack("<4d", 1, 2, 3, 4)).cast("d")
    Writer(ours).send(IOPUB, [numbers])
    assert fed(Decoder(1 << 10), [read_all(theirs)]) == [Frame(IOPUB, [bytes(numbers)])]


def test_writing_to_a_peer_that_is_gone_raises(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(OSError, match="Broken pipe"):
        Writer(ours).send(SHELL, [b"x"])


def test_reader_and_writer_in_two_threads_agree():
    """As in production: each side on its own, blocked only by its own poll."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    rng = random.Random(3)
    frames = [Frame(SHELL, [rng.randbytes(rng.randrange(30_000))]) for _ in range(50)]
    got: list[Frame] = []

    def read() -> None:
        decoder = Decoder(1 << 20)
        while data := theirs.recv(3000):
            got.extend(decoder.feed(data))

    thread = threading.Thread(target=read)
    thread.start()
    writer = Writer(ours)
    for frame in frames:
        writer.queue(*frame)
    ours.setblocking(True)
    writer.flush()
    ours.close()
    thread.join(30)
    theirs.close()
    assert got == frames
