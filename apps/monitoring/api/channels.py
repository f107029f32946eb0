"""Who is told of alerts, for programs."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import AlertChannel, AlertDelivery, AlertRoute, Severity
from apps.monitoring.selectors import alerts as selectors
from apps.monitoring.services import channels as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class ChannelOut(serializers.ModelSerializer[AlertChannel]):
    """A way to tell somebody. The address is never given out again."""

    signed = serializers.SerializerMethodField()

    class Meta:
        model = AlertChannel
        fields = (
            "id",
            "name",
            "kind",
            "address_hint",
            "signed",
            "enabled",
            "failing_since",
            "last_delivered_at",
            "created_at",
        )

    def get_signed(self, channel: AlertChannel) -> bool:
        """Whether its messages are signed."""
        return bool(channel.sealed_secret)


class ChannelChangeIn(Input):
    """What may be changed of a channel."""

    name = serializers.CharField(max_length=80, required=False)
    address = serializers.CharField(max_length=2000, required=False, write_only=True)
    secret = serializers.CharField(max_length=200, required=False, allow_blank=True, write_only=True)
    enabled = serializers.BooleanField(required=False)


class ChannelIn(Input):
    """A new channel."""

    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(AlertChannel.Kind.choices)
    address = serializers.CharField(
        max_length=2000, required=False, write_only=True, help_text="Mail addresses, or where to post to."
    )
    secret = serializers.CharField(
        max_length=200, required=False, allow_blank=True, write_only=True, help_text="whsec_…, signs webhooks."
    )


class RouteOut(serializers.ModelSerializer[AlertRoute]):
    """Which alerts go to which channel."""

    class Meta:
        model = AlertRoute
        fields = (
            "id",
            "channel",
            "least_severity",
            "rules",
            "gather_seconds",
            "repeat_hours",
            "tell_end",
            "enabled",
            "created_at",
        )


class RouteChangeIn(Input):
    """What may be changed of a route."""

    least_severity = serializers.ChoiceField(Severity.choices, required=False)
    rules = serializers.CharField(max_length=200, required=False, allow_blank=True)
    gather_seconds = serializers.IntegerField(min_value=0, max_value=600, required=False)
    repeat_hours = serializers.IntegerField(min_value=0, max_value=168, required=False)
    tell_end = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)


class RouteIn(RouteChangeIn):
    """A new route."""

    channel_id = serializers.UUIDField()


class DeliveryOut(serializers.ModelSerializer[AlertDelivery]):
    """One telling."""

    class Meta:
        model = AlertDelivery
        fields = (
            "id",
            "channel",
            "kind",
            "state",
            "receipt",
            "error",
            "attempts",
            "next_try_at",
            "created_at",
            "finished_at",
        )


class ChannelList(APIView):
    """Channels."""

    @extend_schema(operation_id="alert_channels_list", responses=ChannelOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": ChannelOut(selectors.channels_for(actor_of(request)), many=True).data})

    @extend_schema(operation_id="alert_channels_create", request=ChannelIn, responses={201: ChannelOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set up a way to tell somebody."""
        channel = services.create_channel(actor=actor_of(request), **read(ChannelIn, request))
        return Response(ChannelOut(channel).data, status=status.HTTP_201_CREATED)


class ChannelDetail(APIView):
    """One channel."""

    @extend_schema(operation_id="alert_channels_update", request=ChannelChangeIn, responses=ChannelOut)
    def patch(self, request: Request, channel_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(ChannelChangeIn, request, partial=True)
        return Response(
            ChannelOut(services.update_channel(actor=actor_of(request), channel_id=channel_id, **values)).data
        )

    @extend_schema(operation_id="alert_channels_delete", responses={204: None})
    def delete(self, request: Request, channel_id: uuid.UUID) -> Response:
        """Remove it with its routes and its log."""
        services.delete_channel(actor=actor_of(request), channel_id=channel_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChannelTest(APIView):
    """Trying a channel."""

    @extend_schema(operation_id="alert_channels_test", request=None, responses={202: DeliveryOut})
    def post(self, request: Request, channel_id: uuid.UUID) -> Response:
        """Send a message without meaning; it goes out within seconds."""
        row = services.test_channel(actor=actor_of(request), channel_id=channel_id)
        return Response(DeliveryOut(row).data, status=status.HTTP_202_ACCEPTED)


class RouteList(APIView):
    """Routes."""

    @extend_schema(operation_id="alert_routes_list", responses=RouteOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": RouteOut(selectors.routes_for(actor_of(request)), many=True).data})

    @extend_schema(operation_id="alert_routes_create", request=RouteIn, responses={201: RouteOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Send alerts to a channel."""
        route = services.create_route(actor=actor_of(request), **read(RouteIn, request))
        return Response(RouteOut(route).data, status=status.HTTP_201_CREATED)


class RouteDetail(APIView):
    """One route."""

    @extend_schema(operation_id="alert_routes_update", request=RouteChangeIn, responses=RouteOut)
    def patch(self, request: Request, alert_route_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(RouteChangeIn, request, partial=True)
        return Response(
            RouteOut(services.update_route(actor=actor_of(request), route_id=alert_route_id, **values)).data
        )

    @extend_schema(operation_id="alert_routes_delete", responses={204: None})
    def delete(self, request: Request, alert_route_id: uuid.UUID) -> Response:
        """Remove it."""
        services.delete_route(actor=actor_of(request), route_id=alert_route_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryList(APIView):
    """The log of every telling."""

    pagination_class = CursorPage

    @extend_schema(operation_id="alert_deliveries_list", responses=DeliveryOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of it, newest first."""
        rows = selectors.deliveries_for(actor_of(request))
        return paginated(request, rows, row=lambda each: DeliveryOut(each).data)
