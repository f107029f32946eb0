"""Access reviews."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.api.workspaces import workspace_named
from apps.users.models import AccessReview, ReviewItem
from apps.users.models.reviews import DUE_DAYS, LONGEST_DAYS
from apps.users.selectors.reviews import get_review, items_of, reviews
from apps.users.services import reviews as services


class AccessReviewInput(Input):
    """A campaign."""

    name = serializers.CharField(max_length=80)
    scope = serializers.ChoiceField(choices=AccessReview.Scope.choices, required=False, default="privileged")
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    due_days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, required=False, default=DUE_DAYS)
    recurrence_days = serializers.IntegerField(
        min_value=1, max_value=LONGEST_DAYS, required=False, allow_null=True, default=None
    )
    on_overdue = serializers.ChoiceField(choices=AccessReview.OnOverdue.choices, required=False, default="escalate")


class AccessReviewOutput(serializers.Serializer):
    """A campaign and how far it is."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=AccessReview.Scope.choices)
    workspace_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=AccessReview.State.choices)
    due_at = serializers.DateTimeField()
    recurrence_days = serializers.IntegerField(allow_null=True)
    on_overdue = serializers.ChoiceField(choices=AccessReview.OnOverdue.choices)
    item_count = serializers.IntegerField()
    open_count = serializers.IntegerField()
    escalated_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AccessReviewItemOutput(serializers.Serializer):
    """One grant to decide about: as it was when the campaign began, what was used of it, what was decided."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    workspace_id = serializers.UUIDField(allow_null=True)
    role = serializers.CharField()
    snapshot = serializers.DictField()
    facts = serializers.DictField()
    decision = serializers.CharField(allow_blank=True)
    kept = serializers.ListField(child=serializers.CharField(), allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    decided_by = serializers.EmailField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class AccessDecisionInput(Input):
    """A decision about one grant or several."""

    items = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=500)
    decision = serializers.ChoiceField(choices=["keep", "reduce", "revoke"])
    comment = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    keep = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        allow_null=True,
        default=None,
        help_text="What a reduction leaves; left out: what 90 days needed.",
    )


class AccessDecidedOutput(serializers.Serializer):
    """What was decided, and whether that ended the campaign."""

    items = AccessReviewItemOutput(many=True)
    state = serializers.ChoiceField(choices=AccessReview.State.choices)


class AccessEvidenceOutput(serializers.Serializer):
    """The signed file."""

    document = serializers.DictField()
    signature = serializers.CharField()


_REVIEW = tuple(AccessReviewOutput().fields)
_ITEM = tuple(str(name) for name in AccessReviewItemOutput().fields if str(name) not in ("email", "decided_by"))


def _review(row: AccessReview) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _REVIEW}


def _item(row: ReviewItem) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in _ITEM}
    return {**plain, "email": row.user.email, "decided_by": row.decided_by.email if row.decided_by else None}


class ReviewListView(APIView):
    """Campaigns."""

    pagination_class = CursorPage

    @extend_schema(operation_id="access_reviews_list", responses=AccessReviewOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first; editors see those of their workspaces."""
        return paginated(request, reviews(actor=actor_of(request)), row=_review)

    @extend_schema(operation_id="access_reviews_start", request=AccessReviewInput, responses={201: AccessReviewOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Begin one."""
        actor, values = actor_of(request), read(AccessReviewInput, request)
        room = workspace_named(values.pop("workspace_id"))
        made = services.start_review(actor=actor, workspace=room, **values)
        return Response(_review(get_review(actor=actor, review_id=made.pk)), status=status.HTTP_201_CREATED)


class ReviewView(APIView):
    """One campaign."""

    @extend_schema(operation_id="access_reviews_read", responses=AccessReviewOutput)
    def get(self, request: Request, access_review_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_review(get_review(actor=actor_of(request), review_id=access_review_id)))


class ItemListView(APIView):
    """What a campaign is about."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="access_reviews_items",
        parameters=[OpenApiParameter("undecided", bool, description="true: only what waits for a decision.")],
        responses=AccessReviewItemOutput(many=True),
    )
    def get(self, request: Request, access_review_id: uuid.UUID) -> Response:
        """List grants with the evidence."""
        actor, undecided = actor_of(request), request.query_params.get("undecided") == "true"
        review = get_review(actor=actor, review_id=access_review_id)
        return paginated(request, items_of(actor=actor, review=review, undecided=undecided), row=_item)


class DecisionView(APIView):
    """Decisions."""

    @extend_schema(operation_id="access_reviews_decide", request=AccessDecisionInput, responses=AccessDecidedOutput)
    def post(self, request: Request, access_review_id: uuid.UUID) -> Response:
        """Decide about some of the grants: all of them or none. What is taken away is gone at once."""
        actor, values = actor_of(request), read(AccessDecisionInput, request)
        review = get_review(actor=actor, review_id=access_review_id)
        wanted = values.pop("items")
        rows = list(items_of(actor=actor, review=review).filter(pk__in=wanted))
        if len(rows) != len(set(wanted)):
            raise InvalidInput("Not all of these are in this review.", field="items")
        done = services.decide_items(actor=actor, items=rows, **values)
        after = get_review(actor=actor, review_id=access_review_id)
        return Response({"items": [_item(each) for each in done], "state": after.state})


class EvidenceView(APIView):
    """The signed file."""

    @extend_schema(operation_id="access_reviews_evidence", responses=AccessEvidenceOutput)
    def get(self, request: Request, access_review_id: uuid.UUID) -> Response:
        """Read it, once the campaign has ended. `manage.py access verify` confirms it without the database."""
        review = get_review(actor=actor_of(request), review_id=access_review_id)
        if not review.evidence:
            raise NotFound("There is no evidence yet.", remedy="Decide about all of its grants first.")
        return Response(orjson.loads(review.evidence))
