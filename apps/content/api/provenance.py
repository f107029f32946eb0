"""Where a text comes from."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from apps.content.selectors.provenance import ORIGINS, ProvenanceView, provenance_of
from apps.users.api.authentication import actor_of


class OriginOutput(serializers.Serializer):
    """Characters `start` to before `end` of the Markdown; together they cover it without gap and overlap."""

    start = serializers.IntegerField()
    end = serializers.IntegerField()
    origin = serializers.ChoiceField(choices=ORIGINS)
    generation = serializers.CharField(allow_blank=True, help_text="Id of the generation that wrote it, if known.")


class ProvenanceOutput(serializers.Serializer):
    """Where the text of a version comes from."""

    version = serializers.IntegerField()
    data = OriginOutput(many=True)  # type: ignore[assignment]
    characters = serializers.DictField(child=serializers.IntegerField())
    shares = serializers.DictField(child=serializers.FloatField())
    disclosure = serializers.ChoiceField(choices=("none", "ai-assisted", "ai-generated"))
    summary = serializers.CharField(allow_blank=True)


def _view(found: ProvenanceView) -> dict[str, Any]:
    return {
        "version": found.number,
        "data": [asdict(span) for span in found.spans],
        "characters": found.characters,
        "shares": found.shares,
        "disclosure": found.disclosure,
        "summary": found.summary,
    }


class OriginsView(APIView):
    """Origins."""

    @extend_schema(
        operation_id="content_provenance",
        parameters=[OpenApiParameter("version", int, description="The present one when left out.")],
        responses=ProvenanceOutput,
    )
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Which characters a person, a model, or both wrote, and which are quoted."""
        text = request.query_params.get("version", "")
        if text and not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
            raise InvalidInput(f"version is '{text[:20]}'.", field="version", remedy="Send a version's number.")
        number = int(text) if text else None
        return Response(_view(provenance_of(actor=actor_of(request), document_id=document_id, number=number)))
