"""What parameters of the console's other pages name."""

from __future__ import annotations

import datetime as dt

from allauth.account.models import EmailAddress
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule


def _interval(people):
    return IntervalSchedule.objects.create(every=1, period="days").pk


def _task(people):
    return PeriodicTask.objects.create(name="matrix", task="users.prune_idempotency", interval_id=_interval(people)).pk


THINGS = {
    "account.emailaddress": lambda people: EmailAddress.objects.get(user=people.wanda).pk,
    "django_celery_beat.periodictask": _task,
    "django_celery_beat.intervalschedule": _interval,
    "django_celery_beat.crontabschedule": lambda people: CrontabSchedule.objects.create().pk,
    "django_celery_beat.clockedschedule": lambda people: (
        ClockedSchedule.objects.create(clocked_time=dt.datetime(2030, 1, 1, tzinfo=dt.UTC)).pk
    ),
    "django_celery_beat.solarschedule": lambda people: (
        SolarSchedule.objects.create(event="sunrise", latitude=1, longitude=1).pk
    ),
    "app_label": lambda people: "users",
}
