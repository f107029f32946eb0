"""Keys of a place."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.backups.api.jobs import BackupRunOutput
from apps.backups.services import rekeying
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class RecipientOutput(serializers.Serializer):
    """Somebody who can open the backups."""

    recipient = serializers.CharField()
    fingerprint = serializers.CharField(help_text="Sixteen digits to compare by eye.")


class KeysOutput(serializers.Serializer):
    """Who can open a place."""

    recipients = RecipientOutput(many=True)
    identity_kept_here = serializers.BooleanField()
    changed_at = serializers.DateTimeField(allow_null=True, help_text="When the recipients were decided anew.")
    encrypted_anew_at = serializers.DateTimeField(allow_null=True)
    tested_at = serializers.DateTimeField(allow_null=True, help_text="When a key was last shown to open a set.")
    running_id = serializers.UUIDField(allow_null=True, help_text="The run that encrypts everything anew now.")


class KeyInput(Input):
    """A key that opens the place."""

    identity = serializers.CharField(
        max_length=2_000, required=False, default="", help_text="When the portal does not have it. It is not kept."
    )


def _shown(request: Request, destination_id: uuid.UUID) -> dict[str, Any]:
    found = rekeying.keys_of(actor=actor_of(request), destination_id=destination_id)
    return {
        "recipients": [{"recipient": each, "fingerprint": digits} for each, digits in found.recipients],
        "identity_kept_here": found.kept_here,
        "changed_at": found.changed_at,
        "encrypted_anew_at": found.anew_at,
        "tested_at": found.tested_at,
        "running_id": found.running.pk if found.running else None,
    }


class KeysView(APIView):
    """Keys of a place."""

    @extend_schema(operation_id="backup_keys_read", responses=KeysOutput)
    def get(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Who can open it, and when that was last tried. No secret is shown."""
        return Response(KeysOutput(_shown(request, destination_id)).data)


class KeyTestView(APIView):
    """Trying a key."""

    @extend_schema(operation_id="backup_keys_test", request=KeyInput, responses=KeysOutput)
    def post(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Open the newest set with it, and read a little."""
        values = read(KeyInput, request)
        rekeying.try_key(actor=actor_of(request), destination_id=destination_id, **values)
        return Response(KeysOutput(_shown(request, destination_id)).data)


class ReencryptView(APIView):
    """Encrypting anew."""

    @extend_schema(operation_id="backup_keys_reencrypt", request=KeyInput, responses={201: BackupRunOutput})
    @idempotent
    def post(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Write everything anew under a new key; a worker does it, and it can be stopped as any run."""
        values = read(KeyInput, request)
        run = rekeying.start_reencrypt(actor=actor_of(request), destination_id=destination_id, **values)
        return Response(BackupRunOutput(run).data, status=status.HTTP_201_CREATED)
