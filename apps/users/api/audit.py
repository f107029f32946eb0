"""The audit record: events, export, checkpoints, verification, places outside."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import (
    AuditCheckpoint,
    AuditEvent,
    AuditSegment,
    AuditVerification,
)
from apps.users.selectors.ledger import (
    EventFilter,
    checkpoints_for,
    ledger_status,
    segments_for,
    verifications_for,
)
from apps.users.services import ledger_checks, ledger_delivery, ledger_reading, ledger_sealing
from apps.users.services.subjects import named

_FILTERS = [
    OpenApiParameter("who", str, description="Part of a name or address, or an actor's id such as user:…."),
    OpenApiParameter("action", str, description="An action, or an area such as backup.*."),
    OpenApiParameter("outcome", str, enum=AuditEvent.Outcome.values, description="How it ended."),
    OpenApiParameter("workspace", uuid.UUID, description="Id of a workspace."),
    OpenApiParameter("object_type", str, description="Such as content.document."),
    OpenApiParameter("object_id", str, description="Id of the thing that it was done to."),
    OpenApiParameter("since", dt.datetime, description="From here on."),
    OpenApiParameter("until", dt.datetime, description="Up to, not including."),
    OpenApiParameter("request_id", str, description="Id of one request."),
]
_TEXTS = ("who", "action", "outcome", "object_type", "object_id", "request_id")


class EventOutput(serializers.ModelSerializer[AuditEvent]):
    """Who did what to which thing; the seal is null until it is sealed."""

    class Meta:
        model = AuditEvent
        fields = (
            "id",
            "seq",
            "occurred_at",
            "actor_id",
            "actor_label",
            "token_key_id",
            "action",
            "object_type",
            "object_id",
            "object_label",
            "workspace_id",
            "outcome",
            "reason",
            "before",
            "after",
            "request_id",
            "client_address",
            "previous_hash",
            "hash",
            "seal_key_id",
            "sealed_at",
            "origin",
        )
        extra_kwargs = {"before": {"read_only": True}, "after": {"read_only": True}}


class CheckpointOutput(serializers.ModelSerializer[AuditCheckpoint]):
    """A signed statement about the record."""

    class Meta:
        model = AuditCheckpoint
        fields = (
            "id",
            "seq",
            "hash",
            "root",
            "made_at",
            "ledger",
            "previous",
            "key_id",
            "signature",
            "reason",
            "created_at",
        )


class AuditFindingOutput(serializers.Serializer[Any]):
    """Something that is not as it was sealed."""

    kind = serializers.CharField()
    seq = serializers.IntegerField()
    message = serializers.CharField()


class VerificationOutput(serializers.ModelSerializer[AuditVerification]):
    """A verification of the whole record."""

    findings = AuditFindingOutput(many=True)

    class Meta:
        model = AuditVerification
        fields = (
            "id",
            "state",
            "events",
            "first_seq",
            "last_seq",
            "checkpoints",
            "seconds",
            "findings",
            "error",
            "created_at",
            "finished_at",
        )


class SegmentOutput(serializers.ModelSerializer[AuditSegment]):
    """Events that were moved into a file."""

    class Meta:
        model = AuditSegment
        fields = (
            "id",
            "name",
            "first_seq",
            "last_seq",
            "before_hash",
            "last_hash",
            "sha256",
            "size",
            "oldest_at",
            "newest_at",
            "released_at",
            "created_at",
        )


class StatusOutput(serializers.Serializer[Any]):
    """How the chain stands."""

    worst = serializers.ChoiceField(choices=["ok", "warn", "fail"])
    sealed = serializers.IntegerField(help_text="Number of the last sealed event.")
    sealed_at = serializers.DateTimeField(allow_null=True)
    unsealed = serializers.IntegerField()
    waiting_seconds = serializers.FloatField()
    checkpoint = CheckpointOutput(allow_null=True)
    verification = VerificationOutput(allow_null=True)
    sinks = serializers.IntegerField()
    sinks_behind = serializers.ListField(child=serializers.UUIDField())
    archived = serializers.IntegerField(help_text="Segments.")


def wanted_of(query: Any) -> EventFilter:
    """The filter of a query.

    Raises:
        InvalidInput: a value cannot be used.
    """
    workspace = query.get("workspace", "")
    try:
        room = uuid.UUID(workspace) if workspace else None
    except ValueError:
        raise InvalidInput("workspace is no id.", field="workspace", remedy="Send the id of a workspace.") from None
    texts = {name: query.get(name, "").strip()[:200] for name in _TEXTS}
    return EventFilter(workspace=room, since=_moment(query, "since"), until=_moment(query, "until"), **texts)


def _moment(query: Any, field: str) -> dt.datetime | None:
    text = query.get(field, "").strip()
    if not text:
        return None
    try:
        # A plus sign of an offset arrives as a space when it was not escaped.
        moment = dt.datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
    except ValueError:
        raise InvalidInput(
            f"{field} is no date.", field=field, remedy="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _number(query: Any, field: str, default: int) -> int:
    text = query.get(field, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(f"{field} is '{text[:20]}'.", field=field, remedy="Use a whole number.")
    return int(text)


class EventListView(APIView):
    """Events."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_events_list", parameters=_FILTERS, responses=EventOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first. Needs `audit.read`; that they were read is recorded too."""
        events = ledger_reading.read_events(actor=actor_of(request), wanted=wanted_of(request.query_params))
        # Ids grow with time. Times themselves cannot be compared on SQLite: it writes milliseconds, Django asks with micros.
        return paginated(request, events, ordering=("-id",), row=lambda row: EventOutput(row).data, prepare=named)


class EventView(APIView):
    """One event."""

    @extend_schema(operation_id="audit_events_read", responses=EventOutput)
    def get(self, request: Request, event_id: uuid.UUID) -> Response:
        """Read it."""
        found = ledger_reading.read_event(actor=actor_of(request), event_id=event_id)
        return Response(EventOutput(named([found])[0]).data)


class ExportView(APIView):
    """The record as a file."""

    @extend_schema(
        operation_id="audit_export",
        parameters=[
            OpenApiParameter("format", str, enum=list(ledger_reading.FORMATS), description="JSON lines or CSV."),
            OpenApiParameter("after", int, description="Begin behind this number: X-Last-Seq of the export before."),
            OpenApiParameter("limit", int, description="At most so many events, 1 to 100,000; 10,000 when left out."),
            *_FILTERS,
        ],
        responses={
            (200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR, description="One event a line."),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="A table."),
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Sealed events by number. `X-Last-Seq` says where the next export goes on, `X-Has-More` whether there is more."""
        query = request.query_params
        return stream(
            ledger_reading.export_events(
                actor=actor_of(request),
                format=query.get("format", "") or "jsonl",
                wanted=wanted_of(query),
                after=_number(query, "after", 0),
                limit=_number(query, "limit", 10_000),
            )
        )


