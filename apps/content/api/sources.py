"""Sources: add, follow, search, remove."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import Source
from apps.content.retrieval.hybrid import Hit
from apps.content.selectors.pins import pinned_sources
from apps.content.selectors.sources import get_source, sources_for
from apps.content.services import pins, sources
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

MAX_FILES = 200
_ROW = (
    "id",
    "workspace_id",
    "owner_id",
    "kind",
    "title",
    "uri",
    "mime",
    "size_bytes",
    "state",
    "error_code",
    "error",
    "remedy",
    "word_count",
    "chunk_count",
    "page_count",
    "document_id",
    "fetched_at",
    "refresh_hours",
    "refresh_after",
    "created_at",
    "updated_at",
)


class SourceRow(serializers.Serializer):
    """A source in a list."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    owner_id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(choices=Source.Kind.choices)
    title = serializers.CharField()
    uri = serializers.CharField(allow_blank=True)
    mime = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Source.State.choices)
    error_code = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    word_count = serializers.IntegerField()
    chunk_count = serializers.IntegerField()
    page_count = serializers.IntegerField()
    document_id = serializers.UUIDField(allow_null=True, help_text="The document that it is, for kind document.")
    fetched_at = serializers.DateTimeField(allow_null=True, help_text="When the page or document was last looked at.")
    refresh_hours = serializers.IntegerField(allow_null=True)
    refresh_after = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class SourceOutput(SourceRow):
    """A source with what was noticed while it was read, and its headings."""

    warnings = serializers.ListField(child=serializers.CharField())
    outline = serializers.ListField(child=serializers.ListField())


class UploadOutput(serializers.Serializer):
    """What became of each file."""

    data = SourceRow(many=True)  # type: ignore[assignment]
    errors = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment]


class TextInput(Input):
    """A text as a source."""

    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    text = serializers.CharField(trim_whitespace=False)
    workspace = serializers.CharField(required=False, default="")


class UrlInput(Input):
    """A web page as a source. `refresh_hours`: look again so often."""

    url = serializers.CharField(max_length=2_000)
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    refresh_hours = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=sources.MAX_HOURS
    )
    workspace = serializers.CharField(required=False, default="")


class DocumentSourceInput(Input):
    """A document of the workspace as a source."""

    document_id = serializers.UUIDField()
    refresh_hours = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=sources.MAX_HOURS
    )


class SourceChange(Input):
    """What may be changed; `refresh_hours` null: never looked at again by itself."""

    title = serializers.CharField(required=False, max_length=300)
    refresh_hours = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=sources.MAX_HOURS)


class SearchInput(Input):
    """A question."""

    query = serializers.CharField(max_length=2_000)
    limit = serializers.IntegerField(required=False, default=12, min_value=1, max_value=50)
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, default=None, max_length=500
    )
    workspace = serializers.CharField(required=False, default="")


class HitOutput(serializers.Serializer):
    """A passage. `score` (0 to 1) can be compared between questions; ranks count from 1 in each half."""

    chunk_id = serializers.UUIDField()
    source_id = serializers.UUIDField()
    title = serializers.CharField()
    text = serializers.CharField()
    locator = serializers.CharField(allow_blank=True)
    page = serializers.IntegerField(allow_null=True)
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    score = serializers.FloatField()
    fused = serializers.FloatField()
    keyword_rank = serializers.IntegerField(allow_null=True)
    keyword_score = serializers.FloatField(allow_null=True)
    vector_rank = serializers.IntegerField(allow_null=True)
    vector_score = serializers.FloatField(allow_null=True)


class SearchOutput(serializers.Serializer):
    """Passages, best first, how they were found, and how long it took."""

    milliseconds = serializers.FloatField()

    engine = serializers.ChoiceField(choices=("chroma", "exact", "keyword"))
    note = serializers.CharField(allow_blank=True)
    data = HitOutput(many=True)  # type: ignore[assignment]


def _row(source: Source) -> dict[str, Any]:
    return {name: getattr(source, name) for name in _ROW}


def _whole(source: Source) -> dict[str, Any]:
    return _row(source) | {"warnings": source.warnings, "outline": source.outline}


def _hit(hit: Hit) -> dict[str, Any]:
    same = ("chunk_id", "source_id", "title", "text", "locator", "page", "score", "fused")
    halves = ("keyword_rank", "keyword_score", "vector_rank", "vector_score")
    return {name: getattr(hit, name) for name in (*same, *halves)} | {"start": hit.char_start, "end": hit.char_end}


