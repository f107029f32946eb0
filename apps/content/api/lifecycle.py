"""The way of a document through approval to readers."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import PreconditionFailed
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import IF_MATCH, seen_revision
from apps.content.models import Document, DocumentVersion, WritingSettings
from apps.content.models.lifecycle import TRANSITIONS
from apps.content.selectors.documents import get_document
from apps.content.selectors.lifecycle import standing_of
from apps.content.services import lifecycle, releasing
from apps.content.services.documents import StaleRevision
from apps.content.services.lifecycle import MAX_NOTE
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import Actor


class StandingOutput(serializers.Serializer):
    """Where a document stands, and what you may do next. Versions are named by their numbers."""

    status = serializers.ChoiceField(choices=Document.Status.choices)
    steps = serializers.ListField(
        child=serializers.ChoiceField(choices=tuple(TRANSITIONS)), help_text="What you may do now."
    )
    approval = serializers.ChoiceField(choices=WritingSettings.Approval.choices)
    current_version = serializers.IntegerField(allow_null=True)
    review_version = serializers.IntegerField(allow_null=True)
    approved_version = serializers.IntegerField(allow_null=True)
    approved_by = serializers.UUIDField(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)
    published_version = serializers.IntegerField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    scheduled_version = serializers.IntegerField(allow_null=True)
    scheduled_at = serializers.DateTimeField(allow_null=True)
    newer_than_approved = serializers.BooleanField()
    newer_than_published = serializers.BooleanField()


class NoteInput(Input):
    """Words to go with a step."""

    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=MAX_NOTE)


class ApproveInput(NoteInput):
    """Which version is approved."""

    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Left out: the one under review."
    )


class PlaceInput(Input):
    """A place outside that gets the text."""

    target_id = serializers.UUIDField()
    categories = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    tags = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    with_sources = serializers.BooleanField(required=False, default=True)


class PublishInput(Input):
    """What is published, and where to."""

    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Left out: the approved one."
    )
    places = PlaceInput(many=True, required=False, default=list)


class ScheduleInput(PublishInput):
    """And when."""

    publish_at = serializers.DateTimeField()


class StandingView(APIView):
    """Where a document stands."""

    @extend_schema(operation_id="content_status", responses=StandingOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Its status, its approved and published versions, and the steps that you may take."""
        actor = actor_of(request)
        return _answer(actor, get_document(actor=actor, document_id=document_id))


class SubmitView(APIView):
    """Handing a text in."""

    error_statuses = (412,)

    @extend_schema(operation_id="content_submit", parameters=[IF_MATCH], request=NoteInput, responses=StandingOutput)
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Hand the present text in for review."""
        actor, revision = actor_of(request), seen_revision(request)
        values = read(NoteInput, request)
        return _step(actor, lifecycle.submit, document_id=document_id, revision=revision, **values)


class ApproveView(APIView):
    """Approving a text."""

    error_statuses = (412,)

    @extend_schema(
        operation_id="content_approve", parameters=[IF_MATCH], request=ApproveInput, responses=StandingOutput
    )
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Approve a version; it stays the approved one, whatever is written after it."""
        actor, revision = actor_of(request), seen_revision(request)
        values = read(ApproveInput, request)
        return _step(actor, lifecycle.approve, document_id=document_id, revision=revision, **values)


class SendBackView(APIView):
    """Back to the draft."""

    @extend_schema(operation_id="content_send_back", request=NoteInput, responses=StandingOutput)
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take back what was handed in, or an approval."""
        return _step(actor_of(request), lifecycle.send_back, document_id=document_id, **read(NoteInput, request))


class PublishView(APIView):
    """Publishing."""

    error_statuses = (412,)

    @extend_schema(
        operation_id="content_publish", parameters=[IF_MATCH], request=PublishInput, responses=StandingOutput
    )
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Publish the approved version, and take it to `places` if some are named."""
        actor, revision = actor_of(request), seen_revision(request)
        values = read(PublishInput, request)
        return _step(actor, releasing.publish, document_id=document_id, revision=revision, **values)

    @extend_schema(operation_id="content_unpublish", responses=StandingOutput)
    def delete(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take it back; places outside are told to take it down."""
        return _step(actor_of(request), releasing.unpublish, document_id=document_id)


class ScheduleView(APIView):
    """Publishing at a time."""

    error_statuses = (412,)

    @extend_schema(
        operation_id="content_schedule", parameters=[IF_MATCH], request=ScheduleInput, responses=StandingOutput
    )
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Have the approved version published at a time; an earlier time is replaced."""
        actor, revision = actor_of(request), seen_revision(request)
        values = read(ScheduleInput, request)
        return _step(actor, releasing.schedule, document_id=document_id, revision=revision, **values)

    @extend_schema(operation_id="content_unschedule", responses=StandingOutput)
    def delete(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take the time back."""
        return _step(actor_of(request), releasing.unschedule, document_id=document_id)


class ArchiveView(APIView):
    """The archive."""

    @extend_schema(operation_id="content_archive", request=None, responses=StandingOutput)
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Put it aside: readable, not to be changed. What stands outside stays there."""
        return _step(actor_of(request), lifecycle.archive, document_id=document_id)

    @extend_schema(operation_id="content_reopen", responses=StandingOutput)
    def delete(self, request: Request, document_id: uuid.UUID) -> Response:
        """Take it out of the archive."""
        return _step(actor_of(request), lifecycle.reopen, document_id=document_id)


def _step(actor: Actor, service: Any, *, document_id: uuid.UUID, **values: Any) -> Response:
    # Asked here already: whoever may not know the document gets 404 whatever the body says.
    get_document(actor=actor, document_id=document_id)
    try:
        service(actor=actor, document_id=document_id, **values)
    except StaleRevision as error:
        raise PreconditionFailed(error.message, field="If-Match", remedy=error.remedy) from error
    return _answer(actor, get_document(actor=actor, document_id=document_id))


def _answer(actor: Actor, document: Document) -> Response:
    standing = standing_of(actor, document)
    waiting = releasing.schedule_waiting(document)
    names = ("status", "approved_at", "published_at", "scheduled_at")
    body = {name: getattr(document, name) for name in names} | {
        "steps": standing.steps,
        "approval": standing.approval,
        "current_version": _number(document.current_version),
        "review_version": _number(document.review_version),
        "approved_version": _number(document.approved_version),
        "approved_by": document.approved_by_id,
        "published_version": _number(document.published_version),
        "scheduled_version": waiting.version.number if waiting else None,
        "newer_than_approved": standing.newer_than_approved,
        "newer_than_published": standing.newer_than_published,
    }
    answer = Response(body)
    set_etag(answer, document.revision)
    return answer


def _number(version: DocumentVersion | None) -> int | None:
    return version.number if version else None
