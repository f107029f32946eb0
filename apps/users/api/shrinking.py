"""What was needed of what was granted; what a change would do; what lies idle."""

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
from apps.users.models import Reduction, User
from apps.users.selectors.access import require
from apps.users.selectors.idle import DORMANT_DAYS, TokenFinding, dormant_accounts, token_findings
from apps.users.selectors.shrinking import Proposal, find_grant, get_reduction, proposals, reductions
from apps.users.services.rehearsals import KINDS, Effect, rehearse
from apps.users.services.shrinking import reduce_grant, undo_reduction


class ProposalOutput(serializers.Serializer):
    """How small a grant could be. Where `keep` is empty it could go. `seen_days` below 90 is a weaker reason."""

    kind = serializers.ChoiceField(choices=["role", "membership"])
    grant_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    role = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    keep = serializers.ListField(child=serializers.CharField())
    drop = serializers.ListField(child=serializers.CharField())
    uses = serializers.IntegerField()
    last_use = serializers.DateField(allow_null=True)
    seen_days = serializers.IntegerField()


class ProposalListOutput(serializers.Serializer):
    """All proposals."""

    proposals = ProposalOutput(many=True)


class ReductionInput(Input):
    """A reduction."""

    kind = serializers.ChoiceField(choices=["role", "membership"])
    grant_id = serializers.UUIDField()
    keep = serializers.ListField(child=serializers.CharField(max_length=60), min_length=1)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class ReductionOutput(serializers.Serializer):
    """A reduction, taken back with a DELETE until `undo_until`."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["role", "membership"])
    grant_id = serializers.UUIDField()
    before = serializers.ListField(child=serializers.CharField(), allow_null=True)
    after = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField(allow_blank=True)
    undo_until = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class RehearsalInput(Input):
    """A change to try out. Which values it needs stands with each kind in the console's help."""

    kind = serializers.ChoiceField(choices=list(KINDS))
    user_id = serializers.UUIDField(required=False)
    grant_id = serializers.UUIDField(required=False)
    group_id = serializers.UUIDField(required=False)
    group_member_id = serializers.UUIDField(required=False)
    group_role_id = serializers.UUIDField(required=False)
    policy_id = serializers.UUIDField(required=False)
    workspace_id = serializers.UUIDField(required=False, allow_null=True)
    role = serializers.CharField(max_length=8, required=False)
    keep = serializers.ListField(child=serializers.CharField(max_length=60), required=False)
    strict = serializers.BooleanField(required=False, allow_null=True, default=None)
    enabled = serializers.BooleanField(required=False, allow_null=True, default=None)


class EffectOutput(serializers.Serializer):
    """What one person would lose or gain; `uses` counts what they did, or were refused, in the last 30 days."""

    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    capability = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    effect = serializers.ChoiceField(choices=["loses", "gains"])
    uses = serializers.IntegerField()
    last = serializers.DateField(allow_null=True)


class RehearsalOutput(serializers.Serializer):
    """What the change would do. Nothing of it was kept."""

    people = serializers.IntegerField()
    since = serializers.DateField()
    felt = serializers.IntegerField()
    effects = EffectOutput(many=True)


class DormantOutput(serializers.Serializer):
    """An account that nobody uses."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    kind = serializers.ChoiceField(choices=User.Kind.choices)
    last_seen_day = serializers.DateField(allow_null=True)
    token_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class TokenFindingOutput(serializers.Serializer):
    """An API key about which something is to be said."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    key_id = serializers.CharField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    never_used = serializers.BooleanField()
    stale = serializers.BooleanField()
    grave_from_anywhere = serializers.ListField(child=serializers.CharField())
    unused_scopes = serializers.ListField(child=serializers.CharField())
    not_bound_to_a_workspace = serializers.BooleanField()


class TokenFindingListOutput(serializers.Serializer):
    """All findings."""

    tokens = TokenFindingOutput(many=True)


def _proposal(row: Proposal) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "grant_id": row.grant.pk,
        "user_id": row.grant.user_id,
        "email": row.grant.user.email,
        "role": row.grant.role,
        "workspace_id": getattr(row.grant, "workspace_id", None),
        "keep": row.keep,
        "drop": row.drop,
        "uses": row.used.total,
        "last_use": row.used.last,
        "seen_days": row.seen_days,
    }


