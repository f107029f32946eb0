"""Files in the privacy desk: the originals in an export, and their bytes gone at once in an erasure."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.backends.models import StoredBlob, StoredFile, StoredFileVersion
from apps.backends.services import blobs
from apps.backends.services.filestore import clean_name
from apps.backends.services.garbage import Collected, discard_blob
from apps.users.services.privacy_parts import Erased, Part, Person, Piece, Tick, paged

_AT_A_TIME = 200


def _files(person: Person) -> QuerySet[StoredFile]:
    mine = Q(owner=person.id) | Q(workspace__in=person.rooms)
    return StoredFile.objects.filter(mine).exclude(purpose="export").order_by("pk")


def _count(person: Person) -> int:
    return _files(person).count()


def _pieces(person: Person) -> Iterator[Piece]:
    for file in paged(_files(person).select_related("blob__profile"), _AT_A_TIME):
        yield Piece(f"files/{file.pk.hex[-8:]}-{clean_name(file.name)}", blobs.pieces(file.blob))


def _erase(person: Person, tick: Tick) -> Erased:
    done = Erased()
    collected = Collected()
    done.add("files", remove_now(StoredFile.objects.filter(workspace__in=person.rooms), collected, tick))
    if collected.failed:
        done.kept.append(
            f"files: {collected.failed}, which the storage did not delete; the collector tries again daily"
        )
    return done


def remove_now(files: QuerySet[StoredFile], collected: Collected, tick: Tick = lambda _count: None) -> int:
    """Delete files, and those of their bytes that nothing else names, without the grace for people who change their mind.

    Returns:
        how many files.
    """
    count = 0
    while keys := list(files.order_by().values_list("pk", flat=True)[:_AT_A_TIME]):
        doomed = set(StoredFile.objects.filter(pk__in=keys).values_list("blob", flat=True))
        doomed |= set(StoredFileVersion.objects.filter(file__in=keys).values_list("blob", flat=True))
        StoredFile.objects.filter(pk__in=keys).delete()
        loose = StoredBlob.objects.unreferenced().filter(pk__in=doomed)
        loose.filter(condemned_at=None).update(condemned_at=timezone.now())
        for blob in loose.select_related("profile"):
            discard_blob(blob, collected)
        count += len(keys)
        tick(len(keys))
    return count


PART = Part(
    name="files",
    count=_count,
    pieces=_pieces,
    erase=_erase,
    told=frozenset({StoredFileVersion._meta.label}),
)
