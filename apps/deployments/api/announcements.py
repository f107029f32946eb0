"""Announcements, for programs."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Announcement
from apps.deployments.selectors import announcements as selectors
from apps.deployments.services import announcements as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class AnnouncementOut(serializers.ModelSerializer[Announcement]):
    """What is said above the pages."""

    class Meta:
        model = Announcement
        fields = ("id", "audience", "text", "link", "starts_at", "ends_at", "deployment", "author")


class AnnouncementIn(Input):
    """A new one."""

    text = serializers.CharField(max_length=300)
    ends_at = serializers.DateTimeField()
    starts_at = serializers.DateTimeField(required=False)
    audience = serializers.ChoiceField(Announcement.Audience.choices, required=False)
    link = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="A path within the portal."
    )
    deployment_id = serializers.UUIDField(required=False)


class AnnouncementList(APIView):
    """Announcements."""

    pagination_class = CursorPage

    @extend_schema(operation_id="announcements_list", responses=AnnouncementOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.announcements_for(actor_of(request))
        ordering = ("-starts_at", "-id")
        return paginated(request, rows, row=lambda each: AnnouncementOut(each).data, ordering=ordering)

    @extend_schema(operation_id="announcements_create", request=AnnouncementIn, responses={201: AnnouncementOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Tell everybody, or operators, something for a time."""
        row = services.announce(actor=actor_of(request), **read(AnnouncementIn, request))
        return Response(AnnouncementOut(row).data, status=status.HTTP_201_CREATED)


class AnnouncementDetail(APIView):
    """One of them."""

    @extend_schema(operation_id="announcements_delete", responses={204: None})
    def delete(self, request: Request, announcement_id: uuid.UUID) -> Response:
        """Take it down."""
        services.take_down(actor=actor_of(request), announcement_id=announcement_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeploymentNotes(APIView):
    """What is new."""

    @extend_schema(operation_id="deployments_publish_notes", request=None, responses={201: AnnouncementOut})
    @idempotent
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Tell everybody for a week, with a link to the release's notes."""
        row = services.publish_notes(actor=actor_of(request), deployment_id=deployment_id)
        return Response(AnnouncementOut(row).data, status=status.HTTP_201_CREATED)
