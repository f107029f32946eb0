"""Things that two people do at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from aiwriter.core.errors import AppError
from apps.users.models import Membership, RoleGrant, User
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user, suspend_user
from apps.users.services.roles import grant_role, revoke_role
from apps.users.services.workspaces import remove_member
from tests.factories.users import SETUP, MembershipFactory, RoleGrantFactory, UserFactory, WorkspaceFactory


def together(*acts: Callable[[], object]) -> list[str]:
    """Run all at once, each with a connection of its own; says how each ended."""
    gate = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        try:
            gate.wait()
            act()
        except AppError as error:
            return error.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(run, acts))


def test_two_administrators_cannot_take_each_other_away(transactional_db):
    first, second = RoleGrantFactory(role="admin"), RoleGrantFactory(role="admin")
    ended = together(
        lambda: revoke_role(actor=SETUP, grant=first),
        lambda: revoke_role(actor=SETUP, grant=second),
    )
    assert ended == ["conflict", "done"]
    assert RoleGrant.objects.filter(role="admin").count() == 1


def test_suspending_and_revoking_leave_one_administrator(transactional_db):
    first, second = RoleGrantFactory(role="admin"), RoleGrantFactory(role="admin")
    ended = together(
        lambda: revoke_role(actor=SETUP, grant=first),
        lambda: suspend_user(actor=SETUP, user=second.user, reason="left"),
    )
    assert ended == ["conflict", "done"]
    assert RoleGrant.objects.filter(role="admin", user__status="active").count() == 1


def test_an_auditor_stays_alone_when_two_grant_at_once(transactional_db):
    user = UserFactory()
    ended = together(
        lambda: grant_role(actor=SETUP, user=user, role="auditor", reason="r"),
        lambda: grant_role(actor=SETUP, user=user, role="operator", reason="r"),
    )
    assert ended == ["conflict", "done"]
    assert user.role_grants.count() == 1


def test_one_address_becomes_one_account(transactional_db):
    ended = together(*[lambda: create_user(actor=SETUP, email="Same@example.org")] * 4)
    assert ended == ["conflict", "conflict", "conflict", "done"]
    assert User.objects.count() == 1


def test_two_editors_cannot_both_leave(transactional_db):
    workspace = WorkspaceFactory()
    members = [MembershipFactory(workspace=workspace, role="editor") for _ in range(2)]
    ended = together(
        *[
            lambda member=member: remove_member(actor=Actor.for_user(member.user), membership=member)
            for member in members
        ]
    )
    assert ended == ["conflict", "done"]
    assert Membership.objects.filter(workspace=workspace, role="editor").count() == 1
