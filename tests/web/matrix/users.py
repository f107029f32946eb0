"""What parameters of the users app name."""

from __future__ import annotations

from apps.users.models import AuditEvent, Membership, RoleGrant
from apps.users.services.notifications import notify
from tests.factories.users import make_token


def _notification(people):
    return notify(people.wanda, "tests", "For wanda").pk


def _token(people):
    return make_token(people.wanda, "content.read")[0].pk


def _membership(people):
    people.eddie  # noqa: B018  an editor stays when wanda goes
    return Membership.objects.get(user=people.wanda).pk


BODIES = {
    "PATCH api/v1/me": lambda people: {"full_name": "New Name"},
    "PATCH api/v1/workspaces/<uuid:workspace_id>": lambda people: {"name": "New name"},
    "POST api/v1/workspaces/<uuid:workspace_id>/members": lambda people: {
        "email": people.otto.email,
        "role": "writer",
    },
    "PATCH api/v1/workspaces/<uuid:workspace_id>/members/<uuid:member_id>": lambda people: {"role": "editor"},
    "POST api/v1/tokens": lambda people: {"name": "new", "scopes": ["tokens.manage"]},
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
    "users.user": lambda people: people.wanda.pk,
    "users.workspace": lambda people: people.press.pk,
    "users.membership": _membership,
    "users.rolegrant": lambda people: RoleGrant.objects.get(user=people.otto).pk,
    "users.apitoken": _token,
    "users.auditevent": lambda people: AuditEvent.objects.values_list("pk", flat=True).first(),
    "users.notification": _notification,
}
