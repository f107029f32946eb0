"""Documents as files: at once, or by a worker."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.backends.services.filestore import signed_link
from apps.content.api.documents import WORKSPACE
from apps.content.models import Export
from apps.content.services import exports
from apps.content.services.manuscripts import TYPES, ZIP
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

_ROW = (
    *("id", "workspace_id", "document_id", "title", "format", "state", "done"),
    *("error", "remedy", "created_at", "expires_at"),
)
_FILE_KINDS = sorted({kind.partition(";")[0] for kind in (*TYPES.values(), ZIP)})
_FORMAT = OpenApiParameter("format", str, enum=list(exports.TYPES))
_VERSION = OpenApiParameter(
    "version", str, description="current, published, or the number of a version; the present text when left out."
)
_SOURCES = OpenApiParameter("sources", bool, description="With the list of sources. Default: true.")
_ORIGIN = OpenApiParameter("origin", bool, description="With a note that says whether a model wrote it.")


class ExportRow(serializers.Serializer):
    """An export that a worker makes."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    document_id = serializers.UUIDField(allow_null=True, help_text="Empty for a zip of several documents.")
    title = serializers.CharField()
    format = serializers.ChoiceField(choices=Export.Format.choices)
    state = serializers.ChoiceField(choices=Export.State.choices)
    done = serializers.IntegerField(help_text="Documents that are in the zip already.")
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class ExportOutput(ExportRow):
    """The same with the link, which leads to the file for five minutes and for you alone."""

    download_url = serializers.CharField(allow_blank=True)


class ExportInput(Input):
    """One document as a file, or several as a zip."""

    document_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=exports.MAX_DOCUMENTS
    )
    collection_id = serializers.UUIDField(
        required=False, default=None, allow_null=True, help_text="All of this collection and of those below it."
    )
    format = serializers.ChoiceField(choices=Export.Format.choices)
    version = serializers.CharField(required=False, default="current", max_length=10)
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    with_sources = serializers.BooleanField(required=False, default=True)
    with_origin = serializers.BooleanField(required=False, default=False)
    workspace = serializers.CharField(required=False, default="")


class ExportView(APIView):
    """A document as a file."""

    error_statuses = (507,)

    @extend_schema(
        operation_id="content_export",
        parameters=[_FORMAT, _VERSION, _SOURCES, _ORIGIN],
        responses={(200, kind): OpenApiTypes.BINARY for kind in _FILE_KINDS},
    )
    def get(self, request: Request, document_id: uuid.UUID) -> HttpResponse:
        """Download it. Markdown with pictures comes as a zip."""
        made = exports.export_document(
            actor=actor_of(request),
            document_id=document_id,
            format=request.query_params.get("format", "md"),
            version=request.query_params.get("version", ""),
            with_sources=_flag(request, "sources", True),
            with_origin=_flag(request, "origin", False),
        )
        answer = HttpResponse(made.content, content_type=made.content_type)
        disposition = content_disposition_header(as_attachment=True, filename=made.filename)
        answer.headers["Content-Disposition"] = disposition or "attachment"
        # An exported web page must not run in the portal's origin, whatever a browser makes of it.
        answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return answer

    @extend_schema(
        operation_id="content_export_start",
        parameters=[_FORMAT, _VERSION, _SOURCES, _ORIGIN],
        request=None,
        responses={202: ExportOutput},
    )
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Have a worker make the file, for very long documents. Default: docx."""
        export = exports.start_export(
            actor=actor_of(request),
            document_id=document_id,
            format=request.query_params.get("format", "docx"),
            version=request.query_params.get("version", "current"),
            with_sources=_flag(request, "sources", True),
            with_origin=_flag(request, "origin", False),
        )
        return _accepted(export)


class ExportListView(APIView):
    """Exports that workers make."""

    pagination_class = CursorPage

    @extend_schema(operation_id="exports_list", parameters=[WORKSPACE], responses=ExportRow(many=True))
    def get(self, request: Request) -> Response:
        """List your exports, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        wanted = request.query_params.get("workspace")
        rows = exports.exports_for(actor, current_workspace(actor, wanted) if wanted else None)
        return paginated(request, rows.select_related(None).values(*_ROW), ordering=("-created_at", "-id"))

    @extend_schema(operation_id="exports_create", request=ExportInput, responses={202: ExportOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have a worker make a file of one document, or a zip of several. Without ids: of the whole workspace."""
        actor = actor_of(request)
        values = read(ExportInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        ids, title, collection = values.pop("document_ids"), values.pop("title"), values.pop("collection_id")
        if len(ids) == 1 and collection is None:
            return _accepted(exports.start_export(actor=actor, document_id=ids[0], **values))
        return _accepted(
            exports.export_documents(
                actor=actor,
                workspace=workspace,
                document_ids=ids,
                collection_id=collection,
                title=title,
                **values,
            )
        )


class ExportStateView(APIView):
    """An export that a worker makes."""

    @extend_schema(operation_id="exports_read", responses=ExportOutput)
    def get(self, request: Request, export_id: uuid.UUID) -> Response:
        """Its state, and the link when it is ready."""
        actor = actor_of(request)
        export = exports.get_export(actor=actor, export_id=export_id)
        link = signed_link(actor=actor, file=export.file) if export.file else ""
        return Response(_whole(export, link))

    @extend_schema(operation_id="exports_delete", responses={204: None})
    def delete(self, request: Request, export_id: uuid.UUID) -> Response:
        """Remove it with its file."""
        exports.delete_export(actor=actor_of(request), export_id=export_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _accepted(export: Export) -> Response:
    location = f"/api/v1/exports/{export.pk}"
    return Response(_whole(export, ""), status=status.HTTP_202_ACCEPTED, headers={"Location": location})


def _whole(export: Export, link: str) -> dict[str, Any]:
    return {name: getattr(export, name) for name in _ROW} | {"download_url": link}


def _flag(request: Request, name: str, default: bool) -> bool:
    text = request.query_params.get(name, "").lower()
    if text in ("", "true", "1", "false", "0"):
        return default if not text else text in ("true", "1")
    raise InvalidInput(f"{name} is '{text[:20]}'.", field=name, remedy="Use true or false.")
