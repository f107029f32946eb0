"""Proof packs, and the list of parts of the installed release."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core import sbom
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import ProofPack
from apps.users.selectors.access import require
from apps.users.selectors.proofs import get_pack, packs_for
from apps.users.services import proofs


class ProofPartOutput(serializers.Serializer[Any]):
    """What a pack shows, or that it has nothing to show."""

    name = serializers.CharField()
    present = serializers.BooleanField()
    says = serializers.CharField()
    files = serializers.ListField(child=serializers.CharField())


class ProofPackOutput(serializers.Serializer[Any]):
    """The file of a month, without the file."""

    id = serializers.UUIDField()
    month = serializers.DateField(help_text="Its first day.")
    whole = serializers.BooleanField(help_text="Whether the month was over.")
    state = serializers.ChoiceField(choices=ProofPack.State.choices)
    made_at = serializers.DateTimeField(allow_null=True)
    key_id = serializers.CharField(allow_blank=True)
    sha256 = serializers.CharField(allow_blank=True)
    size = serializers.IntegerField()
    parts = ProofPartOutput(many=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ProofPackInput(Input):
    """Of which month."""

    month = serializers.CharField(
        max_length=7, required=False, allow_blank=True, default="", help_text="2026-11; left out: the present one."
    )


_PACK = tuple(ProofPackOutput().fields)


def _pack(row: ProofPack) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _PACK}


class ProofPackListView(APIView):
    """Proof packs."""

    pagination_class = CursorPage

    @extend_schema(operation_id="proof_packs_list", responses=ProofPackOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first. Needs `audit.read`, `access.review`, `keys.read` and `backups.read`."""
        return paginated(request, packs_for(actor_of(request)), row=_pack)

    @extend_schema(operation_id="proof_packs_make", request=ProofPackInput, responses={202: ProofPackOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have one made by a worker: of a month that is over and has none, or of the present one until now."""
        pack = proofs.request_pack(actor=actor_of(request), **read(ProofPackInput, request))
        return Response(_pack(pack), status=status.HTTP_202_ACCEPTED)


class ProofPackView(APIView):
    """One proof pack."""

    @extend_schema(operation_id="proof_packs_read", responses=ProofPackOutput)
    def get(self, request: Request, pack_id: uuid.UUID) -> Response:
        """What it shows, and how far it is."""
        return Response(_pack(get_pack(actor=actor_of(request), pack_id=pack_id)))


class ProofPackFileView(APIView):
    """The file of a proof pack."""

    @extend_schema(operation_id="proof_packs_file", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, pack_id: uuid.UUID) -> HttpResponse:
        """Download it; that it was taken is recorded. `deploy/rescue/verify_proof.py` verifies it without the portal."""
        return file_answer(*proofs.read_file(actor=actor_of(request), pack_id=pack_id))


def file_answer(pack: ProofPack, content: bytes) -> HttpResponse:
    """The file as an answer."""
    headers = {"Content-Disposition": f'attachment; filename="{pack.filename}"'}
    return HttpResponse(content, content_type="application/zip", headers=headers)


class SbomView(APIView):
    """The installed release's parts."""

    @extend_schema(operation_id="sbom_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        """Every part of the installed release as CycloneDX 1.6. Needs `monitoring.read`."""
        require(actor_of(request), "monitoring.read")
        return Response(sbom.bill(timezone.now()))
