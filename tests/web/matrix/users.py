"""What parameters of the users app name."""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from functools import cache
from pathlib import Path

from allauth.usersessions.models import UserSession
from django.utils import timezone

from apps.users.models import AuditEvent, FactorPolicy, Invitation, Membership, RoleGrant, SignInProvider
from apps.users.services.factors import set_policy
from apps.users.services.invitations import invite, link_of
from apps.users.services.notifications import notify
from apps.users.services.sso import add_rule, create_provider
from tests.factories.users import SETUP, make_token
from tests.servers.identity_providers import make_certificate


def _notification(people):
    return notify(people.wanda, "tests", "For wanda").pk


def _token(people):
    return make_token(people.wanda, "content.read")[0].pk


def _membership(people):
    people.eddie  # noqa: B018  an editor stays when wanda goes
    return Membership.objects.get(user=people.wanda).pk


def _session(people):
    return UserSession.objects.create(
        user=people.wanda, session_key=uuid.uuid4().hex, ip="203.0.113.1", user_agent="tests"
    ).pk


def _invitation(people):
    found = Invitation.objects.first()
    return (found or invite(actor=SETUP, email="guest@example.org", workspace=people.press, workspace_role="writer")).pk


def _link(people):
    invitation = Invitation.objects.get(pk=_invitation(people))
    return link_of(actor=SETUP, invitation=invitation).rstrip("/").rsplit("/", 1)[1]


def _rule(people):
    """One that begins so late that it asks nobody of the matrix."""
    start = timezone.now() + dt.timedelta(days=9)
    return (FactorPolicy.objects.first() or set_policy(actor=SETUP, role="operator", enforced_from=start)).pk


def _role_with_rule(people):
    return FactorPolicy.objects.get(pk=_rule(people)).role


@cache
def _certificate():
    with tempfile.TemporaryDirectory() as folder:
        return make_certificate(Path(folder))


def _provider(people):
    found = SignInProvider.objects.first()
    return (found or create_provider(actor=SETUP, **_PROVIDER, certificate=_certificate())).pk


def _role_rule(people):
    provider = SignInProvider.objects.get(pk=_provider(people))
    return (provider.rules.first() or add_rule(actor=SETUP, provider=provider, group="ops", role="operator")).pk


