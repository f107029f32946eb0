"""Packs of lists are stored twice: the one is mended by the other before each backup."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from apps.backups.repository.errors import DeleteRefused, ObjectMissing
from apps.backups.repository.packs import PLACE, pack_name
from apps.backups.repository.records import TWIN
from apps.backups.repository.store import ObjectStore

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository


def sound_pack(store: ObjectStore, place: str) -> bytes | None:
    """The bytes of a pack or of its twin, None when they are not those of its name."""
    try:
        data = store.get(place)
    except ObjectMissing:
        return None
    return data if pack_name(hashlib.sha256(data).hexdigest()) == place.removeprefix(TWIN) else None


def replace_pack(store: ObjectStore, place: str, data: bytes) -> bool:
    """Put sound bytes in the place of damaged ones. Stores may leave alone what has the name and size: so it goes first.

    Returns:
        False when it stays damaged: the place does not let anything be removed, or does not keep what it is given.
    """
    try:
        store.delete(place)
    except DeleteRefused:
        return False
    store.put(place, data)
    return sound_pack(store, place) is not None


def mend_lists(repository: Repository) -> list[str]:
    """Write what is missing, cut or marked as damaged from the other copy. Returns what was written."""
    store, marks = repository.store, repository.marks
    first = dict(store.names(PLACE))
    second = {name.removeprefix(TWIN): size for name, size in store.names(TWIN + PLACE)}
    damaged, bent = marks.damaged(), marks.bent()
    wanted = repository.index.list_packs()
    mended = []
    for name in sorted(wanted.keys() | second.keys()):
        size = wanted.get(name, second.get(name))
        places = [
            place
            for place, wrong in (
                (name, first.get(name) != size or name in damaged),
                (TWIN + name, second.get(name) != size or name in bent),
            )
            if wrong
        ]
        if not places:
            continue
        data = sound_pack(store, name) or sound_pack(store, TWIN + name)
        if data is None:
            continue
        for place in places:
            if replace_pack(store, place, data):
                marks.mark_sound(place)
                mended.append(place)
    return mended
