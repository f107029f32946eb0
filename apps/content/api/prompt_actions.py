"""Prompt actions: the AI menu of a workspace's editor, as data with versions."""

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
from apps.content.models import PromptAction, PromptActionVersion
from apps.content.selectors.prompt_actions import get_prompt_action, prompt_actions_for, versions_of_action
from apps.content.services import prompt_actions
from apps.content.services.prompt_templates import MAX_TEMPLATE, asked_by
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

SCOPES = PromptActionVersion.Scope.choices
PLACEMENTS = PromptActionVersion.Placement.choices


class PromptActionOutput(serializers.Serializer):
    """A prompt action as it counts now. Without a workspace it is one that every workspace starts with."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField(allow_null=True)
    key = serializers.CharField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    version = serializers.IntegerField()
    template = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    placement = serializers.ChoiceField(choices=PLACEMENTS)
    asks = serializers.ListField(child=serializers.CharField(), help_text="The variables to send with a request.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class PromptVersionOutput(serializers.Serializer):
    """A version of a prompt action."""

    number = serializers.IntegerField()
    template = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    placement = serializers.ChoiceField(choices=PLACEMENTS)
    author = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class PromptActionInput(Input):
    """A new prompt action."""

    name = serializers.CharField(max_length=prompt_actions.MAX_NAME)
    template = serializers.CharField(max_length=MAX_TEMPLATE, help_text="With variables such as {selection}.")
    scope = serializers.ChoiceField(choices=SCOPES, required=False, default="selection")
    placement = serializers.ChoiceField(choices=PLACEMENTS, required=False, default="replace")
    is_active = serializers.BooleanField(required=False, default=True)
    key = serializers.CharField(
        required=False, default="", max_length=60, help_text="Made of the name when left out; see the guide."
    )
    workspace = serializers.CharField(required=False, default="")


class PromptActionChange(Input):
    """What may be changed."""

    name = serializers.CharField(required=False, max_length=prompt_actions.MAX_NAME)
    template = serializers.CharField(required=False, max_length=MAX_TEMPLATE)
    scope = serializers.ChoiceField(choices=SCOPES, required=False)
    placement = serializers.ChoiceField(choices=PLACEMENTS, required=False)
    is_active = serializers.BooleanField(required=False)


class PromptCopyInput(Input):
    """The workspace that gets the copy; your first one when left out."""

    workspace = serializers.CharField(required=False, default="")


def whole(row: PromptAction) -> dict[str, Any]:
    """An action as it is answered."""
    fields = ("id", "workspace_id", "key", "name", "is_active", "created_at", "updated_at")
    version = row.current
    assert version is not None  # noqa: S101
    return {
        **{name: getattr(row, name) for name in fields},
        "version": version.number,
        "template": version.template,
        "scope": version.scope,
        "placement": version.placement,
        "asks": asked_by(version.template),
    }


def _version(row: PromptActionVersion) -> dict[str, Any]:
    fields = ("number", "template", "scope", "placement", "created_at")
    return {**{name: getattr(row, name) for name in fields}, "author": str(row.created_by or "")}


class PromptActionListView(APIView):
    """Prompt actions."""

    pagination_class = CursorPage

    @extend_schema(operation_id="prompt_actions_list", parameters=[WORKSPACE], responses=PromptActionOutput(many=True))
    def get(self, request: Request) -> Response:
        """List those of a workspace by name: its own, and the installation's that it has not replaced."""
        actor = actor_of(request)
        require(actor, "content.read")
        rows = prompt_actions_for(actor, current_workspace(actor, request.query_params.get("workspace")))
        return paginated(request, rows, ordering=("name", "id"), row=whole)

    @extend_schema(operation_id="prompt_actions_create", request=PromptActionInput, responses={201: PromptActionOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one in a workspace."""
        actor, values = actor_of(request), read(PromptActionInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        return _made(prompt_actions.create_prompt_action(actor=actor, workspace=workspace, **values))


class PromptActionView(APIView):
    """One prompt action."""

    @extend_schema(operation_id="prompt_actions_read", responses=PromptActionOutput)
    def get(self, request: Request, action_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(whole(get_prompt_action(actor=actor_of(request), action_id=action_id)))

    @extend_schema(operation_id="prompt_actions_update", request=PromptActionChange, responses=PromptActionOutput)
    def patch(self, request: Request, action_id: uuid.UUID) -> Response:
        """Change it; a changed template, scope or placement is a new version."""
        changes = read(PromptActionChange, request)
        return Response(
            whole(prompt_actions.change_prompt_action(actor=actor_of(request), action_id=action_id, **changes))
        )

    @extend_schema(operation_id="prompt_actions_delete", responses={204: None})
    def delete(self, request: Request, action_id: uuid.UUID) -> Response:
        """Delete it with its versions; 409 for one that every workspace starts with."""
        prompt_actions.delete_prompt_action(actor=actor_of(request), action_id=action_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PromptActionCopyView(APIView):
    """A workspace's own copy."""

    @extend_schema(operation_id="prompt_actions_copy", request=PromptCopyInput, responses={201: PromptActionOutput})
    @idempotent
    def post(self, request: Request, action_id: uuid.UUID) -> Response:
        """Copy one that every workspace starts with, to change it in one workspace; asked again it is the same copy."""
        actor, values = actor_of(request), read(PromptCopyInput, request)
        workspace = current_workspace(actor, values["workspace"])
        return _made(prompt_actions.copy_prompt_action(actor=actor, action_id=action_id, workspace=workspace))


class PromptVersionListView(APIView):
    """Versions of a prompt action."""

    pagination_class = CursorPage

    @extend_schema(operation_id="prompt_actions_versions", responses=PromptVersionOutput(many=True))
    def get(self, request: Request, action_id: uuid.UUID) -> Response:
        """List them, newest first."""
        action = get_prompt_action(actor=actor_of(request), action_id=action_id)
        return paginated(request, versions_of_action(action), ordering=("-number",), row=_version)


class PromptVersionRestoreView(APIView):
    """An earlier version."""

    @extend_schema(operation_id="prompt_actions_restore", request=None, responses=PromptActionOutput)
    def post(self, request: Request, action_id: uuid.UUID, number: int) -> Response:
        """Make it the newest again; a version is added, none is lost."""
        actor = actor_of(request)
        return Response(whole(prompt_actions.restore_prompt_version(actor=actor, action_id=action_id, number=number)))


def _made(row: PromptAction) -> Response:
    location = f"/api/v1/prompt-actions/{row.pk}"
    return Response(whole(row), status=status.HTTP_201_CREATED, headers={"Location": location})
