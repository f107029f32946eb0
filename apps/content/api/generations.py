"""Generations: ask, follow, stop, take over."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.db import close_old_connections
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import IF_MATCH, WORKSPACE, DocumentOutput, seen_revision, whole
from apps.content.models import Generation
from apps.content.selectors.generations import generations_for, get_generation, passages_of, text_of
from apps.content.services import applying, citing, generation, tickets
from apps.content.services.passages import as_event
from apps.content.services.prompts import ACTIONS
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import Actor, current_workspace, require

MAX_WAIT = 30.0
_LOOK_EVERY = 0.1
_ROW = (
    "id",
    "workspace_id",
    "document_id",
    "kind",
    "state",
    "finish_reason",
    "error_code",
    "attempts",
    "created_at",
    "started_at",
    "finished_at",
)


class GenerationRow(serializers.Serializer):
    """A generation in a list."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    document_id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(choices=Generation.Kind.choices)
    state = serializers.ChoiceField(choices=Generation.State.choices)
    finish_reason = serializers.CharField(allow_blank=True)
    error_code = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class GenerationOutput(GenerationRow):
    """A generation with its text so far and a link to its events, which must be opened within 60 seconds."""

    brief = serializers.DictField(help_text="What was asked for.")
    output_markdown = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    models_used = serializers.ListField(child=serializers.DictField())
    passages = serializers.ListField(child=serializers.DictField())
    citations = serializers.ListField(child=serializers.DictField())
    stream_url = serializers.CharField()


class _Wish(Input):
    """What every wish may say."""

    workspace = serializers.CharField(required=False, default="")
    document_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, default=None, max_length=500
    )
    apply = serializers.BooleanField(required=False, default=False)
    instruction = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    language = serializers.CharField(required=False, allow_blank=True, max_length=40)
    use_sources = serializers.BooleanField(required=False)
    voice = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=40,
        help_text="Id of an approved voice, or 'none'. Left out: the voice of the document, else of the workspace.",
    )


class _Text(_Wish):
    topic = serializers.CharField(required=False, allow_blank=True, max_length=1_000)
    title = serializers.CharField(required=False, allow_blank=True, max_length=300)
    audience = serializers.CharField(required=False, allow_blank=True, max_length=300)
    tone = serializers.CharField(required=False, allow_blank=True, max_length=300)
    length = serializers.IntegerField(required=False, min_value=10, max_value=20_000)


class ContentWish(_Text):
    """An article."""

    headings = serializers.ListField(child=serializers.CharField(max_length=300), required=False, max_length=40)


class OutlineWish(_Text):
    """An outline."""


class SectionWish(_Text):
    """One section of a document."""

    heading = serializers.CharField(required=False, allow_blank=True, max_length=300)


class TitleWish(_Wish):
    """A title for a document or a text."""

    text = serializers.CharField(required=False, allow_blank=True, max_length=100_000, trim_whitespace=False)
    topic = serializers.CharField(required=False, allow_blank=True, max_length=1_000)


class EditWish(_Wish):
    """A rewritten passage."""

    action = serializers.ChoiceField(choices=sorted(ACTIONS), required=False, default="custom")
    text = serializers.CharField(max_length=100_000, trim_whitespace=False)
    start = serializers.IntegerField(required=False, min_value=0)
    end = serializers.IntegerField(required=False, min_value=0)
    tone = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ApplyInput(Input):
    """How a text is taken over; empty is what suits its kind."""

    mode = serializers.ChoiceField(choices=("", *applying.MODES), required=False, default="")


WAIT = OpenApiParameter(
    "wait", float, description="Seconds to wait for the end before answering, at most 30. The answer is 200 then."
)
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, location="header", description="The same key gives the same generation again."
)


def detail(row: Generation, actor: Actor) -> dict[str, Any]:
    """A generation with its text so far."""
    begun = row.started_at is not None
    passages = passages_of(row) if begun else []
    citations = row.citations.filter(version=None).order_by("start") if begun else []
    return {name: getattr(row, name) for name in _ROW} | {
        "brief": row.input["brief"],
        "output_markdown": text_of(row),
        "error": row.error,
        "remedy": row.remedy,
        "models_used": row.models_used,
        "passages": [as_event(passage) for passage in passages],
        "citations": [citing.as_event(each) for each in citations],
        "stream_url": tickets.stream_url(user_id=actor.user_id, generation_id=row.pk),
    }


