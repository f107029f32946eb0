"""Lists of documents: filtered, searched, in each order, with the same few queries for ten documents as for 100,000."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Case, IntegerField, QuerySet, UUIDField, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from apps.content.models import Document, Presence, Tag
from apps.content.models.organising import workspace_filter
from apps.content.selectors.searching import matching, query_words, ranked
from apps.users.models import Workspace
from apps.users.models.people import short_name
from apps.users.selectors.access import Actor, require, rooms_where

ORDERS: Mapping[str, tuple[str, ...]] = {
    "-updated_at": ("-updated_at", "-id"),
    "updated_at": ("updated_at", "id"),
    "-created_at": ("-created_at", "-id"),
    "created_at": ("created_at", "id"),
    "title": ("title", "id"),
    "-title": ("-title", "-id"),
    "-word_count": ("-word_count", "-id"),
    "word_count": ("word_count", "id"),
    "relevance": ("rank", "id"),
}
NOWHERE = "none"


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked of a list.

    Args:
        query: words that the title or the text must hold, all of them.
        kind: kind of text.
        status: one of `Document.Status`.
        tags: names or ids; a document has all of them.
        collection: id, or "none" for documents that lie in no collection.
        owner: id of a person, or "me".
    """

    query: str = ""
    kind: str = ""
    status: str = ""
    tags: tuple[str, ...] = field(default=())
    collection: str = ""
    owner: str = ""

    @property
    def any(self) -> bool:
        """Whether something is left out of the list."""
        return any((self.query, self.kind, self.status, self.tags, self.collection, self.owner))


def listed_documents(
    *, actor: Actor, workspace: Workspace | None = None, filters: Filters | None = None, sort: str = "-updated_at"
) -> tuple[QuerySet[Document], tuple[str, ...]]:
    """Documents that the actor may read, without those in the bin.

    Args:
        actor: who reads.
        workspace: only this one.
        filters: what else.
        sort: one of `ORDERS`; "relevance" needs a query.

    Returns:
        the rows, and the ordering for a cursor page.

    Raises:
        PermissionDenied: the actor reads nowhere.
        InvalidInput: a filter or the order cannot be used.
    """
    if workspace:
        require(actor, "content.read", workspace=workspace)
        rooms = [workspace.pk]
    else:
        rooms = rooms_where(actor, "content.read")
    asked = filters or Filters()
    if sort not in ORDERS:
        raise InvalidInput(f"'{sort[:20]}' is no order.", field="sort", remedy=f"Use one of {', '.join(ORDERS)}.")
    words = query_words(asked.query)
    rows = Document.objects.kept()
    if asked.tags or words:
        # The few that carry the tag or the words are looked up and sorted. Without statistics SQLite would else walk
        # through all documents in order and look each one up among the few: 60 ms at 100,000; hence no plain column.
        rows = rows.alias(room=Cast("workspace_id", output_field=UUIDField())).filter(room__in=rooms)
    else:
        rows = rows.filter(workspace_filter(rooms))
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.owner:
        rows = rows.filter(owner_id=actor.user_id if asked.owner == "me" else _id("owner", asked.owner))
    if asked.collection == NOWHERE:
        rows = rows.filter(collection=None)
    elif asked.collection:
        rows = rows.filter(collection_id=_id("collection", asked.collection))
    for tag in asked.tags:
        rows = rows.filter(pk__in=_tagged(tag, rooms))
    if asked.query.strip():
        rows = rows.filter(pk__in=matching(words, rooms)) if words else rows.none()
    if sort == "relevance":
        if not words:
            raise InvalidInput("Relevance needs words to be found.", field="sort", remedy="Send q, or sort otherwise.")
        best = ranked(words, rooms)
        places = [When(pk=pk, then=Value(place)) for place, pk in enumerate(best)]
        rows = rows.filter(pk__in=best).annotate(rank=Case(*places, default=0, output_field=IntegerField()))
    return rows, ORDERS[sort]


def _tagged(tag: str, rooms: list[uuid.UUID]) -> QuerySet[Document]:
    try:
        wanted = Tag.objects.filter(pk=uuid.UUID(tag))
    except ValueError:
        wanted = Tag.objects.filter(name__iexact=tag)
    marked = Document.tags.through.objects.filter(tag__in=wanted.filter(workspace_id__in=rooms))
    return marked.values("document_id")  # type: ignore[return-value]


def _id(name: str, text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidInput(f"'{text[:40]}' is no id.", field=name, remedy="Send an id as the API gives it.") from None


def kinds_in(workspace: Workspace) -> list[str]:
    """The kinds of text that a workspace has, found by steps through the index: DISTINCT would read every document."""
    key = workspace.pk if connection.features.has_native_uuid_field else workspace.pk.hex
    least = "SELECT min(kind) AS kind FROM content_document WHERE workspace_id = %s AND deleted_at IS NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE step(kind) AS ({least} UNION ALL SELECT ({least} AND kind > step.kind) FROM step "  # noqa: S608
            "WHERE step.kind IS NOT NULL) SELECT kind FROM step WHERE kind IS NOT NULL",
            [key, key],
        )
        return [kind for (kind,) in cursor.fetchall()]


def tags_by_document(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """The names of the tags of each document of a page, in alphabetical order, in one query."""
    found: dict[uuid.UUID, list[str]] = {}
    rows = Document.tags.through.objects.filter(document_id__in=list(ids)).order_by("tag__name")
    for document_id, name in rows.values_list("document_id", "tag__name"):
        found.setdefault(document_id, []).append(name)
    return found


def labels_by_document(
    ids: Iterable[uuid.UUID], *, but: uuid.UUID | None = None
) -> tuple[dict[uuid.UUID, list[str]], dict[uuid.UUID, list[str]]]:
    """What stands beside the documents of a list, in one query.

    Both are written out in SQL: to build the two queries cost a quarter of the whole answer, to run them a hundredth.

    Args:
        ids: documents that the reader may see.
        but: leave this person out.

    Returns:
        the names of the tags of each, in alphabetical order; who has each open in the editor now, in order of arrival.
    """
    native = connection.features.has_native_uuid_field
    keys = {pk if native else pk.hex: pk for pk in ids}
    tags: dict[uuid.UUID, list[str]] = {}
    people: dict[uuid.UUID, list[str]] = {}
    if not keys:
        return tags, people
    places = ", ".join(["%s"] * len(keys))
    fresh = connection.ops.adapt_datetimefield_value(timezone.now() - Presence.FRESH)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT marked.document_id, NULL AS since, tag.name AS name, NULL AS email, NULL AS person "  # noqa: S608
            "FROM content_document_tags marked JOIN content_tag tag ON tag.id = marked.tag_id "
            f"WHERE marked.document_id IN ({places}) "
            "UNION ALL SELECT here.document_id, here.since, person.full_name, person.email, person.id "
            "FROM content_presence here JOIN users_user person ON person.id = here.user_id "
            f"WHERE here.document_id IN ({places}) AND here.seen_at > %s ORDER BY since",
            [*keys, *keys, fresh],
        )
        for key, _, name, email, person in cursor.fetchall():
            if email is None:
                tags.setdefault(keys[key], []).append(name)
            elif but is None or person != (but if native else but.hex):
                people.setdefault(keys[key], []).append(short_name(name, email))
    for names in tags.values():
        names.sort(key=str.casefold)
    return tags, people
