"""Webhooks of a workspace."""

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
from apps.content.models import WebhookDelivery, WebhookEndpoint
from apps.content.services import webhooks
from apps.content.services.deliveries import EVENTS
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace, require

_ROW = (
    *("id", "workspace_id", "name", "url", "events", "enabled", "disabled_reason", "failing_since", "secret_hint"),
    *("created_at", "updated_at"),
)
_DELIVERY = (
    *("id", "event", "state", "attempts", "next_try_at", "response_status", "response_excerpt", "error"),
    *("duration_ms", "tries", "payload", "created_at"),
)


class WebhookOutput(serializers.Serializer):
    """An endpoint. Its secret is told once, when it is made."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField(), help_text="Empty for all.")
    enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField(allow_blank=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    secret_hint = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewWebhookOutput(WebhookOutput):
    """An endpoint with its secret."""

    secret = serializers.CharField(help_text="whsec_…; keep it, it is not told again.")


class WebhookInput(Input):
    """A new endpoint."""

    name = serializers.CharField(max_length=80)
    url = serializers.CharField(max_length=2000)
    events = serializers.ListField(child=serializers.ChoiceField(choices=list(EVENTS)), required=False, default=list)
    workspace = serializers.CharField(required=False, default="")


class WebhookChange(Input):
    """What may be changed."""

    name = serializers.CharField(required=False, max_length=80)
    url = serializers.CharField(required=False, max_length=2000)
    events = serializers.ListField(child=serializers.ChoiceField(choices=list(EVENTS)), required=False)
    enabled = serializers.BooleanField(required=False)


class DeliveryOutput(serializers.Serializer):
    """A message of the log."""

    id = serializers.UUIDField()
    event = serializers.CharField()
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices)
    attempts = serializers.IntegerField()
    next_try_at = serializers.DateTimeField()
    response_status = serializers.IntegerField(allow_null=True)
    response_excerpt = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
    duration_ms = serializers.IntegerField(allow_null=True)
    tries = serializers.ListField(child=serializers.DictField())
    payload = serializers.DictField()
    created_at = serializers.DateTimeField()


class WebhookListView(APIView):
    """Webhooks."""

    pagination_class = CursorPage

    @extend_schema(operation_id="webhooks_list", parameters=[WORKSPACE], responses=WebhookOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the endpoints of a workspace, newest first."""
        actor = actor_of(request)
        require(actor, "webhooks.manage")
        workspace = current_workspace(actor, request.query_params.get("workspace"))
        rows = webhooks.webhooks_for(actor, workspace)
        return paginated(request, rows.values(*_ROW), ordering=("-created_at", "-id"))

    @extend_schema(operation_id="webhooks_create", request=WebhookInput, responses={201: NewWebhookOutput})
    def post(self, request: Request) -> Response:
        """Make one; the answer holds the secret by which messages are signed, this once."""
        actor = actor_of(request)
        values = read(WebhookInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        endpoint, secret = webhooks.create_webhook(actor=actor, workspace=workspace, **values)
        headers = {"Location": f"/api/v1/webhooks/{endpoint.pk}"}
        body = _whole(endpoint) | {"secret": secret.reveal()}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)


class WebhookView(APIView):
    """One webhook."""

    @extend_schema(operation_id="webhooks_read", responses=WebhookOutput)
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_whole(webhooks.get_webhook(actor=actor_of(request), webhook_id=webhook_id)))

    @extend_schema(operation_id="webhooks_update", request=WebhookChange, responses=WebhookOutput)
    def patch(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Change it, or switch it on or off."""
        actor = actor_of(request)
        webhooks.get_webhook(actor=actor, webhook_id=webhook_id)
        values = read(WebhookChange, request)
        return Response(_whole(webhooks.update_webhook(actor=actor, webhook_id=webhook_id, **values)))

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def delete(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Remove it with its log."""
        webhooks.delete_webhook(actor=actor_of(request), webhook_id=webhook_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookPingView(APIView):
    """A test of a webhook."""

    @extend_schema(operation_id="webhooks_ping", request=None, responses={202: DeliveryOutput})
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Send a message without meaning."""
        row = webhooks.ping(actor=actor_of(request), webhook_id=webhook_id)
        return Response(_delivery(row), status=status.HTTP_202_ACCEPTED)


class WebhookSecretView(APIView):
    """The secret of a webhook."""

    @extend_schema(operation_id="webhooks_rotate_secret", request=None, responses=NewWebhookOutput)
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Make a new one; for a day messages are signed with both."""
        endpoint, secret = webhooks.rotate_secret(actor=actor_of(request), webhook_id=webhook_id)
        return Response(_whole(endpoint) | {"secret": secret.reveal()})


class DeliveryListView(APIView):
    """The log of a webhook."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=[OpenApiParameter("state", str, enum=WebhookDelivery.State.values)],
        responses=DeliveryOutput(many=True),
    )
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """List its messages, newest first; they are kept for a month."""
        rows = webhooks.deliveries_of(actor=actor_of(request), webhook_id=webhook_id)
        if state := request.query_params.get("state"):
            rows = rows.filter(state=state)
        return paginated(request, rows.values(*_DELIVERY), ordering=("-created_at", "-id"))


class RedeliverView(APIView):
    """A message of the log."""

    @extend_schema(operation_id="webhooks_redeliver", request=None, responses={202: DeliveryOutput})
    def post(self, request: Request, delivery_id: uuid.UUID) -> Response:
        """Send it again, as a new message."""
        row = webhooks.redeliver(actor=actor_of(request), delivery_id=delivery_id)
        return Response(_delivery(row), status=status.HTTP_202_ACCEPTED)


def _whole(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in _ROW}


def _delivery(row: WebhookDelivery) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _DELIVERY}
