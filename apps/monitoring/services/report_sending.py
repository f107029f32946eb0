"""Sends reports: leased, repeated, each recipient once. What was told is noted after each, so a killed watch goes on behind it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from apps.monitoring.models import AlertChannel, ReportRun
from apps.monitoring.services.reports import may_read, queue_due
from apps.monitoring.services.telling import addresses_of, chat_to, mail_to, post_to, tried
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

LEASE = dt.timedelta(minutes=5)
PAUSES = (60, 300, 1800, 7200, 21_600)
WATCH = Actor.system_actor("watch")


def send_due() -> int:
    """Make what is due, and send what waits. Called by the watch; returns how many reports were tried."""
    queue_due()
    due = ReportRun.objects.claimable().filter(next_try_at__lte=timezone.now())
    return sum(send_run(each) for each in list(due.order_by("next_try_at").values_list("pk", flat=True)[:20]))


def send_run(run_id: uuid.UUID) -> bool:
    """Send one report to those who have not got it yet. False when it is done, or somebody else is at it."""
    fence = ReportRun.objects.claim(run_id, lease=LEASE, to_state=ReportRun.State.RUNNING)
    if fence is None:
        return False
    run = ReportRun.objects.select_related("schedule").get(pk=run_id)
    held = ReportRun.objects.held(run_id, fence=fence)
    told: dict[str, Any] = dict(run.told)
    for key, who in _recipients(run):
        if told.get(key, {}).get("ok"):
            continue
        in_portal = isinstance(who, AlertChannel) and who.kind == AlertChannel.Kind.PEOPLE
        # Messages in the portal and the note that they were left are one transaction: exactly once, whoever is killed.
        with transaction.atomic() if in_portal else nullcontext():
            told[key] = _told(run, key, who)
            if not held.update(told=told, lease_until=timezone.now() + LEASE):
                if in_portal:
                    transaction.set_rollback(True)
                return False
    wrong = [each["said"] for each in told.values() if not each["ok"]]
    error = f"{len(wrong)} of {len(told)} were not reached: {'; '.join(sorted(set(wrong)))}"[:500] if wrong else ""
    fields: dict[str, Any] = {"lease_until": None, "finished_at": timezone.now(), "error": error}
    if not wrong:
        fields["state"] = ReportRun.State.DELIVERED
    elif run.attempts <= len(PAUSES):
        pause = dt.timedelta(seconds=PAUSES[run.attempts - 1])
        fields |= {"state": ReportRun.State.QUEUED, "next_try_at": timezone.now() + pause}
    else:
        fields["state"] = ReportRun.State.FAILED
    if not held.update(**fields):
        return False
    if fields["state"] == ReportRun.State.DELIVERED:
        record(WATCH, "report.delivered", obj=run.schedule, after={"recipients": len(told)})
    elif fields["state"] == ReportRun.State.FAILED:
        tell_operators(
            "report.undelivered",
            f"The report “{run.schedule.name}” did not reach everybody.",
            fields["error"],
            f"/admin/monitoring/reportrun/{run.pk}/change/",
        )
    return True


def _recipients(run: ReportRun) -> Iterator[tuple[str, User | AlertChannel]]:
    for person in run.schedule.people.order_by("pk"):
        yield f"user:{person.pk}", person
    for channel in run.schedule.channels.order_by("pk"):
        yield f"channel:{channel.pk}", channel


def _told(run: ReportRun, key: str, who: User | AlertChannel) -> dict[str, Any]:
    """Send to one, and say what became of it."""
    receipt, error = tried(
        lambda: _to_person(run, key, who) if isinstance(who, User) else _to_channel(run, key, who), f"report {run.pk}"
    )
    return {"ok": not error, "said": (receipt or error)[:200], "at": timezone.now().isoformat(timespec="seconds")}


def _to_person(run: ReportRun, key: str, person: User) -> str:
    if not may_read(person):
        # Done, as far as they are concerned: nobody is to try again.
        return "not sent: they may not see health and usage any more"
    return _mail(run, key, [person.email])


def _to_channel(run: ReportRun, key: str, channel: AlertChannel) -> str:
    title, page = title_of(run.schedule.name, run.figures), f"/admin/monitoring/reportrun/{run.pk}/change/"
    if not channel.enabled:
        return "not sent: the channel is switched off"
    if channel.kind == AlertChannel.Kind.PEOPLE:
        return f"left for {tell_operators('report', title, '', page)} people"
    if channel.kind == AlertChannel.Kind.EMAIL:
        return _mail(run, key, addresses_of(channel))
    if channel.kind == AlertChannel.Kind.SLACK:
        return chat_to(channel, f"*{title}*\n{settings.PUBLIC_URL}{page}\n{as_text(run.schedule.name, run.figures)}")
    body = {"kind": "report", "id": str(run.pk), "title": title, "url": f"{settings.PUBLIC_URL}{page}", **run.figures}
    return post_to(channel, orjson.dumps(body), f"report_{run.pk.hex}")


def _mail(run: ReportRun, key: str, addresses: list[str]) -> str:
    name, figures = run.schedule.name, run.figures
    message_id = f"{run.pk.hex}.{key.replace(':', '.')}@aiwriter.reports"
    return mail_to(addresses, title_of(name, figures), as_text(name, figures), message_id, html=as_html(name, figures))


# ------------------------------------------------------------ what is said
def title_of(name: str, figures: dict[str, Any]) -> str:
    """The subject."""
    return f"{name}: {days_of(figures)}"


def days_of(figures: dict[str, Any]) -> str:
    """The first and the last day."""
    since, until = (dt.datetime.fromisoformat(figures[each]) for each in ("since", "until"))
    return f"{since:%Y-%m-%d} to {until - dt.timedelta(days=1):%Y-%m-%d}"


def _context(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "days": days_of(figures), "figures": figures, "portal": settings.PUBLIC_URL}


def as_text(name: str, figures: dict[str, Any]) -> str:
    """The plain part of the mail."""
    return render_to_string("monitoring/report.txt", _context(name, figures)).strip() + "\n"


def as_html(name: str, figures: dict[str, Any]) -> str:
    """The other part: the same figures as tables, without script, style sheet or picture."""
    return render_to_string("monitoring/report_mail.html", _context(name, figures))
