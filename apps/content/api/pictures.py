"""Pictures of a document. Their bytes are read through `/files/{id}/content`."""

from __future__ import annotations

import uuid

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from apps.content.services.pictures import add_picture, address_of
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class PictureOutput(serializers.Serializer):
    """A picture that was taken in. Write `![what it shows](address)` into the text to show it."""

    id = serializers.UUIDField(help_text="Of the file; see `/files/{id}`.")
    address = serializers.CharField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class PictureListView(APIView):
    """Pictures of a document."""

    parser_classes = [MultiPartParser]
    error_statuses = (507,)

    @extend_schema(
        operation_id="pictures_create",
        request={
            "multipart/form-data": inline_serializer(
                "PictureUpload", {"file": serializers.FileField(help_text="PNG, JPEG, GIF or WebP, at most 10 MB.")}
            )
        },
        responses={201: PictureOutput},
    )
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take a picture in; the text stays as it is."""
        upload: UploadedFile | None = request.FILES.get("file")
        if upload is None:
            raise InvalidInput("No picture was sent.", field="file", remedy="Send multipart/form-data.")
        file = add_picture(
            actor=actor_of(request), document_id=document_id, name=upload.name or "picture", stream=upload
        )
        row = {name: getattr(file, name) for name in ("id", "name", "content_type", "created_at")}
        return Response({**row, "address": address_of(file.pk), "size": file.blob.size}, status=status.HTTP_201_CREATED)
