"""Reviews: ask people, say yes, ask for changes."""

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
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import IF_MATCH, WORKSPACE, seen_revision
from apps.content.api.lifecycle import NoteInput
from apps.content.models import ReviewRequest, ReviewVerdict
from apps.content.selectors.documents import get_document
from apps.content.selectors.reviews import get_review, reviews_for, to_review
from apps.content.services import reviewing
from apps.content.services.documents import StaleRevision
from apps.content.services.lifecycle import MAX_NOTE
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require


class VerdictOutput(serializers.Serializer):
    """What one reviewer said."""

    reviewer_id = serializers.UUIDField()
    reviewer = serializers.CharField()
    decision = serializers.ChoiceField(choices=ReviewVerdict.Decision.choices)
    note = serializers.CharField(allow_blank=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class ReviewOutput(serializers.Serializer):
    """A request for a review."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    title = serializers.CharField()
    version = serializers.IntegerField()
    requested_by = serializers.UUIDField(allow_null=True)
    note = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=ReviewRequest.State.choices)
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    verdicts = VerdictOutput(many=True)


class ReviewInput(Input):
    """Who is asked."""

    reviewers = serializers.ListField(
        child=serializers.CharField(max_length=254), help_text="Ids or e-mail addresses of members, not yourself."
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=MAX_NOTE)


class ChangesInput(Input):
    """What has to be changed."""

    note = serializers.CharField(max_length=MAX_NOTE)


class ReviewListView(APIView):
    """Requests for reviews."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="reviews_list",
        parameters=[
            WORKSPACE,
            OpenApiParameter("state", str, enum=ReviewRequest.State.values),
            OpenApiParameter("mine", str, enum=["1"], description="1: only what waits for your own word."),
        ],
        responses=ReviewOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        require(actor, "content.read")
        query = request.query_params
        state, mine = query.get("state", ""), query.get("mine", "")
        if state and state not in ReviewRequest.State.values:
            raise InvalidInput(
                f"'{state[:20]}' is no state.", field="state", remedy=f"Use {', '.join(ReviewRequest.State.values)}."
            )
        if mine not in ("", "1"):
            raise InvalidInput("mine is neither 1 nor left out.", field="mine", remedy="Send mine=1, or leave it out.")
        workspace = current_workspace(actor, query["workspace"]) if query.get("workspace") else None
        rows = to_review(actor, workspace) if mine else reviews_for(actor, workspace)
        rows = rows.filter(state=state) if state else rows
        return paginated(request, rows, ordering=("-created_at", "-id"), row=whole)


class DocumentReviewsView(APIView):
    """Reviews of a document."""

    pagination_class = CursorPage
    error_statuses = (412,)

    @extend_schema(operation_id="content_reviews_list", responses=ReviewOutput(many=True))
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        document = get_document(actor=actor, document_id=document_id)
        rows = reviews_for(actor, document_id=document.pk)
        return paginated(request, rows, ordering=("-created_at", "-id"), row=whole)

    @extend_schema(
        operation_id="content_reviews_create",
        parameters=[IF_MATCH],
        request=ReviewInput,
        responses={201: ReviewOutput},
    )
    @idempotent
    def post(self, request: Request, document_id: uuid.UUID) -> Response:
        """Hand the present text in, and ask people to review it."""
        actor, revision = actor_of(request), seen_revision(request)
        get_document(actor=actor, document_id=document_id)
        values = read(ReviewInput, request)
        try:
            row = reviewing.request_review(actor=actor, document_id=document_id, revision=revision, **values)
        except StaleRevision as error:
            raise PreconditionFailed(error.message, field="If-Match", remedy=error.remedy) from error
        headers = {"Location": f"/api/v1/reviews/{row.pk}"}
        return Response(whole(row), status=status.HTTP_201_CREATED, headers=headers)


class ReviewView(APIView):
    """One request."""

    @extend_schema(operation_id="reviews_read", responses=ReviewOutput)
    def get(self, request: Request, review_id: uuid.UUID) -> Response:
        """How it stands."""
        return Response(whole(get_review(actor=actor_of(request), review_id=review_id)))

    @extend_schema(operation_id="reviews_cancel", responses=ReviewOutput)
    def delete(self, request: Request, review_id: uuid.UUID) -> Response:
        """Take an open one back; the document is a draft again."""
        return Response(whole(reviewing.cancel_review(actor=actor_of(request), review_id=review_id)))


class ReviewApproveView(APIView):
    """A yes."""

    @extend_schema(operation_id="reviews_approve", request=NoteInput, responses=ReviewOutput)
    def post(self, request: Request, review_id: uuid.UUID) -> Response:
        """Say yes, as one of those who were asked."""
        actor = actor_of(request)
        get_review(actor=actor, review_id=review_id)
        values = read(NoteInput, request)
        return Response(whole(reviewing.approve_review(actor=actor, review_id=review_id, **values)))


class ReviewChangesView(APIView):
    """A no, with what has to be changed."""

    @extend_schema(operation_id="reviews_request_changes", request=ChangesInput, responses=ReviewOutput)
    def post(self, request: Request, review_id: uuid.UUID) -> Response:
        """Ask for changes, as one of those who were asked; the document is a draft again."""
        actor = actor_of(request)
        get_review(actor=actor, review_id=review_id)
        values = read(ChangesInput, request)
        return Response(whole(reviewing.ask_for_changes(actor=actor, review_id=review_id, **values)))


def whole(row: ReviewRequest) -> dict[str, Any]:
    """A request as the API shows it."""
    return {
        "id": row.pk,
        "workspace_id": row.workspace_id,
        "document_id": row.document_id,
        "title": row.document.title,
        "version": row.version.number,
        "requested_by": row.requested_by_id,
        "note": row.note,
        "state": row.state,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "verdicts": [
            {
                "reviewer_id": verdict.reviewer_id,
                "reviewer": str(verdict.reviewer),
                "decision": verdict.decision,
                "note": verdict.note,
                "decided_at": verdict.decided_at,
            }
            for verdict in row.verdicts.all()
        ],
    }
