"""What is kept, and what goes. The hard rules come first: they hold whatever a policy says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from apps.backups.models import BackupRun, BackupSet, Destination, Drill, Policy, Restore
from apps.backups.repository.errors import DeleteRefused
from apps.backups.repository.pruning import prune
from apps.backups.repository.repository import Repository
from apps.backups.repository.segments import drop_segments, listing
from apps.backups.services import capture_state
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import RepositoryProblem, told
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

GRACE = dt.timedelta(hours=48)
State = BackupSet.State
# Bucket of a moment, by the policy's field. ISO weeks, so that a year's first days are not a week of their own.
_BUCKETS: tuple[tuple[str, str, Callable[[dt.datetime], object]], ...] = (
    ("keep_hourly", "hourly", lambda at: at.strftime("%Y%m%d%H")),
    ("keep_daily", "daily", lambda at: at.date()),
    ("keep_weekly", "weekly", lambda at: at.isocalendar()[:2]),
    ("keep_monthly", "monthly", lambda at: (at.year, at.month)),
    ("keep_yearly", "yearly", lambda at: at.year),
)


@dataclass(slots=True)
class Verdict:
    """One set and why it stays; without a reason it goes."""

    row: BackupSet
    reasons: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether it stays."""
        return bool(self.reasons)


@dataclass(slots=True)
class Preview:
    """What a policy would do now.

    `frozen` says why nothing is deleted at all; then everything is kept.
    """

    verdicts: list[Verdict]
    frozen: str = ""

    @property
    def kept(self) -> list[Verdict]:
        """Sets that stay."""
        return [each for each in self.verdicts if each.kept or self.frozen]

    @property
    def going(self) -> list[Verdict]:
        """Sets that go."""
        return [] if self.frozen else [each for each in self.verdicts if not each.kept]


def preview(policy: Policy, now: dt.datetime | None = None) -> Preview:
    """What would be kept and why, without touching anything."""
    moment = now or timezone.now()
    rows = list(BackupSet.objects.filter(destination=policy.destination).order_by("-created_at", "-id"))
    verdicts = [Verdict(row) for row in rows]
    _hard(verdicts, policy)
    _soft(verdicts, policy, moment)
    _bases(verdicts, policy, moment)
    _wholes(verdicts)
    return Preview(verdicts, frozen=frozen(policy.destination, rows))


def frozen(destination: Destination, rows: Iterable[BackupSet]) -> str:
    """Why nothing may be deleted now, or ""."""
    newest = next(iter(rows), None)
    if newest is None:
        return "There is no set."
    if newest.state in (State.SUSPICIOUS, State.DAMAGED, State.INCOMPLETE, State.COMMITTED):
        return f"The newest set is {newest.get_state_display().lower()}."
    last = (
        BackupRun.objects.filter(destination=destination, action="backup", finished_at__isnull=False)
        .exclude(state="stopped")
        .order_by("-finished_at")
        .first()
    )
    if last is not None and last.state == "failed" and last.created_at > newest.created_at:
        return "The last backup failed."
    return ""


def _hard(verdicts: list[Verdict], policy: Policy) -> None:
    """Never the newest checked set, never the newest drilled one, nothing pinned, nothing in use, never below the minimum."""
    in_use = set(Drill.objects.filter(state__in=("queued", "running")).values_list("backup_set_id", flat=True))
    in_use |= set(
        Restore.objects.filter(state__in=("planned", "queued", "running")).values_list("backup_set_id", flat=True)
    )
    verified = drilled = False
    whole = 0
    for each in verdicts:
        row = each.row
        if row.pin:
            each.reasons.append(f"pinned: {row.pin}")
        if row.pk in in_use:
            each.reasons.append("in use")
        if row.state in (State.SUSPICIOUS, State.DAMAGED):
            continue
        if row.state in (State.VERIFIED, State.DRILLED) and not verified:
            each.reasons.append("newest checked")
            verified = True
        if row.state == State.DRILLED and not drilled:
            each.reasons.append("newest drilled")
            drilled = True
        if whole < policy.keep_minimum:
            each.reasons.append("minimum")
            whole += 1


