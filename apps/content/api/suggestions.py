"""Suggestions: ask for them, propose them, decide them change by change."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, PreconditionFailed
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import IF_MATCH, seen_revision
from apps.content.models import Suggestion
from apps.content.selectors.suggestions import get_suggestion, suggestions_of
from apps.content.services import suggesting, suggestions, tickets
from apps.content.services.documents import StaleRevision
from apps.content.services.prompts import ACTIONS
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import Actor


class ChangeOutput(serializers.Serializer):
    """One change: `before` is replaced by `after`. `prefix` and `suffix` are the words around it."""

    id = serializers.CharField()
    start = serializers.IntegerField(help_text="Where it stood in the Markdown when it was last looked up.")
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    prefix = serializers.CharField(allow_blank=True)
    suffix = serializers.CharField(allow_blank=True)
    explanation = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=Suggestion.OP_STATES)
    decided_by = serializers.UUIDField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class SuggestionOutput(serializers.Serializer):
    """A suggestion. Candidates for the same passage share `group`."""

    id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    group = serializers.UUIDField()
    candidate = serializers.IntegerField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    action = serializers.CharField(allow_blank=True, help_text='"prompt" when it was a prompt action.')
    prompt_action_id = serializers.UUIDField(allow_null=True)
    prompt_action_version = serializers.IntegerField(allow_null=True, help_text="The version that was sent.")
    state = serializers.ChoiceField(choices=Suggestion.State.choices)
    author = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True, help_text="The model that answered; empty for a program's own.")
    quote = serializers.CharField(allow_blank=True)
    replacement = serializers.CharField(allow_blank=True)
    changes = ChangeOutput(many=True)
    generation_id = serializers.UUIDField(allow_null=True)
    stream_url = serializers.CharField(allow_blank=True, help_text="Events while it is written, for 60 seconds.")
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class SuggestionsOutput(serializers.Serializer):
    """The candidates of one request."""

    data = SuggestionOutput(many=True)  # type: ignore[assignment]


class DecidedDocument(serializers.Serializer):
    """The document after a change was accepted."""

    revision = serializers.IntegerField()
    body_markdown = serializers.CharField(allow_blank=True)
    body_html = serializers.CharField(allow_blank=True)


class DecisionOutput(serializers.Serializer):
    """The suggestion as it is now; `document` is null when nothing was changed."""

    suggestion = SuggestionOutput()
    document = DecidedDocument(allow_null=True)


class EditInput(Input):
    """One passage and what should stand there."""

    quote = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=20_000)
    replacement = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=100_000)
    occurrence = serializers.IntegerField(required=False, default=0, min_value=0, max_value=100_000)
    explanation = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class SuggestionInput(Input):
    """Either `action` or `prompt_action`, for a model to write; or `edits`; or `body_markdown`, a whole new text."""

    action = serializers.ChoiceField(choices=sorted(ACTIONS), required=False)
    prompt_action = serializers.CharField(
        required=False, max_length=60, help_text="Id or key of a prompt action of the workspace."
    )
    variables = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=2_000),
        required=False,
        default=dict,
        help_text="What the prompt action asks for, by name.",
    )
    quote = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    occurrence = serializers.IntegerField(required=False, default=0, min_value=0, max_value=100_000)
    instruction = serializers.CharField(required=False, default="", allow_blank=True, max_length=2_000)
    language = serializers.CharField(required=False, default="", allow_blank=True, max_length=40)
    tone = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    candidates = serializers.IntegerField(required=False, default=1, min_value=1, max_value=suggesting.MAX_CANDIDATES)
    edits = serializers.ListField(child=EditInput(), required=False, max_length=suggestions.MAX_EDITS)
    body_markdown = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, default="", allow_blank=True, max_length=120
    )


class DecisionInput(Input):
    """Which changes; all that are open when left out."""

    ids = serializers.ListField(child=serializers.CharField(max_length=12), required=False, max_length=2_000)


def whole(row: Suggestion, actor: Actor) -> dict[str, Any]:
    """A suggestion as it is sent."""
    generation = row.generation
    writing = row.state == Suggestion.State.WRITING
    used = generation.models_used if generation else []
    return {
        "id": row.pk,
        "document_id": row.document_id,
        "group": row.group,
        "candidate": row.candidate,
        "label": row.label,
        "action": row.action,
        "prompt_action_id": row.prompt_version.action_id if row.prompt_version else None,
        "prompt_action_version": row.prompt_version.number if row.prompt_version else None,
        "state": row.state,
        "author": str(row.author) if row.author else "",
        "model": str(used[-1].get("model", "")) if used else "",
        "quote": row.quote,
        "replacement": row.replacement,
        "changes": row.ops,
        "generation_id": row.generation_id,
        "stream_url": tickets.stream_url(user_id=actor.user_id, generation_id=row.generation_id)
        if writing and row.generation_id
        else "",
        "error": f"{generation.error} {generation.remedy}".strip() if generation else "",
        "created_at": row.created_at,
    }


class SuggestionListView(APIView):
    """Suggestions for a document."""

    pagination_class = CursorPage
    error_statuses = (402,)

    @extend_schema(
        operation_id="suggestions_list",
        parameters=[OpenApiParameter("state", str, enum=Suggestion.State.values)],
        responses=SuggestionOutput(many=True),
    )
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        rows = suggestions_of(actor=actor, document_id=document_id)
        if state := request.query_params.get("state"):
            if state not in Suggestion.State.values:
                raise InvalidInput(
                    f"'{state[:20]}' is no state.", field="state", remedy=f"Use {', '.join(Suggestion.State.values)}."
                )
            rows = rows.filter(state=state)
        return paginated(request, rows, row=lambda row: whole(row, actor))

    @extend_schema(
        operation_id="suggestions_create",
        request=SuggestionInput,
        responses={201: SuggestionsOutput, 202: SuggestionsOutput},
    )
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Propose changes (201), or have a model write them (202). The document stays as it is."""
        actor, values = actor_of(request), read(SuggestionInput, request)
        ways = [name for name in ("action", "prompt_action", "edits", "body_markdown") if name in values]
        if len(ways) != 1:
            raise InvalidInput(
                "It is not said in one way what should change.",
                field="action",
                remedy="Send one of action, prompt_action, edits and body_markdown.",
            )
        code: int = status.HTTP_201_CREATED
        label = values["label"]
        if ways == ["edits"]:
            made = [suggestions.suggest_edits(actor=actor, document_id=document_id, edits=values["edits"], label=label)]
        elif ways == ["body_markdown"]:
            text = values["body_markdown"]
            made = [suggestions.suggest_text(actor=actor, document_id=document_id, body_markdown=text, label=label)]
        elif ways == ["prompt_action"]:
            code = status.HTTP_202_ACCEPTED
            asked: tuple[str, ...] = ("prompt_action", "variables", "quote", "occurrence", "candidates", "label")
            made = suggesting.ask_with_prompt(
                actor=actor,
                document_id=document_id,
                key=request.headers.get("Idempotency-Key", "")[:100],
                **{name: values[name] for name in asked},
            )
        else:
            code = status.HTTP_202_ACCEPTED
            asked = ("action", "quote", "occurrence", "instruction", "language", "tone", "candidates", "label")
            made = suggesting.ask_for_suggestions(
                actor=actor,
                document_id=document_id,
                key=request.headers.get("Idempotency-Key", "")[:100],
                **{name: values[name] for name in asked},
            )
        location = f"/api/v1/content/{document_id}/suggestions/{made[0].pk}"
        return Response({"data": [whole(row, actor) for row in made]}, status=code, headers={"Location": location})


