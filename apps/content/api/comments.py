"""Comments on a document."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.models import CommentThread
from apps.content.selectors.comments import get_thread, threads_of
from apps.content.selectors.documents import get_document
from apps.content.services import comments
from apps.content.services.anchoring import place_of
from apps.content.services.comments import MAX_COMMENT, MAX_QUOTE
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

_STATES = ("open", "resolved")


class CommentOutput(serializers.Serializer):
    """What one person said."""

    id = serializers.UUIDField()
    author_id = serializers.UUIDField(allow_null=True)
    author = serializers.CharField(allow_blank=True)
    body = serializers.CharField()
    mentions = serializers.ListField(child=serializers.UUIDField())
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)


class ThreadOutput(serializers.Serializer):
    """A thread and the passage that it hangs on."""

    id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    version = serializers.IntegerField(allow_null=True, help_text="Number of the version that it was begun on.")
    quote = serializers.CharField(allow_blank=True, help_text="Empty: about the whole document.")
    prefix = serializers.CharField(allow_blank=True)
    suffix = serializers.CharField(allow_blank=True)
    start = serializers.IntegerField(
        allow_null=True, help_text="Where the quote stands in the Markdown now; null: it is not there, or empty."
    )
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    comments = CommentOutput(many=True)


class ReplyInput(Input):
    """What is said."""

    body = serializers.CharField(max_length=MAX_COMMENT)
    mentions = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, help_text="Members to tell besides those with @."
    )


class CommentInput(ReplyInput):
    """And about which passage."""

    quote = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_QUOTE,
        help_text="As Markdown, or as the words that a reader sees. Empty: about the whole document.",
    )
    occurrence = serializers.IntegerField(required=False, default=0, min_value=0, max_value=100_000)


class CommentChange(Input):
    """Other words."""

    body = serializers.CharField(max_length=MAX_COMMENT)


class ThreadListView(APIView):
    """Comments."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="content_comments_list",
        parameters=[OpenApiParameter("state", str, enum=list(_STATES))],
        responses=ThreadOutput(many=True),
    )
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List the threads, the oldest first."""
        actor = actor_of(request)
        document = get_document(actor=actor, document_id=document_id)
        state = request.query_params.get("state", "")
        if state and state not in _STATES:
            raise InvalidInput(f"'{state[:20]}' is no state.", field="state", remedy="Use open or resolved.")
        rows = threads_of(actor=actor, document_id=document.pk)
        if state:
            rows = rows.filter(resolved_at__isnull=state == "open")
        body = document.body_markdown
        return paginated(request, rows, ordering=("created_at", "id"), row=lambda thread: whole(thread, body))

    @extend_schema(operation_id="content_comments_create", request=CommentInput, responses={201: ThreadOutput})
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Begin a thread."""
        actor = actor_of(request)
        get_document(actor=actor, document_id=document_id)
        values = read(CommentInput, request)
        thread = comments.comment(actor=actor, document_id=document_id, **values)
        headers = {"Location": f"/api/v1/content/{document_id}/comments/{thread.pk}"}
        return Response(whole(thread), status=status.HTTP_201_CREATED, headers=headers)


class ThreadView(APIView):
    """One thread."""

    @extend_schema(operation_id="content_comments_read", responses=ThreadOutput)
    def get(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(whole(get_thread(actor=actor_of(request), document_id=document_id, thread_id=thread_id)))


class ReplyListView(APIView):
    """Answers."""

    @extend_schema(operation_id="content_comments_reply", request=ReplyInput, responses={201: ThreadOutput})
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID) -> Response:
        """Answer; a resolved thread is open again."""
        actor = actor_of(request)
        get_thread(actor=actor, document_id=document_id, thread_id=thread_id)
        values = read(ReplyInput, request)
        thread = comments.reply(actor=actor, document_id=document_id, thread_id=thread_id, **values)
        return Response(whole(thread), status=status.HTTP_201_CREATED)


class ReplyView(APIView):
    """One comment of a thread; the first one too."""

    @extend_schema(operation_id="content_comments_edit", request=CommentChange, responses=ThreadOutput)
    def patch(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID, comment_id: uuid.UUID) -> Response:
        """Change your own words."""
        actor = actor_of(request)
        get_thread(actor=actor, document_id=document_id, thread_id=thread_id)
        body = read(CommentChange, request)["body"]
        thread = comments.edit_comment(
            actor=actor, document_id=document_id, thread_id=thread_id, comment_id=comment_id, body=body
        )
        return Response(whole(thread))

    @extend_schema(operation_id="content_comments_delete", responses={204: None})
    def delete(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID, comment_id: uuid.UUID) -> Response:
        """Take it away: your own, or as an editor; with the first one goes its thread."""
        comments.delete_comment(
            actor=actor_of(request), document_id=document_id, thread_id=thread_id, comment_id=comment_id
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResolveView(APIView):
    """Whether a thread is settled."""

    @extend_schema(operation_id="content_comments_resolve", request=None, responses=ThreadOutput)
    def post(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID) -> Response:
        """Mark it as settled."""
        actor = actor_of(request)
        return Response(whole(comments.resolve(actor=actor, document_id=document_id, thread_id=thread_id)))

    @extend_schema(operation_id="content_comments_reopen", responses=ThreadOutput)
    def delete(self, request: Request, document_id: uuid.UUID, thread_id: uuid.UUID) -> Response:
        """Open it again."""
        actor = actor_of(request)
        thread = comments.resolve(actor=actor, document_id=document_id, thread_id=thread_id, resolved=False)
        return Response(whole(thread))


def whole(thread: CommentThread, body: str | None = None) -> dict[str, Any]:
    """A thread as the API shows it.

    Args:
        thread: with its comments.
        body: the document's text, if the caller has it.
    """
    names = ("id", "document_id", "quote", "prefix", "suffix", "resolved_at", "created_at")
    return {name: getattr(thread, name) for name in names} | {
        "version": thread.version.number if thread.version else None,
        "start": place_of(thread, thread.document.body_markdown if body is None else body),
        "resolved_by": str(thread.resolved_by) if thread.resolved_by else "",
        "comments": [
            {
                "id": row.pk,
                "author_id": row.author_id,
                "author": str(row.author) if row.author else "",
                "body": row.body,
                "mentions": row.mentions,
                "created_at": row.created_at,
                "edited_at": row.edited_at,
            }
            for row in thread.comments.all()
        ],
    }
