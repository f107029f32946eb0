"""Backups of other tools."""

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
from apps.backups.api.jobs import DrillOutput
from apps.backups.models import Delegate
from apps.backups.selectors.delegates import delegates_for, get_delegate
from apps.backups.services import delegate_drills, delegates
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class CopyOutput(serializers.Serializer):
    """One backup of another tool."""

    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    finished = serializers.CharField(help_text="ISO; empty when it has not finished.")
    size = serializers.IntegerField(help_text="Bytes that it restores to; 0 when the tool does not say.")
    good = serializers.BooleanField()
    note = serializers.CharField()


class DelegateOutput(serializers.ModelSerializer):
    """Backups of another tool, and what the last look found."""

    sets = CopyOutput(many=True, read_only=True)

    class Meta:
        model = Delegate
        fields = (
            "id",
            *delegates.FIELDS,
            "state",
            "problem",
            "remedy",
            "looked_at",
            "newest_at",
            "since",
            "sets",
            "created_at",
        )


class DelegateChangeInput(Input):
    """Fields of what is watched; what is left out stays."""

    name = serializers.CharField(max_length=80, required=False)
    tool = serializers.ChoiceField(choices=Delegate.Tool.choices, required=False)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=100, required=False, help_text="Stanza, server or cluster."
    )
    config = serializers.CharField(max_length=500, required=False, allow_blank=True)
    token_ref = serializers.CharField(max_length=140, required=False, allow_blank=True)
    role = serializers.CharField(max_length=63, required=False)
    enabled = serializers.BooleanField(required=False)
    gate = serializers.BooleanField(required=False)
    max_age_hours = serializers.IntegerField(min_value=1, required=False)
    drill_days = serializers.IntegerField(min_value=0, required=False)


class DelegateInput(DelegateChangeInput):
    """What is to be watched."""

    name = serializers.CharField(max_length=80)
    source = serializers.CharField(max_length=100, help_text="Stanza, server or cluster.")


def shown(row: Delegate) -> Any:
    """As the API shows it."""
    return DelegateOutput(row).data


class DelegateListView(APIView):
    """Backups of other tools."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_delegates_list", responses=DelegateOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, delegates_for(actor_of(request)), row=shown)

    @extend_schema(operation_id="backup_delegates_create", request=DelegateInput, responses={201: DelegateOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Watch the backups of pgBackRest, Barman or CloudNativePG."""
        values = read(DelegateInput, request)
        row = delegates.create_delegate(actor=actor_of(request), **values)
        return Response(shown(row), status=status.HTTP_201_CREATED)


class DelegateView(APIView):
    """One of them."""

    @extend_schema(operation_id="backup_delegates_read", responses=DelegateOutput)
    def get(self, request: Request, delegate_id: uuid.UUID) -> Response:
        """What the last look found."""
        return Response(shown(get_delegate(actor=actor_of(request), delegate_id=delegate_id)))

    @extend_schema(operation_id="backup_delegates_update", request=DelegateChangeInput, responses=DelegateOutput)
    def patch(self, request: Request, delegate_id: uuid.UUID) -> Response:
        """Change what is watched."""
        values = read(DelegateChangeInput, request, partial=True)
        row = delegates.update_delegate(actor=actor_of(request), delegate_id=delegate_id, **values)
        return Response(shown(row))

    @extend_schema(operation_id="backup_delegates_delete", responses={204: None})
    def delete(self, request: Request, delegate_id: uuid.UUID) -> Response:
        """Watch it no longer. The tool and its backups stay."""
        delegates.delete_delegate(actor=actor_of(request), delegate_id=delegate_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DelegateLookView(APIView):
    """Asking a tool."""

    @extend_schema(operation_id="backup_delegates_look", request=None, responses=DelegateOutput)
    def post(self, request: Request, delegate_id: uuid.UUID) -> Response:
        """Ask it now, and judge what it says."""
        return Response(shown(delegates.look_now(actor=actor_of(request), delegate_id=delegate_id)))


class DelegateDrillView(APIView):
    """A drill."""

    @extend_schema(operation_id="backup_delegates_drill", request=None, responses={201: DrillOutput})
    @idempotent
    def post(self, request: Request, delegate_id: uuid.UUID) -> Response:
        """Restore its newest backup into a scratch folder, start it, and read every row; a worker does it."""
        drill = delegate_drills.start_drill(actor=actor_of(request), delegate_id=delegate_id)
        return Response(DrillOutput(drill).data, status=status.HTTP_201_CREATED)
