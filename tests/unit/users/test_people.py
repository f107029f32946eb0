"""Accounts, roles and memberships."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.users.models import AuditEvent, Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor, can
from apps.users.selectors.belongings import find_active_user, members_of
from apps.users.services import people as services
from apps.users.services.bootstrap import bootstrap_first_admin
from apps.users.services.roles import grant_role, revoke_role
from apps.users.services.subjects import named
from apps.users.services.workspaces import (
    add_member,
    change_member,
    create_workspace,
    find_member,
    remove_member,
    rename_workspace,
)
from tests.factories.users import PASSWORD, SETUP, RoleGrantFactory, UserFactory, WorkspaceFactory
from tests.people import People

TUNED = "apps.users.services.hashing.TunedArgon2PasswordHasher"


def test_addresses_are_one_whatever_their_case(db):
    user = services.create_user(actor=SETUP, email="  Ann@Example.ORG ", password=PASSWORD)
    assert user.email == "ann@example.org"
    with pytest.raises(Conflict) as caught:
        services.create_user(actor=SETUP, email="ANN@example.org")
    assert caught.value.field == "email"
    assert User.objects.get_by_natural_key("ANN@EXAMPLE.ORG") == user


def test_the_database_refuses_another_case(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="Ann@example.org")


@pytest.mark.parametrize("email", ["", "ann", "ann@", "a b@example.org", "ann@example.org\n@evil.example"])
def test_what_is_no_address_is_refused(db, email: str):
    with pytest.raises(InvalidInput) as caught:
        services.create_user(actor=SETUP, email=email)
    assert caught.value.field == "email"


def test_weak_passwords_are_refused_with_every_reason(db):
    with pytest.raises(InvalidInput) as caught:
        services.create_user(actor=SETUP, email="ann@example.org", password="password")
    assert len(caught.value.details) == 3
    assert not User.objects.exists()


def test_passwords_are_hashed_with_tuned_argon2(settings):
    settings.PASSWORD_HASHERS = [TUNED]
    encoded = make_password(PASSWORD)
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password(PASSWORD, encoded)
    assert not check_password("another", encoded)


def test_a_service_account_has_no_password(db):
    with pytest.raises(InvalidInput):
        services.create_user(actor=SETUP, email="robot@example.org", kind="service", password=PASSWORD)
    robot = services.create_user(actor=SETUP, email="robot@example.org", kind="service")
    with pytest.raises(InvalidInput):
        services.set_password(actor=SETUP, user=robot, password=PASSWORD)
    robot.set_password(PASSWORD)
    with pytest.raises(IntegrityError), transaction.atomic():
        robot.save()


def test_only_administrators_make_accounts(people: People):
    for name in ("wanda", "eddie", "otto", "ada"):
        with pytest.raises(PermissionDenied):
            services.create_user(actor=people.actor(name), email="new@example.org")
    services.create_user(actor=people.actor("alma"), email="new@example.org")
    event = named([AuditEvent.objects.filter(action="user.created").latest("id")])[0]
    assert (event.actor_label, event.object_label) == ("alma@example.org", "new@example.org")


def test_a_profile_changes_its_own_fields_only(people: People):
    actor = people.actor("wanda")
    services.update_profile(actor=actor, full_name="Wanda W.", timezone="Europe/Berlin")
    people.wanda.refresh_from_db()
    assert (people.wanda.full_name, people.wanda.timezone) == ("Wanda W.", "Europe/Berlin")
    with pytest.raises(InvalidInput):
        services.update_profile(actor=actor, timezone="Mars/Olympus")
    with pytest.raises(InvalidInput):
        services.update_profile(actor=actor, status="active")


def test_an_administrator_changes_an_address(people: People):
    services.update_user(actor=people.actor("alma"), user=people.wanda, email="Wanda.New@example.org")
    assert User.objects.get(pk=people.wanda.pk).email == "wanda.new@example.org"
    with pytest.raises(Conflict):
        services.update_user(actor=people.actor("alma"), user=people.eddie, email="wanda.new@example.org")


def test_suspension(people: People):
    alma = people.actor("alma")
    services.suspend_user(actor=alma, user=people.wanda, reason="left")
    assert not people.wanda.is_active
    assert named([AuditEvent.objects.get(action="user.suspended")])[0].reason == "left"
    services.reactivate_user(actor=alma, user=people.wanda)
    assert people.wanda.is_active
    with pytest.raises(Conflict, match="own account"):
        services.suspend_user(actor=alma, user=people.alma, reason="")


def test_the_last_administrator_stays(people: People):
    grant = RoleGrant.objects.get(user=people.alma)
    with pytest.raises(Conflict, match="last administrator"):
        revoke_role(actor=SETUP, grant=grant)
    with pytest.raises(Conflict, match="last administrator"):
        services.suspend_user(actor=SETUP, user=people.alma, reason="")
    second = RoleGrantFactory(role="admin")
    revoke_role(actor=Actor.for_user(second.user), grant=grant)
    assert not can(people.actor("alma"), "users.manage")


def test_a_suspended_administrator_does_not_count(people: People):
    second = RoleGrantFactory(role="admin")
    services.suspend_user(actor=people.actor("alma"), user=second.user, reason="")
    with pytest.raises(Conflict):
        revoke_role(actor=SETUP, grant=RoleGrant.objects.get(user=people.alma))


def test_an_auditor_holds_no_other_role(people: People):
    alma = people.actor("alma")
    with pytest.raises(Conflict, match="auditor"):
        grant_role(actor=alma, user=people.ada, role="operator", reason="short of people")
    with pytest.raises(Conflict, match="auditor"):
        grant_role(actor=alma, user=people.otto, role="auditor", reason="short of people")
    grant_role(actor=alma, user=people.otto, role="admin", reason="second administrator")
    assert people.otto.system_roles == {"operator", "admin"}


def test_nobody_raises_themselves(people: People):
    with pytest.raises(Conflict, match="yourself"):
        grant_role(actor=people.actor("alma"), user=people.alma, role="operator", reason="handy")
    with pytest.raises(PermissionDenied):
        grant_role(actor=people.actor("otto"), user=people.otto, role="admin", reason="handy")


@pytest.mark.parametrize(
    "changes", [{"role": "king"}, {"reason": "  "}, {"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}]
)
def test_a_grant_needs_a_role_a_reason_and_a_future(people: People, changes):
    with pytest.raises(InvalidInput):
        grant_role(**{"actor": SETUP, "user": people.wanda, "role": "operator", "reason": "r", **changes})


def test_an_ended_grant_can_be_given_again(people: People):
    RoleGrant.objects.filter(user=people.otto).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    grant_role(actor=SETUP, user=people.otto, role="operator", reason="again")
    assert can(people.actor("otto"), "backends.manage")


def test_members_come_and_go(people: People):
    eddie = people.actor("eddie")
    member = add_member(actor=eddie, workspace=people.press, user=people.otto)
    with pytest.raises(Conflict, match="already"):
        add_member(actor=eddie, workspace=people.press, user=people.otto)
    change_member(actor=eddie, membership=member, role="editor")
    assert can(people.actor("otto"), "members.manage", workspace=people.press)
    remove_member(actor=eddie, membership=member)
    assert not can(people.actor("otto"), "content.read", workspace=people.press)
    actions = AuditEvent.objects.filter(actor_id=f"user:{people.eddie.pk}").values_list("action", flat=True)
    assert sorted(actions) == ["member.added", "member.changed", "member.removed"]


def test_an_ended_membership_can_begin_again(people: People):
    Membership.objects.filter(user=people.wanda).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    add_member(actor=people.actor("eddie"), workspace=people.press, user=people.wanda, role="editor")
    assert can(people.actor("wanda"), "members.manage", workspace=people.press)


def test_a_workspace_keeps_an_editor(people: People):
    eddie = people.actor("eddie")
    member = Membership.objects.get(user=people.eddie)
    with pytest.raises(Conflict, match="last editor"):
        remove_member(actor=eddie, membership=member)
    with pytest.raises(Conflict, match="last editor"):
        change_member(actor=eddie, membership=member, role="writer")


def test_members_are_managed_from_inside_only(people: People):
    wanda, eve = people.actor("wanda"), people.actor("eve")
    with pytest.raises(PermissionDenied):
        add_member(actor=wanda, workspace=people.press, user=people.eve)
    with pytest.raises(NotFound):
        add_member(actor=eve, workspace=people.press, user=people.eve)
    member = Membership.objects.get(user=people.wanda)
    with pytest.raises(NotFound):
        find_member(actor=eve, membership_id=member.pk)
    with pytest.raises(NotFound):
        find_member(actor=people.actor("eddie"), membership_id=member.pk, workspace_id=people.rival.pk)
    with pytest.raises(PermissionDenied):
        find_member(actor=wanda, membership_id=member.pk)
    assert find_member(actor=people.actor("eddie"), membership_id=member.pk) == member
    with pytest.raises(NotFound):
        members_of(actor=eve, workspace=people.press)
    assert {m.user for m in members_of(actor=wanda, workspace=people.press)} == {people.wanda, people.eddie}


def test_only_known_people_are_let_in(people: People):
    with pytest.raises(InvalidInput, match="Nobody"):
        find_active_user(actor=people.actor("eddie"), workspace=people.press, email="ghost@example.org")
    with pytest.raises(PermissionDenied):
        find_active_user(actor=people.actor("wanda"), workspace=people.press, email="alma@example.org")


def test_workspaces_have_names_and_slugs(people: People):
    alma = people.actor("alma")
    first = create_workspace(actor=alma, name="Über uns")
    second = create_workspace(actor=alma, name="Über uns")
    assert first.slug == "uber-uns"
    assert second.slug.startswith("uber-uns-")
    with pytest.raises(Conflict):
        create_workspace(actor=alma, name="x", slug="uber-uns")
    with pytest.raises(InvalidInput):
        create_workspace(actor=alma, name=" ")
    with pytest.raises(InvalidInput):
        rename_workspace(actor=alma, workspace=first, name="")


def test_a_personal_workspace_belongs_to_one(people: People):
    user = UserFactory()
    workspace = create_workspace(actor=SETUP, name="Mine", personal_of=user)
    assert can(Actor.for_user(user), "content.write", workspace=workspace)
    with pytest.raises(Conflict):
        create_workspace(actor=SETUP, name="Mine too", personal_of=user)


def test_the_first_administrator_is_made_once(db):
    made = bootstrap_first_admin()
    assert made is not None
    user, password = made
    assert user.email == "admin@localhost"
    assert user.check_password(password.reveal())
    assert len(password.reveal()) == 23
    actor = Actor.for_user(user)
    assert can(actor, "users.manage")
    assert can(actor, "members.manage", workspace=Workspace.objects.get())
    assert can(actor, "content.generate", workspace="first")
    assert bootstrap_first_admin() is None
    assert User.objects.count() == 1


def test_bootstrap_uses_what_is_there(db):
    workspace = WorkspaceFactory()
    made = bootstrap_first_admin(email="boss@example.org")
    assert made is not None
    assert Membership.objects.get(user=made[0]).workspace == workspace


def test_a_name_shows_without_a_full_name(db):
    user = UserFactory(email="x.y@example.org", full_name="")
    assert (str(user), user.get_short_name()) == ("x.y@example.org", "x.y")
    assert UserFactory(full_name="Ann Other").get_short_name() == "Ann"
