"""What a watched portal has seen: errors, figures of three days, heartbeats, a debug capture, unusual activity, a report."""

from __future__ import annotations

from tests.lab.portal import Portal

_PROGRAM = """
import datetime as dt, logging, random, time
from django.utils import timezone
from aiwriter.core import captures as files, context, crashes
from apps.monitoring.models import FIVE_MINUTES, MINUTE, Anomaly, ErrorGroup, MetricPoint, MetricSeries
from apps.monitoring.services import captures, channels, error_intake, errors, expected_runs, incidents, logs, report_sending, reports
from apps.users.models import User
from apps.users.selectors.access import Actor

otto = Actor.for_user(User.objects.get(email="otto@example.org"))
wanda = Actor.for_user(User.objects.get(email="wanda@example.org"))
now = time.time()

def broken(number):
    return {"paragraphs": []}["paragraphs"][number]

def noted(route, **more):
    try:
        try:
            broken(3)
        except IndexError as error:
            raise RuntimeError("the outline of the document cannot be read") from error
    except RuntimeError as error:
        record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Internal Server Error", (), (type(error), error, error.__traceback__))
    context.request_id.set("stage-request-0001")
    context.actor_id.set(wanda.id)
    return {**crashes.noted(record), "part": "web", "route": route, **more}

rows = [noted("documents/<uuid:document_id>/outline", at=now - day * 86400 - 60, n=1 + day % 4) for day in range(20)]
rows.append({**noted("", at=now - 7200), "mark": "a" * 64, "part": "worker", "kind": "TimedOut", "text": "models.example.org did not answer in time.", "place": "apps/backends/services/models.py in open_model"})
rows.append({**noted("", at=now - 90000), "mark": "b" * 64, "part": "watch", "kind": "OperationalError", "text": "database is locked", "place": "apps/monitoring/services/results.py in store"})
error_intake.store(rows)
errors.resolve(actor=otto, error_id=ErrorGroup.objects.get(mark="b" * 64).pk)
logs.keep_query(actor=otto, name="Whatever failed", values={"level": "ERROR"})

random.seed(7)
begin = int(now) // 300 * 300
for label in ("web", "api"):
    every, bad = (MetricSeries.objects.get_or_create(name=name, label=label, node="stage")[0] for name in ("requests", "request_errors"))
    points = []
    for step, count in ((FIVE_MINUTES, 863), (MINUTE, 60)):
        for n in range(1, count):
            wrong = 4 if label == "web" and 100 < n < 130 and step == FIVE_MINUTES else random.random() < 0.02
            points.append(MetricPoint(series=every, step=step, at=begin - n * step, count=1, total=step, low=step, high=step))
            points.append(MetricPoint(series=bad, step=step, at=begin - n * step, count=1, total=float(wrong), low=0, high=4))
    MetricPoint.objects.bulk_create(points, ignore_conflicts=True)

nightly = expected_runs.create_expected_run(actor=otto, slug="nightly-copy", title="Nightly copy of the file server", cron="15 3 * * *")
expected_runs.create_expected_run(actor=otto, slug="rotation", title="Rotation of certificates", period_seconds=86400)
for kind, code, said in (("start", None, ""), ("ping", 0, "1,204 files copied, 3 changed"), ("start", None, ""), ("fail", 2, "rsync: connection unexpectedly closed\\nrsync error: error in file transfer (code 2)")):
    expected_runs.report(actor=otto, slug="nightly-copy", kind=kind, exit_code=code, log=said)

ran = captures.ask_capture(actor=otto, reason="Saving takes ten seconds since this morning", minutes=10, user_id=wanda.user_id)
captures.decide_capture(actor=wanda, capture_id=ran.pk, agree=True)
line = '{"time":"2026-11-26T09:14:0%d.120+00:00","level":"DEBUG","logger":"aiwriter.sql","message":"SELECT id, title FROM content_document WHERE id = %%s","request_id":"stage-request-0001","ms":0.4,"part":"web"}\\n'
files.path_of(ran.pk).write_text("".join(line % n for n in range(4)))
captures.end_capture(actor=wanda, capture_id=ran.pk)
asked = captures.ask_capture(actor=otto, reason="The export of one document fails", minutes=15, user_id=wanda.user_id)

moment = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
for kind, value, usual, score in (("downloads", 214, 3, 71.2), ("place", 1, 0, 0), ("denied", 31, 0, 20.9)):
    Anomaly.objects.create(kind=kind, user_id=wanda.user_id, begins_at=moment, value=value, usual=usual, score=score)

incidents.open_incident(actor=otto, title="Drafts wait for minutes", severity="major")
night = channels.create_channel(actor=otto, name="Night watch", kind="email", address="night@example.org")
plan = reports.create_schedule(actor=otto, name="Week of the portal", people=[otto.user_id], channels=[night.pk])
report_sending.send_run(reports.send_report(actor=otto, schedule_id=plan.pk).pk)
reports.send_report(actor=otto, schedule_id=plan.pk)
answer = str(asked.pk)
"""


def add_sightings(portal: Portal) -> str:
    """Put them there. Returns the id of a capture that waits for Wanda's answer."""
    return str(portal.shell(_PROGRAM))
