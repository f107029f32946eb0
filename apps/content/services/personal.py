"""The writers' work in the privacy desk: a person's texts and sources in an export, and what of them goes with an erasure.

What stands in a person's own workspace goes with them. What they wrote in shared ones belongs to those: it stays, and the
data map lets it forget who it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import orjson
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.text import slugify

from apps.backends.models import StoredFile
from apps.backends.services.garbage import Collected
from apps.backends.services.personal import remove_now
from apps.content.models import Document, DocumentVersion, Export, Source
from apps.content.retrieval.upkeep import drop_workspace
from apps.users.services.privacy_parts import Erased, Part, Person, Piece, Tick, paged

_AT_A_TIME = 200
_FACTS = ("title", "language", "status", "created_at", "updated_at")
# The full-text indexes of SQLite: what is deleted stays in their older segments until these are merged.
_INDEXES = ("content_keyword", "content_document_word")


def _documents(person: Person) -> QuerySet[Document]:
    return Document.objects.filter(Q(owner=person.id) | Q(workspace__in=person.rooms)).order_by("pk")


def _count(person: Person) -> int:
    return _documents(person).count() + Source.objects.filter(workspace__in=person.rooms).count()


def _pieces(person: Person) -> Iterator[Piece]:
    for row in paged(_documents(person).values("pk", *_FACTS, "body_markdown"), _AT_A_TIME):
        name = f"documents/{slugify(row['title'])[:60] or 'untitled'}-{row['pk'].hex[-8:]}.md"
        head = _head(id=str(row["pk"]), **{fact: row[fact] for fact in _FACTS})
        yield Piece(name, [head, row["body_markdown"].encode()])
    yield Piece("documents/versions.jsonl", _versions(person))
    for row in paged(_own_sources(person).values("pk", "title", "text"), 20):
        name = f"sources/{slugify(row['title'])[:60] or 'source'}-{row['pk'].hex[-8:]}.txt"
        yield Piece(name, [row["text"].encode()])


def _own_sources(person: Person) -> QuerySet[Source]:
    return Source.objects.filter(Q(owner=person.id) | Q(workspace__in=person.rooms)).exclude(text="").order_by("pk")


def _head(**facts: str | dt.datetime) -> bytes:
    lines = [f"{name}: {orjson.dumps(value).decode()}" for name, value in facts.items()]
    return ("---\n" + "\n".join(lines) + "\n---\n\n").encode()


def _versions(person: Person) -> Iterator[bytes]:
    names = ("id", "document_id", "number", "reason", "label", "title", "body_markdown", "word_count", "created_at")
    wanted = Q(author=person.id) | Q(document__workspace__in=person.rooms)
    for row in paged(DocumentVersion.objects.filter(wanted).values("pk", *names), _AT_A_TIME):
        yield orjson.dumps({name: row[name] for name in names}, option=orjson.OPT_APPEND_NEWLINE)


def _erase(person: Person, tick: Tick) -> Erased:
    done = Erased()
    for room in person.rooms:
        drop_workspace(room)
    for model in (Document, Source):
        mine = model._default_manager.filter(workspace__in=person.rooms).order_by()
        while keys := list(mine.values_list("pk", flat=True)[:_AT_A_TIME]):
            for at in range(0, len(keys), 20):
                some = keys[at : at + 20]
                with transaction.atomic():
                    model._default_manager.filter(pk__in=some).delete()
                done.add(str(model._meta.verbose_name_plural), len(some))
                tick(len(some))
    files = Export.objects.filter(requested_by=person.id).exclude(file=None).values_list("file", flat=True)
    done.add("exported files", remove_now(StoredFile.objects.filter(pk__in=list(files)), Collected()))
    if stays := Document.objects.filter(owner=person.id).exclude(workspace__in=person.rooms).count():
        done.kept.append(
            f"documents in shared workspaces: {stays}. They belong to the workspace, and forget their owner"
        )
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for name in _INDEXES:
                cursor.execute(f"INSERT INTO {name} ({name}) VALUES ('optimize')")  # noqa: S608  names of the code
    return done


PART = Part(
    name="documents and sources",
    count=_count,
    pieces=_pieces,
    erase=_erase,
    told=frozenset(
        {
            "content.DocumentVersion",
            "content.SourceChunk",
            "content.EmbeddingIndex",
            "content.GenerationEvent",
            "content.Presence",
        }
    ),
)
