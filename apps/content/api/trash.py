"""The bin, copies, and one act on many documents."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE, DocumentOutput, whole
from apps.content.models import Document
from apps.content.selectors.organising import binned_documents, purge_day, writing_settings
from apps.content.services import bulk, documents, trash
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace


class BinnedRow(serializers.Serializer):
    """A document in the bin."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    title = serializers.CharField()
    kind = serializers.CharField()
    word_count = serializers.IntegerField()
    deleted_at = serializers.DateTimeField()
    purged_after = serializers.DateTimeField(allow_null=True, help_text="Null: it stays until somebody deletes it.")


class EmptiedOutput(serializers.Serializer):
    """How many documents were deleted for good."""

    deleted = serializers.IntegerField()


class CopyInput(Input):
    """The title of the copy."""

    title = serializers.CharField(required=False, default="", max_length=300, allow_blank=True)


class BulkInput(Input):
    """What to do with which documents. All of it is done, or nothing."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=bulk.MOST)
    action = serializers.ChoiceField(choices=("move", "tag", "trash"))
    collection_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    add_tags = serializers.ListField(child=serializers.CharField(max_length=80), required=False, default=list)
    remove_tags = serializers.ListField(child=serializers.CharField(max_length=80), required=False, default=list)


class BulkOutput(serializers.Serializer):
    """How many documents it was done to."""

    changed = serializers.IntegerField()


class TrashView(APIView):
    """The bin of a workspace."""

    pagination_class = CursorPage

    @extend_schema(operation_id="trash_list", parameters=[WORKSPACE], responses=BinnedRow(many=True))
    def get(self, request: Request) -> Response:
        """List what lies in the bin, last deleted first."""
        actor = actor_of(request)
        workspace = current_workspace(actor, request.query_params.get("workspace"))
        settings = writing_settings(workspace)

        def row(document: Document) -> dict[str, Any]:
            names = ("id", "workspace_id", "title", "kind", "word_count", "deleted_at")
            return {name: getattr(document, name) for name in names} | {"purged_after": purge_day(document, settings)}

        rows = binned_documents(actor, workspace).defer("body_markdown", "body_html", "brief")
        return paginated(request, rows, ordering=("-deleted_at", "-id"), row=row)

    @extend_schema(operation_id="trash_empty", parameters=[WORKSPACE], responses={200: EmptiedOutput})
    def delete(self, request: Request) -> Response:
        """Delete everything in the bin for good."""
        actor = actor_of(request)
        workspace = current_workspace(actor, request.query_params.get("workspace"))
        return Response({"deleted": trash.empty_trash(actor=actor, workspace=workspace)})


class TrashedView(APIView):
    """A document in the bin."""

    @extend_schema(operation_id="trash_delete", responses={204: None})
    def delete(self, request: Request, binned_id: uuid.UUID) -> Response:
        """Delete it for good, with its versions."""
        trash.purge_document(actor=actor_of(request), document_id=binned_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RestoreView(APIView):
    """Taking a document out of the bin."""

    @extend_schema(operation_id="trash_restore", request=None, responses=DocumentOutput)
    def post(self, request: Request, binned_id: uuid.UUID) -> Response:
        """Take it out of the bin."""
        document = documents.undelete_document(actor=actor_of(request), document_id=binned_id)
        answer = Response(whole(document))
        set_etag(answer, document.revision)
        return answer


class DuplicateView(APIView):
    """Copying a document."""

    @extend_schema(operation_id="content_duplicate", request=CopyInput, responses={201: DocumentOutput})
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Make a document with the same text, brief, citations, tags and collection."""
        copy = documents.duplicate_document(
            actor=actor_of(request), document_id=document_id, **read(CopyInput, request)
        )
        location = f"/api/v1/content/{copy.pk}"
        answer = Response(whole(copy), status=status.HTTP_201_CREATED, headers={"Location": location})
        set_etag(answer, copy.revision)
        return answer


class BulkView(APIView):
    """One act on many documents."""

    @extend_schema(operation_id="content_bulk", request=BulkInput, responses=BulkOutput)
    def post(self, request: Request) -> Response:
        """Move documents into a collection, give and take tags, or put them into the bin; at most 200 at a time."""
        actor, values = actor_of(request), read(BulkInput, request)
        ids, action = values["ids"], values["action"]
        if action == "move":
            changed = bulk.move_documents(actor=actor, document_ids=ids, collection_id=values["collection_id"])
        elif action == "trash":
            changed = bulk.bin_documents(actor=actor, document_ids=ids)
        elif values["add_tags"] or values["remove_tags"]:
            changed = bulk.tag_documents(
                actor=actor, document_ids=ids, add=values["add_tags"], remove=values["remove_tags"]
            )
        else:
            raise InvalidInput("No tag is named.", field="add_tags", remedy="Send add_tags, remove_tags or both.")
        return Response({"changed": changed})
