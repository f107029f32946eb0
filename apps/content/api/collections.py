"""Collections: list, make, rename, move, take away."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import Collection
from apps.content.selectors.organising import collections_for, get_collection
from apps.content.services import collections
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import Actor, current_workspace

_ROW = ("id", "workspace_id", "parent_id", "name", "document_count", "created_at", "updated_at")


class CollectionOutput(serializers.Serializer):
    """A collection. `document_count` counts what lies directly in it."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    parent_id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    document_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class CollectionInput(Input):
    """A new collection."""

    name = serializers.CharField(max_length=120)
    parent_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    workspace = serializers.CharField(required=False, default="")


class CollectionChange(Input):
    """What may be changed."""

    name = serializers.CharField(max_length=120, required=False)
    parent_id = serializers.UUIDField(required=False, allow_null=True)


def _one(actor: Actor, collection: Collection) -> dict[str, Any]:
    return collections_for(actor).values(*_ROW).get(pk=collection.pk)


class CollectionListView(APIView):
    """Collections."""

    pagination_class = CursorPage

    @extend_schema(operation_id="collections_list", parameters=[WORKSPACE], responses=CollectionOutput(many=True))
    def get(self, request: Request) -> Response:
        """List collections of your workspaces by name; `parent_id` says how they nest."""
        actor, asked = actor_of(request), request.query_params.get("workspace")
        rows = collections_for(actor, current_workspace(actor, asked) if asked else None)
        return paginated(request, rows.values(*_ROW), ordering=("name", "id"))

    @extend_schema(operation_id="collections_create", request=CollectionInput, responses={201: CollectionOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a collection."""
        actor, values = actor_of(request), read(CollectionInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        made = collections.create_collection(actor=actor, workspace=workspace, **values)
        location = f"/api/v1/collections/{made.pk}"
        return Response(_one(actor, made), status=status.HTTP_201_CREATED, headers={"Location": location})


class CollectionView(APIView):
    """One collection."""

    @extend_schema(operation_id="collections_read", responses=CollectionOutput)
    def get(self, request: Request, collection_id: uuid.UUID) -> Response:
        """Read it."""
        actor = actor_of(request)
        return Response(_one(actor, get_collection(actor=actor, collection_id=collection_id)))

    @extend_schema(operation_id="collections_update", request=CollectionChange, responses=CollectionOutput)
    def patch(self, request: Request, collection_id: uuid.UUID) -> Response:
        """Rename it or put it into another; `parent_id` null puts it on top."""
        actor, values = actor_of(request), read(CollectionChange, request)
        return Response(_one(actor, collections.change_collection(actor=actor, collection_id=collection_id, **values)))

    @extend_schema(operation_id="collections_delete", responses={204: None})
    def delete(self, request: Request, collection_id: uuid.UUID) -> Response:
        """Take it away; documents and collections in it go up to where it lay."""
        collections.delete_collection(actor=actor_of(request), collection_id=collection_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
