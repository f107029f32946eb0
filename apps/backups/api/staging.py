"""Staging copies."""

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
from apps.backups.api.jobs import JOB_FIELDS, JobOutput, stopped
from apps.backups.models import StagingCopy
from apps.backups.selectors.sets import get_staging_copy, staging_copies_for
from apps.backups.services.staging.copies import start_staging
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class StagingCopyOutput(JobOutput):
    """A copy for other eyes, with the report of the scan."""

    class Meta:
        model = StagingCopy
        fields = (
            *JOB_FIELDS,
            "destination_id",
            "backup_set_id",
            "set_name",
            "folder",
            "database",
            "result",
            "scan",
            "log",
        )


class StagingCopyInput(Input):
    """Which set, and where the copy goes."""

    set_id = serializers.UUIDField()
    folder = serializers.CharField(max_length=300, help_text="Data folder; a bare name is below DATA_DIR/staging.")
    database = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        help_text="postgres://… of an empty database; left out, SQLite in the folder.",
    )
    identity = serializers.CharField(
        max_length=2_000, required=False, default="", help_text="The key, when the portal does not have it."
    )


def _copy(row: StagingCopy) -> Any:
    return StagingCopyOutput(row).data


class StagingCopyListView(APIView):
    """Staging copies."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_staging_list", responses=StagingCopyOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, staging_copies_for(actor_of(request)), row=_copy)

    @extend_schema(operation_id="backup_staging_create", request=StagingCopyInput, responses={201: StagingCopyOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a sanitised copy of a set as a portal of its own; a worker does it."""
        values = read(StagingCopyInput, request)
        job = start_staging(actor=actor_of(request), **values)
        return Response(_copy(job), status=status.HTTP_201_CREATED)


class StagingCopyView(APIView):
    """One staging copy."""

    @extend_schema(operation_id="backup_staging_read", responses=StagingCopyOutput)
    def get(self, request: Request, copy_id: uuid.UUID) -> Response:
        """How far it is, what was copied, and what the scan found."""
        return Response(_copy(get_staging_copy(actor=actor_of(request), copy_id=copy_id)))


class StagingCopyStopView(APIView):
    """Stopping a staging copy."""

    @extend_schema(operation_id="backup_staging_stop", request=None, responses=StagingCopyOutput)
    def post(self, request: Request, copy_id: uuid.UUID) -> Response:
        """End it; what was begun is removed."""
        return Response(_copy(stopped(request, get_staging_copy(actor=actor_of(request), copy_id=copy_id))))
