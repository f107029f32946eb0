"""Roles, capabilities and the walls between workspaces."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from aiwriter.core.errors import NotAuthenticated, NotFound, PermissionDenied
from apps.users.models import ApiToken, Membership, RoleGrant, User
from apps.users.models.capabilities import CAPABILITIES, SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import (
    Actor,
    can,
    capabilities_of,
    current_workspace,
    is_let_in,
    require,
    role_in,
    workspaces_of,
)
from tests.factories.users import MembershipFactory, WorkspaceFactory, make_token
from tests.people import People


def past() -> dt.datetime:
    return timezone.now() - dt.timedelta(seconds=1)


def test_roles_contain_only_known_capabilities():
    for contents in [*WORKSPACE_ROLES.values(), *SYSTEM_ROLES.values()]:
        assert contents <= set(CAPABILITIES)


def test_no_system_role_reaches_content():
    for role, contents in SYSTEM_ROLES.items():
        assert not {c for c in contents if c.startswith(("content.", "sources."))}, role


@pytest.mark.parametrize(
    ("name", "allowed", "denied"),
    [
        ("wanda", "content.write", "members.manage"),
        ("eddie", "members.manage", "backends.read"),
        ("otto", "backends.manage", "audit.read"),
        ("ada", "audit.read", "backends.manage"),
        ("alma", "users.manage", "content.read"),
    ],
)
def test_each_role_has_its_own_reach(people: People, name: str, allowed: str, denied: str):
    people.press  # noqa: B018
    assert can(people.actor(name), allowed)
    assert not can(people.actor(name), denied)


@pytest.mark.parametrize("name", ["wanda", "eddie", "otto", "ada", "alma", "eve"])
@pytest.mark.parametrize("where", [None, "press", "rival"])
def test_the_summary_agrees_with_each_single_answer(people: People, name: str, where: str | None):
    workspace = getattr(people, where) if where else None
    actor = people.actor(name)
    one_by_one = {c for c in CAPABILITIES if can(actor, c, workspace=workspace)}
    assert capabilities_of(actor, workspace=workspace) == one_by_one


@pytest.mark.parametrize("name", ["wanda", "eddie", "otto", "ada", "alma", "eve"])
@pytest.mark.parametrize("bound", [None, "press", "rival"])
def test_who_is_let_in_sees_the_workspace_and_may_do_it_there(people: People, name: str, bound: str | None):
    rooms = [people.press, people.rival]
    actor = people.actor(name)
    if bound:
        # As the bound token of somebody who was moved since: it reaches what its person reaches there, and no more.
        scopes = ["content.read", "content.write", "users.manage"]
        actor = Actor.for_token(ApiToken(user=people.named(name), scopes=scopes, workspace=getattr(people, bound)))
    for room in rooms:
        sees = workspaces_of(actor).filter(pk=room.pk).exists()
        for capability in CAPABILITIES:
            may = sees and can(actor, capability, workspace=room)
            assert is_let_in(actor, capability, room.pk) == may, (capability, room)


def test_who_is_not_let_in_any_more(people: People):
    actor, room = people.actor("wanda"), people.press.pk
    assert is_let_in(actor, "content.read", room)
    Membership.objects.filter(user=people.wanda).update(expires_at=past())
    assert not is_let_in(actor, "content.read", room)
    with pytest.raises(NotFound):
        current_workspace(actor)


def test_a_stranger_learns_nothing_of_a_workspace(people: People):
    with pytest.raises(NotFound):
        require(people.actor("eve"), "content.read", workspace=people.press)
    with pytest.raises(NotFound):
        require(people.actor("otto"), "content.read", workspace=people.press.slug)
    with pytest.raises(NotFound):
        current_workspace(people.actor("eve"), str(people.press.pk))


def test_a_member_is_told_that_they_may_not(people: People):
    with pytest.raises(PermissionDenied, match="Ask an editor"):
        require(people.actor("wanda"), "members.manage", workspace=people.press)


def test_nobody_is_told_to_sign_in(people: People):
    with pytest.raises(NotAuthenticated):
        require(Actor.anonymous(), "content.read", workspace=people.press)


def test_a_misspelt_capability_fails_loudly(people: People):
    with pytest.raises(KeyError):
        can(people.actor("alma"), "user.manage")
    with pytest.raises(KeyError):
        can(Actor.system_actor("tests"), "user.manage")


def test_a_membership_ends_by_itself(people: People):
    actor = people.actor("wanda")
    assert can(actor, "content.read", workspace=people.press)
    Membership.objects.filter(user=people.wanda).update(expires_at=past())
    assert not can(actor, "content.read", workspace=people.press)
    assert not workspaces_of(actor).exists()
    assert role_in(actor, people.press) == ""
    assert capabilities_of(actor) == frozenset()


def test_a_membership_with_an_end_ahead_holds(people: People):
    Membership.objects.filter(user=people.wanda).update(expires_at=timezone.now() + dt.timedelta(minutes=1))
    assert can(people.actor("wanda"), "content.read", workspace=people.press)


def test_a_system_role_ends_by_itself(people: People):
    RoleGrant.objects.filter(user=people.otto).update(expires_at=past())
    assert not can(people.actor("otto"), "backends.read")
    assert not User.objects.get(pk=people.otto.pk).is_staff


def test_a_suspended_person_may_nothing(people: People):
    people.wanda.status = User.Status.SUSPENDED
    people.wanda.save()
    assert capabilities_of(people.actor("wanda")) == frozenset()
    assert not can(people.actor("wanda"), "content.read", workspace=people.press)


def test_a_token_allows_its_scopes_only(people: People):
    token, _ = make_token(people.wanda, "content.read")
    actor = Actor.for_token(token)
    assert can(actor, "content.read", workspace=people.press)
    assert not can(actor, "content.write", workspace=people.press)
    with pytest.raises(PermissionDenied, match=r"scope 'content\.write'"):
        require(actor, "content.write", workspace=people.press)


def test_a_bound_token_stays_in_its_workspace(people: People):
    other = WorkspaceFactory()
    MembershipFactory(user=people.wanda, workspace=other)
    token, _ = make_token(people.wanda, "content.read", workspace=people.press)
    actor = Actor.for_token(token)
    assert list(workspaces_of(actor)) == [people.press]
    assert current_workspace(actor) == people.press
    assert not can(actor, "content.read", workspace=other)
    with pytest.raises(NotFound):
        require(actor, "content.read", workspace=other)


def test_a_token_loses_what_its_person_loses(people: People):
    token, _ = make_token(people.eddie, "members.manage")
    Membership.objects.filter(user=people.eddie).update(role="writer")
    assert not can(Actor.for_token(token), "members.manage", workspace=people.press)


def test_the_portal_itself_passes(people: People):
    actor = Actor.system_actor("sweeper")
    require(actor, "content.write", workspace=people.press)
    assert actor.id == "system:sweeper"
    assert set(workspaces_of(actor)) == {people.press}


def test_one_question_is_at_most_two_queries(people: People, django_assert_max_num_queries):
    actor, workspace = people.actor("wanda"), people.press
    with django_assert_max_num_queries(1):
        require(actor, "content.read", workspace=workspace)
    operator = people.actor("otto")
    with django_assert_max_num_queries(1):
        require(operator, "backends.read")
