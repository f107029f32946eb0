"""The scheduler hears of changes within seconds, and does not ask for them all the time."""

from __future__ import annotations

import datetime as dt

import pytest
from celery.beat import Service
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from aiwriter.celery import app
from aiwriter.core import timetable

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_changed_row_is_taken_over_within_seconds_and_asked_for_no_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1000.0
    monkeypatch.setattr(timetable.time, "monotonic", lambda: moment)
    every_hour = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    row = PeriodicTask.objects.create(name="one", task="content.purge_trash", interval=every_hour)
    kept = Service(app, scheduler_cls=app.conf.beat_scheduler).scheduler
    assert isinstance(kept, timetable.Timetable)
    assert kept.schedule["one"].task == "content.purge_trash"
    row.task = "content.expire_exports"
    row.save()
    # As if the change before had been longer ago: they are told apart by their times.
    PeriodicTasks.objects.update(last_update=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    with CaptureQueriesContext(connection) as asked:
        for _ in range(50):
            assert kept.schedule["one"].task == "content.purge_trash"
    assert len(asked) == 0
    moment += timetable.ASK_SECONDS
    assert kept.schedule["one"].task == "content.expire_exports"
