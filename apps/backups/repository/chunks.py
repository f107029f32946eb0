"""Cutting streams into chunks. Cut points are no part of the format: a better cutter may replace this one at any time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO, Literal, NamedTuple

from pyfastcdc import FastCDC

Chunking = Literal["content", "fixed", "whole"]
CHUNK = 16 * 1024
WHOLE = 4 * 1024 * 1024
# As much as a pipe holds: while one buffer is cut and named, whoever writes into the pipe fills the next.
_BUFFER = 1024 * 1024

# Row edits that are scattered over a dump cost 12 % of it with chunks of 16 KiB, and all of it with chunks of 1 MiB.
_DUMPS = FastCDC(CHUNK, min_size=CHUNK // 4, max_size=CHUNK * 4)
# The lists of a set are small: with 8 KiB a change of one file costs a few KiB.
_LISTS = FastCDC(8 * 1024, min_size=2 * 1024, max_size=32 * 1024)


def _cut(cutter: FastCDC, buffer: bytes, last: bool) -> Iterator[tuple[int, int]]:
    """Begin and end of each chunk; unless it is the last buffer, the open end is left out."""
    size = len(buffer)
    # A chunk that ends closer to the end than the largest chunk might have been cut elsewhere with more bytes at hand.
    for chunk in cutter.cut_buf(buffer):
        begin, end = chunk.offset, chunk.offset + chunk.length
        if not last and size - begin < cutter.max_size:
            return
        yield begin, end


class Batch(NamedTuple):
    """Bytes of a stream, and the chunks they were cut into."""

    data: memoryview | bytes
    parts: Sequence[memoryview | bytes]


def read_exactly(reader: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only at the end: pipes and sockets give what they have."""
    first = reader.read(size)
    if len(first) == size or not first:
        return first
    parts, have = [first], len(first)
    while have < size and (part := reader.read(size - have)):
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def chunked(reader: BinaryIO, chunking: Chunking) -> Iterator[Batch]:
    """Batches of chunks, in order. An empty stream gives one empty chunk, so that it has a place too."""
    if chunking == "whole":
        empty = True
        while part := read_exactly(reader, WHOLE):
            empty = False
            yield Batch(part, [part])
            if len(part) < WHOLE:
                return
        if empty:
            yield Batch(b"", [b""])
        return
    rest, empty = b"", True
    while True:
        more = read_exactly(reader, _BUFFER)
        last = len(more) < _BUFFER
        buffer = rest + more if rest else more
        if buffer:
            empty = False
            view = memoryview(buffer)
            if chunking == "fixed":
                ends = range(0, len(buffer), CHUNK)
                yield Batch(buffer, [view[begin : begin + CHUNK] for begin in ends])
                rest = b""
            else:
                cuts = list(_cut(_DUMPS, buffer, last))
                end = cuts[-1][1] if cuts else 0
                yield Batch(view[:end], [view[begin:stop] for begin, stop in cuts])
                rest = buffer[end:]
        if last:
            if empty:
                yield Batch(b"", [b""])
            return


class ListCutter:
    """Cuts a list that grows by small pieces; the same pieces around a change give the same chunks.

    Args:
        width: chunks hold whole records of so many bytes.
    """

    def __init__(self, width: int = 1) -> None:
        self._width = width
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> list[bytes]:
        """Take a piece; returns the chunks that are complete."""
        self._parts.append(piece)
        self._size += len(piece)
        return self._take(last=False) if self._size >= 1024 * 1024 else []

    def finish(self) -> list[bytes]:
        """The chunks that are left."""
        return self._take(last=True)

    def _take(self, *, last: bool) -> list[bytes]:
        buffer = b"".join(self._parts)
        ends = [end // self._width * self._width for _, end in _cut(_LISTS, buffer, last)] if buffer else []
        rest = buffer[ends[-1] if ends else 0 :]
        self._parts, self._size = ([rest] if rest else []), len(rest)
        return [buffer[begin:end] for begin, end in pairwise([0, *ends]) if end > begin]
