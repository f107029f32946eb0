"""Files: what they are, and how to get at them."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.backends.models import StoredFile
from apps.backends.services import filestore
from apps.backends.services.downloads import download
from apps.users.api.authentication import actor_of

MOST_SECONDS = 24 * 3600


class FileOutput(serializers.Serializer):
    """A file."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    purpose = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class LinkInput(Input):
    """How long a link is good for."""

    seconds = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, required=False, default=300)


class LinkOutput(serializers.Serializer):
    """A link for this person, signed in, only."""

    url = serializers.CharField()
    seconds = serializers.IntegerField()


def _shown(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.pk,
        "workspace_id": file.workspace_id,
        "name": file.name,
        "content_type": file.content_type,
        "purpose": file.purpose,
        "size": file.blob.size,
        "sha256": file.blob.sha256,
        "version": file.version,
        "created_at": file.created_at,
    }


class FileView(APIView):
    """One file."""

    @extend_schema(operation_id="files_read", responses=FileOutput)
    def get(self, request: Request, file_id: uuid.UUID) -> Response:
        """What it is."""
        return Response(_shown(filestore.get_file(actor_of(request), file_id)))


class FileContentView(APIView):
    """A file's bytes."""

    @extend_schema(operation_id="files_download", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, file_id: uuid.UUID) -> HttpResponseBase:
        """Download it. A broken checksum breaks the connection off before the end."""
        actor = actor_of(request)
        return download(actor, filestore.get_file(actor, file_id), seen=request.headers.get("If-None-Match", ""))


class FileLinkView(APIView):
    """Links for browsers."""

    @extend_schema(operation_id="files_link", request=LinkInput, responses={201: LinkOutput})
    def post(self, request: Request, file_id: uuid.UUID) -> Response:
        """Make a link that expires."""
        actor = actor_of(request)
        seconds = read(LinkInput, request)["seconds"]
        url = filestore.signed_link(actor=actor, file=filestore.get_file(actor, file_id), seconds=seconds)
        return Response({"url": url, "seconds": seconds}, status=status.HTTP_201_CREATED)
