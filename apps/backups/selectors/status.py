"""How well the portal is protected: what an operator must know at a glance."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum
from django.utils import timezone

from apps.backups.models import BackupRun, BackupSet, Delegate, Destination, Drill, Policy
from apps.backups.selectors.forecast import forecast
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor, require

# So much later than the schedule wants it, a backup is overdue: one may have failed and been tried again.
PATIENCE = 1.5
# As much as the engine lets clocks of two machines differ.
CLOCK_SLACK = dt.timedelta(minutes=10)
FULL_SOON = dt.timedelta(days=21)
State = BackupSet.State


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should mend.

    Args:
        key: "overdue", "failed", "unproven", "same_device" …
        severity: "fail" or "warn".
        message: what is wrong.
        remedy: what to do.
    """

    key: str
    severity: str
    message: str
    remedy: str


@dataclass(slots=True)
class Status:
    """Everything that the first page of backups shows."""

    protected_until: dt.datetime | None = None
    verified_at: dt.datetime | None = None
    drilled_set_at: dt.datetime | None = None
    last_drill: Drill | None = None
    running: list[BackupRun] = field(default_factory=list)
    sets: int = 0
    stored_bytes: int = 0
    source_bytes: int = 0
    copies: int = 0
    elsewhere: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def worst(self) -> str:
        """A word for the style sheet."""
        severities = {problem.severity for problem in self.problems}
        return "fail" if "fail" in severities else "warn" if severities else "ok"

    @property
    def headline(self) -> str:
        """One sentence."""
        if self.protected_until is None:
            return "Nothing is backed up yet."
        proof = (
            f"a restore of the state of {self.drilled_set_at:%Y-%m-%d %H:%M} has been shown"
            if self.drilled_set_at
            else "no restore has been shown yet"
        )
        return f"Everything until {self.protected_until:%Y-%m-%d %H:%M} UTC is backed up; {proof}."

    def as_dict(self) -> dict[str, Any]:
        """For the API and the command."""
        drill = self.last_drill
        return {
            "state": self.worst,
            "headline": self.headline,
            "protected_until": self.protected_until,
            "verified_at": self.verified_at,
            "drilled_set_at": self.drilled_set_at,
            "rpo_seconds": drill.rpo_seconds if drill else None,
            "rto_seconds": drill.rto_seconds if drill else None,
            "sets": self.sets,
            "stored_bytes": self.stored_bytes,
            "source_bytes": self.source_bytes,
            "copies": self.copies,
            "elsewhere": self.elsewhere,
            "problems": [
                {"key": p.key, "severity": p.severity, "message": p.message, "remedy": p.remedy} for p in self.problems
            ],
        }


def status_of(actor: Actor) -> Status:
    """The state of all backups, for those who may see them."""
    require(actor, "backups.read")
    return present_status()


def present_status(now: dt.datetime | None = None) -> Status:
    """The state of all backups, for health checks."""
    moment = now or timezone.now()
    found = Status()
    good = BackupSet.objects.exclude(state__in=(State.SUSPICIOUS, State.DAMAGED))
    newest = good.order_by("-created_at").first()
    found.protected_until = newest.created_at if newest else None
    found.source_bytes = newest.bytes_source if newest else 0
    found.verified_at = good.filter(verified_at__isnull=False).values_list("created_at", flat=True).first()
    found.drilled_set_at = good.filter(drilled_at__isnull=False).values_list("created_at", flat=True).first()
    drills = Drill.objects.filter(state="succeeded", destination__isnull=False)
    found.last_drill = drills.select_related("policy").order_by("-created_at").first()
    found.running = list(BackupRun.objects.filter(state="running").select_related("destination"))
    sums = BackupSet.objects.aggregate(sets=Count("pk"), stored=Sum("bytes_added"))
    found.sets, found.stored_bytes = sums["sets"], sums["stored"] or 0
    places = list(Destination.objects.filter(enabled=True).select_related("profile"))
    found.copies = sum(1 for place in places if place.mirror_of_id)
    found.elsewhere = any(is_elsewhere(place) for place in places)
    _look(found, places, newest, moment)
    return found


def is_elsewhere(place: Destination) -> bool:
    """Whether a place would survive the loss of the disk that the data folder is on."""
    if place.profile is not None:
        profile = place.profile
        root = str(profile.options.get("root", "")) if profile.plugin_key == "local" else ""
        return profile.plugin_key != "local" or (bool(root) and _device(Path(root)) != _device(Path(settings.DATA_DIR)))
    return _device(Path(settings.DATA_DIR) / place.folder) != _device(Path(settings.DATA_DIR))


def _device(path: Path) -> int:
    """The device of a path, or of the nearest folder above it that exists."""
    for one in (path, *path.parents):
        try:
            return os.stat(one).st_dev  # noqa: PTH116  st_dev of a path that may not exist
        except OSError:
            continue
    return -1


