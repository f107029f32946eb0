"""Documents at places outside."""

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
from apps.backends.services.publishing import targets
from apps.content.api.documents import WORKSPACE
from apps.content.models import Publication
from apps.content.selectors.documents import get_document
from apps.content.services import publishing
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

_STATE = OpenApiParameter("state", str, enum=Publication.State.values)


class TargetOutput(serializers.Serializer):
    """A place that documents can be published to."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    plugin = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())


class TargetList(serializers.Serializer):
    """All places."""

    data = TargetOutput(many=True)  # type: ignore[assignment]


class PublicationOutput(serializers.Serializer):
    """A document at one place."""

    id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    target_id = serializers.UUIDField()
    target = serializers.CharField()
    version = serializers.IntegerField(help_text="Number of the version that is to stand there.")
    sent_version = serializers.IntegerField(allow_null=True, help_text="Number of the version that stands there.")
    wish = serializers.ChoiceField(choices=Publication.Wish.choices)
    publish_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=Publication.State.choices)
    remote_id = serializers.CharField(allow_blank=True)
    remote_url = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PublicationInput(Input):
    """Where and how to publish."""

    target_id = serializers.UUIDField()
    version = serializers.CharField(required=False, default="current", max_length=10)
    wish = serializers.ChoiceField(choices=("publish", "schedule", "draft"), required=False, default="publish")
    publish_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    categories = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    tags = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    with_sources = serializers.BooleanField(required=False, default=True)


class TargetListView(APIView):
    """Places to publish to."""

    @extend_schema(operation_id="publish_targets_list", responses=TargetList)
    def get(self, request: Request) -> Response:
        """List those that an operator has enabled."""
        require(actor_of(request), "content.read")
        rows = [
            {"id": t.id, "name": t.name, "plugin": t.plugin, "capabilities": sorted(t.capabilities)} for t in targets()
        ]
        return Response({"data": rows})


class PublicationListView(APIView):
    """Documents at places outside."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="publications_list", parameters=[WORKSPACE, _STATE], responses=PublicationOutput(many=True)
    )
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        query = request.query_params
        state = query.get("state", "")
        if state and state not in Publication.State.values:
            raise InvalidInput(
                f"'{state[:20]}' is no state.", field="state", remedy=f"Use {', '.join(Publication.State.values)}."
            )
        workspace = current_workspace(actor, query["workspace"]) if query.get("workspace") else None
        return _page(request, publishing.publications_for(actor, workspace, state=state))


class DocumentPublicationsView(APIView):
    """A document at places outside."""

    pagination_class = CursorPage

    @extend_schema(operation_id="content_publications_list", responses=PublicationOutput(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List where it stands."""
        actor = actor_of(request)
        document = get_document(actor=actor, document_id=document_id)
        return _page(request, publishing.publications_for(actor, document_id=document.pk))

    @extend_schema(
        operation_id="content_publications_create", request=PublicationInput, responses={202: PublicationOutput}
    )
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take it to a place, or bring the one there up to date; it is never doubled."""
        actor = actor_of(request)
        get_document(actor=actor, document_id=document_id)
        values = read(PublicationInput, request)
        return _accepted(publishing.publish_document(actor=actor, document_id=document_id, **values))


class PublicationView(APIView):
    """One publication."""

    @extend_schema(operation_id="publications_read", responses=PublicationOutput)
    def get(self, request: Request, publication_id: uuid.UUID) -> Response:
        """How it stands."""
        return Response(whole(publishing.get_publication(actor=actor_of(request), publication_id=publication_id)))

    @extend_schema(operation_id="publications_withdraw", responses={202: PublicationOutput})
    def delete(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Have the document taken down there."""
        return _accepted(publishing.withdraw(actor=actor_of(request), publication_id=publication_id))


class PublicationRetryView(APIView):
    """A publication that failed."""

    @extend_schema(operation_id="publications_retry", request=None, responses={202: PublicationOutput})
    def post(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Try it again at once."""
        return _accepted(publishing.retry(actor=actor_of(request), publication_id=publication_id))


def whole(row: Publication) -> dict[str, Any]:
    """A publication as the API shows it."""
    names = (
        *("id", "document_id", "target_id", "wish", "publish_at", "state", "remote_id", "remote_url", "attempts"),
        *("next_try_at", "error", "remedy", "sent_at", "created_at"),
    )
    return {name: getattr(row, name) for name in names} | {
        "target": row.target.name,
        "version": row.version.number,
        "sent_version": row.sent_version.number if row.sent_version else None,
    }


def _page(request: Request, rows: Any) -> Response:
    answer = paginated(
        request, rows.defer("document__body_markdown", "document__body_html"), ordering=("-created_at", "-id")
    )
    answer.data["data"] = [whole(row) for row in answer.data["data"]]
    return answer


def _accepted(row: Publication) -> Response:
    headers = {"Location": f"/api/v1/publications/{row.pk}"}
    return Response(whole(row), status=status.HTTP_202_ACCEPTED, headers=headers)
