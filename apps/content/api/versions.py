"""Versions of documents, their differences and citations."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.precondition import set_etag
from apps.content.api.documents import IF_MATCH, DocumentOutput, seen_revision, whole
from apps.content.models import DocumentVersion
from apps.content.selectors.documents import citations_of, get_document, get_version, versions_of
from apps.content.services import histories
from apps.content.services.comparing import diff_versions
from apps.users.api.authentication import actor_of

_ROW = ("number", "title", "reason", "label", "word_count", "sha256", "author_id", "generation_id", "created_at")


class VersionRow(serializers.Serializer):
    """A version in a list."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    reason = serializers.ChoiceField(choices=DocumentVersion.Reason.choices)
    label = serializers.CharField()  # type: ignore[assignment]
    word_count = serializers.IntegerField()
    sha256 = serializers.CharField()
    author_id = serializers.UUIDField(allow_null=True)
    generation_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()


class VersionOutput(VersionRow):
    """A version with its text."""

    body_markdown = serializers.CharField()


class DiffPart(serializers.Serializer):
    """A stretch of text: all `before` joined are the old text, all `after` joined the new one."""

    kind = serializers.ChoiceField(choices=("equal", "insert", "delete", "replace"))
    before = serializers.CharField()
    after = serializers.CharField()


class DiffOutput(serializers.Serializer):
    """What changed between two versions."""

    from_number = serializers.IntegerField()
    to_number = serializers.IntegerField()
    title_changed = serializers.BooleanField()
    inserted_words = serializers.IntegerField()
    deleted_words = serializers.IntegerField()
    ops = DiffPart(many=True)


class CitationOutput(serializers.Serializer):
    """A marker in the text and what stands behind it."""

    marker = serializers.CharField()
    verified = serializers.BooleanField()
    quote = serializers.CharField()
    source_id = serializers.UUIDField(allow_null=True)
    source_title = serializers.CharField()
    locator = serializers.CharField()
    chunk_id = serializers.UUIDField(allow_null=True)
    score = serializers.FloatField()


class VersionListView(APIView):
    """Versions of a document."""

    pagination_class = CursorPage

    @extend_schema(operation_id="versions_list", responses=VersionRow(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List them, newest first."""
        rows = versions_of(actor=actor_of(request), document_id=document_id)
        return paginated(request, rows.select_related(None).values(*_ROW), ordering=("-number",))


class VersionView(APIView):
    """One version."""

    @extend_schema(operation_id="versions_read", responses=VersionOutput)
    def get(self, request: Request, document_id: uuid.UUID, number: int) -> Response:
        """Read it with its text."""
        version = get_version(actor=actor_of(request), document_id=document_id, number=number)
        return Response({name: getattr(version, name) for name in (*_ROW, "body_markdown")})


class DiffView(APIView):
    """Differences."""

    @extend_schema(
        operation_id="content_diff",
        parameters=[
            OpenApiParameter("from", int, description="Number of the older version; the first when left out."),
            OpenApiParameter("to", int, description="Number of the newer version; the present one when left out."),
        ],
        responses=DiffOutput,
    )
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Compare two versions word by word."""
        actor = actor_of(request)
        document = get_document(actor=actor, document_id=document_id)
        newest = document.current_version.number if document.current_version else 0
        view = diff_versions(
            actor=actor,
            document_id=document_id,
            from_number=_number(request, "from", 1),
            to_number=_number(request, "to", newest),
        )
        return Response(
            {
                "from_number": view.from_version.number,
                "to_number": view.to_version.number,
                "title_changed": view.title_changed,
                "inserted_words": view.inserted_words,
                "deleted_words": view.deleted_words,
                "ops": [{"kind": op.kind, "before": op.before, "after": op.after} for op in view.ops],
            }
        )


class RevertView(APIView):
    """An earlier version as the text."""

    error_statuses = (412,)

    @extend_schema(operation_id="content_revert", parameters=[IF_MATCH], request=None, responses=DocumentOutput)
    def post(self, request: Request, document_id: uuid.UUID, number: int) -> Response:
        """Make an earlier version the text again; nothing is lost, a version is added."""
        document = histories.restore_version(
            actor=actor_of(request), document_id=document_id, number=number, revision=seen_revision(request)
        )
        answer = Response(whole(document))
        set_etag(answer, document.revision)
        return answer


class CitationListView(APIView):
    """Citations of a document."""

    @extend_schema(operation_id="citations_list", responses=CitationOutput(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List the citations whose markers stand in the text."""
        views = citations_of(actor=actor_of(request), document_id=document_id)
        return Response({"data": [asdict(view) for view in views]})


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text and default:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8):
        raise InvalidInput(f"{name} is not the number of a version.", field=name, remedy="See its list of versions.")
    return int(text)
