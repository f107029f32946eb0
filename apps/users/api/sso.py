"""Sign-in providers, what their groups are worth, and whether there is another door."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.api.people import PersonOutput, person_row
from apps.users.api.workspaces import workspace_named
from apps.users.models import Membership, RoleGrant, RoleRule, SignInProvider
from apps.users.selectors.people import get_person
from apps.users.selectors.sso import addresses_to_register, get_provider, get_rule, mode, providers
from apps.users.services import sso


class SignInProviderChangeInput(Input):
    """What may be changed of a provider."""

    name = serializers.CharField(max_length=60)
    enabled = serializers.BooleanField(required=False)
    issuer = serializers.CharField(max_length=500)
    client_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    secret = serializers.CharField(max_length=500, required=False, allow_blank=True, write_only=True)
    sso_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    certificate = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    groups_claim = serializers.CharField(max_length=200, required=False)
    creates_accounts = serializers.BooleanField(required=False)
    domains = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=50)
    counts_as_factor = serializers.BooleanField(required=False)


class SignInProviderInput(SignInProviderChangeInput):
    """A new provider."""

    kind = serializers.ChoiceField(choices=SignInProvider.Kind.choices)
    slug = serializers.SlugField(max_length=40)


class RoleRuleOutput(serializers.Serializer):
    """What a group is worth."""

    id = serializers.UUIDField()
    group = serializers.CharField()
    role = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)


class RoleRuleInput(Input):
    """What a group is worth."""

    group = serializers.CharField(max_length=200)
    role = serializers.ChoiceField(choices=[*Membership.Role.choices, *RoleGrant.Role.choices])
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class SignInProviderOutput(serializers.Serializer):
    """A provider without its secret."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=SignInProvider.Kind.choices)
    slug = serializers.CharField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    issuer = serializers.CharField()
    client_id = serializers.CharField(allow_blank=True)
    has_secret = serializers.BooleanField()
    sso_url = serializers.CharField(allow_blank=True)
    certificate = serializers.CharField(allow_blank=True)
    groups_claim = serializers.CharField()
    creates_accounts = serializers.BooleanField()
    domains = serializers.ListField(child=serializers.CharField())
    counts_as_factor = serializers.BooleanField()
    addresses = serializers.DictField(child=serializers.CharField())
    rules = RoleRuleOutput(many=True)


class SignInProvidersOutput(serializers.Serializer):
    """All providers."""

    providers_only = serializers.BooleanField()
    providers = SignInProviderOutput(many=True)


class SignInModeInput(Input):
    """Whether people may sign in without a provider."""

    providers_only = serializers.BooleanField()


class EmergencyInput(Input):
    """Whether an account is one for emergencies."""

    emergency = serializers.BooleanField()
    reason = serializers.CharField(max_length=300)


_FIELDS = tuple(str(name) for name in SignInProviderOutput().fields if str(name) not in ("addresses", "rules"))


def _row(provider: SignInProvider) -> dict[str, Any]:
    values = {name: getattr(provider, name) for name in _FIELDS}
    rules = [_rule(rule) for rule in provider.rules.all()]
    return {**values, "addresses": addresses_to_register(provider), "rules": rules}


def _rule(rule: RoleRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in ("id", "group", "role", "workspace_id")}


class ProviderListView(APIView):
    """All providers."""

    @extend_schema(operation_id="sign_in_providers_list", responses=SignInProvidersOutput)
    def get(self, request: Request) -> Response:
        """List them, with the addresses that each has to be told."""
        actor = actor_of(request)
        rows = [_row(provider) for provider in providers(actor=actor)]
        return Response({"providers_only": mode(actor=actor).providers_only, "providers": rows})

    @extend_schema(
        operation_id="sign_in_providers_create", request=SignInProviderInput, responses={201: SignInProviderOutput}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one up. An OpenID Connect provider is asked for its description first."""
        made = sso.create_provider(actor=actor_of(request), **read(SignInProviderInput, request))
        return Response(_row(made), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="sign_in_mode_set", request=SignInModeInput, responses=SignInModeInput)
    def patch(self, request: Request) -> Response:
        """Open or close signing in without a provider. Emergency accounts keep their passwords."""
        made = sso.set_mode(actor=actor_of(request), **read(SignInModeInput, request))
        return Response({"providers_only": made.providers_only})


class ProviderView(APIView):
    """One provider."""

    @extend_schema(operation_id="sign_in_providers_read", responses=SignInProviderOutput)
    def get(self, request: Request, provider_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_row(get_provider(actor=actor_of(request), provider_id=provider_id)))

    @extend_schema(
        operation_id="sign_in_providers_update", request=SignInProviderChangeInput, responses=SignInProviderOutput
    )
    def patch(self, request: Request, provider_id: uuid.UUID) -> Response:
        """Change it."""
        actor = actor_of(request)
        provider = get_provider(actor=actor, provider_id=provider_id)
        values = read(SignInProviderChangeInput, request, partial=True)
        return Response(_row(sso.update_provider(actor=actor, provider=provider, **values)))

    @extend_schema(operation_id="sign_in_providers_delete", responses={204: None})
    def delete(self, request: Request, provider_id: uuid.UUID) -> Response:
        """Remove it, and with it what its groups have given."""
        actor = actor_of(request)
        sso.delete_provider(actor=actor, provider=get_provider(actor=actor, provider_id=provider_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RoleRuleListView(APIView):
    """Rules of a provider."""

    @extend_schema(operation_id="sign_in_rules_add", request=RoleRuleInput, responses={201: RoleRuleOutput})
    @idempotent
    def post(self, request: Request, provider_id: uuid.UUID) -> Response:
        """Say what a group is worth. It counts from each person's next sign-in on."""
        actor = actor_of(request)
        provider = get_provider(actor=actor, provider_id=provider_id)
        values = read(RoleRuleInput, request)
        workspace = workspace_named(values.pop("workspace_id"))
        rule = sso.add_rule(actor=actor, provider=provider, workspace=workspace, **values)
        return Response(_rule(rule), status=status.HTTP_201_CREATED)


class RoleRuleView(APIView):
    """One rule."""

    @extend_schema(operation_id="sign_in_rules_remove", responses={204: None})
    def delete(self, request: Request, provider_id: uuid.UUID, role_rule_id: uuid.UUID) -> Response:
        """Take it away; what it gave is gone with each person's next sign-in."""
        actor = actor_of(request)
        sso.remove_rule(actor=actor, rule=get_rule(actor=actor, provider_id=provider_id, role_rule_id=role_rule_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class EmergencyView(APIView):
    """Whether an account is one for emergencies."""

    @extend_schema(operation_id="users_emergency_set", request=EmergencyInput, responses=PersonOutput)
    def put(self, request: Request, user_id: uuid.UUID) -> Response:
        """Make it one, or an ordinary one again."""
        actor = actor_of(request)
        values = read(EmergencyInput, request)
        user = get_person(actor=actor, user_id=user_id)
        done = sso.set_emergency(actor=actor, user=user, on=values["emergency"], reason=values["reason"])
        return Response(person_row(done))
