"""Records: the few small objects that everything hangs on. Each is stored twice, so that a lost or bent one is mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from apps.backups.repository.errors import Damaged, DeleteRefused, ObjectMissing
from apps.backups.repository.sealing import with_checksum, without_checksum
from apps.backups.repository.store import ObjectStore

TWIN = "twins/"
PLACES = ("format", "keys/", "sets/", "lines/", "marks/")


def _sound(data: bytes) -> bool:
    try:
        without_checksum(data)
    except Damaged:
        return False
    return True


class Records:
    """Reads the first of the two that is sound, writes both, and mends the one by the other."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def put(self, name: str, data: bytes) -> None:
        """Store both; `data` already ends with its checksum."""
        self.store.put(TWIN + name, data)
        self.store.put(name, data)

    def put_text(self, name: str, text: bytes) -> None:
        """Store a readable record with a checksum behind it."""
        self.put(name, with_checksum(text))

    def get(self, name: str) -> bytes:
        """The record with its checksum. Raises `ObjectMissing` when both are gone, `Damaged` when neither is sound."""
        found = False
        for place in (name, TWIN + name):
            with suppress(ObjectMissing):
                data = self.store.get(place)
                found = True
                if _sound(data):
                    return data
        if found:
            raise Damaged(f"{name} is damaged in both its copies.")
        raise ObjectMissing(f"{name} is not in the repository.")

    def get_text(self, name: str) -> bytes:
        """The content of a readable record."""
        return without_checksum(self.get(name))

    def names(self, prefix: str) -> Iterator[str]:
        """Names of which at least one copy is there, in order."""
        found = {name for name, _ in self.store.names(prefix)}
        found.update(name.removeprefix(TWIN) for name, _ in self.store.names(TWIN + prefix))
        yield from sorted(found)

    def delete(self, name: str) -> None:
        """Remove both."""
        self.store.delete(TWIN + name)
        self.store.delete(name)

    def faults(self, name: str) -> list[tuple[str, str]]:
        """What is wrong with each copy of one record: its place and "missing" or "damaged"."""
        found = []
        sound: list[bytes] = []
        for place in (name, TWIN + name):
            try:
                data = self.store.get(place)
            except ObjectMissing:
                found.append((place, "missing"))
                continue
            if not _sound(data):
                found.append((place, "damaged"))
            else:
                sound.append(data)
        if len(sound) == 2 and sound[0] != sound[1]:
            found.append((TWIN + name, "differs"))
        return found

    def mend(self, name: str) -> bool:
        """Write the missing or damaged copy again. False when that cannot be done."""
        faults = self.faults(name)
        if not faults:
            return True
        try:
            data = self.get(name)
        except (Damaged, ObjectMissing):
            return False
        try:
            for place, _ in faults:
                self.store.put(place, data)
        except DeleteRefused:
            # An append-only place keeps the damaged copy; the sound one is read.
            return False
        return True
