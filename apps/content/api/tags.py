"""Tags: list, make, rename, merge, take away. Documents are given tags through `tags` of the document."""

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
from apps.content.models import Tag
from apps.content.selectors.organising import get_tag, tags_for
from apps.content.services import tags
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import Actor, current_workspace

_ROW = ("id", "workspace_id", "name", "document_count", "created_at")


class TagOutput(serializers.Serializer):
    """A tag."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    document_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class TagInput(Input):
    """A new tag."""

    name = serializers.CharField(max_length=60)
    workspace = serializers.CharField(required=False, default="")


class TagChange(Input):
    """A tag's new name."""

    name = serializers.CharField(max_length=60)


class TagMerge(Input):
    """The tag that stays."""

    into = serializers.UUIDField()


def _one(actor: Actor, tag: Tag) -> dict[str, Any]:
    return tags_for(actor).values(*_ROW).get(pk=tag.pk)


class TagListView(APIView):
    """Tags."""

    pagination_class = CursorPage

    @extend_schema(operation_id="tags_list", parameters=[WORKSPACE], responses=TagOutput(many=True))
    def get(self, request: Request) -> Response:
        """List tags of your workspaces by name."""
        actor, asked = actor_of(request), request.query_params.get("workspace")
        rows = tags_for(actor, current_workspace(actor, asked) if asked else None)
        return paginated(request, rows.values(*_ROW), ordering=("name", "id"))

    @extend_schema(operation_id="tags_create", request=TagInput, responses={201: TagOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a tag."""
        actor, values = actor_of(request), read(TagInput, request)
        made = tags.create_tag(
            actor=actor, workspace=current_workspace(actor, values["workspace"]), name=values["name"]
        )
        location = f"/api/v1/tags/{made.pk}"
        return Response(_one(actor, made), status=status.HTTP_201_CREATED, headers={"Location": location})


class TagView(APIView):
    """One tag."""

    @extend_schema(operation_id="tags_read", responses=TagOutput)
    def get(self, request: Request, tag_id: uuid.UUID) -> Response:
        """Read it."""
        actor = actor_of(request)
        return Response(_one(actor, get_tag(actor=actor, tag_id=tag_id)))

    @extend_schema(operation_id="tags_update", request=TagChange, responses=TagOutput)
    def patch(self, request: Request, tag_id: uuid.UUID) -> Response:
        """Rename it; 409 when another tag has the name: merge the two then."""
        actor = actor_of(request)
        return Response(_one(actor, tags.rename_tag(actor=actor, tag_id=tag_id, **read(TagChange, request))))

    @extend_schema(operation_id="tags_delete", responses={204: None})
    def delete(self, request: Request, tag_id: uuid.UUID) -> Response:
        """Take it away from all documents."""
        tags.delete_tag(actor=actor_of(request), tag_id=tag_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TagMergeView(APIView):
    """Making one tag of two."""

    @extend_schema(operation_id="tags_merge", request=TagMerge, responses=TagOutput)
    def post(self, request: Request, tag_id: uuid.UUID) -> Response:
        """Let this tag go up in another, which is answered."""
        actor, values = actor_of(request), read(TagMerge, request)
        return Response(_one(actor, tags.merge_tags(actor=actor, tag_id=tag_id, into_id=values["into"])))
