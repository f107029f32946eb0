"""What is kept, and when something is due."""

from __future__ import annotations

import datetime as dt

import pytest

from aiwriter.core.errors import InvalidInput, Unavailable
from apps.backups.models import BackupRun, BackupSet, Destination, Drill, Policy
from apps.backups.services import schedules
from apps.backups.services.policies import create_policy, update_policy
from apps.backups.services.retention import preview
from tests.factories.users import SETUP

NOW = dt.datetime(2026, 6, 10, 12, 0, tzinfo=dt.UTC)
NOTHING = {
    "keep_last": 0,
    "keep_hourly": 0,
    "keep_daily": 0,
    "keep_weekly": 0,
    "keep_monthly": 0,
    "keep_yearly": 0,
    "keep_days": 0,
    "keep_minimum": 1,
}


def a_set(place: Destination, hours: float, state: str = "verified", **values: object) -> BackupSet:
    """A set that is so old."""
    return BackupSet.objects.create(
        destination=place, name=f"{hours}", state=state, created_at=NOW - dt.timedelta(hours=hours), **values
    )


def kept(policy: Policy) -> set[str]:
    """Names of what would stay."""
    return {each.row.name for each in preview(policy, NOW).kept}


def with_rules(policy: Policy, **rules: int) -> Policy:
    """The policy with these rules only."""
    return update_policy(actor=SETUP, policy_id=policy.pk, **{**NOTHING, **rules})


def test_the_newest_checked_and_the_newest_drilled_always_stay(place: Destination, policy: Policy) -> None:
    for hours, state in ((1, "verified"), (2, "verified"), (3, "drilled"), (4, "drilled")):
        a_set(place, hours, state)
    assert kept(with_rules(policy)) == {"1", "3"}


def test_pinned_and_used_sets_stay(place: Destination, policy: Policy) -> None:
    a_set(place, 1)
    a_set(place, 50, pin="before the move")
    used = a_set(place, 60)
    a_set(place, 70)
    Drill.objects.create(destination=place, backup_set=used, state="running")
    assert kept(with_rules(policy)) == {"1", "50", "60"}


def test_a_minimum_of_sound_sets_stays(place: Destination, policy: Policy) -> None:
    a_set(place, 1)
    for hours in (500, 600, 700):
        a_set(place, hours)
    a_set(place, 550, "damaged")
    assert kept(with_rules(policy, keep_minimum=3)) == {"1", "500", "600"}


@pytest.mark.parametrize(
    ("rule", "count", "ages", "expected"),
    [
        ("keep_last", 2, (1, 2, 3), {"1", "2"}),
        ("keep_hourly", 2, (0.1, 0.5, 1.1, 2.1), {"0.1", "1.1"}),
        ("keep_daily", 2, (1, 2, 13, 20, 40), {"1", "13"}),
        ("keep_weekly", 2, (1, 24, 24 * 7, 24 * 15), {"1", "168"}),
        ("keep_monthly", 2, (1, 24, 24 * 12, 24 * 60), {"1", "288"}),
        ("keep_yearly", 2, (1, 24 * 100, 24 * 300), {"1", "7200"}),
        ("keep_days", 2, (1, 47, 49), {"1", "47"}),
    ],
)
def test_grandfathers(
    place: Destination, policy: Policy, rule: str, count: int, ages: tuple[float, ...], expected: set[str]
) -> None:
    for hours in ages:
        a_set(place, hours)
    assert kept(with_rules(policy, **{rule: count})) == expected


def test_nothing_goes_after_a_failed_run(place: Destination, policy: Policy) -> None:
    a_set(place, 1)
    a_set(place, 500)
    policy = with_rules(policy)
    assert len(preview(policy, NOW).going) == 1
    BackupRun.objects.create(destination=place, action="backup", state="failed", created_at=NOW, finished_at=NOW)
    assert preview(policy, NOW).going == []


