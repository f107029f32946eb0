"""Share links."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.models import ShareLink
from apps.content.selectors.documents import get_document
from apps.content.services import sharing
from apps.content.services.sharing import DEFAULT_DAYS, MAX_DAYS
from apps.users.api.authentication import actor_of


class ShareLinkOutput(serializers.Serializer):
    """A link, without its secret."""

    id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    which = serializers.ChoiceField(choices=ShareLink.Which.choices)
    version = serializers.IntegerField(allow_null=True, help_text="Number of the version that it shows for good.")
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    created_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_opened_at = serializers.DateTimeField(allow_null=True, help_text="To the hour.")


class NewShareLinkOutput(ShareLinkOutput):
    """A link with its address, which cannot be read again."""

    url = serializers.CharField()


class ShareLinkInput(Input):
    """What is shown, and how long."""

    which = serializers.CharField(
        required=False, default="current", max_length=10, help_text="current, published, or the number of a version."
    )
    days = serializers.IntegerField(required=False, default=DEFAULT_DAYS, min_value=1, max_value=MAX_DAYS)
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, default="", allow_blank=True, max_length=120
    )


class LinkListView(APIView):
    """Links to a document."""

    pagination_class = CursorPage

    @extend_schema(operation_id="content_share_links_list", responses=ShareLinkOutput(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List them, newest first, those that work no more included."""
        rows = sharing.links_of(actor=actor_of(request), document_id=document_id)
        return paginated(request, rows, ordering=("-created_at", "-id"), row=whole)

    @extend_schema(
        operation_id="content_share_links_create", request=ShareLinkInput, responses={201: NewShareLinkOutput}
    )
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Make one. Its address is in this answer only."""
        actor = actor_of(request)
        get_document(actor=actor, document_id=document_id)
        row, secret = sharing.create_link(actor=actor, document_id=document_id, **read(ShareLinkInput, request))
        url = request.build_absolute_uri(reverse("content:shared", args=[secret.reveal()]))
        return Response(whole(row) | {"url": url}, status=status.HTTP_201_CREATED)


class LinkView(APIView):
    """One link."""

    @extend_schema(operation_id="share_links_revoke", responses=ShareLinkOutput)
    def delete(self, request: Request, link_id: uuid.UUID) -> Response:
        """Make it useless at once."""
        return Response(whole(sharing.revoke_link(actor=actor_of(request), link_id=link_id)))


def whole(row: ShareLink) -> dict[str, Any]:
    """A link as the API shows it."""
    names = ("id", "document_id", "which", "label", "created_at", "expires_at", "revoked_at", "last_opened_at")
    return {name: getattr(row, name) for name in names} | {
        "version": row.version.number if row.version else None,
        "created_by": row.created_by_id,
    }
