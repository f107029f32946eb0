"""Many chunks packed in one call are what each would be alone; names made ahead are those made one by one."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from apps.backups.repository import Control, Stopped
from apps.backups.repository.chunks import Batch, chunked
from apps.backups.repository.naming import Naming
from apps.backups.repository.sealing import pack_up, pack_up_many, unpack
from tests.lab.repositories import Place, noise, text

PARTS = [b"", b"x", b"y" * 33, text(1, 16_000), noise(1, 16_000), text(2, 65_535), text(3, 65_536), noise(2, 300_000)]


def name(part: bytes | memoryview) -> bytes:
    return hashlib.sha256(b"name" + part).digest()


def never() -> None:
    """No share to keep to."""


@pytest.mark.parametrize("able", [True, False])
def test_many_are_packed_as_each_alone(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not able:
        # Other builds of the library lack the call.
        monkeypatch.setattr("apps.backups.repository.sealing._AT_ONCE", False)
    else:
        assert hasattr(zstandard.ZstdCompressor, "multi_compress_to_buffer")
    packed = pack_up_many([*PARTS, memoryview(text(4, 20_000))[5:]])
    assert packed[:-1] == [pack_up(part) for part in PARTS]
    assert [unpack(each, len(part)) for each, part in zip(packed, PARTS, strict=False)] == PARTS
    assert unpack(packed[-1], 19_995) == text(4, 20_000)[5:]
    assert pack_up_many([]) == []


@pytest.mark.parametrize("size", [0, 10, 16_000, 5_000_000])
@pytest.mark.parametrize("chunking", ["content", "fixed", "whole"])
def test_names_and_digest_of_a_stream(size: int, chunking: str) -> None:
    data = text(7, size)
    naming = Naming(name, never)
    found = list(naming.run(chunked(io.BytesIO(data), chunking)))  # type: ignore[arg-type]
    parts = [part for parts, _ in found for part in parts]
    assert b"".join(parts) == data
    assert [each for _, names in found for each in names] == [name(part) for part in parts]
    assert naming.sha256 == (hashlib.sha256(data).hexdigest() if len(parts) > 1 else "")


def test_a_stream_that_breaks_while_names_are_made_ahead_says_so() -> None:
    def broken() -> Iterator[Batch]:
        for number in range(5):
            yield Batch(b"%d" % number, [b"%d" % number])
        raise OSError("the pipe broke")

    naming = Naming(name, never)
    with pytest.raises(OSError, match="the pipe broke"):
        list(naming.run(broken()))
    assert naming.begun
    assert naming.sha256 == ""


def test_a_stop_in_the_middle_of_a_stream_leaves_no_set(tmp_path: Path) -> None:
    place, calls = Place.make(tmp_path / "repository"), []

    def check() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise Stopped("Enough.")

    with closing(place.server()) as repository:
        with repository.begin(kind="db", labels={}, control=Control(check=check)) as writer, pytest.raises(Stopped):
            writer.add_stream("dump", io.BytesIO(noise(3, 20_000_000)), chunking="content")
        assert repository.sets() == []
