"""Looks into packed files before anything unpacks them, and unpacks only as much as is allowed."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from apps.content.parsing.document import Limits
from apps.content.parsing.problems import Problem

_JUDGED_FROM = 2**20  # below one megabyte a high ratio is an ordinary small XML file


def open_archive(path: Path, limits: Limits) -> zipfile.ZipFile:
    """Open a zip file after checking its directory.

    Raises:
        Problem: "bomb", "encrypted" or "broken".
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError, OverflowError, UnicodeDecodeError) as error:
        raise Problem("broken", "its directory cannot be read") from error
    entries = archive.infolist()
    problem = _judge(entries, limits)
    if problem:
        archive.close()
        raise problem
    return archive


def _judge(entries: list[zipfile.ZipInfo], limits: Limits) -> Problem | None:
    if len(entries) > limits.entries:
        return Problem("bomb", f"{len(entries):,} files inside")
    if any(entry.flag_bits & 0x1 for entry in entries):
        return Problem("encrypted")
    total = sum(entry.file_size for entry in entries)
    if total > limits.expanded_bytes:
        return Problem("bomb", f"{total / 2**20:,.0f} MB unpacked")
    for entry in entries:
        if entry.file_size > _JUDGED_FROM and entry.file_size > limits.ratio * max(1, entry.compress_size):
            return Problem("bomb", f"one part grows {entry.file_size // max(1, entry.compress_size):,} times")
    return None


def read_entry(archive: zipfile.ZipFile, name: str, limits: Limits) -> bytes:
    """One entry, never more than its directory promised.

    Raises:
        Problem: "broken" when the entry is missing, lies about its size or fails its checksum.
        KeyError: there is no such entry.
    """
    info = archive.getinfo(name)
    try:
        with archive.open(info) as stream:
            data = stream.read(min(info.file_size, limits.expanded_bytes) + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise Problem("broken", "a part cannot be unpacked") from error
    if len(data) > info.file_size:
        raise Problem("bomb", "a part is larger than it says")
    return data


def gunzip(path: Path, limits: Limits) -> bytes:
    """The whole content of a gzip file, unpacked step by step up to the limit.

    Raises:
        Problem: "bomb" or "broken".
    """
    packed = path.stat().st_size
    allowed = min(limits.expanded_bytes, max(_JUDGED_FROM, packed * limits.ratio))
    pieces: list[bytes] = []
    size = 0
    unpacker = zlib.decompressobj(wbits=31)
    with path.open("rb") as stream:
        data = b""
        while True:
            data = data or stream.read(65536)
            if not data:
                break
            try:
                piece = unpacker.decompress(data, 2**20)
            except zlib.error as error:
                raise Problem("broken", "it cannot be unpacked") from error
            size += len(piece)
            if size > allowed:
                raise Problem("bomb", f"more than {allowed / 2**20:,.0f} MB unpacked")
            pieces.append(piece)
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                data = unpacker.unused_data or b""
                if not data.strip(b"\0"):
                    break
                unpacker = zlib.decompressobj(wbits=31)
    if not unpacker.eof:
        raise Problem("broken", "its end is missing")
    return b"".join(pieces)