def _soft(verdicts: list[Verdict], policy: Policy, now: dt.datetime) -> None:
    usable = [each for each in verdicts if each.row.state != State.DAMAGED]
    for each in usable[: policy.keep_last]:
        each.reasons.append("last")
    for each in usable:
        if now - each.row.created_at < dt.timedelta(days=policy.keep_days):
            each.reasons.append("young")
    for name, words, bucket in _BUCKETS:
        seen: set[object] = set()
        for each in usable:
            key = bucket(each.row.created_at.astimezone(dt.UTC))
            if key not in seen and len(seen) < getattr(policy, name):
                seen.add(key)
                each.reasons.append(words)


def _bases(verdicts: list[Verdict], policy: Policy, now: dt.datetime) -> None:
    """Every moment of the window needs a base before it: of each capture the newest one that is older than the window.

    Where there is none so old, the oldest one stays. Bases between come and go with the other rules.
    """
    if not policy.pitr:
        return
    border = now - dt.timedelta(days=policy.pitr_days)
    state = capture_state.read_state()
    by_line: dict[str, list[Verdict]] = {}
    for each in verdicts:
        if each.row.capture and each.row.state != State.DAMAGED:
            by_line.setdefault(str(each.row.capture["line"]), []).append(each)
    for line, bases in by_line.items():
        if bases[0].row.created_at > border or (state is not None and state.line == line):
            first = next((each for each in bases if each.row.created_at <= border), bases[-1])
            first.reasons.append("base of the window")


def _wholes(verdicts: list[Verdict]) -> None:
    """An increment is nothing without the whole base that it was taken against."""
    needed = {str((each.row.capture.get("base") or {}).get("increment_of", "")) for each in verdicts if each.kept}
    for each in verdicts:
        if each.row.name in needed:
            each.reasons.append("whole base of a later set")


def needed_segments(policy: Policy, repository: Repository, now: dt.datetime | None = None) -> dict[str, int]:
    """The first segment that is needed, by line: that of the oldest kept base from which the window is reached.

    The line that is being captured is always needed, also before it has a base.
    """
    border = (now or timezone.now()) - dt.timedelta(days=policy.pitr_days)
    state = capture_state.read_state()
    needed: dict[str, int] = {}
    settled: set[str] = set()
    rows = BackupSet.objects.filter(destination=policy.destination).exclude(capture={}).order_by("-created_at", "-id")
    for row in rows:
        line = str(row.capture["line"])
        if line not in settled:
            needed[line] = int(row.capture["first"])
            if row.created_at <= border:
                settled.add(line)
    for line in list(needed):
        stored = listing(repository, line)
        if not stored or stored[-1].until < border.timestamp() * 1000:
            del needed[line]
    if state is not None and state.line:
        needed.setdefault(state.line, 0)
    return needed


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a clean-up.

    Args:
        sets: how many sets went.
        refused: what the place said when it let nothing be removed; "" when it did.
    """

    sets: int = 0
    refused: str = ""


def apply(policy: Policy, repository: Any, control: Any, progress: Progress, *, grace: dt.timedelta = GRACE) -> Applied:
    """Delete what the policy lets go. The repository keeps the bytes for two more days, in case a reader is at them.

    A place that lets nothing be removed is no fault: sets are dropped, and what they had stays there.
    """
    plan = preview(policy)
    if plan.frozen:
        progress.say(f"Nothing is deleted: {plan.frozen}")
        return Applied()
    going = plan.going
    progress.phase("clean-up")
    with told():
        report = prune(repository, drop=[each.row.name for each in going], grace=grace, control=control)
    if going:
        names = [each.row.name for each in going]
        BackupSet.objects.filter(pk__in=[each.row.pk for each in going]).delete()
        record(
            Actor.system_actor("backups"),
            "backup.pruned",
            obj=policy,
            after={"sets": names[:50], "count": len(names), "policy": policy.name},
        )
    refused, gone = report.refused, 0
    if not refused:
        try:
            with told():
                gone, _ = drop_segments(repository, needed_segments(policy, repository), control)
        except RepositoryProblem as problem:
            if problem.code != DeleteRefused.code:
                raise
            refused = problem.message
    if refused:
        progress.say(f"The place lets nothing be removed: {refused} {DeleteRefused.remedy}")
    if gone:
        progress.say(f"{gone:,} segments of captured changes are needed no more and were removed.")
    progress.say(f"{len(going)} old sets removed, {report.freed_bytes / 2**20:,.1f} MiB freed.")
    return Applied(len(going), refused)
