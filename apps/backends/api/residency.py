"""Where the texts and files of a workspace may go: the portal's rule, and those of workspaces."""

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
from apps.backends.models import ResidencyRule
from apps.backends.selectors.residency import Residency, residency_of, residency_of_portal, visible_rules
from apps.backends.services import residency
from apps.users.api.authentication import actor_of


class ResidencyRuleInput(Input):
    """What is allowed; a list that is left out or null allows everything."""

    regions = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        allow_null=True,
        default=None,
        help_text="Codes such as eu, eu-de, us or local; eu also allows eu-de.",
    )
    backends = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Ids of backends of every kind: models, storages, places to publish.",
    )


class PortalRuleInput(ResidencyRuleInput):
    """The portal's rule."""

    firm = serializers.BooleanField(
        required=False,
        default=True,
        help_text="Workspaces may narrow it, and cannot replace it by a rule of their own.",
    )


class ResidencyRuleOutput(serializers.Serializer):
    """A rule."""

    workspace = serializers.UUIDField(allow_null=True, help_text="null: the whole portal's.")
    regions = serializers.ListField(child=serializers.CharField(), allow_null=True)
    backends = serializers.ListField(child=serializers.UUIDField(), allow_null=True)
    firm = serializers.BooleanField()
    updated_at = serializers.DateTimeField()


class ResidencyBackendOutput(serializers.Serializer):
    """A backend under the rules."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    region = serializers.CharField(help_text="Empty: nobody has said.")
    allowed = serializers.BooleanField()
    reason = serializers.CharField(help_text="Why it gets nothing.")


class ResidencyOutput(serializers.Serializer):
    """The rules that bind, and what they mean."""

    own = ResidencyRuleOutput(allow_null=True, help_text="The workspace's.")
    portal = ResidencyRuleOutput(allow_null=True)
    backends = ResidencyBackendOutput(many=True, help_text="All that are enabled.")
    without = serializers.ListField(
        child=serializers.CharField(), help_text="For what no backend is left; every such call is refused."
    )


def _rule(row: ResidencyRule | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "workspace": row.workspace_id,
        "regions": row.regions,
        "backends": row.backends,
        "firm": row.firm,
        "updated_at": row.updated_at,
    }


def _shown(found: Residency) -> dict[str, Any]:
    return {
        "own": _rule(found.own),
        "portal": _rule(found.portal),
        "backends": [
            {
                "id": each.profile.pk,
                "kind": each.profile.kind,
                "name": each.profile.name,
                "region": each.profile.region,
                "allowed": each.refusal is None,
                "reason": each.refusal.message if each.refusal else "",
            }
            for each in found.backends
        ],
        "without": list(found.without),
    }


class ResidencyListView(APIView):
    """All rules."""

    pagination_class = CursorPage

    @extend_schema(operation_id="residency_list", responses=ResidencyRuleOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the rules of the portal and of workspaces, for operators and auditors."""
        return paginated(request, visible_rules(actor_of(request)), row=_rule)


class PortalResidencyView(APIView):
    """The portal's rule."""

    @extend_schema(operation_id="residency_portal_get", responses=ResidencyOutput)
    def get(self, request: Request) -> Response:
        """What binds the whole portal, and what it means."""
        return Response(_shown(residency_of_portal(actor_of(request))))

    @extend_schema(operation_id="residency_portal_set", request=PortalRuleInput, responses=ResidencyOutput)
    def put(self, request: Request) -> Response:
        """Set it; needs `privacy.manage`."""
        actor = actor_of(request)
        residency.set_rule(actor=actor, workspace_id=None, **read(PortalRuleInput, request))
        return Response(_shown(residency_of_portal(actor)))

    @extend_schema(operation_id="residency_portal_drop", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Remove it."""
        residency.drop_rule(actor=actor_of(request), workspace_id=None)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WorkspaceResidencyView(APIView):
    """A workspace's rule."""

    @extend_schema(operation_id="residency_get", responses=ResidencyOutput)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """What binds a workspace, and what it means, for its members."""
        return Response(_shown(residency_of(actor_of(request), workspace_id)))

    @extend_schema(operation_id="residency_set", request=ResidencyRuleInput, responses=ResidencyOutput)
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """Set its rule; needs `residency.manage`."""
        actor = actor_of(request)
        residency.set_rule(actor=actor, workspace_id=workspace_id, **read(ResidencyRuleInput, request))
        return Response(_shown(residency_of(actor, workspace_id)))

    @extend_schema(operation_id="residency_drop", responses={204: None})
    def delete(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """Remove its rule; the portal's one stays."""
        residency.drop_rule(actor=actor_of(request), workspace_id=workspace_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
