"""Ten patterns of abuse among honest people: at least nine are found, at most one false alarm in 100 user-weeks."""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

import pytest

from apps.monitoring.models import Anomaly
from apps.monitoring.services.anomalies import find_anomalies
from apps.monitoring.services.unusual import Act, new_places, part_of, robust_score, unusual
from apps.users.models import AuditEvent, Notification
from tests.people import People

BEGIN = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)  # a Monday
DAYS, PEOPLE = 56, 60


def _honest(chance: random.Random, user: str, day: dt.datetime) -> list[Act]:
    """A day of somebody who writes: more on some days, rarely at night, sometimes away."""
    busy = chance.choice((0, 1, 1, 2, 3)) if day.weekday() < 5 else chance.choice((0, 0, 0, 1))
    acts = []
    for _ in range(busy * chance.randint(1, 4)):
        at = day + dt.timedelta(
            hours=chance.choice((8, 9, 10, 11, 13, 14, 15, 16, 17, 20)), minutes=chance.randint(0, 59)
        )
        acts.append(Act(user, at, "downloads"))
    for _ in range(busy * chance.randint(0, 6)):
        acts.append(Act(user, day + dt.timedelta(hours=chance.randint(8, 18)), "cost", chance.uniform(0.01, 0.4)))
    if chance.random() < 0.2:
        acts += [Act(user, day + dt.timedelta(hours=11), "denied")] * chance.randint(1, 4)
    if user.endswith("0") and day.weekday() < 5:
        acts += [Act(user, day + dt.timedelta(hours=chance.randint(8, 17)), "privileged")] * chance.randint(0, 5)
    if chance.random() < 0.01:
        # A deadline: a long evening with a pile of exports.
        acts += [Act(user, day + dt.timedelta(hours=20), "downloads")] * chance.randint(5, 12)
    return acts


def _many(
    kind: str, hour: float, count: int, amount: float = 1.0, *, over_hours: float = 0.5
) -> Callable[..., list[Act]]:
    def make(user: str, day: dt.datetime) -> list[Act]:
        begun = day + dt.timedelta(hours=hour)
        return [Act(user, begun + dt.timedelta(hours=over_hours * n / count), kind, amount) for n in range(count)]

    return make


ABUSE: dict[str, Callable[..., list[Act]]] = {
    "everything taken along on the last day": _many("downloads", 16, 400),
    "a quiet copy, spread over the working day": _many("downloads", 8, 90, over_hours=9),
    "downloads at three at night": _many("downloads", 3, 40),
    "an archive at the weekend": _many("downloads", 13, 60),
    "a stolen token that tries every door": _many("denied", 10, 120),
    "a slow look at other workspaces": _many("denied", 9, 40, over_hours=8),
    "a key of ours that writes for others": _many("cost", 2, 200, 0.2),
    "a loop that writes by day": _many("cost", 11, 300, 0.2),
    "grants given at night": _many("privileged", 2, 6),
    "a burst of restores on Sunday": _many("privileged", 15, 8),
}


def test_abuse_is_found_and_honest_people_are_left_alone() -> None:
    chance = random.Random(20260302)
    people = [f"user{number}" for number in range(PEOPLE)]
    acts = [act for user in people for n in range(DAYS) for act in _honest(chance, user, BEGIN + dt.timedelta(days=n))]
    abused: set[tuple[str, dt.datetime]] = set()
    for number, make in enumerate(ABUSE.values()):
        user, days = people[number * 6], 35 + number * 2
        day = BEGIN + dt.timedelta(days=days)
        weekend = list(ABUSE)[number] in ("an archive at the weekend", "a burst of restores on Sunday")
        while (day.weekday() >= 5) != weekend:
            day += dt.timedelta(days=1)
        made = make(user, day)
        abused.add((user, part_of(made[0].at)[0]))
        acts += made
    acts.sort(key=lambda act: act.at)
    moments = [act.at for act in acts]
    found: set[tuple[str, dt.datetime]] = set()
    for n in range(28, DAYS):
        for hours in (6.99, 18.99, 23.99):
            now = BEGIN + dt.timedelta(days=n, hours=hours)
            window = acts[bisect_left(moments, now - dt.timedelta(days=29)) : bisect_right(moments, now)]
            found |= {(each.user_id, each.begins_at) for each in unusual(window, now)}
    caught, false = len(abused & found), len(found - abused)
    weeks = PEOPLE * (DAYS - 28) / 7
    assert caught >= 9, sorted(abused - found)
    assert false <= weeks / 100, f"{false} false alarms in {weeks:.0f} user-weeks: {sorted(found - abused)}"


def test_one_wild_day_does_not_make_the_next_one_usual() -> None:
    usual, score = robust_score([3, 4, 2, 500, 3, 4, 3], 60, 2.0)
    assert usual == 3
    assert score > 6
    assert robust_score([], 3, 2.0)[0] == 0


def test_who_is_new_is_not_judged_yet() -> None:
    now = BEGIN + dt.timedelta(days=3, hours=12)
    assert unusual([Act("new", now, "downloads")] * 300, now) == []


def test_a_new_network_with_a_new_device_is_told_and_either_alone_is_not() -> None:
    now = BEGIN + dt.timedelta(days=20)
    before = [("a", BEGIN + dt.timedelta(days=n), "10.1.2.0/24", "Firefox") for n in range(10)]
    alone = [("a", now, "192.0.2.0/24", "Firefox"), ("a", now, "10.1.2.0/24", "Safari")]
    hour = dt.timedelta(hours=1)
    assert new_places(before + alone, now, within=hour) == []
    both = [("a", now, "192.0.2.0/24", "Safari")]
    assert [each.kind for each in new_places(before + both, now, within=hour)] == ["place"]
    assert new_places([("b", now, "192.0.2.0/24", "Safari")], now, within=hour) == []


@pytest.mark.django_db
def test_findings_reach_auditors_once(people: People, portal: Any, api: Any) -> None:
    now = dt.datetime(2026, 3, 18, 15, tzinfo=dt.UTC)
    assert people.ada
    told = {"actor_id": people.actor("wanda").id, "actor_label": "wanda"}
    for days in range(1, 20):
        moment = now - dt.timedelta(days=days)
        AuditEvent.objects.create(action="file.downloaded", occurred_at=moment, **told)
    for _ in range(30):
        AuditEvent.objects.create(action="file.downloaded", occurred_at=now, **told)
        AuditEvent.objects.create(action="file.downloaded", occurred_at=now, outcome="denied", **told)
    assert find_anomalies(now=now) == 2
    assert find_anomalies(now=now) == 0
    finding = Anomaly.objects.get(kind="downloads")
    assert (finding.user_id, finding.value, finding.usual) == (people.wanda.pk, 30, 1)
    assert Notification.objects.filter(user=people.ada, kind="anomaly.found").count() == 2
    ada = portal("ada")
    page = f"/admin/monitoring/anomaly/{finding.pk}"
    assert "wanda@example.org" in ada.get(f"{page}/change/").content.decode()
    ada.post(f"{page}/seen/", {"note": "A move to another\nlaptop"})
    (left,) = api("ada").get("/api/v1/anomalies?new=true").json()["data"]
    assert left["kind"] == "denied"
    assert api("ada").post(f"/api/v1/anomalies/{left['id']}/seen", {"note": "a test"}).json()["seen_by"]
    finding.refresh_from_db()
    assert finding.note == "A move to another laptop"
    assert api("otto").get("/api/v1/anomalies").status_code == 403