_PROVIDER = {"kind": "saml", "slug": "corp", "name": "Corp", "issuer": "urn:corp", "sso_url": "https://idp.example/sso"}
BODIES = {
    "POST api/v1/access/providers": lambda people: {**_PROVIDER, "slug": "other", "certificate": _certificate()},
    "PATCH api/v1/access/providers": lambda people: {"providers_only": False},
    "PATCH api/v1/access/providers/<uuid:provider_id>": lambda people: {"name": "Corporation"},
    "POST api/v1/access/providers/<uuid:provider_id>/rules": lambda people: {"group": "chiefs", "role": "admin"},
    "PUT api/v1/users/<uuid:user_id>/emergency": lambda people: {"emergency": False, "reason": "over"},
    "POST admin/users/user/<uuid:user_id>/emergency/": lambda people: {"emergency": "no", "reason": "over"},
    "POST admin/users/signinprovider/mode/": lambda people: {"providers_only": "no"},
    "POST admin/users/signinprovider/add/": lambda people: {
        **_PROVIDER,
        "slug": "other",
        "certificate": _certificate(),
        "groups_claim": "groups",
    },
    "POST admin/users/signinprovider/<path:object_id>/change/": lambda people: {
        **_PROVIDER,
        "name": "Corporation",
        "certificate": _certificate(),
        "groups_claim": "groups",
        "rules-TOTAL_FORMS": "0",
        "rules-INITIAL_FORMS": "0",
    },
    "POST admin/users/signinprovider/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/rolerule/add/": lambda people: {"provider": _provider(people), "group": "x", "role": "admin"},
    "POST admin/users/rolerule/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "PUT api/v1/access/factor-policies/<slug:role>": lambda people: {"strength": "any"},
    "POST api/v1/users/<uuid:user_id>/suspension": lambda people: {"reason": "left"},
    "POST api/v1/users/<uuid:user_id>/factors": lambda people: {"reason": "telephone lost"},
    "POST api/v1/invitations": lambda people: {"email": "new@example.org"},
    "POST invitations/<str:token>/": lambda people: {"full_name": "Nora", "password": "a new phrase of words"},
    "POST admin/users/user/<uuid:user_id>/reset-factors/": lambda people: {"reason": "telephone lost"},
    "POST admin/users/factorpolicy/add/": lambda people: {
        "role": "auditor",
        "strength": "any",
        "enforced_from_0": "2030-01-01",
        "enforced_from_1": "08:00",
        "grace_days": "5",
    },
    "POST admin/users/factorpolicy/<path:object_id>/change/": lambda people: {
        "strength": "any",
        "enforced_from_0": "2030-01-01",
        "enforced_from_1": "08:00",
        "grace_days": "5",
    },
    "POST admin/users/factorpolicy/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/invitation/add/": lambda people: {"email": "new@example.org", "days": "3"},
    "PATCH api/v1/me": lambda people: {"full_name": "New Name"},
    "PATCH api/v1/workspaces/<uuid:workspace_id>": lambda people: {"name": "New name"},
    "POST api/v1/workspaces/<uuid:workspace_id>/members": lambda people: {
        "email": people.otto.email,
        "role": "writer",
    },
    "PATCH api/v1/workspaces/<uuid:workspace_id>/members/<uuid:member_id>": lambda people: {"role": "editor"},
    "POST api/v1/tokens": lambda people: {"name": "new", "scopes": ["tokens.manage"]},
    "POST api/v1/users": lambda people: {"email": "new@example.org"},
    "PATCH api/v1/users/<uuid:user_id>": lambda people: {"full_name": "New Name"},
    "POST api/v1/users/<uuid:user_id>/tokens": lambda people: {"name": "new", "scopes": ["content.read"]},
    "POST admin/users/user/<uuid:user_id>/keys/": lambda people: {"name": "new", "scopes": ["content.read"], "days": 5},
    "POST api/v1/access/grants": lambda people: {"user_id": str(people.eve.pk), "role": "operator", "reason": "tests"},
    "POST api/v1/workspaces": lambda people: {"name": "New"},
    "POST profile/": lambda people: {"full_name": "New Name", "timezone": "UTC"},
    "POST tokens/": lambda people: {"name": "new", "scopes": ["tokens.manage"], "days": 5},
    "POST members/": lambda people: {"email": people.otto.email, "role": "writer"},
    "POST members/<uuid:member_id>/role": lambda people: {"role": "editor"},
    "POST admin/users/user/add/": lambda people: {"email": "new@example.org", "kind": "human"},
    "POST admin/users/rolegrant/add/": lambda people: {"user": people.eve.pk, "role": "admin", "reason": "tests"},
    "POST admin/users/workspace/add/": lambda people: {"name": "New", "slug": "new"},
    "POST admin/users/membership/add/": lambda people: {
        "user": people.otto.pk,
        "workspace": people.press.pk,
        "role": "writer",
    },
    "POST admin/users/rolegrant/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/membership/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/user/<path:object_id>/change/": lambda people: {
        "email": people.wanda.email,
        "full_name": "New Name",
        "role_grants-TOTAL_FORMS": "0",
        "role_grants-INITIAL_FORMS": "0",
    },
    "POST admin/users/workspace/<path:object_id>/change/": lambda people: {"name": "New name"},
    "POST admin/users/membership/<path:object_id>/change/": lambda people: {"role": "editor"},
}
THINGS = {
    "workspace_id": lambda people: people.press.pk,
    "member_id": _membership,
    "token_id": _token,
    "notification_id": _notification,
    "user_id": lambda people: people.wanda.pk,
    "session_id": _session,
    "invitation_id": _invitation,
    "token": _link,
    "role": _role_with_rule,
    "provider_id": _provider,
    "role_rule_id": _role_rule,
    "users.signinprovider": _provider,
    "users.rolerule": _role_rule,
    "users.factorpolicy": _rule,
    "users.invitation": _invitation,
    "users.user": lambda people: people.wanda.pk,
    "users.workspace": lambda people: people.press.pk,
    "users.membership": _membership,
    "users.rolegrant": lambda people: RoleGrant.objects.get(user=people.otto).pk,
    "users.apitoken": _token,
    "role_grant_id": lambda people: RoleGrant.objects.get(user=people.otto).pk,
    "users.auditevent": lambda people: AuditEvent.objects.values_list("pk", flat=True).first(),
    "users.notification": _notification,
}
