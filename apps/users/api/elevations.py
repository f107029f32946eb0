"""More rights for a time: policies, requests, answers, ends."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import Elevation, ElevationPolicy
from apps.users.models.elevations import DEFAULT_MINUTES, LONGEST_MINUTES, LONGEST_PROOF_MINUTES, MOST_APPROVALS
from apps.users.selectors.elevations import (
    askable_policies,
    get_elevation,
    get_policy,
    policies,
    policies_for,
    visible_elevations,
)
from apps.users.services import elevation_policies, elevations

_STANDINGS = ("open", "active", "ended")


class ElevationPolicyInput(Input):
    """What may be asked for."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    role = serializers.CharField(max_length=8, required=False, allow_blank=True, default="")
    capabilities = serializers.ListField(child=serializers.CharField(max_length=60), required=False, default=list)
    eligible_roles = serializers.ListField(child=serializers.CharField(max_length=8))
    approver_roles = serializers.ListField(child=serializers.CharField(max_length=8), required=False, default=["admin"])
    approvals = serializers.IntegerField(min_value=0, max_value=MOST_APPROVALS, required=False, default=1)
    default_minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, required=False, default=DEFAULT_MINUTES
    )
    max_minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, required=False, default=LONGEST_MINUTES
    )
    proof_minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_PROOF_MINUTES, required=False, default=LONGEST_PROOF_MINUTES
    )
    ticket_pattern = serializers.CharField(
        max_length=120,
        required=False,
        allow_blank=True,
        default="",
        help_text="Letters, classes and groups with alternatives; only letters and classes are repeated: OPS-[0-9]{1,6}.",
    )
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, default=list
    )
    from_hour = serializers.IntegerField(min_value=0, max_value=23, required=False, allow_null=True, default=None)
    to_hour = serializers.IntegerField(min_value=1, max_value=24, required=False, allow_null=True, default=None)
    extendable = serializers.BooleanField(required=False, default=True)
    strict = serializers.BooleanField(required=False, default=False)
    enabled = serializers.BooleanField(required=False, default=True)


class ElevationPolicyOutput(ElevationPolicyInput):
    """A policy."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()


class ElevationInput(Input):
    """A request."""

    policy_id = serializers.UUIDField()
    reason = serializers.CharField(max_length=300)
    minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, required=False, allow_null=True, default=None
    )
    ticket = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class AnswerInput(Input):
    """Words to an answer."""

    comment = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class VoteOutput(serializers.Serializer):
    """Somebody's answer."""

    voter_id = serializers.UUIDField()
    voter = serializers.CharField()
    agrees = serializers.BooleanField()
    comment = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ElevationOutput(serializers.Serializer):
    """A request and what became of it. `standing` is its state with what time has done to it."""

    id = serializers.UUIDField()
    policy_id = serializers.UUIDField()
    policy = serializers.CharField()
    user_id = serializers.UUIDField()
    user = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    reason = serializers.CharField()
    ticket = serializers.CharField(allow_blank=True)
    minutes = serializers.IntegerField()
    approvals = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Elevation.State.choices)
    standing = serializers.CharField()
    starts_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    extended_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    votes = VoteOutput(many=True)


_POLICY = tuple(ElevationPolicyOutput().fields)
_PLAIN = tuple(str(name) for name in ElevationOutput().fields if str(name) not in ("policy", "user", "votes"))


def _policy(row: ElevationPolicy) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _POLICY}


def elevation_row(row: Elevation) -> dict[str, Any]:
    """As the API shows it."""
    votes = [
        {
            "voter_id": vote.voter_id,
            "voter": str(vote.voter),
            "agrees": vote.agrees,
            "comment": vote.comment,
            "created_at": vote.created_at,
        }
        for vote in row.votes.all()
    ]
    return {
        **{name: getattr(row, name) for name in _PLAIN},
        "policy": row.policy.name,
        "user": str(row.user),
        "votes": votes,
    }