class SourceListView(APIView):
    """Sources."""

    pagination_class = CursorPage
    parser_classes = [MultiPartParser]
    error_statuses = (507,)

    @extend_schema(
        operation_id="sources_list",
        parameters=[WORKSPACE, OpenApiParameter("state", str, enum=Source.State.values)],
        responses=SourceRow(many=True),
    )
    def get(self, request: Request) -> Response:
        """List sources of your workspaces, newest first."""
        actor = actor_of(request)
        require(actor, "sources.read")
        query = request.query_params
        rows = sources_for(actor, current_workspace(actor, query["workspace"]) if query.get("workspace") else None)
        if state := query.get("state"):
            rows = rows.filter(state=state)
        return paginated(request, rows.values(*_ROW))

    @extend_schema(
        operation_id="sources_upload",
        request={
            "multipart/form-data": inline_serializer(
                "UploadInput",
                {
                    "file": serializers.ListField(child=serializers.FileField()),
                    "workspace": serializers.CharField(required=False),
                },
            )
        },
        responses={202: UploadOutput},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Upload one file or several (field `file`, repeated). One that is refused does not hold up the others."""
        actor = actor_of(request)
        files: list[UploadedFile] = request.FILES.getlist("file")
        if not files:
            raise InvalidInput("No file came with the request.", field="file", remedy="Send multipart/form-data.")
        if len(files) > MAX_FILES:
            raise InvalidInput(f"{len(files)} files came.", field="file", remedy=f"Send at most {MAX_FILES} at once.")
        workspace = current_workspace(actor, str(request.POST.get("workspace") or "") or None)
        results = sources.add_file_sources(
            actor=actor,
            workspace=workspace,
            files=[(file.name or "file", file, file.content_type or "") for file in files],  # type: ignore[misc]
        )
        errors = [result for result in results if result.error]
        if len(results) == 1 and errors and errors[0].error:
            raise errors[0].error
        return Response(
            {
                "data": [_row(result.source) for result in results if result.source],
                "errors": [
                    {"name": result.name, "code": error.code, "message": error.message, "remedy": error.remedy}
                    for result in errors
                    if (error := result.error)
                ],
            },
            status=status.HTTP_202_ACCEPTED,
        )


class SourceTextView(APIView):
    """Texts as sources."""

    @extend_schema(operation_id="sources_text", request=TextInput, responses={202: SourceRow})
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a text, plain or Markdown."""
        actor = actor_of(request)
        values = read(TextInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        source = sources.add_text_source(actor=actor, workspace=workspace, **values)
        location = f"/api/v1/sources/{source.pk}"
        return Response(_row(source), status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class SourceUrlView(APIView):
    """Web pages as sources."""

    @extend_schema(operation_id="sources_url", request=UrlInput, responses={202: SourceRow})
    def post(self, request: Request) -> Response:
        """Add a web page; a worker fetches it. Private addresses are refused, which shows in the state."""
        actor = actor_of(request)
        values = read(UrlInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        return _accepted(sources.add_url_source(actor=actor, workspace=workspace, **values))


class SourceDocumentView(APIView):
    """Documents as sources."""

    @extend_schema(operation_id="sources_document", request=DocumentSourceInput, responses={202: SourceRow})
    def post(self, request: Request) -> Response:
        """Make a document a source of its workspace; refresh it when the document has changed."""
        return _accepted(sources.add_document_source(actor=actor_of(request), **read(DocumentSourceInput, request)))


class SourceRefreshView(APIView):
    """Looking again."""

    @extend_schema(operation_id="sources_refresh", request=None, responses={202: SourceRow})
    def post(self, request: Request, source_id: uuid.UUID) -> Response:
        """Look at a web page or document again; it is read anew only when it has changed."""
        source = sources.refresh_source(actor=actor_of(request), source_id=source_id)
        return Response(_row(source), status=status.HTTP_202_ACCEPTED)


def _accepted(source: Source) -> Response:
    location = f"/api/v1/sources/{source.pk}"
    return Response(_row(source), status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class DocumentSourceListView(APIView):
    """Sources pinned to a document."""

    pagination_class = CursorPage

    @extend_schema(operation_id="content_sources_list", responses=SourceRow(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List the pinned sources. With none pinned the document is written from all sources of its workspace."""
        rows = pinned_sources(actor=actor_of(request), document_id=document_id)
        return paginated(request, rows.values(*_ROW))


class DocumentSourceView(APIView):
    """One pinned source."""

    @extend_schema(operation_id="content_sources_pin", request=None, responses={204: None})
    def put(self, request: Request, document_id: uuid.UUID, source_id: uuid.UUID) -> Response:
        """Pin a source: the document is written and checked from its pinned sources alone."""
        pins.pin_source(actor=actor_of(request), document_id=document_id, source_id=source_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="content_sources_unpin", responses={204: None})
    def delete(self, request: Request, document_id: uuid.UUID, source_id: uuid.UUID) -> Response:
        """Take a source off the document."""
        pins.unpin_source(actor=actor_of(request), document_id=document_id, source_id=source_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SourceSearchView(APIView):
    """Search."""

    @extend_schema(operation_id="sources_search", request=SearchInput, responses=SearchOutput)
    def post(self, request: Request) -> Response:
        """Find passages by words and by meaning, with the scores of both halves."""
        actor = actor_of(request)
        values = read(SearchInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        found = sources.search_sources(actor=actor, workspace=workspace, **values)
        answer = {"engine": found.engine, "note": found.note, "milliseconds": found.milliseconds}
        return Response(answer | {"data": [_hit(hit) for hit in found.hits]})


class SourceView(APIView):
    """One source."""

    @extend_schema(operation_id="sources_read", responses=SourceOutput)
    def get(self, request: Request, source_id: uuid.UUID) -> Response:
        """Read its state."""
        return Response(_whole(get_source(actor=actor_of(request), source_id=source_id)))

    @extend_schema(operation_id="sources_update", request=SourceChange, responses=SourceOutput)
    def patch(self, request: Request, source_id: uuid.UUID) -> Response:
        """Change its name or its schedule."""
        values = read(SourceChange, request, partial=True)
        return Response(_whole(sources.change_source(actor=actor_of(request), source_id=source_id, **values)))

    @extend_schema(operation_id="sources_delete", responses={204: None})
    def delete(self, request: Request, source_id: uuid.UUID) -> Response:
        """Remove it with its passages and its file."""
        sources.delete_source(actor=actor_of(request), source_id=source_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SourceRetryView(APIView):
    """Reading anew."""

    @extend_schema(operation_id="sources_retry", request=None, responses={202: SourceRow})
    def post(self, request: Request, source_id: uuid.UUID) -> Response:
        """Read it anew."""
        source = sources.retry_source(actor=actor_of(request), source_id=source_id)
        return Response(_row(source), status=status.HTTP_202_ACCEPTED)
