"""Documents: list, create, read, change, delete."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, PreconditionFailed
from aiwriter.core.rest.pagination import CursorPage
from aiwriter.core.rest.precondition import expected_revision, set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.models import Document
from apps.content.selectors.documents import get_document
from apps.content.selectors.listing import ORDERS, Filters, labels_by_document, listed_documents, tags_by_document
from apps.content.selectors.searching import query_words, snippets
from apps.content.services import documents
from apps.content.services.bulk import move_documents
from apps.content.services.documents import StaleRevision
from apps.content.services.tags import set_tags
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import Actor, current_workspace

_ROW = (
    "id",
    "workspace_id",
    "owner_id",
    "collection_id",
    "title",
    "slug",
    "kind",
    "status",
    "language",
    "word_count",
    "revision",
    "created_at",
    "updated_at",
    "published_at",
    "scheduled_at",
)
WORKSPACE = OpenApiParameter("workspace", str, description="Id or slug of one of your workspaces; the first if empty.")
IF_MATCH = OpenApiParameter(
    "If-Match", str, location="header", description="The ETag that you have seen; 412 when it is not the present one."
)


class DocumentRow(serializers.Serializer):
    """A document in a list."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    owner_id = serializers.UUIDField(allow_null=True)
    title = serializers.CharField()
    slug = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=Document.Status.choices)
    language = serializers.CharField()
    word_count = serializers.IntegerField()
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    scheduled_at = serializers.DateTimeField(allow_null=True)
    collection_id = serializers.UUIDField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())


class DocumentListRow(DocumentRow):
    """A document in a list, with who is at it and where the words of `q` stand."""

    editing = serializers.ListField(child=serializers.CharField(), help_text="Who has it open in the editor now.")
    snippet = serializers.CharField(allow_blank=True, help_text="With q: a place where the words stand.")


class DocumentOutput(DocumentRow):
    """A document with its text."""

    brief = serializers.DictField()
    body_markdown = serializers.CharField()
    body_html = serializers.CharField()
    version = serializers.IntegerField()


class DocumentInput(Input):
    """A new document."""

    title = serializers.CharField(max_length=300)
    body_markdown = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    kind = serializers.CharField(required=False, default="article", max_length=40)
    language = serializers.CharField(
        required=False, default="", max_length=12, help_text="Left out: the workspace's language."
    )
    brief = serializers.DictField(required=False, default=dict)
    collection_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    tags = serializers.ListField(child=serializers.CharField(max_length=80), required=False, default=list)
    workspace = serializers.CharField(required=False, default="")


