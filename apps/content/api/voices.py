"""Voices: rules, samples, learning, approval, and checking a text."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import VoiceProfile, VoiceRule, VoiceSample
from apps.content.selectors.documents import get_document
from apps.content.selectors.voices import get_voice, voice_of, voices_for
from apps.content.services import voice_rules, voices
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

_ROW = (
    "id",
    "workspace_id",
    "name",
    "description",
    "language",
    "status",
    "is_default",
    "revision",
    "rule_count",
    "proposed_count",
    "approved_at",
    "created_at",
    "updated_at",
)
_RULE = ("id", "kind", "pattern", "replacement", "minimum", "maximum", "message", "severity", "state")
_SAMPLE = ("id", "kind", "title", "word_count", "source_id", "document_id", "created_at")


class VoiceRow(serializers.Serializer):
    """A voice in a list."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    language = serializers.CharField()
    status = serializers.ChoiceField(choices=VoiceProfile.Status.choices)
    is_default = serializers.BooleanField()
    revision = serializers.IntegerField()
    rule_count = serializers.IntegerField(help_text="Active rules.")
    proposed_count = serializers.IntegerField(help_text="Learnt rules that wait for a decision.")
    approved_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class RuleOutput(serializers.Serializer):
    """A rule. `pattern` is a term, or the name of a readability formula or tone measure."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=VoiceRule.Kind.choices)
    pattern = serializers.CharField(allow_blank=True)
    replacement = serializers.CharField(allow_blank=True)
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    message = serializers.CharField(allow_blank=True)
    severity = serializers.ChoiceField(choices=VoiceRule.Severity.choices)
    state = serializers.ChoiceField(choices=VoiceRule.State.choices)


class SampleOutput(serializers.Serializer):
    """A sample without its text."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=("text", "source", "document"))
    title = serializers.CharField()
    word_count = serializers.IntegerField()
    source_id = serializers.UUIDField(allow_null=True)
    document_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()


class VoiceOutput(VoiceRow):
    """A voice with its rules, its samples, and what was measured in them."""

    figures = serializers.DictField(child=serializers.FloatField())
    rules = RuleOutput(many=True)
    samples = SampleOutput(many=True)


class VoiceInput(Input):
    """A new voice."""

    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=4_000)
    language = serializers.CharField(required=False, default="en", max_length=12)
    workspace = serializers.CharField(required=False, default="")


class VoiceChange(Input):
    """What may be changed."""

    name = serializers.CharField(required=False, max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=4_000)
    language = serializers.CharField(required=False, max_length=12)
    is_default = serializers.BooleanField(required=False)


class RuleInput(Input):
    """A rule. In a PATCH what is left out stays; an empty PATCH accepts a proposed rule as it is."""

    kind = serializers.ChoiceField(choices=VoiceRule.Kind.choices)
    pattern = serializers.CharField(required=False, allow_blank=True, max_length=200)
    replacement = serializers.CharField(required=False, allow_blank=True, max_length=200)
    minimum = serializers.FloatField(required=False, allow_null=True)
    maximum = serializers.FloatField(required=False, allow_null=True)
    message = serializers.CharField(required=False, allow_blank=True, max_length=300)
    severity = serializers.ChoiceField(choices=VoiceRule.Severity.choices, required=False)


class SampleInput(Input):
    """A text to learn from: exactly one of `text`, `source_id` and `document_id`."""

    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    text = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    source_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    document_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class LintInput(Input):
    """What to check: exactly one of `text` and `document_id`."""

    text = serializers.CharField(required=False, allow_null=True, default=None, allow_blank=True, trim_whitespace=False)
    document_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class FindingOutput(serializers.Serializer):
    """A finding. `start` and `end` count characters (Unicode code points); both 0: the whole text."""

    rule = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=VoiceRule.Kind.choices)
    severity = serializers.ChoiceField(choices=VoiceRule.Severity.choices)
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    quote = serializers.CharField(allow_blank=True)
    message = serializers.CharField()
    fix = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="To put in place of the quote; null: nothing can be proposed."
    )


