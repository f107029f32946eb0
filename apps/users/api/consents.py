"""What people agree to: one's own answers, and the texts of the privacy desk."""

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
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import Consent, ConsentText
from apps.users.selectors.consents import Asked, asked_of, own_answers, texts_for
from apps.users.services import consents


class ConsentAskedOutput(serializers.Serializer):
    """A text in force, and one's answer."""

    purpose = serializers.ChoiceField(choices=ConsentText.Purpose.choices)
    version = serializers.IntegerField()
    title = serializers.CharField()
    body = serializers.CharField()
    is_duty = serializers.BooleanField(help_text="Nobody uses the portal's pages without having agreed.")
    given = serializers.BooleanField(allow_null=True, help_text="null: this version has no answer yet.")


class ConsentAnswerInput(Input):
    """An answer."""

    purpose = serializers.ChoiceField(choices=ConsentText.Purpose.choices)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="The one that was read.")
    given = serializers.BooleanField()


class ConsentOutput(serializers.ModelSerializer[Consent]):
    """An answer that was given."""

    class Meta:
        model = Consent
        fields = ("id", "purpose", "version", "given", "answered_at")


class ConsentTextInput(Input):
    """A new version."""

    purpose = serializers.ChoiceField(choices=ConsentText.Purpose.choices)
    title = serializers.CharField(max_length=120)
    body = serializers.CharField(max_length=50_000)


class ConsentTextOutput(serializers.ModelSerializer[ConsentText]):
    """A version of what people are asked."""

    yes = serializers.IntegerField(default=0, help_text="People whose newest answer to it is yes.")
    no = serializers.IntegerField(default=0)

    class Meta:
        model = ConsentText
        fields = ("id", "purpose", "version", "title", "body", "published_by", "published_at", "ended_at", "yes", "no")


def _asked(each: Asked) -> dict[str, Any]:
    return {
        "purpose": each.text.purpose,
        "version": each.text.version,
        "title": each.text.title,
        "body": each.text.body,
        "is_duty": each.text.is_duty,
        "given": each.given,
    }


class ConsentListView(APIView):
    """What one is asked."""

    @extend_schema(operation_id="consents_list", responses=ConsentAskedOutput(many=True))
    def get(self, request: Request) -> Response:
        """The texts in force with one's own answers."""
        return Response({"data": [_asked(each) for each in asked_of(actor_of(request))]})

    @extend_schema(operation_id="consents_answer", request=ConsentAnswerInput, responses=ConsentOutput)
    def post(self, request: Request) -> Response:
        """Agree, refuse or withdraw. A key may withdraw, and cannot agree for its person."""
        row = consents.answer(actor=actor_of(request), **read(ConsentAnswerInput, request))
        return Response(ConsentOutput(row).data)


class ConsentHistoryView(APIView):
    """What one has answered."""

    pagination_class = CursorPage

    @extend_schema(operation_id="consents_history", responses=ConsentOutput(many=True))
    def get(self, request: Request) -> Response:
        """All of one's answers, newest first."""
        return paginated(
            request, own_answers(actor_of(request)), ordering=("-id",), row=lambda row: ConsentOutput(row).data
        )


class ConsentTextListView(APIView):
    """The texts of the privacy desk."""

    pagination_class = CursorPage

    @extend_schema(operation_id="consent_texts_list", responses=ConsentTextOutput(many=True))
    def get(self, request: Request) -> Response:
        """All versions of all texts, with how many people agreed; needs `privacy.read`."""
        return paginated(
            request, texts_for(actor_of(request)), ordering=("-id",), row=lambda row: ConsentTextOutput(row).data
        )

    @extend_schema(operation_id="consent_texts_publish", request=ConsentTextInput, responses={201: ConsentTextOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Put a new version in force; everybody is asked anew. Needs `privacy.manage`."""
        row = consents.publish_text(actor=actor_of(request), **read(ConsentTextInput, request))
        return Response(ConsentTextOutput(row).data, status=status.HTTP_201_CREATED)


class ConsentTextEndView(APIView):
    """Ending a text."""

    @extend_schema(operation_id="consent_texts_end", request=None, responses=ConsentTextOutput)
    def post(self, request: Request, consent_text_id: uuid.UUID) -> Response:
        """Ask for this purpose no longer. Needs `privacy.manage`."""
        return Response(ConsentTextOutput(consents.end_text(actor=actor_of(request), text_id=consent_text_id)).data)
