"""Texts from elsewhere as documents."""

from __future__ import annotations

import uuid
from typing import Any, BinaryIO, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import Import
from apps.content.services import importing
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace, require


class ImportOutput(serializers.Serializer):
    """An import."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField(allow_blank=True)
    file_id = serializers.UUIDField(allow_null=True, help_text="The original, as it came.")
    state = serializers.ChoiceField(choices=Import.State.choices)
    document_ids = serializers.ListField(child=serializers.UUIDField())
    notes = serializers.ListField(child=serializers.CharField(), help_text="What could not be taken over.")
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ImportInput(Input):
    """A file, or the address of a page."""

    file = serializers.FileField(required=False)
    url = serializers.CharField(required=False, max_length=2000)
    workspace = serializers.CharField(required=False, default="", allow_blank=True)


class ImportListView(APIView):
    """Imports."""

    pagination_class = CursorPage
    parser_classes = (MultiPartParser, FormParser, JSONParser)
    error_statuses = (507,)

    @extend_schema(operation_id="imports_list", parameters=[WORKSPACE], responses=ImportOutput(many=True))
    def get(self, request: Request) -> Response:
        """List yours, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        wanted = request.query_params.get("workspace")
        rows = importing.imports_for(actor, current_workspace(actor, wanted) if wanted else None)
        answer = paginated(request, rows.prefetch_related("documents"), ordering=("-created_at", "-id"))
        answer.data["data"] = [whole(row) for row in answer.data["data"]]
        return answer

    @extend_schema(
        operation_id="imports_create",
        request={"multipart/form-data": ImportInput, "application/json": ImportInput},
        responses={202: ImportOutput},
    )
    def post(self, request: Request) -> Response:
        """Take in a Markdown, HTML or Word file, a zip of Markdown, or a page of the web (`url`)."""
        actor = actor_of(request)
        values = read(ImportInput, request)
        workspace = current_workspace(actor, values["workspace"])
        file, url = values.get("file"), values.get("url")
        if bool(file) == bool(url):
            raise InvalidInput("Send either a file or a url.", field="file", remedy="Send one of the two.")
        if file is None:
            row = importing.import_url(actor=actor, workspace=workspace, url=str(url))
        else:
            row = importing.import_file(
                actor=actor,
                workspace=workspace,
                name=file.name or "file",
                stream=cast(BinaryIO, file),
                content_type=file.content_type or "",
            )
        headers = {"Location": f"/api/v1/imports/{row.pk}"}
        return Response(whole(row), status=status.HTTP_202_ACCEPTED, headers=headers)


class ImportView(APIView):
    """One import."""

    @extend_schema(operation_id="imports_read", responses=ImportOutput)
    def get(self, request: Request, import_id: uuid.UUID) -> Response:
        """Its state, its documents, and what could not be taken over."""
        return Response(whole(importing.get_import(actor=actor_of(request), import_id=import_id)))


def whole(row: Import) -> dict[str, Any]:
    """An import as the API shows it."""
    names = ("id", "workspace_id", "name", "url", "file_id", "state", "notes", "error", "remedy", "created_at")
    return {name: getattr(row, name) for name in names} | {"document_ids": [each.pk for each in row.documents.all()]}