@pytest.mark.parametrize("state", ["suspicious", "damaged", "incomplete", "committed"])
def test_nothing_goes_while_the_newest_is_in_doubt(place: Destination, policy: Policy, state: str) -> None:
    a_set(place, 1, state)
    for hours in (300, 400, 500):
        a_set(place, hours)
    assert preview(with_rules(policy), NOW).going == []


@pytest.mark.parametrize(
    ("every", "at", "slot"),
    [
        ("hour", dt.time(2, 30), dt.datetime(2026, 6, 10, 11, 30, tzinfo=dt.UTC)),
        ("six_hours", dt.time(2, 30), dt.datetime(2026, 6, 10, 8, 30, tzinfo=dt.UTC)),
        ("day", dt.time(13, 0), dt.datetime(2026, 6, 9, 13, 0, tzinfo=dt.UTC)),
        ("week", dt.time(2, 0), dt.datetime(2026, 6, 8, 2, 0, tzinfo=dt.UTC)),
    ],
)
def test_when_a_backup_is_wanted(policy: Policy, every: str, at: dt.time, slot: dt.datetime) -> None:
    policy.every, policy.at = every, at
    assert schedules.slot_before(policy, NOW) == slot
    assert schedules.next_backup(policy, NOW) == slot + policy.interval


def test_a_due_backup_is_started_once(policy: Policy, place: Destination) -> None:
    Policy.objects.update(created_at=NOW - dt.timedelta(hours=1))
    assert schedules.start_due(NOW) == 1
    assert schedules.start_due(NOW) == 0
    run = BackupRun.objects.get()
    assert (run.trigger, run.policy_id, run.state) == ("schedule", policy.pk, "queued")


def test_a_backup_waits_for_its_window(policy: Policy) -> None:
    Policy.objects.update(created_at=NOW - dt.timedelta(days=1), window_start=dt.time(22, 0), window_end=dt.time(4, 0))
    assert schedules.start_due(NOW) == 0
    assert schedules.start_due(NOW.replace(hour=23)) == 1


def test_a_drill_is_due_once_there_is_something_to_restore(policy: Policy, place: Destination) -> None:
    Policy.objects.update(created_at=NOW - dt.timedelta(days=1))
    policy.refresh_from_db()
    assert not schedules.drill_due(policy, NOW)
    a_set(place, 1)
    assert schedules.drill_due(policy, NOW)
    Drill.objects.create(destination=place, state="succeeded", created_at=NOW - dt.timedelta(days=6))
    assert not schedules.drill_due(policy, NOW)
    assert schedules.drill_due(policy, NOW + dt.timedelta(days=2))


def test_a_drill_that_cannot_begin_does_not_hold_up_the_backup(
    policy: Policy, place: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_policy: Policy) -> None:
        raise Unavailable("The place is away.")

    Policy.objects.update(created_at=NOW - dt.timedelta(hours=1))
    BackupSet.objects.create(destination=place, name="x", state="verified")
    monkeypatch.setattr(schedules.drills, "random_moment", away)
    assert schedules.start_due(NOW) == 1
    assert [run.action for run in BackupRun.objects.all()] == ["backup"]


def test_a_policy_says_what_is_wrong(place: Destination) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_policy(actor=SETUP, destination_id=place.pk, name="Bad", keep_minimum=0)
    assert refused.value.field == "keep_minimum"
    with pytest.raises(InvalidInput) as refused:
        create_policy(actor=SETUP, destination_id=place.pk, name="Bad", window_start=dt.time(1, 0))
    assert refused.value.field == "window_end"


def test_a_whole_base_stays_as_long_as_an_increment_needs_it(place: Destination, policy: Policy) -> None:
    a_set(place, 1, capture={"line": "a", "base": {"increment_of": "60"}})
    a_set(place, 60, capture={"line": "a", "base": {}})
    a_set(place, 70)
    assert kept(with_rules(policy)) == {"1", "60"}
