"""Marks: what is to be deleted and when, and which packs are damaged."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.backups.repository.errors import Damaged, DeleteRefused, ObjectMissing
from apps.backups.repository.records import TWIN, Records
from apps.backups.repository.sealing import Cipher, open_record, seal_record

DOOMED, DAMAGED, BENT = "marks/doomed/", "marks/damaged/", "marks/bent/"
# A writer does not count on packs that go within this time: its run may take as long.
REUSE_MARGIN = timedelta(hours=12)
# A set is not committed on packs that go within this time: clocks of two machines may differ by as much.
COMMIT_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Doom:
    """Sets and packs that will be deleted after a time, unless they are needed then."""

    name: str
    after: datetime
    sets: frozenset[str]
    packs: frozenset[str]

    def due(self, *, margin: timedelta = timedelta(0)) -> bool:
        """Whether its time comes within the margin."""
        return datetime.now(UTC) + margin >= self.after


class Marks:
    """Reads and writes the marks of a repository."""

    def __init__(self, records: Records, cipher: Cipher) -> None:
        self._records = records
        self._cipher = cipher

    def dooms(self) -> list[Doom]:
        """All that is doomed. A mark that is unreadable is no reason to delete anything, so it is left out."""
        found = []
        for name in self._records.names(DOOMED):
            with suppress(Damaged, ObjectMissing, ValueError, KeyError):
                body = json.loads(open_record(self._cipher, name, self._records.get(name)))
                after = datetime.fromisoformat(body["after"])
                found.append(Doom(name, after, frozenset(body["sets"]), frozenset(body["packs"])))
        return found

    def doom(self, sets: Iterable[str], packs: Iterable[str], after: datetime, name: str = "") -> Doom:
        """Mark for deletion, or write a mark anew."""
        name = name or f"{DOOMED}{after.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        doom = Doom(name, after, frozenset(sets), frozenset(packs))
        body = {"after": after.isoformat(), "sets": sorted(doom.sets), "packs": sorted(doom.packs)}
        self._records.put(name, seal_record(self._cipher, name, json.dumps(body).encode()))
        return doom

    def lift(self, doom: Doom) -> None:
        """Remove a mark."""
        self._records.delete(doom.name)

    def damaged(self) -> set[str]:
        """Names of packs that are known to be damaged."""
        return self._marked(DAMAGED)

    def bent(self) -> set[str]:
        """Names of packs of lists whose twin is known to be damaged."""
        return self._marked(BENT)

    def _marked(self, place: str) -> set[str]:
        digests = (name.removeprefix(place) for name in self._records.names(place))
        return {f"packs/{digest[:2]}/{digest}" for digest in digests}

    def mark_damaged(self, packs: Collection[str]) -> None:
        """Writers do not count on these packs any more, so that what they hold is stored again."""
        for pack in packs:
            name = (BENT if pack.startswith(TWIN) else DAMAGED) + pack.rpartition("/")[2]
            body = json.dumps({"seen": datetime.now(UTC).isoformat()}).encode()
            self._records.put(name, seal_record(self._cipher, name, body))

    def mark_sound(self, pack: str) -> None:
        """The pack is whole again, or gone."""
        with suppress(DeleteRefused):
            self._records.delete((BENT if pack.startswith(TWIN) else DAMAGED) + pack.rpartition("/")[2])
