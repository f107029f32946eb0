"""Claim checks."""

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
from apps.content.models import CheckedClaim, ClaimCheck
from apps.content.services import factchecks
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

_ROW = (
    *("id", "document_id", "state", "total", "done", "supported", "contradicted", "not_found"),
    *("note", "error", "remedy", "created_at", "finished_at"),
)
_CLAIM = (
    *("ordinal", "text", "start", "end", "verdict", "reason", "quote", "score"),
    *("chunk_id", "source_id", "source_title", "locator"),
)


class ClaimCheckOutput(serializers.Serializer):
    """A check of the statements of a document, with counts of what was found."""

    id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="Number of the version that is checked.")
    state = serializers.ChoiceField(choices=ClaimCheck.State.choices)
    total = serializers.IntegerField(help_text="Statements to look up; 0 until a worker has begun.")
    done = serializers.IntegerField()
    supported = serializers.IntegerField()
    contradicted = serializers.IntegerField()
    not_found = serializers.IntegerField()
    note = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class CheckedClaimOutput(serializers.Serializer):
    """A statement: its place in the Markdown of the checked version, and what a source says of it."""

    ordinal = serializers.IntegerField()
    text = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    verdict = serializers.ChoiceField(choices=CheckedClaim.Verdict.choices)
    reason = serializers.CharField(allow_blank=True)
    quote = serializers.CharField(allow_blank=True, help_text="The sentence of the source.")
    score = serializers.FloatField(help_text="Share of the statement's words that the sentence holds, 0 to 1.")
    chunk_id = serializers.UUIDField(allow_null=True)
    source_id = serializers.UUIDField(allow_null=True)
    source_title = serializers.CharField(allow_blank=True)
    locator = serializers.CharField(allow_blank=True)


class ClaimCheckListView(APIView):
    """The claim checks of a document."""

    pagination_class = CursorPage

    @extend_schema(operation_id="claim_checks_list", responses=ClaimCheckOutput(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List them, newest first; the last twenty are kept."""
        rows = factchecks.checks_of(actor=actor_of(request), document_id=document_id)
        return paginated(request, rows, ordering=("-created_at", "-id"), row=_view)

    @extend_schema(operation_id="claim_checks_create", request=None, responses={202: ClaimCheckOutput})
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Have each statement of the present text looked up in the document's sources."""
        actor = actor_of(request)
        made = factchecks.start_check(actor=actor, document_id=document_id)
        return Response(
            _whole(actor, made),
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/claim-checks/{made.pk}"},
        )


class ClaimCheckView(APIView):
    """A claim check."""

    @extend_schema(operation_id="claim_checks_read", responses=ClaimCheckOutput)
    def get(self, request: Request, check_id: uuid.UUID) -> Response:
        """How far it is, and what it has found."""
        actor = actor_of(request)
        return Response(_whole(actor, factchecks.get_check(actor=actor, check_id=check_id)))


class ClaimCheckStopView(APIView):
    """Stopping a claim check."""

    @extend_schema(operation_id="claim_checks_stop", request=None, responses=ClaimCheckOutput)
    def post(self, request: Request, check_id: uuid.UUID) -> Response:
        """Stop it; what is judged stays."""
        actor = actor_of(request)
        return Response(_whole(actor, factchecks.stop_check(actor=actor, check_id=check_id)))


class CheckedClaimListView(APIView):
    """The statements of a claim check."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="claim_checks_claims",
        parameters=[OpenApiParameter("verdict", str, enum=CheckedClaim.Verdict.values)],
        responses=CheckedClaimOutput(many=True),
    )
    def get(self, request: Request, check_id: uuid.UUID) -> Response:
        """List them in the order of the text."""
        check = factchecks.get_check(actor=actor_of(request), check_id=check_id)
        rows = check.claims.all()
        if verdict := request.query_params.get("verdict", ""):
            if verdict not in CheckedClaim.Verdict.values:
                raise InvalidInput(
                    f"verdict is '{verdict[:20]}'.",
                    field="verdict",
                    remedy=f"Use {', '.join(CheckedClaim.Verdict.values)}.",
                )
            rows = rows.filter(verdict=verdict)
        return paginated(request, rows.values(*_CLAIM), ordering=("ordinal", "id"))


def _whole(actor: Any, check: ClaimCheck) -> dict[str, Any]:
    return _view(factchecks.checks_of(actor=actor, document_id=check.document_id).get(pk=check.pk))


def _view(check: ClaimCheck) -> dict[str, Any]:
    return {name: getattr(check, name) for name in _ROW} | {"version": check.version.number}