def _look(found: Status, places: list[Destination], newest: BackupSet | None, now: dt.datetime) -> None:
    found.problems += _of_others()
    if not places:
        found.problems.append(Problem("none", "fail", "No place for backups is set up.", "Add one under Backups."))
        return
    for policy in Policy.objects.filter(enabled=True, destination__enabled=True).select_related("destination"):
        found.problems += _overdue(policy, now)
    for place in places:
        if place.last_problem:
            found.problems.append(
                Problem("failed", "fail", f"{place.name}: {place.last_problem}", place.last_remedy or "See its runs.")
            )
        full_on = forecast(place, now.date()).full_on if place.profile_id is None else None
        if full_on is not None and full_on - now.date() <= FULL_SOON:
            found.problems.append(
                Problem(
                    "fills",
                    "warn",
                    f"{place.name}: the disk is full on {full_on}, if the last weeks go on.",
                    "Make room, keep fewer sets, or set up another place.",
                )
            )
        if place.segments_lost_at is not None:
            words = f"{place.name}: captured changes are lost, as the check of {place.segments_lost_at:%Y-%m-%d %H:%M} found."
            remedy = (
                "Moments across them cannot be restored. Start a copy, if one has them; else they go with the window."
            )
            found.problems.append(Problem("segments", "fail", words, remedy))
        if place.mirror_of_id and (place.missing_objects or place.compared_at is None):
            found.problems.append(_diverged(place))
    for state, key, words in ((State.DAMAGED, "damaged", "damaged"), (State.SUSPICIOUS, "shrunken", "suspicious")):
        count = BackupSet.objects.filter(state=state).count()
        if count:
            found.problems.append(
                Problem(
                    key, "fail", f"{count} backup sets are {words}.", "Open them in the list of sets: each says why."
                )
            )
    later = BackupSet.objects.filter(created_at__gt=now + CLOCK_SLACK).order_by("created_at").last()
    if later is not None:
        words = f"The set {later.name} bears a time that has not come yet: a clock is or was wrong."
        remedy = (
            "Set the clock of this machine. If it is right, remove the set with `manage.py prune --later-than-now`: "
            "until then no backup is made."
        )
        found.problems.append(Problem("clock", "fail", words, remedy))
    if newest is not None and newest.state == State.INCOMPLETE:
        found.problems.append(
            Problem(
                "incomplete", "warn", f"The newest set is incomplete: {newest.problem}", "Restore the damaged files."
            )
        )
    found.problems += _unproven(found, now)
    if not found.elsewhere:
        found.problems.append(
            Problem(
                "same_device",
                "warn",
                "All backups lie on the same disk as the portal.",
                "Add a place on another device or in an object store, as a copy of the first one.",
            )
        )
    if any(place.managed and place.identity_ref for place in places):
        found.problems += _key_here()


def _overdue(policy: Policy, now: dt.datetime) -> list[Problem]:
    newest = (
        BackupSet.objects.filter(destination=policy.destination, created_at__lte=now + CLOCK_SLACK)
        .exclude(state__in=(State.DAMAGED,))
        .order_by("-created_at")
        .values_list("created_at", flat=True)
        .first()
    )
    since = newest or policy.created_at
    if now - since <= policy.interval * PATIENCE + dt.timedelta(minutes=15):
        return []
    hours = (now - since).total_seconds() / 3600
    return [
        Problem(
            "overdue",
            "fail",
            f"{policy.name}: the last backup is {hours:,.1f} hours old.",
            "See the runs for the reason; is a worker running? Start one with `manage.py backup`.",
        )
    ]


def _diverged(place: Destination) -> Problem:
    if place.compared_at is None:
        return Problem("diverged", "warn", f"The copy '{place.name}' has never been made.", "Start a copy.")
    return Problem(
        "diverged", "fail", f"The copy '{place.name}' lacks {place.missing_objects} sets.", "Start a copy, see its log."
    )


def _unproven(found: Status, now: dt.datetime) -> list[Problem]:
    if found.protected_until is None:
        return []
    days = min(Policy.objects.filter(enabled=True, drill_days__gt=0).values_list("drill_days", flat=True), default=7)
    last = Drill.objects.filter(destination__isnull=False).order_by("-created_at").first()
    if last is not None and last.state == "failed":
        return [Problem("unproven", "fail", f"The last drill failed: {last.error}", last.remedy)]
    if found.last_drill is None:
        return [
            Problem("unproven", "warn", "No restore has been shown yet.", "Start a drill; the schedule does it, too.")
        ]
    if now - found.last_drill.created_at > dt.timedelta(days=days * 2):
        return [
            Problem(
                "unproven", "warn", "The last shown restore is too long ago.", "Start a drill; is the key still here?"
            )
        ]
    return []


def _of_others() -> list[Problem]:
    """Backups of other tools that are overdue or failed, and drills of them that failed."""
    found = []
    for row in Delegate.objects.filter(enabled=True, state__in=(Delegate.State.OVERDUE, Delegate.State.FAILED)):
        found.append(Problem("delegate", "fail" if row.gate else "warn", f"{row.name}: {row.problem}", row.remedy))
    for row in Delegate.objects.filter(enabled=True, drill_days__gt=0):
        last = row.drills.order_by("-created_at").first()
        if last is not None and last.state == "failed":
            words = f"{row.name}: the last drill failed: {last.error}"
            found.append(Problem("delegate", "fail" if row.gate else "warn", words, last.remedy))
    return found


def _key_here() -> list[Problem]:
    """The key that a first start made lies beside what it opens, until somebody has taken it out."""
    if AuditEvent.objects.filter(action="backup.key_shown").exists():
        return []
    return [
        Problem(
            "key",
            "warn",
            "The key that opens the backups lies on this machine only.",
            "Take it out with `manage.py keys show` and keep it elsewhere: without it the backups go with the machine.",
        )
    ]
