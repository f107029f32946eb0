"""Backends, for operators."""

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
from aiwriter.core.rest.precondition import expected_revision, set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.backends.models import BackendProfile
from apps.backends.selectors.profiles import get_profile, model_calls, visible_profiles
from apps.backends.services import local, plugins, profiles
from apps.backends.services.profiles import Secrets, is_reference
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class TestOutput(serializers.Serializer):
    """What the last test found."""

    ok = serializers.BooleanField()
    message = serializers.CharField()
    remedy = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    current = serializers.BooleanField(help_text="Whether it tried the present settings.")


class BackendProfileOutput(serializers.Serializer):
    """A backend as it is set up. Secrets are never told."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    plugin = serializers.CharField()
    name = serializers.CharField()
    options = serializers.DictField()
    secrets = serializers.DictField(help_text="By field: the reference, or the last characters of what was typed.")
    encrypt_files = serializers.BooleanField()
    region = serializers.CharField(help_text="Where it processes and stores; empty: nobody has said.")
    enabled = serializers.BooleanField()
    managed = serializers.BooleanField(help_text="One of the portal's own.")
    revision = serializers.IntegerField()
    models = serializers.ListField(child=serializers.CharField())
    test = TestOutput()
    failures = serializers.IntegerField()
    cooldown_until = serializers.DateTimeField(allow_null=True)
    cooldown_reason = serializers.CharField()


class ProfileChangeInput(Input):
    """Settings. `options` replaces all options."""

    name = serializers.CharField(max_length=80)
    options = serializers.DictField(required=False)
    secrets = serializers.DictField(
        child=serializers.CharField(max_length=10_000, allow_null=True, trim_whitespace=False),
        required=False,
        help_text="By field: the secret, or env:AIWRITER_SECRET_… or file:NAME; null forgets it.",
    )
    encrypt_files = serializers.BooleanField(required=False)
    region = serializers.CharField(
        max_length=60,
        required=False,
        allow_blank=True,
        help_text="eu, eu-de, us-east-1; local for machines of your own.",
    )


class ProfileInput(ProfileChangeInput):
    """A new backend."""

    kind = serializers.ChoiceField(
        choices=[("model", "model"), ("storage", "storage"), ("publish", "publish"), ("check", "check")]
    )
    plugin = serializers.CharField(max_length=40)


def secrets_of(given: dict[str, str | None]) -> Secrets:
    """Sorts what a client sent into typed secrets, references and secrets to forget."""
    return Secrets(
        typed={k: v for k, v in given.items() if v and not is_reference(v)},
        references={k: v for k, v in given.items() if v and is_reference(v)},
        cleared=frozenset(k for k, v in given.items() if not v),
    )


def shown(profile: BackendProfile) -> dict[str, Any]:
    """A row as the API shows it."""
    hints = profile.secret_hints
    return {
        "id": profile.pk,
        "kind": profile.kind,
        "plugin": profile.plugin_key,
        "name": profile.name,
        "options": profile.options,
        "secrets": {k: f"…{hints[k]}" if k in hints else ref for k, ref in profile.secret_refs.items()},
        "encrypt_files": profile.encrypt_files,
        "region": profile.region,
        "enabled": profile.enabled,
        "managed": bool(profile.managed),
        "revision": profile.revision,
        "models": [info.id for info in profile.models],
        "test": {
            "ok": profile.last_test_ok,
            "message": profile.last_test_message,
            "remedy": profile.last_test_remedy,
            "latency_ms": profile.last_test_latency_ms,
            "at": profile.last_test_at,
            "current": profile.last_test_revision == profile.revision,
        },
        "failures": profile.failures,
        "cooldown_until": profile.cooldown_until if profile.cooling else None,
        "cooldown_reason": profile.cooldown_reason if profile.cooling else "",
    }


class ProfileListView(APIView):
    """Backends."""

    pagination_class = CursorPage

    @extend_schema(operation_id="profiles_list", responses=BackendProfileOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, visible_profiles(actor_of(request)), row=shown)

    @extend_schema(operation_id="profiles_create", request=ProfileInput, responses={201: BackendProfileOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one up. It is enabled after a test."""
        values = read(ProfileInput, request)
        profile = profiles.create_profile(
            actor=actor_of(request),
            kind=values["kind"],
            plugin_key=values["plugin"],
            name=values["name"],
            options=values.get("options", {}),
            secrets=secrets_of(values.get("secrets", {})),
            encrypt_files=values.get("encrypt_files", False),
            region=values.get("region", ""),
        )
        return Response(shown(profile), status=status.HTTP_201_CREATED)


