"""Releases, for people and pipelines."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.api.environments import WhyIn
from apps.deployments.models import Release
from apps.deployments.selectors import releases as selectors
from apps.deployments.services import releases as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class ReleaseOut(serializers.ModelSerializer[Release]):
    """A release."""

    class Meta:
        model = Release
        fields = ("id", "version", *services.FACTS, *services.NOTES, "withdrawn", "registered_by", "created_at")


class NotesIn(Input):
    """What is said about a release; Markdown."""

    notes_operators = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    notes_users = serializers.CharField(max_length=20_000, required=False, allow_blank=True)


class ReleaseIn(NotesIn):
    """A new release; `manage.py deployments manifest` prints what the code of a version knows of itself."""

    version = serializers.CharField(max_length=64)
    git_sha = serializers.CharField(max_length=64, required=False, allow_blank=True)
    digest = serializers.CharField(
        max_length=71, required=False, allow_blank=True, help_text="aw-deployd digest VERSION"
    )
    signature = serializers.CharField(
        max_length=120, required=False, allow_blank=True, help_text="Ed25519 over the digest's characters, base64."
    )
    sbom = serializers.CharField(max_length=500, required=False, allow_blank=True)
    schema_heads = serializers.DictField(child=serializers.CharField(max_length=120), required=False)
    contract = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=300)
    min_upgrade_from = serializers.CharField(max_length=64, required=False, allow_blank=True)
    config_added = serializers.ListField(child=serializers.CharField(max_length=81), required=False, max_length=300)
    config_removed = serializers.ListField(child=serializers.CharField(max_length=81), required=False, max_length=300)


class ReleaseList(APIView):
    """Releases."""

    pagination_class = CursorPage

    @extend_schema(operation_id="releases_list", responses=ReleaseOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.releases_for(actor_of(request))
        return paginated(request, rows, row=lambda each: ReleaseOut(each).data)

    @extend_schema(operation_id="releases_register", request=ReleaseIn, responses={201: ReleaseOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Register one. The same facts again are the same release; another content of one version is refused."""
        release = services.register_release(actor=actor_of(request), **read(ReleaseIn, request))
        return Response(ReleaseOut(release).data, status=status.HTTP_201_CREATED)


class ReleaseDetail(APIView):
    """One release."""

    @extend_schema(operation_id="releases_read", responses=ReleaseOut)
    def get(self, request: Request, release_id: uuid.UUID) -> Response:
        """What it is and what is said about it."""
        return Response(ReleaseOut(selectors.release_for(actor_of(request), release_id)).data)

    @extend_schema(operation_id="releases_update", request=NotesIn, responses=ReleaseOut)
    def patch(self, request: Request, release_id: uuid.UUID) -> Response:
        """Change what is said about it."""
        values = read(NotesIn, request, partial=True)
        return Response(
            ReleaseOut(services.update_release(actor=actor_of(request), release_id=release_id, **values)).data
        )


class ReleaseWithdraw(APIView):
    """A release that must not be rolled out."""

    @extend_schema(operation_id="releases_withdraw", request=WhyIn, responses=ReleaseOut)
    def post(self, request: Request, release_id: uuid.UUID) -> Response:
        """Withdraw it; where it serves already it goes on."""
        values = read(WhyIn, request)
        return Response(
            ReleaseOut(services.withdraw_release(actor=actor_of(request), release_id=release_id, **values)).data
        )
