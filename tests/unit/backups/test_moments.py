"""Moments: switched on in a policy, told by pages, API and health check, kept as long as the policy says."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.backups.health import backup_capture
from apps.backups.models import BackupSet, Destination, Policy
from apps.backups.repository.verifying import Problem, Report
from apps.backups.selectors.status import present_status
from apps.backups.services import capture, capture_state, catalogue, moments, retention, schedules
from apps.backups.services.capture_state import CaptureState, write_state
from apps.backups.services.policies import create_policy, update_policy
from apps.backups.services.restores import plan_restore
from apps.users.models import Notification
from tests.factories.users import SETUP
from tests.people import People

BackUp = Callable[..., BackupSet]


@pytest.fixture(autouse=True)
def _own_capture() -> Iterator[None]:
    """The data folder is that of all tests."""
    yield
    shutil.rmtree(capture_state.capture_folder())


def capturing(policy: Policy, **values: Any) -> CaptureState:
    """A capture as its process would tell it."""
    update_policy(actor=SETUP, policy_id=policy.pk, pitr=True)
    now = time.time()
    state = CaptureState(
        destination=str(policy.destination_id), line="20261126T050000Z-00000000", engine="sqlite", beat=now
    )
    state.started = int(now * 1000) - 5000
    for name, value in values.items():
        setattr(state, name, value)
    write_state(state, durable=False)
    return state


def based(row: BackupSet, line: str, age: dt.timedelta, first: int = 1) -> None:
    """Make a set a base of a line."""
    BackupSet.objects.filter(pk=row.pk).update(
        capture={"line": line, "first": first, "last": first, "from": 0}, created_at=timezone.now() - age
    )


@pytest.mark.django_db
def test_only_one_policy_captures(policy: Policy, place: Destination, django_capture_on_commit_callbacks: Any) -> None:
    update_policy(actor=SETUP, policy_id=policy.pk, pitr=True)
    with pytest.raises(Conflict, match="captures every change already") as refused:
        create_policy(actor=SETUP, destination_id=place.pk, name="Second", pitr=True)
    assert refused.value.field == "pitr"
    with pytest.raises(InvalidInput):
        update_policy(actor=SETUP, policy_id=policy.pk, pitr_seconds=0)


@pytest.mark.django_db
def test_the_supervisor_learns_what_is_wanted(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", "/data/aiwriter.sqlite3")
    update_policy(actor=SETUP, policy_id=policy.pk, pitr=True, pitr_seconds=7)
    capture.sync_wanted()
    wanted = capture_state.wanted()
    assert wanted == {"destination": str(policy.destination_id), "seconds": 7, "engine": connection.vendor}
    update_policy(actor=SETUP, policy_id=policy.pk, pitr=False)
    capture.sync_wanted()
    assert capture_state.wanted() is None


@pytest.mark.django_db
def test_the_health_check_tells_silence_lag_and_a_new_beginning(policy: Policy, back_up: BackUp) -> None:
    assert backup_capture.run().status == "ok"
    state = capturing(policy, beat=time.time() - 120)
    assert backup_capture.run().status == "fail"
    assert "No process" in moments.present_capture().headline
    state.beat = time.time()
    state.gaps = [{"from": 0, "until": 1, "why": "the log was started anew while nobody captured"}]
    write_state(state, durable=False)
    found = backup_capture.run()
    assert found.status == "warn"
    assert "next backup" in found.message
    based(back_up(), state.line, dt.timedelta(0))
    assert backup_capture.run().status == "ok"
    state.pending_since = time.time() - 500
    write_state(state, durable=False)
    found = backup_capture.run()
    assert found.status == "fail"
    assert found.data["lag_seconds"] >= 500


@pytest.mark.django_db
def test_a_new_line_makes_the_schedule_back_up_at_once(policy: Policy, back_up: BackUp) -> None:
    row = back_up()
    policy.refresh_from_db()
    assert not schedules.backup_due(policy, timezone.now())
    state = capturing(policy, started=int(time.time() * 1000) + 1)
    policy.refresh_from_db()
    assert schedules.backup_due(policy, timezone.now())
    based(row, state.line, dt.timedelta(0))
    assert not schedules.backup_due(policy, timezone.now())


@pytest.mark.django_db
def test_the_base_of_the_window_stays_and_older_segments_go(
    policy: Policy, place: Destination, back_up: BackUp
) -> None:
    rows = [back_up() for _ in range(3)]
    state = capturing(policy)
    update_policy(
        actor=SETUP, policy_id=policy.pk, pitr_days=2, keep_days=0, keep_last=0, keep_hourly=0, keep_minimum=1,
        keep_daily=0, keep_weekly=0, keep_monthly=0, keep_yearly=0,
    )  # fmt: skip
    for row, age, first in zip(rows, (9, 3, 1), (1, 20, 70), strict=True):
        based(row, state.line, dt.timedelta(days=age), first)
    policy.refresh_from_db()
    plan = retention.preview(policy)
    reasons = {each.row.pk: each.reasons for each in plan.verdicts}
    assert "base of the window" in reasons[rows[1].pk]
    assert reasons[rows[0].pk] == []
    BackupSet.objects.filter(pk=rows[0].pk).delete()

    class Empty:
        """A repository whose listing shows that the line reaches into the window."""

        class records:
            """Of it."""

            @staticmethod
            def names(prefix: str) -> list[str]:
                """One segment."""
                return [f"{prefix}0000000100-{int(time.time() * 1000):014d}"]

    assert retention.needed_segments(policy, Empty()) == {state.line: 20}  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_moment_that_cannot_be_reached_is_refused_with_what_can(
    policy: Policy, back_up: BackUp, people: People
) -> None:
    back_up()
    with pytest.raises(InvalidInput, match="no changes were captured") as refused:
        plan_restore(actor=SETUP, scope="database", moment=timezone.now() - dt.timedelta(hours=1))
    assert refused.value.field == "moment"
    with pytest.raises(InvalidInput, match="yet to come"):
        plan_restore(actor=SETUP, scope="database", moment=timezone.now() + dt.timedelta(hours=1))
    with pytest.raises(InvalidInput, match="for the database or for everything"):
        plan_restore(
            actor=SETUP, scope="document", subject="0193d2a0-0000-7000-8000-000000000000", moment=timezone.now()
        )
    with pytest.raises(InvalidInput, match="Which set"):
        plan_restore(actor=SETUP, scope="database")


@pytest.mark.django_db
def test_who_may_not_see_backups_sees_no_moments(policy: Policy, people: People) -> None:
    assert moments.overview(actor=SETUP)["state"] == "off"
    with pytest.raises(PermissionDenied):
        moments.overview(actor=people.actor("wanda"))


@pytest.mark.django_db
def test_lost_segments_are_told_once_and_until_the_gap_is_gone(place: Destination, people: People) -> None:
    otto = people.otto
    found = Report(problems=[Problem("segment", "segments/line/0000000007", "number 7 is missing")])
    for _ in range(2):
        catalogue.note_check(place, found)
    told = Notification.objects.filter(user=otto, title__contains="are lost")
    assert told.count() == 1
    assert "number 7" in told.get().body
    assert [each.key for each in present_status().problems if each.key == "segments"] == ["segments"]
    catalogue.note_check(place, Report())
    assert not [each for each in present_status().problems if each.key == "segments"]
