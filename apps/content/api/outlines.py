"""Long texts, outline first: the sections of a document, planned, ordered and written one by one."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.content.markup.outlines import MAX_SECTIONS
from apps.content.models import Outline, Section
from apps.content.services import outlines
from apps.users.api.authentication import actor_of

_ROW = (
    "id",
    "position",
    "heading",
    "instruction",
    "target_words",
    "state",
    "words",
    "generation_id",
    "error",
    "remedy",
)


class SectionOutput(serializers.Serializer):
    """A section. `words` were written; the text itself stands in the document."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    heading = serializers.CharField()
    instruction = serializers.CharField(allow_blank=True)
    target_words = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Section.State.choices)
    words = serializers.IntegerField()
    generation_id = serializers.UUIDField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)


class OutlineOutput(serializers.Serializer):
    """The plan of a document and how far its writing is."""

    document_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Outline.State.choices)
    revision = serializers.IntegerField()
    brief = serializers.DictField()
    written = serializers.IntegerField(help_text="How many sections are written.")
    plan_id = serializers.UUIDField(allow_null=True, help_text="The generation that planned it.")
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    sections = SectionOutput(many=True)


class SectionRowInput(Input):
    """A row of the plan; with the `id` of a section that is there, it is that one."""

    id = serializers.UUIDField(required=False, allow_null=True, default=None)
    heading = serializers.CharField(max_length=300)
    instruction = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=outlines.MAX_INSTRUCTION
    )
    target_words = serializers.IntegerField(
        required=False, default=300, min_value=outlines.WORDS[0], max_value=outlines.WORDS[1]
    )


class SectionsInput(Input):
    """All rows in order. One that is left out is taken from the plan; its text stays in the document."""

    sections = SectionRowInput(many=True)
    revision = serializers.IntegerField(required=False, allow_null=True, default=None)


class PlanInput(Input):
    """What the text is to be."""

    topic = serializers.CharField(max_length=1_000)
    audience = serializers.CharField(required=False, allow_blank=True, max_length=300)
    tone = serializers.CharField(required=False, allow_blank=True, max_length=300)
    language = serializers.CharField(required=False, allow_blank=True, max_length=40)
    instruction = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    voice = serializers.CharField(required=False, allow_blank=True, max_length=40)
    length = serializers.IntegerField(
        required=False, default=2_000, min_value=outlines.LENGTH[0], max_value=outlines.LENGTH[1]
    )
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, default=None, max_length=500
    )


class WriteInput(Input):
    """Which sections; left out: all that are not written."""

    section_ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_null=True,
        default=None,
        allow_empty=False,
        max_length=MAX_SECTIONS,
    )


def whole(request: Request, document_id: uuid.UUID) -> dict[str, Any]:
    """An outline as the API shows it."""
    _document, outline, sections = outlines.outline_of(actor=actor_of(request), document_id=document_id)
    return {
        "document_id": document_id,
        "state": outline.state,
        "revision": outline.revision,
        "brief": outline.brief,
        "written": sum(1 for each in sections if each.state == Section.State.WRITTEN),
        "plan_id": outline.plan_id,
        "error": outline.error,
        "remedy": outline.remedy,
        "sections": [{name: getattr(each, name) for name in _ROW} for each in sections],
    }


class SectionsView(APIView):
    """Sections of a document."""

    @extend_schema(operation_id="content_sections_read", responses=OutlineOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """The plan, in order, and how far each section is."""
        return Response(whole(request, document_id))

    @extend_schema(operation_id="content_sections_update", request=SectionsInput, responses=OutlineOutput)
    def put(self, request: Request, document_id: uuid.UUID) -> Response:
        """Write the plan anew: order, headings, instructions, lengths."""
        outlines.set_sections(actor=actor_of(request), document_id=document_id, **read(SectionsInput, request))
        return Response(whole(request, document_id))


class SectionsPlanView(APIView):
    """Planning."""

    error_statuses = (402,)

    @extend_schema(operation_id="content_sections_plan", request=PlanInput, responses={202: OutlineOutput})
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Have the plan written from a brief; it replaces the present one when it is done."""
        values = read(PlanInput, request)
        length, sources = values.pop("length"), values.pop("source_ids")
        outlines.plan_sections(
            actor=actor_of(request), document_id=document_id, brief=values, length=length, source_ids=sources
        )
        return Response(whole(request, document_id), status=status.HTTP_202_ACCEPTED)


class SectionsWriteView(APIView):
    """Writing."""

    error_statuses = (402,)

    @extend_schema(operation_id="content_sections_write", request=WriteInput, responses={202: OutlineOutput})
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Have sections written one after the other; each is put into the document, which gets a version."""
        outlines.write_sections(actor=actor_of(request), document_id=document_id, **read(WriteInput, request))
        return Response(whole(request, document_id), status=status.HTTP_202_ACCEPTED)


class SectionsStopView(APIView):
    """Stopping."""

    @extend_schema(operation_id="content_sections_stop", request=None, responses={202: OutlineOutput})
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Stop planning or writing. Quiet when nothing runs."""
        outlines.stop_writing(actor=actor_of(request), document_id=document_id)
        return Response(whole(request, document_id), status=status.HTTP_202_ACCEPTED)
