"""When a policy's next backup, deep check and drill are due."""

from __future__ import annotations

import datetime as dt
import logging

from django.utils import timezone

from aiwriter.core.errors import AppError
from apps.backups.models import BackupRun, Delegate, Drill, Policy
from apps.backups.repository.marks import COMMIT_MARGIN
from apps.backups.services import backups, capture, capture_state, delegate_drills, drills, jobs, moments, upkeep
from apps.users.selectors.access import Actor

log = logging.getLogger(__name__)
# After the first start of a portal: long enough that whoever tries it is not disturbed.
FIRST_AFTER = dt.timedelta(minutes=3)
RETRY_AFTER = dt.timedelta(minutes=10)
Every = Policy.Every


def slot_before(policy: Policy, moment: dt.datetime) -> dt.datetime:
    """The last time at or before a moment at which the schedule wanted a backup."""
    at = moment.astimezone(dt.UTC)
    hour = policy.at.hour
    if policy.every == Every.HOUR:
        slot = at.replace(minute=policy.at.minute, second=0, microsecond=0)
    elif policy.every == Every.SIX_HOURS:
        slot = at.replace(hour=hour % 6 + at.hour // 6 * 6, minute=policy.at.minute, second=0, microsecond=0)
    else:
        slot = at.replace(hour=hour, minute=policy.at.minute, second=0, microsecond=0)
        if policy.every == Every.WEEK:
            slot -= dt.timedelta(days=slot.weekday())
    return slot if slot <= at else slot - policy.interval


def next_backup(policy: Policy, now: dt.datetime | None = None) -> dt.datetime:
    """When the next scheduled backup begins, at the earliest."""
    moment = now or timezone.now()
    return slot_before(policy, moment) + policy.interval


def backup_due(policy: Policy, now: dt.datetime) -> bool:
    """Whether a backup is to begin now."""
    if not _in_window(policy, now):
        return False
    # A run of tomorrow was made while the clock was wrong: it must not stand in the way of those of today.
    runs = BackupRun.objects.filter(
        destination=policy.destination, action="backup", created_at__lte=now + COMMIT_MARGIN
    )
    last = runs.exclude(trigger__in=("restore",)).order_by("-created_at").first()
    if last is not None and last.state in ("queued", "running"):
        return False
    if base_due(policy, last, now):
        return True
    if last is None:
        return now - policy.created_at >= FIRST_AFTER
    if last.state == "failed" and now - last.created_at >= RETRY_AFTER and policy.interval > RETRY_AFTER:
        return True
    return last.created_at < slot_before(policy, now)


def base_due(policy: Policy, last: BackupRun | None, now: dt.datetime) -> bool:
    """Whether a capture that has begun anew waits for the backup that its changes are put over."""
    state = capture_state.read_state() if policy.pitr else None
    if state is None or not state.alive or state.destination != str(policy.destination_id) or not state.line:
        return False
    if moments.has_base(policy.destination_id, state.line):
        return False
    # A backup that began before the line did, or failed, is tried again, and not without a pause.
    begun = moments.as_time(state.started)
    return last is None or last.created_at < begun or now - last.created_at >= RETRY_AFTER


def _in_window(policy: Policy, now: dt.datetime) -> bool:
    start, end = policy.window_start, policy.window_end
    if start is None or end is None:
        return True
    at = now.astimezone(dt.UTC).time()
    return start <= at < end if start <= end else at >= start or at < end


def drill_due(policy: Policy, now: dt.datetime) -> bool:
    """Whether a restore is to be rehearsed now."""
    if not policy.drill_days or not policy.destination.identity_ref:
        return False
    if not policy.destination.sets.filter(state__in=("verified", "drilled")).exists():
        return False
    last = Drill.objects.filter(destination=policy.destination).order_by("-created_at").first()
    if last is None:
        return now - policy.created_at >= dt.timedelta(minutes=10)
    wait = dt.timedelta(hours=6) if last.state == "failed" else dt.timedelta(days=policy.drill_days)
    return last.is_final and now - last.created_at >= wait


def deep_due(policy: Policy, now: dt.datetime) -> bool:
    """Whether every content is to be read now."""
    if not policy.deep_days or not policy.destination.identity_ref:
        return False
    last = BackupRun.objects.filter(destination=policy.destination, action="deep").order_by("-created_at").first()
    since = last.created_at if last else policy.created_at
    return (last is None or last.is_final) and now - since >= dt.timedelta(days=policy.deep_days)


def start_due(now: dt.datetime | None = None) -> int:
    """Start what the policies want now. Returns how many jobs were made."""
    moment = now or timezone.now()
    capture.sync_wanted()
    started = 0
    for policy in Policy.objects.filter(enabled=True, destination__enabled=True).select_related("destination"):
        # Each for itself: a drill that cannot begin is no reason to make no backup.
        for start in (_start_upkeep, _start_drill):
            try:
                started += start(policy, moment)
            except jobs.Busy:
                continue
            except AppError as error:
                log.warning("the policy %s could not start what is due: %s", policy.name, error)
    for row in Delegate.objects.filter(enabled=True, drill_days__gt=0):
        if delegate_drills.drill_due(row, moment):
            delegate_drills.start_drill(actor=Actor.system_actor("schedule"), delegate_id=row.pk, trigger="schedule")
            started += 1
    return started


def _start_upkeep(policy: Policy, now: dt.datetime) -> bool:
    place, actor = policy.destination_id, Actor.system_actor("schedule")
    if backup_due(policy, now):
        backups.start_backup(actor=actor, destination_id=place, policy=policy, trigger="schedule")
    elif deep_due(policy, now):
        upkeep.start_upkeep(actor=actor, destination_id=place, action="deep", trigger="schedule")
    else:
        return False
    return True


def _start_drill(policy: Policy, now: dt.datetime) -> bool:
    if not drill_due(policy, now):
        return False
    drills.start_drill(
        actor=Actor.system_actor("schedule"),
        destination_id=policy.destination_id,
        policy=policy,
        # The repository is asked, so no transaction may be open.
        moment=drills.random_moment(policy),
        trigger="schedule",
    )
    return True
