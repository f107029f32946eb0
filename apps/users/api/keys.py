"""Keys: which there are, replacing them, sealing secrets anew. No key is ever told."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core import keyring
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import Rewrap
from apps.users.services import key_rotation


class KeyOutput(serializers.Serializer[Any]):
    """A key, without its bytes."""

    id = serializers.CharField()
    purpose = serializers.ChoiceField(choices=list(keyring.PURPOSES))
    state = serializers.ChoiceField(choices=[state.value for state in keyring.State])
    created = serializers.DateTimeField()
    rotate_by = serializers.DateField()
    days_left = serializers.IntegerField()
    uses = serializers.IntegerField(allow_null=True, help_text="How many things need it; null where it is not counted.")
    due = serializers.BooleanField()


class KeyringOutput(serializers.Serializer[Any]):
    """The keyring."""

    stage = serializers.ChoiceField(choices=["expand", "migrate", "contract"])
    provider = serializers.ChoiceField(choices=["file", "vault", "kms"])
    older_secrets = serializers.IntegerField(help_text="Secrets in the form of an older version.")
    keys = KeyOutput(many=True)


class RewrapOutput(serializers.ModelSerializer[Rewrap]):
    """A job that seals secrets anew."""

    percent = serializers.IntegerField(read_only=True)
    problems = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Rewrap
        fields = (
            "id",
            "state",
            "place",
            "done",
            "total",
            "percent",
            "changed",
            "problems",
            "error",
            "created_at",
            "finished_at",
        )


class RotatedOutput(serializers.Serializer[Any]):
    """What a rotation began."""

    key = serializers.CharField()
    job = RewrapOutput(allow_null=True)


class PurposeInput(Input):
    """Which key."""

    purpose = serializers.ChoiceField(choices=list(keyring.PURPOSES))


def key_row(state: key_rotation.KeyState) -> dict[str, Any]:
    """A key for answers."""
    key = state.key
    return {
        "id": key.id,
        "purpose": key.purpose,
        "state": key.state.value,
        "created": key.created,
        "rotate_by": key.rotate_by,
        "days_left": state.days_left,
        "uses": state.uses,
        "due": state.due,
    }


class KeyListView(APIView):
    """The keyring."""

    @extend_schema(operation_id="keys_list", responses=KeyringOutput)
    def get(self, request: Request) -> Response:
        """Every key with its age and what needs it. Needs `keys.read`."""
        found, ring = key_rotation.inventory(actor=actor_of(request)), keyring.load()
        return Response(
            {
                "stage": ring.stage,
                "provider": ring.provider,
                "older_secrets": found.older.total(),
                "keys": [key_row(state) for state in found.keys],
            }
        )

    @extend_schema(operation_id="keys_rotate", request=PurposeInput, responses={201: RotatedOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Let another key seal from now on; secrets are sealed anew by a worker. Needs `keys.manage`."""
        key, job = key_rotation.rotate_key(actor=actor_of(request), **read(PurposeInput, request))
        found = {"key": key.id, "job": RewrapOutput(job).data if job else None}
        return Response(found, status=status.HTTP_201_CREATED)


class KeyView(APIView):
    """One key."""

    @extend_schema(
        operation_id="keys_retire",
        parameters=[OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Only say whether it could be done.")],
        responses={200: KeyOutput},
    )
    def delete(self, request: Request, key_id: str) -> Response:
        """Destroy a key that nothing needs any more."""
        dry_run = request.query_params.get("dry_run", "") == "true"
        state = key_rotation.retire_key(actor=actor_of(request), key_id=key_id, dry_run=dry_run)
        return Response(key_row(state))


class RewrapListView(APIView):
    """Jobs that seal secrets anew."""

    pagination_class = CursorPage

    @extend_schema(operation_id="keys_rewraps_list", responses=RewrapOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        rows = key_rotation.rewraps_for(actor_of(request))
        return paginated(request, rows, row=lambda row: RewrapOutput(row).data)

    @extend_schema(operation_id="keys_rewrap", request=None, responses={202: RewrapOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have every secret sealed with the present key."""
        job = key_rotation.request_rewrap(actor=actor_of(request))
        return Response(RewrapOutput(job).data, status=status.HTTP_202_ACCEPTED)


class RewrapView(APIView):
    """One job."""

    @extend_schema(operation_id="keys_rewraps_read", responses=RewrapOutput)
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """How far it is."""
        return Response(RewrapOutput(key_rotation.get_rewrap(actor=actor_of(request), job_id=job_id)).data)
