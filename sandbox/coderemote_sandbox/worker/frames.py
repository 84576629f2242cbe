"""Length-prefixed frames: what crosses the wall.

One frame is one Jupyter message on one channel::

    u32 size | u8 channel | u16 nparts | u32 length[nparts] | parts

All integers are little-endian; ``size`` counts everything after itself. Because the outer length
comes first, a frame whose inside is nonsense is dropped without losing the place in the stream,
and a frame that is too large is skipped without ever being held in memory.

The relay reads frames that a hostile worker wrote, so nothing here trusts a length: memory grows
only by bytes that really arrived.
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

__all__ = ["CONTROL", "IOPUB", "NOTE", "SHELL", "STDIN", "Decoder", "Frame", "Writer", "encode"]

SHELL, CONTROL, STDIN, IOPUB, NOTE = range(5)
"""Channels; ``NOTE`` is the worker's own remarks to the relay (``ready``, ``start failed``)."""

_SIZE = struct.Struct("<I")
_HEAD = struct.Struct("<IBH")
_LARGE = 1 << 16  # bytes above which copying costs more than a view
_IOV_MAX = 512  # the kernel takes 1024 pieces in one sendmsg; half of it is plenty


class Frame(NamedTuple):
    """One message on one channel; `parts` are its ZeroMQ parts, in order, large ones uncopied."""

    channel: int
    parts: list[bytes | memoryview]


def encode(channel: int, parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return the pieces to write for one frame; the parts themselves are not copied."""
    lengths = [memoryview(part).nbytes for part in parts]
    count = len(parts)
    head = _HEAD.pack(3 + 4 * count + sum(lengths), channel, count)
    return [head + struct.pack(f"<{count}I", *lengths), *parts]


class Decoder:
    """Cut a stream of bytes into frames.

    Parameters
    ----------
    max_frame
        Size in bytes above which a frame is skipped.
    max_parts
        Number of parts above which a frame counts as malformed.

    Attributes
    ----------
    oversized, malformed
        How many frames were skipped for each reason.
    """

    __slots__ = (
        "_have",
        "_large",
        "_skip",
        "_tail",
        "malformed",
        "max_frame",
        "max_parts",
        "oversized",
    )

    def __init__(self, max_frame: int, max_parts: int = 1024) -> None:
        self.max_frame = max_frame
        self.max_parts = max_parts
        self.oversized = 0
        self.malformed = 0
        self._tail = b""
        self._large: bytearray | None = None
        self._have = 0
        self._skip = 0

    def space(self) -> memoryview | None:
        """Return where the rest of a large frame wants to be received into, if one is coming.

        What is received there goes to `filled`, and saves two copies of it. The space grows with
        what has arrived, up to the frame's size.
        """
        if self._large is None:
            return None
        if self._have == len(self._large):
            more = min(self._size() - self._have, max(self._have, _LARGE))
            self._large.extend(bytes(more))
        return memoryview(self._large)[self._have :]

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._tail or self._skip or self._large is not None)

    def filled(self, count: int) -> Iterator[Frame]:
        """Take note of `count` bytes received into `space`; yield the frame they complete."""
        self._have += count
        if self._large is not None and self._have == self._size():
            frame, self._large = self._parse(memoryview(self._large), 0, self._have), None
            if frame is None:
                self.malformed += 1
            else:
                yield frame

    def _size(self) -> int:
        """Return the whole size of the large frame that is coming."""
        return _SIZE.size + int(_SIZE.unpack_from(self._large or b"\0\0\0\0")[0])

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes; never raises on any input."""
        if self._skip:
            step = min(self._skip, len(data))
            self._skip -= step
            data = data[step:]
        at = 0
        while at < len(data) and (space := self.space()) is not None:
            count = min(len(space), len(data) - at)
            space[:count] = data[at : at + count]
            space.release()
            at += count
            yield from self.filled(count)
        if at:
            data = data[at:]
        if self._tail:
            data, self._tail = self._tail + data, b""
        yield from self._cut(data)

    def _cut(self, data: bytes) -> Iterator[Frame]:
        at, end = 0, len(data)
        while end - at >= _SIZE.size:
            size: int = _SIZE.unpack_from(data, at)[0]
            stop = at + _SIZE.size + size
            if size > self.max_frame:
                self.oversized += 1
                self._skip = max(stop - end, 0)
                at = min(stop, end)
                continue
            if stop > end:
                if size > _LARGE:
                    self._large, self._have = bytearray(data[at:]), end - at
                    return
                break
            frame = self._parse(data, at, stop)
            if frame is None:
                self.malformed += 1
            else:
                yield frame
            at = stop
        self._tail = data[at:] if at else data

    def _parse(self, data: bytes | memoryview, at: int, stop: int) -> Frame | None:
        if stop - at < _HEAD.size:
            return None
        _, channel, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        body = at + 4 * count
        if count > self.max_parts or body > stop:
            return None
        lengths = struct.unpack_from(f"<{count}I", data, at)
        if sum(lengths) != stop - body:
            return None
        ends = list(accumulate(lengths, initial=body))
        pieces = (data[a:b] for a, b in pairwise(ends))
        return Frame(channel, [piece if len(piece) > _LARGE else bytes(piece) for piece in pieces])


class Writer:
    """Write frames to a non-blocking socket, holding back what it does not take yet.

    Two blocking ends of one socketpair would deadlock on two large writes; so both ends write
    without blocking and keep what is left over here.
    """

    __slots__ = ("_pieces", "_sock", "pending")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pieces: deque[memoryview] = deque()
        self.pending = 0

    def send(self, channel: int, parts: Sequence[bytes | memoryview]) -> None:
        """Queue one frame and write as much as goes; raises OSError when the peer is gone."""
        self.queue(channel, parts)
        self.flush()

    def queue(self, channel: int, parts: Sequence[bytes | memoryview]) -> None:
        """Queue one frame without writing; many small frames then leave in one system call."""
        for piece in encode(channel, parts):
            if len(piece):
                view = memoryview(piece)
                if view.format != "B" or view.ndim != 1:
                    view = view.cast("B")
                self._pieces.append(view)
                self.pending += len(view)

    def flush(self) -> None:
        """Write what is queued until done or the socket is full."""
        while self._pieces:
            batch = [self._pieces[i] for i in range(min(len(self._pieces), _IOV_MAX))]
            try:
                sent = self._sock.sendmsg(batch)
            except BlockingIOError:
                return
            self.pending -= sent
            while sent:
                first = self._pieces[0]
                if sent >= len(first):
                    sent -= len(first)
                    self._pieces.popleft()
                else:
                    self._pieces[0] = first[sent:]
                    sent = 0
