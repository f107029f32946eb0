"""Merging a text that came too late with the stored one."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.markup.merge import CHOICES
from apps.content.selectors.documents import get_version
from apps.content.services.merging import Text, merge_with_stored
from apps.users.api.authentication import actor_of


class MergeInput(Input):
    """Your text, and what it started from: a version's number, or the text itself."""

    title = serializers.CharField(max_length=300)
    body_markdown = serializers.CharField(allow_blank=True, trim_whitespace=False)
    base_version = serializers.IntegerField(required=False, min_value=1)
    base_title = serializers.CharField(required=False, max_length=300, default="")
    base_markdown = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    choices = serializers.DictField(
        child=serializers.ChoiceField(choices=CHOICES),
        required=False,
        default=dict,
        help_text='For each conflict by its number: {"0": "mine"}.',
    )


class MergeSegment(serializers.Serializer):
    """A stretch of the texts."""

    kind = serializers.ChoiceField(choices=("same", "theirs", "mine", "both", "merged", "conflict"))
    base = serializers.CharField()
    theirs = serializers.CharField()
    mine = serializers.CharField()
    text = serializers.CharField(help_text="What is taken; of a conflict yours.")


class MergeOutput(serializers.Serializer):
    """How the two texts go together. Nothing is written."""

    revision = serializers.IntegerField(help_text="Of the stored text; send it as If-Match with the merged one.")
    open = serializers.IntegerField(help_text="Places that somebody must decide.")
    title = serializers.CharField()
    title_conflict = serializers.BooleanField(help_text="Both changed the title; `title` is yours.")
    body_markdown = serializers.CharField(allow_null=True, help_text="Null while a conflict has no choice.")
    segments = MergeSegment(many=True)


class MergeView(APIView):
    """Three texts made one."""

    @extend_schema(operation_id="content_merge", request=MergeInput, responses=MergeOutput)
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Join your text with what was saved since you read it; write the result with PATCH and If-Match."""
        actor, values = actor_of(request), read(MergeInput, request)
        if "base_version" in values:
            version = get_version(actor=actor, document_id=document_id, number=values["base_version"])
            base = Text(version.title, version.body_markdown)
        elif "base_markdown" in values:
            base = Text(values["base_title"] or values["title"], values["base_markdown"])
        else:
            raise InvalidInput(
                "Nothing says what your text started from.",
                field="base_version",
                remedy="Send base_version or base_markdown.",
            )
        mine = Text(values["title"], values["body_markdown"])
        found = merge_with_stored(actor=actor, document_id=document_id, base=base, mine=mine)
        choices = {int(number): choice for number, choice in values["choices"].items() if number.isdecimal()}
        try:
            text = found.text(choices)
        except InvalidInput:
            text = None
        answer = Response(
            {
                "revision": found.theirs.revision,
                "open": found.open,
                "title": found.title,
                "title_conflict": found.title_conflict,
                "body_markdown": text,
                "segments": [
                    {name: getattr(segment, name) for name in ("kind", "base", "theirs", "mine", "text")}
                    for segment in found.segments
                ],
            }
        )
        set_etag(answer, found.theirs.revision)
        return answer