def _reduction(row: Reduction) -> dict[str, Any]:
    plain = ("id", "before", "after", "reason", "undo_until", "undone_at", "created_at")
    return {
        **{name: getattr(row, name) for name in plain},
        "kind": "role" if row.role_grant_id else "membership",
        "grant_id": row.role_grant_id or row.membership_id,
    }


def _effect(row: Effect) -> dict[str, Any]:
    return {
        "user_id": row.user.pk,
        "email": row.user.email,
        "capability": row.capability,
        "workspace_id": row.workspace.pk if row.workspace else None,
        "effect": "gains" if row.gains else "loses",
        "uses": row.uses,
        "last": row.last,
    }


def _finding(row: TokenFinding) -> dict[str, Any]:
    token = row.token
    return {
        **{name: getattr(token, name) for name in ("id", "name", "key_id", "user_id", "last_used_at", "expires_at")},
        "email": token.user.email,
        "never_used": row.never,
        "stale": row.stale,
        "grave_from_anywhere": row.grave,
        "unused_scopes": row.unused,
        "not_bound_to_a_workspace": row.unbound,
    }


class ProposalListView(APIView):
    """Proposals."""

    @extend_schema(operation_id="access_proposals", responses=ProposalListOutput)
    def get(self, request: Request) -> Response:
        """List lasting grants of which 90 days of use did not need everything."""
        return Response({"proposals": [_proposal(each) for each in proposals(actor=actor_of(request))]})


class ReductionListView(APIView):
    """Reductions."""

    pagination_class = CursorPage

    @extend_schema(operation_id="access_reductions_list", responses=ReductionOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, reductions(actor=actor_of(request)), row=_reduction)

    @extend_schema(operation_id="access_reductions_adopt", request=ReductionInput, responses={201: ReductionOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Leave only some capabilities of a grant; for 14 days it can be taken back."""
        actor, values = actor_of(request), read(ReductionInput, request)
        # Whether there is such a grant is for those to know who may change it.
        require(actor, "users.manage")
        grant = find_grant(values["kind"], values["grant_id"])
        made = reduce_grant(actor=actor, grant=grant, keep=values["keep"], reason=values["reason"])
        return Response(_reduction(made), status=status.HTTP_201_CREATED)


class ReductionView(APIView):
    """One reduction."""

    @extend_schema(operation_id="access_reductions_undo", responses=ReductionOutput)
    def delete(self, request: Request, reduction_id: uuid.UUID) -> Response:
        """Take it back."""
        actor = actor_of(request)
        row = get_reduction(actor=actor, reduction_id=reduction_id)
        return Response(_reduction(undo_reduction(actor=actor, reduction=row)))


class RehearsalView(APIView):
    """Rehearsals."""

    @extend_schema(operation_id="access_rehearse", request=RehearsalInput, responses=RehearsalOutput)
    def post(self, request: Request) -> Response:
        """Try a change out against the last 30 days; nothing of it is kept."""
        values = read(RehearsalInput, request)
        found = rehearse(actor=actor_of(request), kind=values.pop("kind"), values=values)
        return Response(
            {
                "people": found.people,
                "since": found.since,
                "felt": len(found.felt),
                "effects": [_effect(each) for each in found.effects],
            }
        )


class DormantListView(APIView):
    """Accounts that nobody uses."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="access_dormant",
        parameters=[OpenApiParameter("days", int, description=f"Not seen for so long; {DORMANT_DAYS} when left out.")],
        responses=DormantOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List active accounts of which nothing was seen."""
        text = request.query_params.get("days", str(DORMANT_DAYS))
        if not text.isdecimal() or not 1 <= int(text) <= 3650:
            raise InvalidInput("days is a number from 1 to 3650.", field="days")
        rows = dormant_accounts(actor=actor_of(request), days=int(text))
        return paginated(request, rows.values(*DormantOutput().fields))


class TokenFindingListView(APIView):
    """API keys that lie about or allow too much."""

    @extend_schema(operation_id="access_token_findings", responses=TokenFindingListOutput)
    def get(self, request: Request) -> Response:
        """List API keys of everybody that were never used, are not used any more, or allow more than they should."""
        return Response({"tokens": [_finding(each) for each in token_findings(actor=actor_of(request))]})
