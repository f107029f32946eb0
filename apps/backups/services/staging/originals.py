"""What must not be found in a staging copy, gathered while its rows are masked, and looked for in every byte of it.

The search knows nothing of how the rows were masked: it goes through raw bytes, whatever file or table they stand in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from aiwriter.core.datamap import Column, DataClass, Rule
from aiwriter.core.late import numpy as np

_WORD = re.compile(r"[^\W_]+")
_SHORTEST, _HEAD = 8, 8
_VALUE_SHORTEST = 6
_MOST = 2_000_000
_PIECE = 16 << 20
_LONGEST = 256
# Ids of rows stay, and in the text of a table they look like words.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Originals:
    """Words, passages and whole values of the original, with the kind of data that they are."""

    def __init__(self) -> None:
        self._needles: dict[bytes, str] = {}
        self._passages: dict[bytes, str] = {}
        self._kept: set[bytes] = set()
        self._seen: set[int] = set()
        self.values = 0

    def __len__(self) -> int:
        return len(self._needles) + len(self._passages)

    def note(self, column: Column, before: Any, after: Any) -> None:
        """Remember a value that was replaced; one that stayed as it is may be found."""
        if isinstance(before, bytes | bytearray | memoryview):
            self._add(bytes(before)[:64], column.data_class)
            return
        if not isinstance(before, str):
            for old, new in _pairs(before, after):
                self.note(column, old, new)
            return
        mark = hash((before, before == after))
        if mark in self._seen:
            return
        self._seen.add(mark)
        if before == after or column.rule == Rule.KEEP:
            self._kept.update(word.encode() for word in _forms(before))
            return
        self.values += 1
        if column.data_class in (DataClass.PERSONAL, DataClass.SECRET):
            for form in (before, before.lower()):
                self._add(form.encode("utf-8", "surrogatepass")[:_LONGEST], column.data_class, _VALUE_SHORTEST)
        text = _ID.sub(" ", before)
        words = list(_WORD.finditer(text))
        # `argon2id` and its numbers stand in the hash of every password, salt and digest in one.
        secret = column.data_class == DataClass.SECRET
        for word in words:
            for form in {word[0], word[0].lower()}:
                self._add(form.encode("utf-8", "surrogatepass"), column.data_class, 16 if secret else _SHORTEST)
        if secret:
            return
        # Passages of four words find a text of short ones too; a quarter of them is enough for any sentence.
        for first, last in zip(words, words[3:], strict=False):
            passage = text[first.start() : last.end()]
            if (
                len(passage) <= _LONGEST
                and hashlib.blake2b(passage.encode("utf-8", "replace"), digest_size=1).digest()[0] < 64
            ):
                self._add(passage.encode("utf-8", "surrogatepass"), column.data_class, passage=True)

    def _add(self, needle: bytes, data_class: DataClass, shortest: int = _SHORTEST, *, passage: bool = False) -> None:
        if len(needle) >= shortest and len(self) < _MOST and len(set(needle)) > 2:
            (self._passages if passage else self._needles).setdefault(needle, data_class.value)

    def haystack(self, own: Iterable[bytes] = ()) -> Search:
        """A search for everything but what the copy may hold.

        Args:
            own: bytes of a new portal: its words are the product's.
        """
        needles = {needle: kind for needle, kind in self._needles.items() if needle not in self._kept}
        known, words = Search(needles), set[str]()
        for piece in own:
            known.look(piece)
            words.update(found.lower() for found in _WORD.findall(piece.decode("utf-8", "replace")))
        needles = {needle: kind for needle, kind in needles.items() if needle not in known.hits}
        for passage, kind in self._passages.items():
            # `p><img src="/pictures` is four words too, and nobody's.
            if not all(word.lower() in words for word in _WORD.findall(passage.decode("utf-8", "replace"))):
                needles[passage] = kind
        return Search(needles)


def _pairs(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """Texts within JSON, each with what it has become."""
    if isinstance(before, str):
        yield before, after
    elif isinstance(before, list):
        others = after if isinstance(after, list) and len(after) == len(before) else [None] * len(before)
        for old, new in zip(before, others, strict=True):
            yield from _pairs(old, new)
    elif isinstance(before, dict):
        pairs = list(after.items()) if isinstance(after, dict) and len(after) == len(before) else []
        for number, (key, value) in enumerate(before.items()):
            new_key, new_value = pairs[number] if pairs else (None, None)
            yield key, new_key
            yield from _pairs(value, new_value)


def _forms(text: str) -> Iterator[str]:
    for word in (text, *(found[0] for found in _WORD.finditer(text))):
        yield word
        yield word.lower()


@dataclass
class Search:
    """Looks for many byte strings at once, at every place.

    Args:
        needles: what is looked for, and what kind of data it is.
    """

    needles: Mapping[bytes, str]
    hits: dict[bytes, int] = field(default_factory=dict)
    looked: int = 0

    def __post_init__(self) -> None:
        # Eight bytes at every place are compared as a number first; only what begins alike is compared as a whole.
        heads: dict[int, list[bytes]] = {}
        for needle in self.needles:
            heads.setdefault(_number(needle), []).append(needle)
        self._heads = heads
        self._sorted = np.array(sorted(heads), dtype=np.uint64)
        self._short = [needle for needle in self.needles if len(needle) < _HEAD]

    def look(self, data: bytes) -> list[tuple[int, bytes]]:
        """Places and needles in some bytes."""
        self.looked += len(data)
        found: list[tuple[int, bytes]] = []
        for needle in self._short:
            place = data.find(needle)
            if place >= 0:
                found.append((place, needle))
        if len(self._sorted) and len(data) >= _HEAD:
            for offset in range(_HEAD):
                count = (len(data) - offset) // _HEAD
                if not count:
                    continue
                numbers = np.frombuffer(data, dtype="<u8", count=count, offset=offset)
                spots = np.searchsorted(self._sorted, numbers)
                spots[spots == len(self._sorted)] = 0
                for index in np.nonzero(self._sorted[spots] == numbers)[0]:
                    place = int(index) * _HEAD + offset
                    found += [
                        (place, needle) for needle in self._heads[int(numbers[index])] if data.startswith(needle, place)
                    ]
        for _, needle in found:
            self.hits[needle] = self.hits.get(needle, 0) + 1
        return found

    def stream(self, file: BinaryIO) -> list[tuple[int, bytes]]:
        """Go through a file in pieces that overlap."""
        found: list[tuple[int, bytes]] = []
        tail, begin = b"", 0
        while piece := file.read(_PIECE):
            data = tail + piece
            found += [(begin + place, needle) for place, needle in self.look(data)]
            tail = data[-_LONGEST:]
            begin += len(data) - len(tail)
        return found

    def path(self, path: Path) -> list[tuple[int, bytes]]:
        """Go through a file by its name."""
        with path.open("rb") as file:
            return self.stream(file)


def _number(needle: bytes) -> int:
    return int.from_bytes(needle[:_HEAD], "little")
