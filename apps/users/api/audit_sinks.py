"""Places outside the database that get checkpoints of the audit record."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import AuditDelivery, AuditSink
from apps.users.services import ledger_sinks


class SinkOutput(serializers.ModelSerializer[AuditSink]):
    """A place outside the database. Its secret is not told; `secret_hint` holds the last characters."""

    class Meta:
        model = AuditSink
        fields = (
            "id",
            "name",
            "kind",
            "address",
            "profile_id",
            "prefix",
            "secret_hint",
            "enabled",
            "last_ok_at",
            "last_seq",
            "failing_since",
            "last_error",
            "created_at",
        )


class AuditDeliveryOutput(serializers.ModelSerializer[AuditDelivery]):
    """Something that a place got or waits for."""

    class Meta:
        model = AuditDelivery
        fields = (
            "id",
            "checkpoint_id",
            "segment_id",
            "state",
            "attempts",
            "next_try_at",
            "error",
            "remedy",
            "created_at",
            "finished_at",
        )


class SinkChangeInput(Input):
    """What may be changed of a place."""

    name = serializers.CharField(max_length=80)
    address = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    prefix = serializers.CharField(max_length=200, required=False, allow_blank=True)
    secret = serializers.CharField(max_length=200, required=False, allow_blank=True, write_only=True)
    enabled = serializers.BooleanField(required=False)


class SinkInput(Input):
    """A new place."""

    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(choices=AuditSink.Kind.choices)
    address = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    profile_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    prefix = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    secret = serializers.CharField(max_length=200, required=False, allow_blank=True, default="", write_only=True)


class SinkListView(APIView):
    """Places for checkpoints."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_sinks_list", responses=SinkOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them."""
        return paginated(request, ledger_sinks.sinks_for(actor_of(request)), row=lambda row: SinkOutput(row).data)

    @extend_schema(operation_id="audit_sinks_create", request=SinkInput, responses={201: SinkOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one up. Needs `audit.manage`."""
        row = ledger_sinks.create_sink(actor=actor_of(request), **read(SinkInput, request))
        return Response(SinkOutput(row).data, status=status.HTTP_201_CREATED)


class SinkView(APIView):
    """One place."""

    @extend_schema(operation_id="audit_sinks_read", responses=SinkOutput)
    def get(self, request: Request, sink_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(SinkOutput(ledger_sinks.get_sink(actor=actor_of(request), sink_id=sink_id)).data)

    @extend_schema(operation_id="audit_sinks_update", request=SinkChangeInput, responses=SinkOutput)
    def patch(self, request: Request, sink_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(SinkChangeInput, request, partial=True)
        return Response(SinkOutput(ledger_sinks.update_sink(actor=actor_of(request), sink_id=sink_id, **values)).data)

    @extend_schema(operation_id="audit_sinks_delete", responses={204: None})
    def delete(self, request: Request, sink_id: uuid.UUID) -> Response:
        """Take it out of use; what lies there stays there."""
        ledger_sinks.delete_sink(actor=actor_of(request), sink_id=sink_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryListView(APIView):
    """Deliveries to a place."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_deliveries_list", responses=AuditDeliveryOutput(many=True))
    def get(self, request: Request, sink_id: uuid.UUID) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        rows = ledger_sinks.deliveries_for(actor, ledger_sinks.get_sink(actor=actor, sink_id=sink_id))
        return paginated(request, rows, row=lambda row: AuditDeliveryOutput(row).data)
