"""The calendar: what is planned and what went out, in the person's own days."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from apps.content.models import Document, Publication, Schedule, WritingSettings
from apps.content.selectors.calendar import calendar
from apps.content.services import releasing
from apps.content.services.documents import delete_document, save_document
from apps.content.services.publishing import publish_document
from tests.factories.content import DocumentFactory
from tests.people import People
from tests.web.matrix.content import _place

MARCH = dt.datetime(2031, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def planned(people: People) -> Schedule:
    WritingSettings.objects.create(workspace=people.press, approval="none")
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Spring tides")
    at = MARCH.replace(day=31, hour=23, minute=30)
    # Beyond the five years that a time may lie ahead; the calendar does not mind.
    row = releasing.schedule(
        actor=people.actor("wanda"), document_id=document.pk, publish_at=timezone.now() + dt.timedelta(days=1)
    )
    Schedule.objects.filter(pk=row.pk).update(publish_at=at)
    row.refresh_from_db()
    return row


def kinds(people: People, who: str = "wanda", days: int = 40) -> list[tuple[str, str]]:
    entries = calendar(actor=people.actor(who), start=MARCH, end=MARCH + dt.timedelta(days=days))
    return [(entry.kind, entry.title) for entry in entries]


def test_planned_published_failed_and_outside_stand_in_order(people: People, planned: Schedule):
    wanda = people.actor("wanda")
    out = DocumentFactory(actor=wanda, workspace=people.press, title="Out")
    releasing.publish(actor=wanda, document_id=out.pk)
    Document.objects.filter(pk=out.pk).update(published_at=MARCH.replace(day=2))
    row = publish_document(actor=wanda, document_id=out.pk, target_id=_place(people))
    Publication.objects.filter(pk=row.pk).update(wish="schedule", publish_at=MARCH.replace(day=3))
    assert kinds(people) == [("published", "Out"), ("outside", "Out"), ("scheduled", "Spring tides")]
    Schedule.objects.update(state="failed")
    assert kinds(people)[-1] == ("failed", "Spring tides")
    Schedule.objects.update(state="cancelled")
    assert len(kinds(people)) == 2
    assert kinds(people, days=1) == []
    delete_document(actor=wanda, document_id=out.pk)
    assert kinds(people) == []


def test_every_time_that_a_document_went_out_is_shown(people: People, planned: Schedule):
    wanda, now = people.actor("wanda"), timezone.now()
    for number in (1, 2):
        row = (
            planned
            if number == 1
            else releasing.schedule(actor=wanda, document_id=planned.document_id, publish_at=now + dt.timedelta(days=1))
        )
        Schedule.objects.filter(pk=row.pk).update(publish_at=now)
        releasing.run_schedule(row.pk)
        body = f"Text {number}.\n"
        save_document(actor=wanda, document_id=planned.document_id, revision=None, body_markdown=body)
    # The first time lies in the past of the last one.
    Schedule.objects.filter(pk=planned.pk).update(finished_at=now - dt.timedelta(days=3))
    day = dt.timedelta(days=1)
    entries = calendar(actor=wanda, start=now - 5 * day, end=now + day)
    assert [(entry.kind, entry.version) for entry in entries] == [("published", 1), ("published", 2)]


def test_strangers_see_nothing_of_it(people: People, planned: Schedule, api):
    assert kinds(people, "eve") == []
    query = "?start=2031-03-01T00:00:00Z&end=2031-05-01T00:00:00Z"
    assert api("eve").get(f"/api/v1/calendar{query}").json() == {"data": []}
    (entry,) = api("wanda").get(f"/api/v1/calendar{query}").json()["data"]
    assert (entry["kind"], entry["title"], entry["version"]) == ("scheduled", "Spring tides", 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "start"),
        ("?start=2031-03-01T00:00:00Z", "end"),
        ("?start=2031-03-01T00:00:00&end=2031-03-02T00:00:00Z", "start"),
        ("?start=2031-03-01T00:00:00Z&end=2031-02-01T00:00:00Z", "end"),
        ("?start=2031-03-01T00:00:00Z&end=2032-03-01T00:00:00Z", "end"),
        ("?start=0001-01-01T00:00:00Z&end=2031-03-01T00:00:00Z", "start"),
    ],
)
def test_times_that_cannot_be_used_are_named(people: People, api, query: str, field: str):
    answer = api("wanda").get(f"/api/v1/calendar{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == field


def test_the_month_is_drawn_in_the_persons_time_zone(people: People, planned: Schedule, portal):
    page = portal("wanda").get("/calendar/?month=2031-03").content.decode()
    assert "March 2031" in page
    assert "Monday, 31 March" in page
    people.wanda.timezone = "Asia/Tokyo"
    people.wanda.save()
    page = portal("wanda").get("/calendar/?month=2031-04").content.decode()
    assert "Tuesday, 1 April" in page
    assert "08:30" in page
    for month in ("", "2031-13", "0000-01", "9999-12", "x"):
        assert portal("wanda").get(f"/calendar/?month={month}").status_code == 200


def test_a_month_takes_the_same_queries_for_many(
    people: People, planned: Schedule, portal, django_assert_max_num_queries
):
    for _ in range(6):
        row = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
        Document.objects.filter(pk=row.pk).update(published_at=MARCH.replace(day=9))
    client = portal("wanda")
    with django_assert_max_num_queries(20):
        client.get("/calendar/?month=2031-03")
