"""What people do about incidents, and how a critical alert opens one by itself."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.monitoring.models import Alert, Incident, IncidentAction, IncidentEntry, Silence
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

WATCH = Actor.system_actor("watch")
_LONGEST = 4000
_MAX_ACTIONS = 20
# What the public page shows: news of open incidents, and of those that ended within a day.
_SHOWN = 5
ANNOUNCED_BEFORE = dt.timedelta(days=3)


def open_incident(
    *, actor: Actor, title: str, severity: str = Incident.Severity.MINOR, alert_ids: Sequence[uuid.UUID | str] = ()
) -> Incident:
    """Say that something goes wrong for people.

    Args:
        actor: needs "monitoring.manage"; leads it until somebody else does.
        title: one line.
        severity: one of `Incident.Severity`.
        alert_ids: what belongs to it.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
    """
    require(actor, "monitoring.manage")
    incident = Incident(title=_text(title, "title", 160), severity=_severity(severity), opened_by=actor.label)
    incident.lead = "" if actor.is_system else actor.label
    with transaction.atomic():
        incident.save(force_insert=True)
        incident.alerts.set(Alert.objects.filter(pk__in=list(alert_ids)))
        _say(incident, actor, f"Opened: {incident.get_severity_display().lower()}.")
        record(actor, "incident.opened", obj=incident, after={"severity": severity})
    return incident


def open_for(alert: Alert) -> Incident:
    """Open an incident for a critical alert, or put it to the open one that the alerts opened.

    Args:
        alert: it fires, and is no drill.
    """
    with transaction.atomic():
        incident = (
            Incident.objects.select_for_update()
            .filter(by_alert=True)
            .exclude(state=Incident.State.RESOLVED)
            .order_by("opened_at")
            .first()
        )
        if incident is None:
            incident = Incident.objects.create(
                title=alert.title[:160], severity=Incident.Severity.MAJOR, by_alert=True, opened_by=WATCH.label
            )
            record(WATCH, "incident.opened", obj=incident, after={"severity": incident.severity})
        incident.alerts.add(alert)
    return incident


def watch_ended(alert: Alert) -> None:
    """When the last alert of an incident is over, say that it is mended and being watched. People close it."""
    for incident in Incident.objects.filter(alerts=alert, state=Incident.State.OPEN, by_alert=True):
        if not incident.alerts.filter(state=Alert.State.FIRING).exists():
            incident.state = Incident.State.WATCHED
            incident.save(update_fields=["state"])
            _say(incident, WATCH, "All its alerts are over.")


def add_entry(*, actor: Actor, incident_id: uuid.UUID | str, text: str, public: bool = False) -> IncidentEntry:
    """Add to the timeline.

    Args:
        actor: needs "monitoring.manage".
        incident_id: which.
        text: what is known or done.
        public: shown to everybody on the status page: no names, no addresses.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be added.
    """
    require(actor, "monitoring.manage")
    incident = get_incident(incident_id)
    cleaned = _text(text, "text", _LONGEST)
    with transaction.atomic():
        entry = _say(incident, actor, cleaned, public=public)
        if public:
            record(actor, "incident.published", obj=incident, after={"text": cleaned[:500]})
    return entry


def update_incident(
    *,
    actor: Actor,
    incident_id: uuid.UUID | str,
    state: str | None = None,
    severity: str | None = None,
    lead: str | None = None,
    title: str | None = None,
) -> Incident:
    """Change how far it is, how bad it is, who leads it, or its title.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    with transaction.atomic():
        incident = get_incident(incident_id, lock=True)
        before = {name: getattr(incident, name) for name in ("state", "severity", "lead", "title")}
        if title is not None:
            incident.title = _text(title, "title", 160)
        if lead is not None and lead != incident.lead:
            incident.lead = lead.strip()[:254]
            _say(incident, actor, f"{incident.lead or 'Nobody'} leads.")
        if severity is not None and severity != incident.severity:
            incident.severity = _severity(severity)
            _say(incident, actor, f"Now: {incident.get_severity_display().lower()}.")
        if state is not None and state != incident.state:
            if state not in Incident.State.values:
                raise InvalidInput(f"'{state[:20]}' is no state.", field="state", remedy="open, watched or resolved.")
            incident.state = state
            incident.resolved_at = timezone.now() if state == Incident.State.RESOLVED else None
            _say(incident, actor, f"{incident.get_state_display()}.")
        after = {name: getattr(incident, name) for name in before}
        if after != before:
            incident.save()
            record(actor, "incident.updated", obj=incident, before=before, after=after)
    return incident


