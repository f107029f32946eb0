"""The audit record: complete, and only ever added to."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from aiwriter.core import context
from aiwriter.core.clients import network_of
from apps.users.models import AuditEvent
from apps.users.models.audit import known_actions
from apps.users.selectors.access import Actor
from apps.users.services.audit import record
from apps.users.services.subjects import named
from apps.users.services.workspaces import rename_workspace
from tests.factories.users import make_token
from tests.people import People

SYSTEM = Actor.system_actor("tests")


def test_an_event_says_who_what_where_and_from_where(people: People):
    tokens = (context.request_id.set("request-1"), context.client_ip.set("203.0.113.77"))
    try:
        event = record(
            people.actor("eddie"), "workspace.updated", obj=people.press, before={"name": "a"}, after={"name": "b"}
        )
    finally:
        context.request_id.reset(tokens[0])
        context.client_ip.reset(tokens[1])
    event.refresh_from_db()
    assert event.actor_id == f"user:{people.eddie.pk}"
    # The name stands in the account, and goes with it.
    assert (event.actor_label, named([event])[0].actor_label) == ("", "eddie@example.org")
    event.refresh_from_db()
    assert (event.object_type, event.object_id) == ("users.workspace", str(people.press.pk))
    assert event.workspace_id == people.press.pk
    assert (event.before, event.after) == ({"name": "a"}, {"name": "b"})
    assert (event.request_id, event.client_address) == ("request-1", "203.0.113.0")
    assert event.occurred_at is not None
    assert event.seq is None


def test_a_token_is_named_by_its_key_and_not_by_its_text(people: People):
    token, raw = make_token(people.wanda, "content.read")
    event = record(Actor.for_token(token), "session.started")
    assert event.token_key_id == token.key_id
    assert raw.split("_", 2)[2] not in repr(AuditEvent.objects.filter(pk=event.pk).values())


def test_an_unknown_action_is_refused(db):
    with pytest.raises(LookupError, match="audit_actions"):
        record(SYSTEM, "user.upated")


def test_actions_have_meanings():
    assert known_actions()["user.created"] == "An account was made"
    assert all(meaning and "." in action for action, meaning in known_actions().items())


def test_values_of_any_kind_are_kept(db):
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    after = {"when": moment, "cost": Decimal("1.10"), "id": uuid.UUID(int=1), "none": None, "other": {1}}
    assert record(SYSTEM, "user.updated", after=after).after == {
        "when": "2026-01-02T00:00:00Z",
        "cost": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "none": None,
        "other": "{1}",
    }


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0"), ("2001:db8:1:2::5", "2001:db8:1::"), ("", ""), ("forged\nline", "")],
)
def test_addresses_are_kept_as_networks(address: str, network: str):
    assert network_of(address) == network


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users_auditevent SET reason = 'changed'",
        "UPDATE users_auditevent SET seq = 1, hash = 'h', reason = 'changed'",
        "UPDATE users_auditevent SET seq = 1",
        "DELETE FROM users_auditevent",
        "TRUNCATE users_auditevent",
    ],
)
def test_the_database_refuses_changes(db, statement: str):
    if statement.startswith("TRUNCATE") and connection.vendor == "sqlite":
        statement = "DELETE FROM users_auditevent WHERE 1"
    record(SYSTEM, "user.created", reason="kept")
    with pytest.raises(DatabaseError, match="audit record cannot be"), transaction.atomic(), connection.cursor() as sql:
        sql.execute(statement)
    assert AuditEvent.objects.get().reason == "kept"


def test_the_orm_cannot_delete_either(db):
    record(SYSTEM, "user.created")
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEvent.objects.all().delete()
    assert AuditEvent.objects.count() == 1


def test_a_row_can_be_sealed_once(db):
    event = record(SYSTEM, "user.created", before={"a": 1}, workspace=uuid.uuid4())
    rows = AuditEvent.objects.filter(pk=event.pk)
    assert rows.update(seq=1, previous_hash="", hash="first") == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.update(seq=2, hash="second")
    assert rows.get().hash == "first"


def test_what_cannot_be_recorded_is_not_done(people: People):
    actor, workspace = people.actor("eddie"), people.press
    with connection.cursor() as sql:
        sql.execute("ALTER TABLE users_auditevent RENAME TO out_of_reach")
    with pytest.raises(DatabaseError):
        rename_workspace(actor=actor, workspace=workspace, name="Other")
    workspace.refresh_from_db()
    assert workspace.name == "Press office"