class DocumentChange(Input):
    """What may be changed. `mode` says how `body_markdown` is meant in a PATCH."""

    title = serializers.CharField(required=False, max_length=300)
    body_markdown = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    language = serializers.CharField(required=False, max_length=12)
    brief = serializers.DictField(required=False)
    collection_id = serializers.UUIDField(required=False, allow_null=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    mode = serializers.ChoiceField(choices=("replace", "append", "prepend"), required=False, default="replace")


class DocumentReplacement(Input):
    """The whole document."""

    title = serializers.CharField(max_length=300)
    body_markdown = serializers.CharField(allow_blank=True, trim_whitespace=False)
    language = serializers.CharField(required=False, max_length=12)
    brief = serializers.DictField(required=False)


def whole(document: Document) -> dict[str, Any]:
    """A document with its text."""
    row = {name: getattr(document, name) for name in _ROW}
    version = document.current_version
    return row | {
        "brief": document.brief,
        "body_markdown": document.body_markdown,
        "body_html": document.body_html,
        "version": version.number if version else 0,
        "tags": tags_by_document([document.pk]).get(document.pk, []),
    }


def seen_revision(request: Request) -> int | None:
    """The revision that If-Match names; None when it does not say.

    Raises:
        InvalidInput: it is no ETag of ours.
    """
    text = expected_revision(request)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(
            "If-Match is no ETag of a document.", field="If-Match", remedy="Send the ETag as you got it."
        )
    return int(text)


class DocumentListView(APIView):
    """Documents."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="content_list",
        parameters=[
            WORKSPACE,
            OpenApiParameter("kind", str, description="Only this kind, such as article."),
            OpenApiParameter("status", str, enum=Document.Status.values),
            OpenApiParameter("tag", str, many=True, description="Name or id of a tag; several: all of them."),
            OpenApiParameter("collection", str, description="Id of a collection, or none for documents outside all."),
            OpenApiParameter("owner", str, description="Id of a person, or me."),
            OpenApiParameter("q", str, description="Words that title or text begin words with, all of them."),
            OpenApiParameter("sort", str, enum=list(ORDERS), description="Default: -updated_at. relevance needs q."),
        ],
        responses=DocumentListRow(many=True),
    )
    def get(self, request: Request) -> Response:
        """List documents of your workspaces, last changed first."""
        actor = actor_of(request)
        query = request.query_params
        filters = Filters(
            query=query.get("q", "").strip()[:200],
            kind=query.get("kind", ""),
            status=query.get("status", ""),
            tags=tuple(filter(None, query.getlist("tag")))[:10],
            collection=query.get("collection", ""),
            owner=query.get("owner", ""),
        )
        rows, ordering = listed_documents(
            actor=actor,
            workspace=current_workspace(actor, query["workspace"]) if query.get("workspace") else None,
            filters=filters,
            sort=query.get("sort") or "-updated_at",
        )
        page = CursorPage()
        extra = ("rank",) if ordering[0] == "rank" else ()
        found = page.paginate_queryset(rows.values(*_ROW, *extra), request, type("Ordered", (), {"ordering": ordering}))
        ids = [row["id"] for row in found]
        tags, people = labels_by_document(ids)
        places = snippets(rows, ids, query_words(filters.query)) if filters.query else {}
        for row in found:
            row.pop("rank", None)
            row["tags"], row["editing"] = tags.get(row["id"], []), people.get(row["id"], [])
            row["snippet"] = "".join(bit.text for bit in places.get(row["id"], []))
        return page.get_paginated_response(found)

    @extend_schema(operation_id="content_create", request=DocumentInput, responses={201: DocumentOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a document."""
        actor = actor_of(request)
        values = read(DocumentInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        document = documents.create_document(actor=actor, workspace=workspace, reason="api", **values)
        location = f"/api/v1/content/{document.pk}"
        answer = Response(whole(document), status=status.HTTP_201_CREATED, headers={"Location": location})
        set_etag(answer, document.revision)
        return answer


class DocumentView(APIView):
    """One document."""

    error_statuses = (412,)

    @extend_schema(operation_id="content_read", responses={200: DocumentOutput, 304: None})
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Read it. The ETag is its revision; If-None-Match answers 304 while it is unchanged."""
        document = get_document(actor=actor_of(request), document_id=document_id)
        if request.headers.get("If-None-Match") == f'"{document.revision}"':
            answer = Response(status=status.HTTP_304_NOT_MODIFIED)
        else:
            answer = Response(whole(document))
        set_etag(answer, document.revision)
        return answer

    @extend_schema(
        operation_id="content_replace", parameters=[IF_MATCH], request=DocumentReplacement, responses=DocumentOutput
    )
    def put(self, request: Request, document_id: uuid.UUID) -> Response:
        """Write it anew. Every change of the text makes a version."""
        return self._save(request, document_id, read(DocumentReplacement, request))

    @extend_schema(
        operation_id="content_update", parameters=[IF_MATCH], request=DocumentChange, responses=DocumentOutput
    )
    def patch(self, request: Request, document_id: uuid.UUID) -> Response:
        """Change a part of it; `mode` append or prepend adds to the text."""
        values = read(DocumentChange, request)
        mode = values.pop("mode")
        revision = seen_revision(request)
        actor = actor_of(request)
        if "tags" in values:
            set_tags(actor=actor, document_id=document_id, names=values.pop("tags"))
        if "collection_id" in values:
            move_documents(actor=actor, document_ids=[document_id], collection_id=values.pop("collection_id"))
        if mode != "replace" and "body_markdown" in values:
            document = get_document(actor=actor_of(request), document_id=document_id)
            parts = [document.body_markdown.strip("\n"), values["body_markdown"].strip("\n")]
            values["body_markdown"] = "\n\n".join(filter(None, parts if mode == "append" else parts[::-1])) + "\n"
            # What was added to is what must still stand there when it is written.
            revision = document.revision if revision is None else revision
        return self._save(request, document_id, values, revision=revision)

    @extend_schema(operation_id="content_delete", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, document_id: uuid.UUID) -> Response:
        """Put it into the bin."""
        actor = actor_of(request)
        try:
            documents.delete_document(actor=actor, document_id=document_id, revision=seen_revision(request))
        except StaleRevision as error:
            raise _precondition(error) from error
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _save(
        self, request: Request, document_id: uuid.UUID, values: dict[str, Any], revision: int | None = None
    ) -> Response:
        return save_answer(actor_of(request), document_id, seen_revision(request) or revision, values)


def save_answer(actor: Actor, document_id: uuid.UUID, revision: int | None, values: dict[str, Any]) -> Response:
    """Save and answer with the document.

    Raises:
        PreconditionFailed: the revision is not the present one.
    """
    try:
        document = documents.save_document(
            actor=actor, document_id=document_id, revision=revision, reason="api", **values
        )
    except StaleRevision as error:
        raise _precondition(error) from error
    answer = Response(whole(document))
    set_etag(answer, document.revision)
    return answer


def _precondition(error: StaleRevision) -> PreconditionFailed:
    return PreconditionFailed(error.message, field="If-Match", remedy=error.remedy)