def stream(export: ledger_reading.Export) -> StreamingHttpResponse:
    """An export as an answer."""
    headers = {
        "Content-Disposition": f'attachment; filename="{export.filename}"',
        "X-Last-Seq": str(export.last),
        "X-Has-More": "true" if export.more else "false",
    }
    return StreamingHttpResponse(export.pieces, content_type=export.content_type, headers=headers)


class StatusView(APIView):
    """The chain."""

    @extend_schema(operation_id="audit_status", responses=StatusOutput)
    def get(self, request: Request) -> Response:
        """How it stands."""
        found = ledger_status(actor_of(request))
        return Response(
            {
                "worst": found.worst,
                "sealed": found.sealed,
                "sealed_at": found.sealed_at,
                "unsealed": found.unsealed,
                "waiting_seconds": round(found.waiting_seconds, 3),
                "checkpoint": CheckpointOutput(found.checkpoint).data if found.checkpoint else None,
                "verification": VerificationOutput(found.verification).data if found.verification else None,
                "sinks": found.sinks,
                "sinks_behind": [str(sink.pk) for sink in found.sinks_behind],
                "archived": found.archived,
            }
        )


class VerifyListView(APIView):
    """Verifications."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_verifications_list", responses=VerificationOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        rows = verifications_for(actor_of(request))
        return paginated(request, rows, row=lambda row: VerificationOutput(row).data)

    @extend_schema(operation_id="audit_verify", request=None, responses={202: VerificationOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have the whole record verified by a worker."""
        row = ledger_checks.request_verification(actor=actor_of(request))
        return Response(VerificationOutput(row).data, status=status.HTTP_202_ACCEPTED)


class VerifyView(APIView):
    """One verification."""

    @extend_schema(operation_id="audit_verifications_read", responses=VerificationOutput)
    def get(self, request: Request, verification_id: uuid.UUID) -> Response:
        """Its state and what it found."""
        row = verifications_for(actor_of(request)).filter(pk=verification_id).first()
        if row is None:
            raise NotFound("There is no such verification.")
        return Response(VerificationOutput(row).data)


class CheckpointListView(APIView):
    """Checkpoints."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_checkpoints_list", responses=CheckpointOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, checkpoints_for(actor_of(request)), row=lambda row: CheckpointOutput(row).data)

    @extend_schema(operation_id="audit_checkpoints_create", request=None, responses={201: CheckpointOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Seal and sign now. Needs `audit.manage`."""
        row = ledger_sealing.request_checkpoint(actor=actor_of(request))
        return Response(CheckpointOutput(row).data, status=status.HTTP_201_CREATED)


class CheckpointFileView(APIView):
    """One checkpoint as it is delivered."""

    @extend_schema(operation_id="audit_checkpoints_file", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, checkpoint_id: uuid.UUID) -> StreamingHttpResponse:
        """The signed document, for `manage.py audit verify --against`."""
        row = checkpoints_for(actor_of(request)).filter(pk=checkpoint_id).first()
        if row is None:
            raise NotFound("There is no such checkpoint.")
        headers = {"Content-Disposition": f'attachment; filename="{ledger_delivery.name_of(row)}"'}
        pieces = iter([ledger_delivery.document_of(row)])
        return StreamingHttpResponse(pieces, content_type="application/json", headers=headers)


class SegmentListView(APIView):
    """Archived segments."""

    pagination_class = CursorPage

    @extend_schema(operation_id="audit_segments_list", responses=SegmentOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, segments_for(actor_of(request)), row=lambda row: SegmentOutput(row).data)