class SuggestionView(APIView):
    """One suggestion."""

    @extend_schema(operation_id="suggestions_read", responses=SuggestionOutput)
    def get(self, request: Request, document_id: uuid.UUID, suggestion_id: uuid.UUID) -> Response:
        """Read it."""
        actor = actor_of(request)
        return Response(whole(get_suggestion(actor=actor, document_id=document_id, suggestion_id=suggestion_id), actor))


class SuggestionAcceptView(APIView):
    """Accepting."""

    error_statuses = (412,)

    @extend_schema(
        operation_id="suggestions_accept", parameters=[IF_MATCH], request=DecisionInput, responses=DecisionOutput
    )
    def post(self, request: Request, document_id: uuid.UUID, suggestion_id: uuid.UUID) -> Response:
        """Put changes into the document, as one version."""
        actor, values = actor_of(request), read(DecisionInput, request)
        try:
            row, document = suggestions.accept(
                actor=actor,
                document_id=document_id,
                suggestion_id=suggestion_id,
                op_ids=values.get("ids"),
                revision=seen_revision(request),
            )
        except StaleRevision as error:
            raise PreconditionFailed(error.message, field="If-Match", remedy=error.remedy) from error
        text = {name: getattr(document, name) for name in ("revision", "body_markdown", "body_html")}
        answer = Response({"suggestion": whole(row, actor), "document": text})
        set_etag(answer, document.revision)
        return answer


class SuggestionRejectView(APIView):
    """Turning down."""

    @extend_schema(operation_id="suggestions_reject", request=DecisionInput, responses=DecisionOutput)
    def post(self, request: Request, document_id: uuid.UUID, suggestion_id: uuid.UUID) -> Response:
        """Turn changes down; the document stays as it is."""
        actor, values = actor_of(request), read(DecisionInput, request)
        row = suggestions.reject(
            actor=actor, document_id=document_id, suggestion_id=suggestion_id, op_ids=values.get("ids")
        )
        return Response({"suggestion": whole(row, actor), "document": None})