def write_review(
    *, actor: Actor, incident_id: uuid.UUID | str, review: str, actions: Sequence[tuple[str, str]] = ()
) -> Incident:
    """Write what was learnt, once it is over.

    Args:
        actor: needs "monitoring.manage".
        incident_id: which.
        review: what happened, why, and what is done about it.
        actions: what is to be done, and by whom; added to those that there are.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be written.
        Conflict: it is not over.
    """
    require(actor, "monitoring.manage")
    cleaned = _text(review, "review", 20_000)
    with transaction.atomic():
        incident = get_incident(incident_id, lock=True)
        if incident.state != Incident.State.RESOLVED:
            raise Conflict(
                "It is not over.", remedy="Resolve it first; what is learnt in between goes into the timeline."
            )
        if incident.actions.count() + len(actions) > _MAX_ACTIONS:
            raise InvalidInput("There are more than 20 actions.", field="actions", remedy="Name the most important.")
        incident.review, incident.reviewed_at = cleaned, timezone.now()
        incident.save(update_fields=["review", "reviewed_at"])
        for text, owner in actions:
            IncidentAction.objects.create(incident=incident, text=_text(text, "actions", 300), owner=owner[:254])
        record(actor, "incident.reviewed", obj=incident)
    return incident


def finish_action(*, actor: Actor, incident_id: uuid.UUID | str, action_id: int) -> IncidentAction:
    """Say that something which a review wanted is done.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to finish.
    """
    require(actor, "monitoring.manage")
    action = IncidentAction.objects.filter(incident_id=incident_id, pk=action_id).first()
    if action is None:
        raise NotFound("There is no such action.")
    if action.done_at is None:
        with transaction.atomic():
            action.done_at = timezone.now()
            action.save(update_fields=["done_at"])
            record(actor, "incident.action_done", obj=action.incident, after={"action": action.text})
    return action


def get_incident(incident_id: uuid.UUID | str, *, lock: bool = False) -> Incident:
    """One incident.

    Raises:
        NotFound: there is none.
    """
    rows = Incident.objects.select_for_update() if lock else Incident.objects.all()
    found = rows.filter(pk=incident_id).first()
    if found is None:
        raise NotFound("There is no such incident.")
    return found


def notices() -> tuple[tuple[float, str, str], ...]:
    """What the public page says: the newest public word of each incident that is not over, and maintenance that is near."""
    found = []
    for incident in Incident.objects.exclude(state=Incident.State.RESOLVED)[:_SHOWN]:
        entry = incident.entries.filter(public=True).last()
        if entry is not None:
            found.append((entry.at.timestamp(), incident.title, entry.text))
    now = timezone.now()
    windows = Silence.objects.filter(
        kind=Silence.Kind.MAINTENANCE, ends_at__gt=now, starts_at__lt=now + ANNOUNCED_BEFORE
    )
    for window in windows.exclude(announcement="").order_by("starts_at")[:_SHOWN]:
        when = f"{window.starts_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} to {window.ends_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        title = "Maintenance is under way" if window.starts_at <= now else "Planned maintenance"
        found.append((window.created_at.timestamp(), title, f"{when}: {window.announcement}"))
    return tuple(found)


def _say(incident: Incident, actor: Actor, text: str, *, public: bool = False) -> IncidentEntry:
    return IncidentEntry.objects.create(incident=incident, author=actor.label, text=text, public=public)


def _text(text: str, field: str, longest: int) -> str:
    cleaned = str(text).strip()
    if not 0 < len(cleaned) <= longest:
        raise InvalidInput(f"Write 1 to {longest} characters.", field=field, remedy="Say it in a sentence or two.")
    return cleaned


def _severity(severity: str) -> str:
    if severity not in Incident.Severity.values:
        raise InvalidInput(
            f"'{severity[:20]}' is no severity.", field="severity", remedy="Use minor, major or critical."
        )
    return severity
