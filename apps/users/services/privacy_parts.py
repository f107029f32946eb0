"""What the apps above bring to the privacy desk: their share of an export and of an erasure, named in `PRIVACY_PARTS`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from apps.users.models import User, Workspace


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a request is about, as the work needs it.

    Args:
        id: of the account.
        email, full_name: to find what holds them.
        rooms: their personal workspaces, which go with them.
    """

    id: uuid.UUID
    email: str
    full_name: str
    rooms: tuple[uuid.UUID, ...]

    @classmethod
    def of(cls, user: User) -> Person:
        """The person of an account."""
        rooms = tuple(Workspace.objects.filter(personal_of=user).order_by().values_list("pk", flat=True))
        return cls(id=user.pk, email=user.email, full_name=user.full_name, rooms=rooms)

    @property
    def names(self) -> tuple[str, ...]:
        """What tells who they are."""
        return tuple(text for text in (self.email, self.full_name) if text)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of an export.

    Args:
        name: within the archive.
        content: its bytes, piece by piece.
    """

    name: str
    content: Iterable[bytes]


@dataclass(slots=True)
class Erased:
    """What a part has done.

    Args:
        counts: what is gone or forgets who it was, by what it is.
        kept: what stays, and why.
    """

    counts: dict[str, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def add(self, what: str, count: int) -> None:
        """Count something."""
        if count:
            self.counts[what] = self.counts.get(what, 0) + count


# Called between small steps with how many things they were; raises when the work has to stop.
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """An app's share.

    Args:
        name: what people read while it is at work.
        count: about how many steps an export and an erasure have, for the progress.
        pieces: files of an export.
        erase: takes away what the data map alone does not find; may be called again after a kill.
        told: tables whose rows `pieces` tells itself, and those that are made from others.
    """

    name: str
    count: Callable[[Person], int]
    pieces: Callable[[Person], Iterator[Piece]]
    erase: Callable[[Person, Tick], Erased]
    told: frozenset[str] = frozenset()


def paged(rows: QuerySet[Any], size: int = 200) -> Iterator[Any]:
    """Rows in the order of their keys, a page at a time. No reading is open between two pages.

    An open one would keep this connection from noting how far the work is: SQLite refuses to write in the middle of a reading
    whose state somebody has changed since.

    Args:
        rows: models, or `.values()` with "pk".
        size: of a page.
    """
    rows, last = rows.order_by("pk"), None
    while True:
        page = list((rows if last is None else rows.filter(pk__gt=last))[:size])
        if page:
            last = page[-1]["pk"] if isinstance(page[-1], dict) else page[-1].pk
        yield from page
        if len(page) < size:
            return


def parts() -> list[Part]:
    """The shares of all apps, in the order in which an erasure goes through them."""
    return [import_string(path) for path in settings.PRIVACY_PARTS]


def parcel_keep(content: Any) -> tuple[str, str, int]:
    """Store an export's file, encrypted with a key of its own: where it lies, its key, its size."""
    kept: tuple[str, str, int] = import_string(f"{settings.PRIVACY_PARCELS}.keep")(content)
    return kept


def parcel_read(place: str, key: str) -> Iterator[bytes]:
    """The bytes of a stored export."""
    found: Iterator[bytes] = import_string(f"{settings.PRIVACY_PARCELS}.read")(place, key)
    return found


def parcel_drop(place: str) -> None:
    """Remove a stored export."""
    import_string(f"{settings.PRIVACY_PARCELS}.drop")(place)
