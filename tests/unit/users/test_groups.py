"""Groups, what was used of what was granted, changes rehearsed, keys and accounts that lie idle."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.users.models import ApiToken, AuditEvent, CapabilityUse, Membership, RoleGrant, User
from apps.users.selectors import uses
from apps.users.selectors.access import Actor, can, require, role_in
from apps.users.selectors.idle import dormant_accounts, token_findings
from apps.users.selectors.shrinking import proposal_for
from apps.users.services import groups
from apps.users.services.rehearsals import rehearse
from apps.users.services.roles import grant_role, revoke_role
from apps.users.services.shrinking import reduce_grant, undo_reduction
from apps.users.services.tokens import authenticate, create_token
from apps.users.services.uses import write_uses
from apps.users.services.workspaces import remove_member
from tests.factories.users import SETUP, RoleGrantFactory, UserFactory, make_token
from tests.people import People, open_session


@pytest.fixture(autouse=True)
def _nothing_counted(db):
    uses.take()


def test_a_group_gives_takes_and_leaves_what_is_ones_own(people: People):
    people.eddie  # noqa: B018  without another editor the last one stays
    crew = groups.create_group(actor=SETUP, name="Crew")
    in_press = groups.add_role(actor=SETUP, group=crew, role="editor", workspace=people.press)
    groups.add_role(actor=SETUP, group=crew, role="operator")
    wanda = people.actor("wanda")
    member = groups.add_to_group(actor=people.actor("alma"), group=crew, user=people.wanda, reason="stands in")
    assert can(wanda, "members.manage", workspace=people.press)
    assert can(wanda, "backends.manage")
    assert role_in(wanda, people.press) == "editor"
    given = Membership.objects.get(user=people.wanda, group=crew)
    with pytest.raises(Conflict):
        remove_member(actor=SETUP, membership=given)
    groups.remove_role(actor=SETUP, row=in_press)
    assert role_in(wanda, people.press) == "writer"
    groups.remove_from_group(actor=SETUP, member=member)
    assert not can(wanda, "backends.manage")
    assert can(wanda, "content.write", workspace=people.press)


def test_a_group_is_no_way_round_the_rules(people: People):
    crew = groups.create_group(actor=SETUP, name="Crew")
    groups.add_role(actor=SETUP, group=crew, role="operator")
    with pytest.raises(Conflict):
        groups.add_to_group(actor=SETUP, group=crew, user=people.ada, reason="r")
    with pytest.raises(Conflict):
        groups.add_to_group(actor=people.actor("alma"), group=crew, user=people.alma, reason="r")
    assert not RoleGrant.objects.filter(group=crew).exists()
    bosses = groups.create_group(actor=SETUP, name="Bosses")
    groups.add_role(actor=SETUP, group=bosses, role="admin")
    groups.add_to_group(actor=SETUP, group=bosses, user=people.wanda, reason="r")
    revoke_role(actor=SETUP, grant=people.alma.role_grants.get())
    with pytest.raises(Conflict):
        groups.delete_group(actor=SETUP, group=bosses)
    with pytest.raises(Conflict):
        grant_role(actor=SETUP, user=people.wanda, role="auditor", reason="r")
    own = grant_role(actor=SETUP, user=people.wanda, role="admin", reason="r")
    revoke_role(actor=SETUP, grant=own)
    assert can(people.actor("wanda"), "users.manage")


def test_a_group_leaves_no_workspace_without_an_editor(people: People):
    crew = groups.create_group(actor=SETUP, name="Crew")
    row = groups.add_role(actor=SETUP, group=crew, role="editor", workspace=people.press)
    wanda = groups.add_to_group(actor=SETUP, group=crew, user=people.wanda, reason="r")
    for attempt in (
        lambda: groups.remove_from_group(actor=SETUP, member=wanda),
        lambda: groups.remove_role(actor=SETUP, row=row),
        lambda: groups.delete_group(actor=SETUP, group=crew),
    ):
        with pytest.raises(Conflict, match="last editor"):
            attempt()
    assert role_in(people.actor("wanda"), people.press) == "editor"
    eddie = Membership.objects.get(user=people.eddie)
    reduce_grant(actor=SETUP, grant=eddie, keep=["content.read"])
    with pytest.raises(Conflict, match="last editor"):
        groups.remove_from_group(actor=SETUP, member=wanda)
    undo_reduction(actor=SETUP, reduction=eddie.reductions.get())
    groups.delete_group(actor=SETUP, group=crew)
    assert role_in(people.actor("wanda"), people.press) == "writer"
    with pytest.raises(Conflict, match="last editor"):
        reduce_grant(actor=SETUP, grant=Membership.objects.get(pk=eddie.pk), keep=["content.read"])


def test_membership_of_a_group_ends_by_the_clock(people: People):
    crew = groups.create_group(actor=SETUP, name="Crew")
    groups.add_role(actor=SETUP, group=crew, role="operator")
    soon = timezone.now() + dt.timedelta(hours=1)
    groups.add_to_group(actor=SETUP, group=crew, user=people.wanda, reason="r", expires_at=soon)
    grant = RoleGrant.objects.get(group=crew)
    assert grant.expires_at == soon
    RoleGrant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert not can(people.actor("wanda"), "backends.manage")


def test_uses_are_counted_by_day_and_written_in_one_batch(people: People, django_assert_num_queries):
    otto, eve = people.actor("otto"), people.actor("eve")
    people.press  # noqa: B018
    for _ in range(3):
        require(otto, "backups.run")
    with pytest.raises(PermissionDenied):
        require(eve, "backups.run")
    token, _ = make_token(people.otto, "backups.read")
    require(Actor.for_token(token), "backups.read")
    assert not CapabilityUse.objects.exists()
    assert write_uses() == 4
    require(otto, "backups.run")
    write_uses()
    row = CapabilityUse.objects.get(user=people.otto, capability="backups.run")
    assert (row.allowed, row.denied) == (4, 0)
    assert CapabilityUse.objects.get(user=people.eve).denied == 1
    assert CapabilityUse.objects.get(capability="backups.read").token_id == token.pk
    assert write_uses() == 0


def used(user: User, capability: str, days_ago: int, **more: Any) -> None:
    day = (timezone.now() - dt.timedelta(days=days_ago)).date()
    CapabilityUse.objects.create(user=user, capability=capability, day=day, **{"allowed": 5, **more})


def test_a_grant_shrinks_to_what_was_needed_and_grows_back(people: People):
    grant = people.otto.role_grants.get()
    RoleGrant.objects.filter(pk=grant.pk).update(created_at=timezone.now() - dt.timedelta(days=200))
    used(people.otto, "backups.run", 10)
    used(people.otto, "jobs.manage", 89)
    used(people.otto, "backends.manage", 91)
    found = proposal_for(actor=people.actor("ada"), kind="role", grant_id=grant.pk)
    assert found.keep == ["backups.run", "jobs.manage"]
    assert found.seen_days == 90
    grant.refresh_from_db()
    alma = people.actor("alma")
    row = reduce_grant(actor=alma, grant=grant, keep=found.keep)
    assert can(people.actor("otto"), "backups.run")
    assert not can(people.actor("otto"), "backends.manage")
    assert people.otto.system_capabilities == {"backups.run", "jobs.manage"}
    with pytest.raises(InvalidInput):
        reduce_grant(actor=alma, grant=grant, keep=["backends.manage"])
    undo_reduction(actor=alma, reduction=row)
    assert can(people.actor("otto"), "backends.manage")
    with pytest.raises(Conflict):
        undo_reduction(actor=alma, reduction=row)
    late = reduce_grant(actor=alma, grant=RoleGrant.objects.get(pk=grant.pk), keep=["backups.run"])
    type(late).objects.update(undo_until=timezone.now() - dt.timedelta(seconds=1))
    with pytest.raises(Conflict):
        undo_reduction(actor=alma, reduction=late)
    with pytest.raises(Conflict):
        reduce_grant(actor=SETUP, grant=people.alma.role_grants.get(), keep=["users.manage"])


def test_a_rehearsal_tells_who_would_have_felt_it_and_changes_nothing(people: People):
    grant = people.otto.role_grants.get()
    used(people.otto, "backups.run", 3)
    used(people.otto, "jobs.manage", 31)
    alma = people.actor("alma")
    before = AuditEvent.objects.count()
    found = rehearse(actor=alma, kind="revoke_role", values={"grant_id": str(grant.pk)})
    assert [(each.capability, each.uses) for each in found.felt] == [("backups.run", 5)]
    assert {each.capability for each in found.effects} >= {"backups.run", "jobs.manage"}
    assert can(people.actor("otto"), "backups.run")
    assert AuditEvent.objects.count() == before
    used(people.wanda, "members.manage", 2, allowed=0, denied=4, workspace_id=people.press.pk)
    crew = groups.create_group(actor=SETUP, name="Crew")
    groups.add_to_group(actor=SETUP, group=crew, user=people.wanda, reason="r")
    values = {"group_id": str(crew.pk), "role": "editor", "workspace_id": str(people.press.pk)}
    gained = rehearse(actor=alma, kind="add_group_role", values=values).felt
    assert [(each.user, each.capability, each.gains, each.uses) for each in gained] == [
        (people.wanda, "members.manage", True, 4)
    ]
    with pytest.raises(Conflict):
        rehearse(actor=alma, kind="revoke_role", values={"grant_id": str(people.alma.role_grants.get().pk)})
    with pytest.raises(InvalidInput):
        rehearse(actor=alma, kind="revoke_role", values={})


def test_a_key_works_from_its_networks_only_and_a_wrong_place_is_told(people: People):
    token, secret = create_token(
        actor=people.actor("wanda"),
        name="office",
        scopes=["content.read"],
        networks=["203.0.113.7/24", "2001:db8::/48"],
    )
    assert token.networks == ["2001:db8::/48", "203.0.113.0/24"]
    assert authenticate(secret.reveal(), "203.0.113.200")
    assert authenticate(secret.reveal(), "2001:db8::9")
    for address in ("198.51.100.1", "", "::ffff:198.51.100.1"):
        assert authenticate(secret.reveal(), address) is None
    assert AuditEvent.objects.filter(action="token.refused").count() == 1
    assert people.wanda.notifications.filter(kind="token.refused").count() == 1
    with pytest.raises(InvalidInput):
        create_token(actor=people.actor("wanda"), name="x", scopes=["content.read"], networks=["office"])


def test_what_lies_idle_or_allows_too_much_is_found(people: People):
    old = timezone.now() - dt.timedelta(days=60)
    User.objects.filter(pk__in=[people.eve.pk, people.otto.pk]).update(created_at=old)
    User.objects.filter(pk=people.otto.pk).update(last_seen_day=timezone.now().date())
    assert list(dormant_accounts(actor=people.actor("ada"))) == [people.eve]
    never, _ = make_token(people.wanda, "content.read")
    wide, _ = make_token(people.alma, "users.manage", "keys.manage")
    fresh, _ = make_token(people.eve, "content.read")
    ApiToken.objects.filter(pk__in=[never.pk, wide.pk]).update(created_at=old)
    ApiToken.objects.filter(pk=wide.pk).update(last_used_at=old)
    used(people.alma, "users.manage", 5, token_id=wide.pk)
    found = {each.token.pk: each for each in token_findings(actor=people.actor("alma"))}
    assert fresh.pk not in found
    assert found[never.pk].never
    assert found[wide.pk].stale
    assert found[wide.pk].unused == ["keys.manage"]
    assert found[wide.pk].grave == ["keys.manage", "users.manage"]


def test_a_service_account_has_no_session(people: People, client: Client):
    robot = UserFactory(kind="service", password=None, email="robot@example.org")
    RoleGrantFactory(user=robot)
    open_session(client, robot)
    assert client.get("/admin/").status_code == 302
    assert client.get("/api/v1/me").status_code == 401


def test_the_pages_show_and_do_it(people: People, client: Client):
    used(people.otto, "backups.run", 3)
    open_session(client, people.alma)
    page = client.get("/admin/users/rolegrant/shrink/").content.decode()
    grant = people.otto.role_grants.get()
    adopt = f"/admin/users/rolegrant/shrink/role/{grant.pk}/"
    assert adopt in page
    assert "checked" in client.get(adopt).content.decode()
    client.post(adopt, {"keep": ["backups.run"], "reason": "r"})
    grant.refresh_from_db()
    assert grant.only == ["backups.run"]
    client.post(f"/admin/users/rolegrant/reductions/{grant.reductions.get().pk}/undo/")
    grant.refresh_from_db()
    assert grant.only is None
    sure = client.get(f"/admin/users/rolegrant/{grant.pk}/delete/").content.decode()
    assert "used 5 times" in sure
    assert client.get("/admin/users/rolegrant/idle/").status_code == 200
    crew = groups.create_group(actor=SETUP, name="Crew")
    group = f"/admin/users/group/{crew.pk}"
    client.post(f"{group}/roles/", {"role": "writer", "workspace": str(people.press.pk)})
    client.post(f"{group}/members/", {"user": str(people.otto.pk), "reason": "helps"})
    assert can(people.actor("otto"), "content.write", workspace=people.press)
    assert "helps" in client.get(f"{group}/change/").content.decode()
    choice = f"delete_group|group_id={crew.pk}"
    assert "content.write" in client.get("/admin/users/rolegrant/rehearse/", {"what": choice}).content.decode()