class LintOutput(serializers.Serializer):
    """Findings in the order of the text, and every measure of the text."""

    data = FindingOutput(many=True)  # type: ignore[assignment]
    figures = serializers.DictField(child=serializers.FloatField())
    cut = serializers.BooleanField(help_text="There are more findings than are shown.")


class AcceptedOutput(serializers.Serializer):
    """How many proposed rules became active."""

    accepted = serializers.IntegerField()


class VoiceChoice(Input):
    """The voice of a document; null leaves it to the workspace's default."""

    voice_id = serializers.UUIDField(allow_null=True)


class DocumentVoiceOutput(serializers.Serializer):
    """The voice that was chosen for the document, and the one that counts."""

    voice_id = serializers.UUIDField(allow_null=True)
    effective_id = serializers.UUIDField(allow_null=True)
    effective_name = serializers.CharField(allow_blank=True)
    is_approved = serializers.BooleanField()


def rule_row(rule: VoiceRule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {name: getattr(rule, name) for name in _RULE}


def _sample(sample: VoiceSample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in _SAMPLE}


def _whole(request: Request, voice_id: uuid.UUID) -> dict[str, Any]:
    voice = get_voice(actor=actor_of(request), voice_id=voice_id)
    return {name: getattr(voice, name) for name in _ROW} | {
        "figures": voice.figures,
        "rules": [rule_row(rule) for rule in voice.rules.all()],
        "samples": [_sample(sample) for sample in voice.samples.defer("text")],
    }


class VoiceListView(APIView):
    """Voices."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="voices_list",
        parameters=[WORKSPACE, OpenApiParameter("status", str, enum=VoiceProfile.Status.values)],
        responses=VoiceRow(many=True),
    )
    def get(self, request: Request) -> Response:
        """List voices of your workspaces, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        query = request.query_params
        rows = voices_for(actor, current_workspace(actor, query["workspace"]) if query.get("workspace") else None)
        if wanted := query.get("status"):
            rows = rows.filter(status=wanted)
        return paginated(request, rows.values(*_ROW))

    @extend_schema(operation_id="voices_create", request=VoiceInput, responses={201: VoiceOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a voice; a draft without rules."""
        actor = actor_of(request)
        values = read(VoiceInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        voice = voices.create_voice(actor=actor, workspace=workspace, **values)
        return Response(
            _whole(request, voice.pk),
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/voices/{voice.pk}"},
        )


class VoiceView(APIView):
    """One voice."""

    @extend_schema(operation_id="voices_read", responses=VoiceOutput)
    def get(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Read a voice with rules and samples."""
        return Response(_whole(request, voice_id))

    @extend_schema(operation_id="voices_update", request=VoiceChange, responses=VoiceOutput)
    def patch(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Change it. A change of description or language makes it a draft again."""
        values = read(VoiceChange, request, partial=True)
        voices.change_voice(actor=actor_of(request), voice_id=voice_id, **values)
        return Response(_whole(request, voice_id))

    @extend_schema(operation_id="voices_delete", responses={204: None})
    def delete(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Remove it. Documents in it go back to the workspace's default."""
        voices.delete_voice(actor=actor_of(request), voice_id=voice_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class VoiceApproveView(APIView):
    """Approval."""

    @extend_schema(operation_id="voices_approve", request=None, responses=VoiceOutput)
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Let generations use it. 409 while proposed rules wait for a decision."""
        voices.approve_voice(actor=actor_of(request), voice_id=voice_id)
        return Response(_whole(request, voice_id))


class VoiceLearnView(APIView):
    """Learning."""

    @extend_schema(operation_id="voices_learn", request=None, responses=VoiceOutput)
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Measure the samples and propose rules. Active rules stay; earlier proposals are replaced."""
        voices.learn(actor=actor_of(request), voice_id=voice_id)
        return Response(_whole(request, voice_id))


class VoiceLintView(APIView):
    """Checking."""

    @extend_schema(operation_id="voices_lint", request=LintInput, responses=LintOutput)
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Check a text or a document against the active rules."""
        found = voices.lint_text(actor=actor_of(request), voice_id=voice_id, **read(LintInput, request))
        return Response(found.as_json())


class SampleListView(APIView):
    """Samples of a voice."""

    @extend_schema(operation_id="voice_samples_create", request=SampleInput, responses={201: SampleOutput})
    @idempotent
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Add a text to learn from."""
        sample = voices.add_sample(actor=actor_of(request), voice_id=voice_id, **read(SampleInput, request))
        return Response(_sample(sample), status=status.HTTP_201_CREATED)


class SampleView(APIView):
    """One sample."""

    @extend_schema(operation_id="voice_samples_delete", responses={204: None})
    def delete(self, request: Request, voice_id: uuid.UUID, sample_id: uuid.UUID) -> Response:
        """Remove a sample; what was learnt stays."""
        voices.delete_sample(actor=actor_of(request), voice_id=voice_id, sample_id=sample_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RuleListView(APIView):
    """Rules of a voice."""

    @extend_schema(operation_id="voice_rules_create", request=RuleInput, responses={201: RuleOutput})
    @idempotent
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Add a rule; an approved voice is a draft afterwards."""
        rule = voice_rules.add_rule(actor=actor_of(request), voice_id=voice_id, **read(RuleInput, request))
        return Response(rule_row(rule), status=status.HTTP_201_CREATED)


class RuleAcceptView(APIView):
    """All proposed rules."""

    @extend_schema(operation_id="voice_rules_accept", request=None, responses=AcceptedOutput)
    def post(self, request: Request, voice_id: uuid.UUID) -> Response:
        """Accept every proposed rule."""
        return Response({"accepted": voice_rules.accept_proposals(actor=actor_of(request), voice_id=voice_id)})


class RuleView(APIView):
    """One rule."""

    @extend_schema(operation_id="voice_rules_update", request=RuleInput, responses=RuleOutput)
    def patch(self, request: Request, voice_id: uuid.UUID, rule_id: uuid.UUID) -> Response:
        """Change a rule, or accept it when it is proposed; an approved voice is a draft afterwards."""
        values = read(RuleInput, request, partial=True)
        rule = voice_rules.change_rule(actor=actor_of(request), voice_id=voice_id, rule_id=rule_id, **values)
        return Response(rule_row(rule))

    @extend_schema(operation_id="voice_rules_delete", responses={204: None})
    def delete(self, request: Request, voice_id: uuid.UUID, rule_id: uuid.UUID) -> Response:
        """Remove a rule, or turn a proposal down."""
        voice_rules.delete_rule(actor=actor_of(request), voice_id=voice_id, rule_id=rule_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DocumentVoiceView(APIView):
    """The voice of a document."""

    @extend_schema(operation_id="content_voice_read", responses=DocumentVoiceOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Which voice was chosen, and which counts."""
        return Response(_voice_of(request, document_id))

    @extend_schema(operation_id="content_voice_update", request=VoiceChoice, responses=DocumentVoiceOutput)
    def put(self, request: Request, document_id: uuid.UUID) -> Response:
        """Choose a voice, or null for the workspace's default."""
        voices.choose_voice(actor=actor_of(request), document_id=document_id, **read(VoiceChoice, request))
        return Response(_voice_of(request, document_id))


def _voice_of(request: Request, document_id: uuid.UUID) -> dict[str, Any]:
    document = get_document(actor=actor_of(request), document_id=document_id)
    voice = voice_of(document)
    return {
        "voice_id": document.voice_id,
        "effective_id": voice.pk if voice else None,
        "effective_name": voice.name if voice else "",
        "is_approved": bool(voice and voice.is_approved),
    }
