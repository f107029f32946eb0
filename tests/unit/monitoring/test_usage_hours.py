"""Sums by hour say what the calls say, whoever asks and from whatever moment on."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from django.utils import timezone

from apps.monitoring.models import Leadership, UsageHour, UsageRow
from apps.monitoring.selectors.usage import GROUPS, added_up_until, calls_by_hour, usage_by
from apps.monitoring.services.usage_hours import add_up_hours
from tests.factories.monitoring import used
from tests.people import People

pytestmark = pytest.mark.django_db
NOW = (timezone.now() - dt.timedelta(hours=1)).replace(minute=20, second=0, microsecond=0)


@pytest.fixture
def calls(people: People) -> None:
    """Ninety over four days, of three people, two rooms and two models, some without a price."""
    chance = random.Random(7)
    for _ in range(90):
        room = chance.choice((people.press, people.rival))
        person = chance.choice((people.wanda, people.eddie, people.otto))
        cost = chance.choice((None, "0.000000007", "0.25"))
        subject = used(room, person, cost=cost, model=chance.choice(("fake-large", "fake-small")))
        at = NOW - dt.timedelta(seconds=chance.randrange(4 * 86_400))
        UsageRow.objects.filter(subject=subject).update(created_at=at)


def test_hours_say_what_calls_say(people: People, calls: None) -> None:
    since = (NOW - dt.timedelta(days=3, minutes=17), NOW - dt.timedelta(minutes=50), NOW - dt.timedelta(days=9))
    asked = [("otto", group, begin) for group in GROUPS for begin in since]
    # Whose calls are counted is asked before since when: one beginning for each group, and each with each person.
    asked += [(name, group, since[n % 3]) for name in ("eddie", "wanda") for n, group in enumerate(GROUPS)]

    def answers() -> list[object]:
        sums = [usage_by(people.actor(name), group, since=begin, until=NOW) for name, group, begin in asked]
        early = usage_by(people.actor("otto"), "model", since=since[0], until=NOW - dt.timedelta(days=1, minutes=3))
        return [*sums, early, *(dict(calls_by_hour(begin)) for begin in since)]

    plain = answers()
    assert added_up_until() is None
    assert add_up_hours(now=NOW) == UsageHour.objects.count() > 0
    assert answers() == plain
    # What came into the last hour after it was added up is found the next time, and nothing is counted twice.
    last = added_up_until()
    assert last is not None
    subject = used(people.press, people.wanda)
    UsageRow.objects.filter(subject=subject).update(created_at=last - dt.timedelta(minutes=1))
    add_up_hours(now=NOW)
    assert (
        sum(UsageHour.objects.values_list("calls", flat=True)) == UsageRow.objects.filter(created_at__lt=last).count()
    )


def test_the_present_hour_waits_and_one_watch_does_it(people: People) -> None:
    used(people.press, people.wanda)
    now = timezone.now()
    assert add_up_hours(now=now) == 0
    Leadership.objects.filter(name="usage-hours").update(holder="another:1")
    assert add_up_hours(now=now + dt.timedelta(hours=2)) == 0
    Leadership.objects.filter(name="usage-hours").update(until=now)
    assert add_up_hours(now=now + dt.timedelta(hours=2)) == 1