class ProfileView(APIView):
    """One backend."""

    error_statuses = (412,)

    @extend_schema(operation_id="profiles_read", responses=BackendProfileOutput)
    def get(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Read it."""
        profile = get_profile(actor_of(request), profile_id)
        return set_etag(Response(shown(profile)), profile.revision)  # type: ignore[return-value]

    @extend_schema(
        operation_id="profiles_update",
        request=ProfileChangeInput,
        responses=BackendProfileOutput,
        parameters=[
            OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag that you have seen.")
        ],
    )
    def patch(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Change it. New settings of an enabled backend are tested first."""
        values = read(ProfileChangeInput, request, partial=True)
        seen = expected_revision(request)
        if seen is not None and not seen.isdigit():
            raise InvalidInput("If-Match is not a revision of this profile.", field="If-Match")
        profile = profiles.update_profile(
            actor=actor_of(request),
            profile_id=profile_id,
            name=values.get("name"),
            options=values.get("options"),
            secrets=secrets_of(values.get("secrets", {})),
            encrypt_files=values.get("encrypt_files"),
            region=values.get("region"),
            revision=None if seen is None else int(seen),
        )
        return set_etag(Response(shown(profile)), profile.revision)  # type: ignore[return-value]

    @extend_schema(operation_id="profiles_delete", responses={204: None})
    def delete(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Remove it, when nothing needs it."""
        profiles.delete_profile(actor=actor_of(request), profile_id=profile_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProfileTestView(APIView):
    """Trying a backend."""

    @extend_schema(operation_id="profiles_test", request=None, responses=BackendProfileOutput)
    def post(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Test the settings as they are stored; `test` in the answer says what was found."""
        actor = actor_of(request)
        profiles.test_profile(actor=actor, profile_id=profile_id)
        return Response(shown(get_profile(actor, profile_id)))


class ProfileEnableView(APIView):
    """Letting a backend be called."""

    @extend_schema(operation_id="profiles_enable", request=None, responses=BackendProfileOutput)
    def post(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Enable it; 409 until its settings have passed a test."""
        return Response(shown(profiles.enable_profile(actor=actor_of(request), profile_id=profile_id)))


class ProfileDisableView(APIView):
    """Stopping calls to a backend."""

    @extend_schema(operation_id="profiles_disable", request=None, responses=BackendProfileOutput)
    def post(self, request: Request, profile_id: uuid.UUID) -> Response:
        """Disable it; calls that are running go on."""
        return Response(shown(profiles.disable_profile(actor=actor_of(request), profile_id=profile_id)))


class PluginOutput(serializers.Serializer):
    """An installed plugin."""

    kind = serializers.CharField()
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.CharField()
    distribution = serializers.CharField()
    version = serializers.CharField()
    home_page = serializers.CharField()
    first_party = serializers.BooleanField()
    in_use = serializers.BooleanField(help_text="Whether a profile of it is enabled.")
    error = serializers.CharField()
    remedy = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())


class PluginListView(APIView):
    """Plugins."""

    @extend_schema(operation_id="plugins_list", responses=PluginOutput(many=True))
    def get(self, request: Request) -> Response:
        """All that are installed, also those that cannot be used and why."""
        return Response({"data": [plugins.as_dict(row) for row in plugins.installed(actor=actor_of(request))]})


class LocalServerOutput(serializers.Serializer):
    """A model server on this machine."""

    label = serializers.CharField()  # type: ignore[assignment]
    base_url = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    options = serializers.DictField(help_text="Options of a profile for it.")
    known = serializers.BooleanField(help_text="Whether a profile for this address exists.")


class LocalServerListView(APIView):
    """Model servers on this machine."""

    @extend_schema(operation_id="local_servers_find", request=None, responses=LocalServerOutput(many=True))
    def post(self, request: Request) -> Response:
        """Ask the usual ports of this machine, each for 0.3 seconds. Nothing is set up."""
        found = local.find_local_servers(actor=actor_of(request))
        return Response({"data": [local.as_dict(server) for server in found]})


class ModelCallOutput(serializers.Serializer):
    """One attempt."""

    id = serializers.UUIDField()
    subject = serializers.CharField()
    number = serializers.IntegerField()
    purpose = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    user_id = serializers.UUIDField(allow_null=True)
    profile_name = serializers.CharField()
    model = serializers.CharField()
    state = serializers.CharField()
    error_kind = serializers.CharField()
    error_message = serializers.CharField()
    finish_reason = serializers.CharField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    usage_source = serializers.CharField()
    cost = serializers.DecimalField(18, 9, allow_null=True)
    currency = serializers.CharField()
    ttft_ms = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField()


class ModelCallListView(APIView):
    """The record of attempts."""

    pagination_class = CursorPage

    @extend_schema(operation_id="model_calls_list", responses=ModelCallOutput(many=True))
    def get(self, request: Request) -> Response:
        """Attempts, newest first; for operators and auditors."""
        rows = model_calls(actor_of(request)).values(*ModelCallOutput().fields)
        return paginated(request, rows, ordering=("-started_at", "-id"))