class _GenerateView(APIView):
    """Ask for one kind of text."""

    kind = ""
    wish: type[_Wish] = _Wish
    error_statuses = (402,)

    def ask(self, request: Request) -> Response:
        """Make the job and answer 202, or 200 with the text when it came within the time to wait."""
        actor = actor_of(request)
        seconds = seconds_to_wait(request)
        values = read(self.wish, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        row = generation.start_generation(
            actor=actor,
            workspace=workspace,
            kind=self.kind,
            document_id=values.pop("document_id"),
            source_ids=values.pop("source_ids"),
            apply=values.pop("apply"),
            brief=values,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
        )
        return answer(row, actor, seconds)


class GenerateContentView(_GenerateView):
    """Articles."""

    kind, wish = Generation.Kind.DRAFT, ContentWish

    @extend_schema(
        operation_id="generate_content",
        parameters=[WAIT, IDEMPOTENCY],
        request=ContentWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request) -> Response:
        """Have an article written from your sources."""
        return self.ask(request)


class GenerateOutlineView(_GenerateView):
    """Outlines."""

    kind, wish = Generation.Kind.OUTLINE, OutlineWish

    @extend_schema(
        operation_id="generate_outline",
        parameters=[WAIT, IDEMPOTENCY],
        request=OutlineWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request) -> Response:
        """Have an outline written."""
        return self.ask(request)


class GenerateSectionView(_GenerateView):
    """Sections."""

    kind, wish = Generation.Kind.SECTION, SectionWish

    @extend_schema(
        operation_id="generate_section",
        parameters=[WAIT, IDEMPOTENCY],
        request=SectionWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request) -> Response:
        """Have one section of a document written."""
        return self.ask(request)


class GenerateTitleView(_GenerateView):
    """Titles."""

    kind, wish = Generation.Kind.TITLE, TitleWish

    @extend_schema(
        operation_id="generate_title",
        parameters=[WAIT, IDEMPOTENCY],
        request=TitleWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request) -> Response:
        """Have a title suggested."""
        return self.ask(request)


class GenerateEditView(_GenerateView):
    """Rewrites."""

    kind, wish = Generation.Kind.REWRITE, EditWish

    @extend_schema(
        operation_id="generate_edit",
        parameters=[WAIT, IDEMPOTENCY],
        request=EditWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request) -> Response:
        """Have a passage rewritten. With `apply`, `document_id` and the unchanged passage it is put in its place."""
        return self.ask(request)


class GenerationListView(APIView):
    """Generations."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="generations_list",
        parameters=[
            WORKSPACE,
            OpenApiParameter("state", str, enum=Generation.State.values),
            OpenApiParameter("document", uuid.UUID, description="Only for this document."),
        ],
        responses=GenerationRow(many=True),
    )
    def get(self, request: Request) -> Response:
        """List generations of your workspaces, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        query = request.query_params
        rows = generations_for(actor, current_workspace(actor, query["workspace"]) if query.get("workspace") else None)
        if state := query.get("state"):
            rows = rows.filter(state=state)
        if document := query.get("document"):
            rows = rows.filter(document_id=_id(document))
        return paginated(request, rows.values(*_ROW))


class GenerationView(APIView):
    """One generation."""

    @extend_schema(operation_id="generations_read", responses=GenerationOutput)
    def get(self, request: Request, generation_id: uuid.UUID) -> Response:
        """Read it with its text so far, and get a link to its events."""
        actor = actor_of(request)
        return Response(detail(get_generation(actor=actor, generation_id=generation_id), actor))


class GenerationStopView(APIView):
    """Stopping."""

    @extend_schema(operation_id="generations_stop", request=None, responses={202: GenerationOutput})
    def post(self, request: Request, generation_id: uuid.UUID) -> Response:
        """Stop it; the text so far is kept. Quiet when it is finished."""
        actor = actor_of(request)
        row = generation.stop_generation(actor=actor, generation_id=generation_id)
        return Response(detail(row, actor), status=status.HTTP_202_ACCEPTED)


class GenerationRetryView(APIView):
    """Asking again."""

    error_statuses = (402,)

    @extend_schema(
        operation_id="generations_retry",
        parameters=[WAIT],
        request=None,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    @idempotent
    def post(self, request: Request, generation_id: uuid.UUID) -> Response:
        """Ask for the same once more, as a new generation."""
        actor = actor_of(request)
        seconds = seconds_to_wait(request)
        return answer(generation.retry_generation(actor=actor, generation_id=generation_id), actor, seconds)


class GenerationApplyView(APIView):
    """Taking over."""

    error_statuses = (412,)

    @extend_schema(
        operation_id="generations_apply", parameters=[IF_MATCH], request=ApplyInput, responses=DocumentOutput
    )
    def post(self, request: Request, generation_id: uuid.UUID) -> Response:
        """Take its text over into its document, or into a new one when it has none."""
        values = read(ApplyInput, request)
        document = applying.apply_generation(
            actor=actor_of(request), generation_id=generation_id, revision=seen_revision(request), **values
        )
        answer = Response(whole(document))
        set_etag(answer, document.revision)
        return answer


def answer(row: Generation, actor: Actor, seconds: float) -> Response:
    """202, or 200 with the text when it came within the time to wait."""
    end = time.monotonic() + seconds
    while not row.is_final and time.monotonic() < end:
        # PostgreSQL's pool gets its connection back meanwhile: thirty who wait would empty it.
        close_old_connections()
        time.sleep(_LOOK_EVERY)
        row.refresh_from_db()
    code = status.HTTP_200_OK if row.is_final and seconds else status.HTTP_202_ACCEPTED
    return Response(detail(row, actor), status=code, headers={"Location": f"/api/v1/generations/{row.pk}"})


def seconds_to_wait(request: Request) -> float:
    """How long a request wants to wait for the end.

    Raises:
        InvalidInput: it is no number from 0 to 30.
    """
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT:
        raise InvalidInput(f"wait is '{text[:20]}'.", field="wait", remedy=f"Use 0 to {MAX_WAIT:.0f} seconds.")
    return seconds


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidInput("document is not an id.", field="document", remedy="Send the document's id.") from None
