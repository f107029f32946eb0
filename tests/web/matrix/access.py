"""What parameters of elevations, groups and access reviews name."""

from __future__ import annotations

from apps.users.models import (
    AccessReview,
    Elevation,
    ElevationPolicy,
    Group,
    GroupMember,
    GroupRole,
    Reduction,
    RoleGrant,
)
from apps.users.selectors.access import Actor
from apps.users.services import groups
from apps.users.services.elevation_policies import create_policy
from apps.users.services.elevations import request_elevation
from apps.users.services.reviews import start_review
from apps.users.services.shrinking import reduce_grant
from tests.factories.users import SETUP


def _policy(people):
    """Wanda and otto may ask for it, alma and eddie may agree."""
    found = ElevationPolicy.objects.first()
    values = {"role": "writer", "eligible_roles": ["writer", "operator"], "approver_roles": ["admin", "editor"]}
    return found or create_policy(actor=SETUP, name="Look", **values)


def _unused_policy(people):
    values = {"capabilities": ["backups.run"], "eligible_roles": ["writer"], "approver_roles": ["admin"]}
    return (ElevationPolicy.objects.filter(name="New").first() or create_policy(actor=SETUP, name="New", **values)).pk


def _elevation(people):
    """Of wanda's, in press, waiting for an answer."""
    found = Elevation.objects.first()
    asker = Actor.for_user(people.wanda)
    made = found or request_elevation(actor=asker, policy=_policy(people), reason="tests", workspace=people.press)
    return made.pk


def _group(people):
    return (Group.objects.first() or groups.create_group(actor=SETUP, name="Crew")).pk


def _group_role(people):
    group = Group.objects.get(pk=_group(people))
    found = GroupRole.objects.filter(group=group).first()
    return (found or groups.add_role(actor=SETUP, group=group, role="writer", workspace=people.press)).pk


def _group_member(people):
    group = Group.objects.get(pk=_group(people))
    found = GroupMember.objects.filter(group=group).first()
    return (found or groups.add_to_group(actor=SETUP, group=group, user=people.wanda, reason="tests")).pk


def _review(people):
    """Of who works in press."""
    people.eddie  # noqa: B018
    people.wanda  # noqa: B018
    found = AccessReview.objects.first()
    made = found or start_review(actor=SETUP, name="Press", scope="workspace", workspace=people.press)
    return made.pk


def _item(people):
    return str(AccessReview.objects.get(pk=_review(people)).items.get(user=people.wanda).pk)


def _grant(people):
    return RoleGrant.objects.get(user=people.otto).pk


def _reduction(people):
    found = Reduction.objects.first()
    grant = RoleGrant.objects.get(user=people.otto)
    return (found or reduce_grant(actor=SETUP, grant=grant, keep=["backups.run"])).pk


_POLICY = {"name": "Restore", "capabilities": ["backups.restore"], "eligible_roles": ["operator"]}
BODIES = {
    "POST api/v1/access/elevation-policies": lambda people: _POLICY,
    "PATCH api/v1/access/elevation-policies/<uuid:elevation_policy_id>": lambda people: {"approvals": 2},
    "POST api/v1/access/elevations": lambda people: {
        "policy_id": str(_policy(people).pk),
        "reason": "tests",
        "workspace_id": str(people.press.pk),
    },
    "POST api/v1/access/groups": lambda people: {"name": "New"},
    "PATCH api/v1/access/groups/<uuid:group_id>": lambda people: {"name": "New"},
    "POST api/v1/access/groups/<uuid:group_id>/roles": lambda people: {
        "role": "writer",
        "workspace_id": str(people.rival.pk),
    },
    "POST api/v1/access/groups/<uuid:group_id>/members": lambda people: {
        "user_id": str(people.wanda.pk),
        "reason": "tests",
    },
    "POST api/v1/access/reviews": lambda people: {"name": "Quarter"},
    "POST api/v1/access/reviews/<uuid:access_review_id>/decisions": lambda people: {
        "items": [_item(people)],
        "decision": "keep",
        "comment": "tests",
    },
    "POST api/v1/access/reductions": lambda people: {
        "kind": "role",
        "grant_id": str(_grant(people)),
        "keep": ["backups.run"],
    },
    "POST api/v1/access/rehearsals": lambda people: {"kind": "revoke_role", "grant_id": str(_grant(people))},
    "POST access/": lambda people: {
        "policy": str(_policy(people).pk),
        "reason": "tests",
        "workspace": str(people.press.pk),
    },
    "POST access/reviews/<uuid:access_review_id>/": lambda people: {
        "items": [_item(people)],
        "decision": "keep",
        "comment": "tests",
    },
    "POST admin/users/accessreview/<uuid:access_review_id>/decide/": lambda people: {
        "items": [_item(people)],
        "decision": "keep",
        "comment": "tests",
    },
    "POST admin/users/accessreview/add/": lambda people: {
        "name": "Quarter",
        "scope": "privileged",
        "due_days": "14",
        "on_overdue": "escalate",
    },
    "POST admin/users/elevationpolicy/add/": lambda people: {
        **_POLICY,
        "approver_roles": ["admin"],
        "approvals": "1",
        "default_minutes": "60",
        "max_minutes": "120",
        "proof_minutes": "5",
        "enabled": "on",
    },
    "POST admin/users/elevationpolicy/<path:object_id>/change/": lambda people: {
        "name": "New",
        "capabilities": ["backups.run"],
        "eligible_roles": ["writer"],
        "approver_roles": ["admin"],
        "approvals": "2",
        "default_minutes": "60",
        "max_minutes": "120",
        "proof_minutes": "5",
        "enabled": "on",
    },
    "POST admin/users/elevationpolicy/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/group/add/": lambda people: {"name": "New"},
    "POST admin/users/group/<path:object_id>/change/": lambda people: {"name": "New"},
    "POST admin/users/group/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/users/group/<uuid:group_id>/roles/": lambda people: {
        "role": "writer",
        "workspace": str(people.rival.pk),
    },
    "POST admin/users/group/<uuid:group_id>/members/": lambda people: {"user": str(people.wanda.pk), "reason": "tests"},
    "POST admin/users/rolegrant/shrink/<slug:kind>/<uuid:grant_id>/": lambda people: {"keep": ["backups.run"]},
}
THINGS = {
    "elevation_policy_id": _unused_policy,
    "elevation_id": _elevation,
    "group_id": _group,
    "group_role_id": _group_role,
    "group_member_id": _group_member,
    "access_review_id": _review,
    "reduction_id": _reduction,
    "grant_id": _grant,
    "kind": lambda people: "role",
    "users.elevationpolicy": _unused_policy,
    "users.elevation": _elevation,
    "users.group": _group,
    "users.accessreview": _review,
}
