"""Sends reports: leased, repeated, each recipient once. What was told is noted after each, so a killed watch goes on behind it."""

from __future__ import annotations

import datetime as dt
import logging
import smtplib
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone

from aiwriter.core.errors import AppError
from aiwriter.core.redact import redact
from apps.monitoring.models import AlertChannel, ReportRun
from apps.monitoring.services.reports import may_read, queue_due
from apps.monitoring.services.telling import post_to
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators
from apps.users.services.sealing import open_sealed

log = logging.getLogger(__name__)

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
        told[key] = {**_told(run, who), "at": timezone.now().isoformat(timespec="seconds")}
        if not held.update(told=told, lease_until=timezone.now() + LEASE):
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


def _told(run: ReportRun, who: User | AlertChannel) -> dict[str, Any]:
    """Send to one. Never raises: one who cannot be reached keeps the others from nothing."""
    try:
        return {"ok": True, "said": (_to_person(run, who) if isinstance(who, User) else _to_channel(run, who))[:200]}
    except AppError as problem:
        said = str(problem)
    except (OSError, smtplib.SMTPException) as problem:
        said = f"{type(problem).__name__}: {problem}"
    except Exception:
        log.exception("report %s could not be sent", run.pk)
        said = "Something went wrong on the server; see the log of the watch."
    return {"ok": False, "said": redact(said)[:200]}


def _to_person(run: ReportRun, person: User) -> str:
    if not may_read(person):
        # Done, as far as they are concerned: nobody is to try again.
        return "not sent: they may not see health and usage any more"
    return _mail(run, [person.email], f"user:{person.pk}")


def _to_channel(run: ReportRun, channel: AlertChannel) -> str:
    title, page = title_of(run.schedule.name, run.figures), f"/admin/monitoring/reportrun/{run.pk}/change/"
    if not channel.enabled:
        return "not sent: the channel is switched off"
    if channel.kind == AlertChannel.Kind.PEOPLE:
        return f"left for {tell_operators('report', title, '', page)} people"
    if channel.kind == AlertChannel.Kind.EMAIL:
        addresses = [each.strip() for each in open_sealed(channel, "sealed_address").split(",")]
        return _mail(run, addresses, f"channel:{channel.pk}")
    if channel.kind == AlertChannel.Kind.SLACK:
        text = f"*{title}*\n{settings.PUBLIC_URL}{page}\n{as_text(run.schedule.name, run.figures)}"
        for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(plain, escaped)
        return post_to(channel, orjson.dumps({"text": text[:3500]}), f"report_{run.pk.hex}")
    body = {"kind": "report", "id": str(run.pk), "title": title, "url": f"{settings.PUBLIC_URL}{page}", **run.figures}
    return post_to(channel, orjson.dumps(body), f"report_{run.pk.hex}")


def _mail(run: ReportRun, addresses: list[str], key: str) -> str:
    mail = EmailMultiAlternatives(
        subject=f"[AI-Writer] {title_of(run.schedule.name, run.figures)}"[:150],
        body=as_text(run.schedule.name, run.figures),
        to=addresses,
        # The same for every try, so that a mail server or a reader sees that it is the same message.
        headers={
            "Message-ID": f"<{run.pk.hex}.{key.replace(':', '.')}@aiwriter.reports>",
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(as_html(run.schedule.name, run.figures), "text/html")
    mail.send(fail_silently=False)
    return f"taken by {settings.EMAIL_HOST if 'smtp' in settings.EMAIL_BACKEND else 'the mail folder'}"


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
