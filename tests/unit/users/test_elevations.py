"""More rights for a time: who may ask, who agrees, and that they end by themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, ProofRequired
from apps.users.models import AuditEvent, Elevation, ElevationPolicy, ElevationVote, Membership, RoleGrant
from apps.users.selectors.access import Actor, can, capabilities_of, get_workspace, require
from apps.users.selectors.effective import effective_access
from apps.users.services import elevations
from apps.users.services.audit import record
from apps.users.services.elevation_policies import create_policy, update_policy
from tests.factories.users import SETUP, RoleGrantFactory, UserFactory, make_token
from tests.people import People, open_session
from tests.unit.users.test_races import together


def policy(**values: Any) -> ElevationPolicy:
    wanted = {"name": "Restore", "capabilities": ["backups.restore"], "eligible_roles": ["operator"], **values}
    return create_policy(actor=SETUP, **wanted)


def asked(people: People, who: str = "otto", **values: Any) -> Elevation:
    rule = ElevationPolicy.objects.first() or policy()
    return elevations.request_elevation(actor=people.actor(who), policy=rule, reason="disk is gone", **values)


def test_agreed_by_another_it_counts_at_once_and_ends_by_the_clock(people: People, db):
    otto, alma = people.actor("otto"), people.actor("alma")
    row = asked(people, minutes=30)
    assert not can(otto, "backups.restore")
    with pytest.raises(PermissionDenied):
        elevations.decide(actor=otto, elevation=row, agrees=True)
    elevations.decide(actor=alma, elevation=row, agrees=True, comment="go")
    assert can(otto, "backups.restore")
    assert "backups.restore" in capabilities_of(otto)
    assert people.otto.role_grants.get(elevation=row).expires_at == row.expires_at
    assert row.expires_at - row.starts_at == dt.timedelta(minutes=30)
    # What follows is what time does: no job, no call between.
    past = timezone.now() - dt.timedelta(seconds=1)
    RoleGrant.objects.filter(elevation=row).update(expires_at=past)
    Elevation.objects.filter(pk=row.pk).update(expires_at=past)
    assert not can(otto, "backups.restore")
    assert not Elevation.objects.live().exists()
    row.refresh_from_db()
    assert row.standing == "ended"


def test_the_record_names_the_elevation_only_where_it_was_needed(people: People, db):
    row = asked(people)
    elevations.decide(actor=people.actor("alma"), elevation=row, agrees=True)
    otto = people.actor("otto")
    require(otto, "backups.run")
    assert record(otto, "session.started").after is None
    require(otto, "backups.restore")
    assert record(otto, "session.started").after == {"elevation": str(row.pk)}


def test_a_key_of_the_person_gets_nothing_of_it(people: People, db):
    rule = policy(approvals=0)
    row = elevations.request_elevation(actor=people.actor("otto"), policy=rule, reason="r")
    token, _ = make_token(people.otto, "backups.restore")
    assert row.is_live
    assert not can(Actor.for_token(token), "backups.restore")
    with pytest.raises(PermissionDenied):
        elevations.request_elevation(actor=Actor.for_token(token), policy=rule, reason="r")


def test_it_is_made_longer_once_and_never_beyond_its_longest(people: People, db):
    rule = policy(approvals=0, default_minutes=60, max_minutes=90)
    otto = people.actor("otto")
    row = elevations.request_elevation(actor=otto, policy=rule, reason="r")
    elevations.extend(actor=otto, elevation=row)
    assert row.expires_at - row.starts_at == dt.timedelta(minutes=90)
    assert RoleGrant.objects.get(elevation=row).expires_at == row.expires_at
    with pytest.raises(Conflict):
        elevations.extend(actor=otto, elevation=row)


def test_taken_back_it_is_gone_with_the_next_question(people: People, db):
    row = asked(people)
    elevations.decide(actor=people.actor("alma"), elevation=row, agrees=True)
    with pytest.raises(PermissionDenied):
        elevations.end(actor=people.actor("ada"), elevation=row)
    elevations.end(actor=people.actor("alma"), elevation=row, reason="enough")
    assert not can(people.actor("otto"), "backups.restore")
    assert not RoleGrant.objects.filter(elevation=row).exists()
    with pytest.raises(Conflict):
        elevations.end(actor=people.actor("otto"), elevation=row)


def test_what_a_policy_asks_is_asked(people: People, db):
    policy(ticket_pattern=r"OPS-\d+", max_minutes=60)
    with pytest.raises(InvalidInput) as caught:
        asked(people, minutes=61, ticket="none")
    assert {each.field for each in caught.value.details} == {"minutes", "ticket"}
    with pytest.raises(NotFound):
        asked(people, "wanda", ticket="OPS-1")
    old = Actor.for_user(people.otto, proof_age=301)
    with pytest.raises(ProofRequired):
        elevations.request_elevation(actor=old, policy=ElevationPolicy.objects.get(), reason="r", ticket="OPS-1")
    assert asked(people, ticket="OPS-1").state == "open"
    with pytest.raises(Conflict):
        asked(people, ticket="OPS-1")
    tomorrow = (timezone.now().weekday() + 1) % 7
    closed = policy(name="Other day", weekdays=[tomorrow])
    with pytest.raises(Conflict):
        elevations.request_elevation(actor=people.actor("otto"), policy=closed, reason="r")


def test_an_auditor_looks_into_a_workspace_and_its_editors_hear_of_it(people: People, db):
    people.eddie  # noqa: B018
    look = policy(
        name="Look", role="writer", capabilities=["content.read"], eligible_roles=["auditor"], approver_roles=["editor"]
    )
    ada = people.actor("ada")
    row = elevations.request_elevation(actor=ada, policy=look, reason="complaint 7", workspace=people.press.pk)
    with pytest.raises(PermissionDenied):
        elevations.decide(actor=people.actor("eve"), elevation=row, agrees=True)
    elevations.decide(actor=people.actor("eddie"), elevation=row, agrees=True)
    assert get_workspace(ada, "press") == people.press
    assert can(ada, "content.read", workspace=people.press)
    assert not can(ada, "content.write", workspace=people.press)
    assert not can(ada, "content.read", workspace=people.rival)
    assert people.eddie.notifications.filter(kind="elevation.activated").exists()
    with pytest.raises(Conflict):
        elevations.request_elevation(actor=ada, policy=policy(eligible_roles=["auditor"]), reason="r")


def test_only_by_elevation_binds_administrators_but_not_the_emergency_account(people: People, db):
    alma = people.actor("alma")
    assert can(alma, "backups.restore")
    rule = policy(eligible_roles=["admin"])
    with pytest.raises(Conflict):
        update_policy(actor=SETUP, policy=rule, strict=True)
    second = RoleGrantFactory(role="admin").user
    update_policy(actor=SETUP, policy=rule, strict=True)
    assert not can(alma, "backups.restore")
    assert "backups.restore" not in capabilities_of(alma)
    assert can(alma, "backups.run")
    shut = effective_access(actor=alma, user=people.alma, capability="backups.restore").held[0]
    assert not shut.allowed
    assert shut.ways[0].withheld
    row = elevations.request_elevation(actor=alma, policy=rule, reason="r")
    elevations.decide(actor=Actor.for_user(second), elevation=row, agrees=True)
    assert can(alma, "backups.restore")
    second.is_emergency = True
    assert can(Actor.for_user(second), "backups.restore")


def test_the_explanation_agrees_with_each_answer(people: People, db):
    row = asked(people)
    elevations.decide(actor=people.actor("alma"), elevation=row, agrees=True)
    for name in ("wanda", "eddie", "otto", "ada", "alma"):
        user, actor = people.named(name), people.actor(name)
        found = effective_access(actor=people.actor("ada"), user=user)
        assert {c for c, _ in found.allowed} == capabilities_of(actor)
    way = effective_access(actor=people.actor("otto"), user=people.otto, capability="backups.restore").held[0].ways[0]
    assert (way.source, way.elevation_id) == ("elevation", row.pk)
    with pytest.raises(PermissionDenied):
        effective_access(actor=people.actor("wanda"), user=people.otto)


def test_the_database_refuses_a_word_for_oneself_and_a_second_open_request(people: People, db):
    row = asked(people)
    with pytest.raises(IntegrityError), transaction.atomic():
        ElevationVote.objects.create(elevation=row, voter=people.otto, requester=people.otto, agrees=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Elevation.objects.create(
            policy=row.policy, user=people.otto, reason="r", minutes=1, approvals=1, lapses_at=row.lapses_at
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(user=people.otto, workspace=people.press, elevation=row)


def test_racing_votes_raise_a_person_exactly_once(transactional_db):
    voters = [RoleGrantFactory(role="admin").user for _ in range(3)]
    otto = RoleGrantFactory(role="operator").user
    rule = policy(approvals=2)
    row = elevations.request_elevation(actor=Actor.for_user(otto), policy=rule, reason="r")
    who = [voters[0], voters[0], voters[1], voters[2], otto, UserFactory()]
    ended = together(
        *[lambda user=user: elevations.decide(actor=Actor.for_user(user), elevation=row, agrees=True) for user in who]
    )
    assert ended.count("done") == 2
    assert ended.count("permission_denied") == 2
    assert RoleGrant.objects.filter(elevation=row).count() == 1
    assert ElevationVote.objects.filter(elevation=row).count() == 2
    assert AuditEvent.objects.filter(action="elevation.activated").count() == 1
    second = policy(name="Second", eligible_roles=["admin"])
    ask = lambda: elevations.request_elevation(actor=Actor.for_user(voters[0]), policy=second, reason="r")  # noqa: E731
    again = together(ask, ask, ask, ask)
    assert again == ["conflict", "conflict", "conflict", "done"]


def test_a_ticket_has_to_fit_and_its_pattern_cannot_take_long(people: People, db):
    with pytest.raises(InvalidInput) as raised:
        policy(ticket_pattern="(a+)+b")
    assert [each.field for each in raised.value.details] == ["ticket_pattern"]
    policy(ticket_pattern="OPS-[0-9]{1,6}", approvals=0)
    for ticket in ("", "OPS-", "OPS-1 " + "x" * 100):
        with pytest.raises(InvalidInput) as raised:
            asked(people, ticket=ticket)
        assert [each.field for each in raised.value.details] == ["ticket"]
    ElevationPolicy.objects.update(ticket_pattern="(a+)+b")
    with pytest.raises(InvalidInput):
        asked(people, ticket="a" * 60)
    ElevationPolicy.objects.update(ticket_pattern="OPS-[0-9]{1,6}")
    assert asked(people, ticket=" OPS-412 ").is_live


def test_many_requests_cost_the_desk_no_more_queries(people: People, client: Client, db):
    policy()
    asked(people)
    open_session(client, people.alma)

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    paths = ("/access/", "/admin/users/elevation/")
    before = [cost(path) for path in paths for _ in range(2)][1::2]
    for _ in range(4):
        person = Actor.for_user(RoleGrantFactory(role="operator").user)
        elevations.request_elevation(actor=person, policy=ElevationPolicy.objects.get(), reason="r")
    assert [cost(path) for path in paths] == before


def test_the_pages_carry_a_request_from_asking_to_the_end(people: People, client: Client, db):
    policy()
    open_session(client, people.otto)
    page = client.post("/access/", {"policy": str(ElevationPolicy.objects.get().pk), "reason": "disk is gone"})
    assert page.status_code == 302, page.content
    row = Elevation.objects.get()
    other = Client()
    open_session(other, people.alma)
    assert "disk is gone" in other.get("/admin/users/elevation/").content.decode()
    assert other.post(f"/admin/users/elevation/{row.pk}/approve/").status_code == 302
    assert "data-until" in client.get("/access/").content.decode()
    assert "backups.restore" in client.get("/access/why/").content.decode()
    assert client.get("/admin/backups/restore/").status_code == 200
    answer = client.post(f"/api/v1/access/elevations/{row.pk}/extend")
    assert answer.json()["extended_at"]
    assert other.post(f"/admin/users/elevation/{row.pk}/end/", {"comment": "enough"}).status_code == 302
    assert not can(people.actor("otto"), "backups.restore")
    assert "enough" in other.get(f"/admin/users/elevation/{row.pk}/change/").content.decode()
