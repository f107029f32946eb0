"""Access reviews: frozen evidence, decisions that are carried out, overdue ones, the signed end."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aiwriter.core import ledger
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.users.management.commands.access import CHANGED
from apps.users.models import AccessReview, CapabilityUse, Membership, ReviewItem, RoleGrant
from apps.users.selectors.access import Actor, can
from apps.users.selectors.reviews import get_review, matrix
from apps.users.services import groups
from apps.users.services.ledger_checks import trusted
from apps.users.services.reviews import decide_items, start_review, sweep_reviews
from tests.factories.users import SETUP, RoleGrantFactory
from tests.people import People, open_session


@pytest.fixture
def everybody(people: People, db) -> People:
    for name in ("wanda", "eddie", "otto", "ada", "alma", "eve"):
        people.named(name)
    return people


def item_of(review: AccessReview, user) -> ReviewItem:
    return review.items.get(user=user)


def overdue(review: AccessReview) -> None:
    AccessReview.objects.filter(pk=review.pk).update(due_at=timezone.now() - dt.timedelta(seconds=1))


def test_decisions_are_carried_out_and_the_end_is_signed(everybody: People):
    day = timezone.now().date()
    CapabilityUse.objects.create(user=everybody.otto, capability="backups.run", day=day, allowed=7)
    second = RoleGrantFactory(role="admin").user
    alma = everybody.actor("alma")
    review = start_review(actor=everybody.actor("ada"), name="Quarter", recurrence_days=90)
    assert review.items.count() == 4
    otto = item_of(review, everybody.otto)
    assert otto.facts | {"last_seen": None} == {
        "uses": 7,
        "last_use": day.isoformat(),
        "needed": ["backups.run"],
        "peers": 0,
        "last_seen": None,
        "status": "active",
    }
    with pytest.raises(PermissionDenied):
        decide_items(actor=alma, items=[item_of(review, everybody.alma)], decision="keep", comment="me")
    with pytest.raises(PermissionDenied):
        decide_items(actor=everybody.actor("ada"), items=[otto], decision="keep", comment="c")
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewItem.objects.filter(pk=otto.pk).update(decided_by=everybody.otto)
    with pytest.raises(InvalidInput):
        decide_items(actor=alma, items=[item_of(review, everybody.ada)], decision="keep")
    decide_items(actor=alma, items=[otto], decision="reduce")
    assert not can(everybody.actor("otto"), "backends.manage")
    with pytest.raises(Conflict):
        decide_items(actor=alma, items=[otto], decision="keep")
    decide_items(actor=alma, items=[item_of(review, everybody.ada)], decision="keep", comment="audits")
    decide_items(actor=alma, items=[item_of(review, second)], decision="revoke", comment="left")
    assert not RoleGrant.objects.filter(user=second).exists()
    review.refresh_from_db()
    assert review.state == "open"
    RoleGrantFactory(role="admin", user=second)
    decide_items(actor=Actor.for_user(second), items=[item_of(review, everybody.alma)], decision="keep", comment="boss")
    review.refresh_from_db()
    assert review.state == "closed"
    whole = json.loads(review.evidence)
    document = whole["document"]
    public = trusted()[document["key_id"]]
    assert ledger.is_document_signed(document, whole["signature"], public)
    assert {each["decision"] for each in document["items"]} == {"keep", "reduce", "revoke"}
    document["items"][0]["decision"] = "keep, of course"
    assert not ledger.is_document_signed(document, whole["signature"], public)


def test_overdue_ones_are_taken_away_but_never_the_last_administrator(everybody: People):
    crew = groups.create_group(actor=SETUP, name="Crew")
    groups.add_role(actor=SETUP, group=crew, role="operator")
    groups.add_to_group(actor=SETUP, group=crew, user=everybody.wanda, reason="r")
    review = start_review(actor=SETUP, name="Strict", on_overdue="revoke")
    assert sweep_reviews() == 0
    overdue(review)
    sweep_reviews()
    assert {grant.role for grant in RoleGrant.objects.all()} == {"admin"}
    assert not can(everybody.actor("wanda"), "backends.manage")
    alma = item_of(review, everybody.alma)
    assert "last administrator" in alma.problem
    assert everybody.alma.notifications.filter(kind="access_review.overdue").count() == 1
    assert sweep_reviews() == 0
    decide_items(
        actor=Actor.for_user(RoleGrantFactory(role="admin").user), items=[alma], decision="keep", comment="only one"
    )
    review.refresh_from_db()
    assert "the schedule" in review.evidence


def test_escalated_once_and_begun_again_once(everybody: People):
    review = start_review(actor=SETUP, name="Again", recurrence_days=90)
    overdue(review)
    assert sweep_reviews() == 1
    assert sweep_reviews() == 0
    assert RoleGrant.objects.count() == 3
    boss = Actor.for_user(RoleGrantFactory(role="admin").user)
    decide_items(actor=boss, items=review.items.all(), decision="keep", comment="all good")
    assert sweep_reviews() == 0
    AccessReview.objects.update(created_at=timezone.now() - dt.timedelta(days=90))
    assert sweep_reviews() == 1
    assert sweep_reviews() == 0
    following = AccessReview.objects.get(previous=review)
    assert following.items.count() == 4


def test_editors_decide_about_their_workspace_alone(everybody: People, client: Client):
    review = start_review(actor=everybody.actor("alma"), name="Press", scope="workspace", workspace=everybody.press)
    assert get_review(actor=everybody.actor("eddie"), review_id=review.pk) == review
    for name, refusal in (("wanda", PermissionDenied), ("eve", NotFound), ("otto", NotFound)):
        with pytest.raises(refusal):
            get_review(actor=everybody.actor(name), review_id=review.pk)
    # Reduced, they decide while they manage the members, and else not.
    editor = Membership.objects.filter(user=everybody.eddie, workspace=everybody.press)
    editor.update(only=["content.read"])
    with pytest.raises(PermissionDenied):
        get_review(actor=everybody.actor("eddie"), review_id=review.pk)
    editor.update(only=["content.read", "members.manage"])
    open_session(client, everybody.eddie)
    address = f"/access/reviews/{review.pk}/"
    assert "Wanda" in client.get(address).content.decode()
    item = item_of(review, everybody.wanda)
    assert client.post(address, {"items": [str(item.pk)], "decision": "revoke"}).status_code == 302
    assert not Membership.objects.filter(user=everybody.wanda).exists()
    open_session(client, everybody.alma)
    own = item_of(review, everybody.eddie)
    page = f"/admin/users/accessreview/{review.pk}"
    client.post(f"{page}/decide/", {"items": [str(own.pk)], "decision": "keep", "comment": "edits"})
    assert json.loads(client.get(f"{page}/evidence/").content)["document"]["name"] == "Press"
    assert "edits" in client.get(f"{page}/change/").content.decode()


def test_the_command_knows_a_right_a_changed_and_a_foreign_file(everybody: People, tmp_path: Path, capsys):
    review = start_review(actor=SETUP, name="Quarter")
    boss = Actor.for_user(RoleGrantFactory(role="admin").user)
    decide_items(actor=boss, items=review.items.all(), decision="keep", comment="needed")
    review.refresh_from_db()
    whole = json.loads(review.evidence)

    def verify(document: dict, signature: str, *more: str) -> int:
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps({"document": document, "signature": signature}))
        try:
            call_command("access", "verify", str(file), *more)
        except SystemExit as ended:
            return int(ended.code or 0)
        except CommandError as error:
            return error.returncode
        return 0

    document, signature = whole["document"], whole["signature"]
    assert verify(document, signature) == 0
    assert "As signed: Quarter, 3 grants" in capsys.readouterr().out
    assert verify({**document, "items": document["items"][1:]}, signature) == CHANGED
    foreign = b"f" * 32
    forged = {**document, "name": "Forged"}
    # By another's key under our key's name, by another's key under its own, and checked with the key that it brings along.
    assert verify(forged, ledger.sign_document(foreign, forged)) == CHANGED
    own = {**forged, "key_id": "0000", "public_key": ledger.public_key(foreign)}
    assert verify(own, ledger.sign_document(foreign, own)) == InvalidInput("").exit_code
    assert verify(own, ledger.sign_document(foreign, own), "--key", document["public_key"]) == CHANGED
    assert verify(document, signature, "--key", document["public_key"]) == 0
    assert verify({}, "") == InvalidInput("").exit_code


def test_a_long_review_costs_no_more_queries(everybody: People, client: Client):
    review = start_review(actor=SETUP, name="Everything", scope="all")
    open_session(client, everybody.alma)
    page = f"/admin/users/accessreview/{review.pk}/change/"

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200
        return len(queries)

    cost()
    before = cost()
    for _ in range(5):
        item = review.items.first()
        ReviewItem.objects.create(
            review=review, user=RoleGrantFactory().user, role="operator", snapshot=item.snapshot, facts=item.facts
        )
    assert cost() == before


def test_the_matrix_shows_who_holds_what_in_few_queries(everybody: People, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        found = matrix(actor=everybody.actor("ada"))
    held = {user.email: [cell and cell.role for cell in cells] for user, cells in found.rows}
    assert held["alma@example.org"][0] == "admin"
    assert held["eddie@example.org"][1:] == ["editor", None]
    assert held["eve@example.org"][1:] == [None, "writer"]