class PolicyListView(APIView):
    """Policies."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="elevation_policies_list",
        parameters=[OpenApiParameter("mine", bool, description="true: those by which the caller may ask.")],
        responses=ElevationPolicyOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List them; all for those who manage or audit accounts, with `mine` what the caller may ask for."""
        actor = actor_of(request)
        if request.query_params.get("mine") == "true":
            return paginated(request, askable_policies(actor=actor), row=_policy)
        return paginated(request, policies(actor=actor), row=_policy)

    @extend_schema(
        operation_id="elevation_policies_create", request=ElevationPolicyInput, responses={201: ElevationPolicyOutput}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one."""
        made = elevation_policies.create_policy(actor=actor_of(request), **read(ElevationPolicyInput, request))
        return Response(_policy(made), status=status.HTTP_201_CREATED)


class PolicyView(APIView):
    """One policy."""

    @extend_schema(operation_id="elevation_policies_read", responses=ElevationPolicyOutput)
    def get(self, request: Request, elevation_policy_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_policy(get_policy(actor=actor_of(request), policy_id=elevation_policy_id)))

    @extend_schema(
        operation_id="elevation_policies_update", request=ElevationPolicyInput, responses=ElevationPolicyOutput
    )
    def patch(self, request: Request, elevation_policy_id: uuid.UUID) -> Response:
        """Change it."""
        actor = actor_of(request)
        policy = get_policy(actor=actor, policy_id=elevation_policy_id)
        values = read(ElevationPolicyInput, request, partial=True)
        return Response(_policy(elevation_policies.update_policy(actor=actor, policy=policy, **values)))

    @extend_schema(operation_id="elevation_policies_delete", responses={204: None})
    def delete(self, request: Request, elevation_policy_id: uuid.UUID) -> Response:
        """Remove one that nobody has used."""
        actor = actor_of(request)
        policy = get_policy(actor=actor, policy_id=elevation_policy_id)
        elevation_policies.delete_policy(actor=actor, policy=policy)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ElevationListView(APIView):
    """Elevations."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="elevations_list",
        parameters=[
            OpenApiParameter("state", str, enum=_STANDINGS, description="ended: all that neither wait nor hold."),
            OpenApiParameter("mine", bool, description="true: the caller's own."),
        ],
        responses=ElevationOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List those that the caller may know of, newest first."""
        actor = actor_of(request)
        rows: Any = visible_elevations(actor=actor)
        wanted = request.query_params.get("state", "")
        if request.query_params.get("mine") == "true":
            rows = rows.filter(user=actor.user)
        if wanted == "open":
            rows = rows.open()
        elif wanted == "active":
            rows = rows.live()
        elif wanted == "ended":
            now = Elevation.objects
            rows = rows.exclude(pk__in=now.open().values("pk")).exclude(pk__in=now.live().values("pk"))
        return paginated(request, rows, row=elevation_row)

    @extend_schema(operation_id="elevations_request", request=ElevationInput, responses={201: ElevationOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask for one, in a browser's session; a token cannot."""
        actor, values = actor_of(request), read(ElevationInput, request)
        wanted = values.pop("policy_id")
        policy = next((each for each in policies_for(actor=actor) if each.pk == wanted), None)
        if policy is None:
            raise InvalidInput(
                "There is no such policy for you.", field="policy_id", remedy="List them with ?mine=true."
            )
        row = elevations.request_elevation(actor=actor, policy=policy, workspace=values.pop("workspace_id"), **values)
        return Response(elevation_row(row), status=status.HTTP_201_CREATED)


class ElevationView(APIView):
    """One elevation."""

    @extend_schema(operation_id="elevations_read", responses=ElevationOutput)
    def get(self, request: Request, elevation_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(elevation_row(get_elevation(actor=actor_of(request), elevation_id=elevation_id)))


class ApproveView(APIView):
    """Agreement."""

    @extend_schema(operation_id="elevations_approve", request=AnswerInput, responses=ElevationOutput)
    def post(self, request: Request, elevation_id: uuid.UUID) -> Response:
        """Agree to somebody else's request."""
        return _decide(request, elevation_id, agrees=True)


class DenyView(APIView):
    """Refusal."""

    @extend_schema(operation_id="elevations_deny", request=AnswerInput, responses=ElevationOutput)
    def post(self, request: Request, elevation_id: uuid.UUID) -> Response:
        """Refuse somebody else's request."""
        return _decide(request, elevation_id, agrees=False)


class ExtendView(APIView):
    """More time."""

    @extend_schema(operation_id="elevations_extend", request=None, responses=ElevationOutput)
    def post(self, request: Request, elevation_id: uuid.UUID) -> Response:
        """Have one's own made longer, once."""
        actor = actor_of(request)
        row = get_elevation(actor=actor, elevation_id=elevation_id)
        return Response(elevation_row(elevations.extend(actor=actor, elevation=row)))


class RevokeView(APIView):
    """The end."""

    @extend_schema(operation_id="elevations_revoke", request=AnswerInput, responses=ElevationOutput)
    def post(self, request: Request, elevation_id: uuid.UUID) -> Response:
        """Withdraw a request, or end what it gave; it counts from the next call on."""
        actor = actor_of(request)
        row = get_elevation(actor=actor, elevation_id=elevation_id)
        reason = read(AnswerInput, request)["comment"]
        return Response(elevation_row(elevations.end(actor=actor, elevation=row, reason=reason)))


def _decide(request: Request, elevation_id: uuid.UUID, *, agrees: bool) -> Response:
    actor = actor_of(request)
    row = get_elevation(actor=actor, elevation_id=elevation_id)
    comment = read(AnswerInput, request)["comment"]
    done = elevations.decide(actor=actor, elevation=row, agrees=agrees, comment=comment)
    return Response(elevation_row(done))
