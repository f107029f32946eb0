"""Settings of a workspace that concern its documents."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import WritingSettings
from apps.content.selectors.organising import writing_settings
from apps.content.services.preferences import MOST_DAYS, change_settings
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace, require


class SettingsOutput(serializers.Serializer):
    """How a workspace is written in."""

    workspace_id = serializers.UUIDField()
    trash_days = serializers.IntegerField(help_text="0: nothing in the bin is deleted by itself.")
    language = serializers.CharField()
    default_collection_id = serializers.UUIDField(allow_null=True)
    approval = serializers.ChoiceField(
        choices=WritingSettings.Approval.choices, help_text="Whose yes a text needs before it is published."
    )


class SettingsChange(Input):
    """What may be changed."""

    trash_days = serializers.IntegerField(required=False, min_value=0, max_value=MOST_DAYS)
    language = serializers.CharField(required=False, max_length=12)
    default_collection_id = serializers.UUIDField(required=False, allow_null=True)
    approval = serializers.ChoiceField(required=False, choices=WritingSettings.Approval.choices)


def _row(settings: WritingSettings) -> dict[str, Any]:
    names = ("workspace_id", "trash_days", "language", "default_collection_id", "approval")
    return {name: getattr(settings, name) for name in names}


class SettingsView(APIView):
    """The settings of a workspace."""

    @extend_schema(operation_id="settings_read", parameters=[WORKSPACE], responses=SettingsOutput)
    def get(self, request: Request) -> Response:
        """Read them."""
        actor = actor_of(request)
        workspace = current_workspace(actor, request.query_params.get("workspace"))
        require(actor, "content.read", workspace=workspace)
        return Response(_row(writing_settings(workspace)))

    @extend_schema(
        operation_id="settings_update", parameters=[WORKSPACE], request=SettingsChange, responses=SettingsOutput
    )
    def patch(self, request: Request) -> Response:
        """Change them; for editors of the workspace."""
        actor = actor_of(request)
        workspace = current_workspace(actor, request.query_params.get("workspace"))
        return Response(_row(change_settings(actor=actor, workspace=workspace, **read(SettingsChange, request))))
