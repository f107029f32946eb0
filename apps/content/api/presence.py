"""Who is at a document now."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.content.models import Presence
from apps.content.selectors.documents import get_document
from apps.content.selectors.organising import present_at
from apps.content.services import presence
from apps.users.api.authentication import actor_of


class PersonThere(serializers.Serializer):
    """Somebody who has the document open in the editor."""

    user_id = serializers.UUIDField()
    name = serializers.CharField()
    since = serializers.DateTimeField()


class PresenceOutput(serializers.Serializer):
    """Who is there, and the document's revision now."""

    people = PersonThere(many=True)
    revision = serializers.IntegerField()


def people_there(rows: list[Presence]) -> list[dict[str, Any]]:
    """People as the API and the editor are told of them."""
    return [{"user_id": row.user_id, "name": str(row.user), "since": row.since} for row in rows]


class PresenceView(APIView):
    """People at a document."""

    @extend_schema(operation_id="presence_list", responses=PresenceOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Who has it open in the editor now."""
        document = get_document(actor=actor_of(request), document_id=document_id)
        return Response({"people": people_there(present_at(document.pk)), "revision": document.revision})

    @extend_schema(operation_id="presence_tell", request=None, responses=PresenceOutput)
    def put(self, request: Request, document_id: uuid.UUID) -> Response:
        """Say that you have it open; holds for 40 seconds. The answer names the others."""
        rows, revision = presence.be_present(actor=actor_of(request), document_id=document_id)
        return Response({"people": people_there(rows), "revision": revision})

    @extend_schema(operation_id="presence_leave", responses={204: None})
    def delete(self, request: Request, document_id: uuid.UUID) -> Response:
        """Say that you have closed it."""
        presence.leave(actor=actor_of(request), document_id=document_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
