"""Guarded roll-outs: a variant goes from some of the people to all, judged at each stage; a breach takes it back by itself."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.deployments.models import FlagRollout, FlagSample, FlagStage
from apps.deployments.selectors.flag_outcomes import arms
from apps.deployments.selectors.flags import is_measured
from apps.deployments.selectors.statistics import Arm, Rails, judge
from apps.deployments.services.environments import checked
from apps.deployments.services.flags import changed, free, known_variant, locked
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

State = FlagRollout.State
RAILS = (
    "min_seconds",
    "max_seconds",
    "min_samples",
    "alpha",
    "guard_errors",
    "guard_regenerated",
    "latency_times",
    "cost_times",
)
MAX_STAGES = 10
# Samples are for the plot: one at least so long after the last.
_SAMPLE_EVERY = dt.timedelta(seconds=15)
_GUARD = Actor.system_actor("flag-guard")
log = logging.getLogger(__name__)


def start_rollout(
    *, actor: Actor, flag_id: uuid.UUID | str, variant: str, stages: Sequence[int], **rails: Any
) -> FlagRollout:
    """Let a variant go from stage to stage to everybody.

    Args:
        actor: needs "deployments.run".
        flag_id: a flag whose answers are noted with texts.
        variant: what they are given.
        stages: percentages, rising, 1 to 99; after the last one passed it is everybody's.
        rails: some of `RAILS`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be begun so.
        Conflict: something is under way, or the kill switch is on.
    """
    require(actor, "deployments.run")
    shares = _stages(stages)
    with transaction.atomic():
        flag = locked(flag_id)
        if not is_measured(flag):
            raise InvalidInput(
                "Nothing is measured for this flag, so nothing could guard it.",
                field="flag",
                remedy="Use a rule with a percentage, or a flag whose answer is noted with texts.",
            )
        if flag.killed_at:
            raise Conflict("The kill switch is on.", remedy="Switch it off first.")
        free(flag)
        if known_variant(flag, variant, "variant") == flag.default_variant:
            raise InvalidInput("Everybody has this variant.", field="variant", remedy="Choose another one.")
        row = FlagRollout(flag=flag, variant=variant, before=flag.default_variant, author=actor.label[:254])
        for name, value in rails.items():
            if name not in RAILS:
                raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
            setattr(row, name, value)
        _check(row)
        row.percent = shares[0]
        row.save()
        now = timezone.now()
        FlagStage.objects.bulk_create(
            FlagStage(rollout=row, number=number, percent=share, began_at=None if number else now)
            for number, share in enumerate(shares)
        )
        record(actor, "flag.rollout_started", obj=flag, after={"variant": variant, "stages": shares})
        changed()
    return row


def stop_rollout(*, actor: Actor, rollout_id: uuid.UUID | str, reason: str = "") -> FlagRollout:
    """Take everybody back, by a person's word.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to stop.
        Conflict: it has ended.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        row = _open(rollout_id)
        _end(actor, row, State.STOPPED, reason.strip()[:300] or f"Stopped by {actor.label}.")
    return row


def resume_rollout(*, actor: Actor, rollout_id: uuid.UUID | str) -> FlagRollout:
    """Judge the stage of a paused one anew, from now on.

    Raises:
        PermissionDenied, NotFound: it is not the actor's.
        Conflict: it is not paused, or the kill switch is on.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        row = _open(rollout_id)
        if row.state != State.PAUSED:
            raise Conflict("It is not paused.", remedy="Load the page again.")
        if row.flag.killed_at:
            raise Conflict("The kill switch is on, so nobody has the variant.", remedy="Switch it off first.")
        row.state, row.why = State.RUNNING, ""
        row.save(update_fields=["state", "why"])
        row.stages.filter(number=row.number).update(began_at=timezone.now(), verdict="", reason="")
        record(actor, "flag.rollout_resumed", obj=row.flag, after={"percent": row.percent})
    return row


def look_after() -> int:
    """Judge all that are under way. Returns how many there were."""
    running = list(FlagRollout.objects.filter(state=State.RUNNING).values_list("pk", flat=True))
    for pk in running:
        try:
            _look(pk)
        except Exception:
            # One that cannot be judged must not keep the others from it; it stays where it is and pauses at its end.
            log.exception("The roll-out %s could not be judged", pk)
    return len(running)


def _look(pk: uuid.UUID) -> None:
    row = FlagRollout.objects.select_related("flag").get(pk=pk)
    stage = row.stages.get(number=row.number)
    now = timezone.now()
    values, began = row.flag.variants, stage.began_at or now
    new, old = arms(row.flag.key, str(values[row.variant]), str(values[row.before]), began)
    verdict, why = judge(new, old, rails_of(row), (now - began).total_seconds())
    with transaction.atomic():
        # Two workers may look at once, and a person may stop it meanwhile: whoever comes second finds it moved.
        locked_rows = FlagRollout.objects.select_for_update(of=("self",)).select_related("flag")
        held = locked_rows.filter(pk=pk, state=State.RUNNING, number=stage.number).first()
        if held is None:
            return
        row = held
        _sample(row, new, old, now, always=verdict != "wait")
        row.people, row.people_hit = max(row.people, new.people), max(row.people_hit, new.hit)
        row.why = why[:300]
        row.save(update_fields=["people", "people_hit", "why"])
        if verdict != "wait":
            row.stages.filter(number=row.number).update(verdict=verdict, reason=why[:300], ended_at=now)
        if verdict == "back":
            _end(_GUARD, row, State.BACK, why[:300])
        elif verdict == "pause":
            row.state = State.PAUSED
            row.save(update_fields=["state"])
            record(_GUARD, "flag.rollout_paused", obj=row.flag, reason=why, after={"percent": row.percent})
            _tell(row, f"The roll-out of '{row.flag}' is paused at {row.percent} %", why)
        elif verdict == "pass":
            _next(row, why)


def _next(row: FlagRollout, why: str) -> None:
    following = row.stages.filter(number=row.number + 1).first()
    if following is None:
        flag = row.flag
        flag.default_variant, flag.changed_at = row.variant, timezone.now()
        flag.save(update_fields=["default_variant", "changed_at"])
        _end(_GUARD, row, State.DONE, why)
        return
    row.number, row.percent = following.number, following.percent
    row.save(update_fields=["number", "percent"])
    following.began_at = timezone.now()
    following.save(update_fields=["began_at"])
    record(_GUARD, "flag.rollout_advanced", obj=row.flag, reason=why, after={"percent": row.percent})
    changed()


def _end(actor: Actor, row: FlagRollout, state: FlagRollout.State, why: str) -> None:
    row.state, row.why, row.finished_at = state, why[:300], timezone.now()
    before = row.percent
    row.percent = 100 if state == State.DONE else 0
    row.save(update_fields=["state", "why", "finished_at", "percent"])
    row.stages.filter(number=row.number, ended_at=None).update(ended_at=row.finished_at)
    after = {"state": str(state), "percent": row.percent, "people": row.people, "people_hit": row.people_hit}
    record(actor, "flag.rollout_ended", obj=row.flag, reason=why, before={"percent": before}, after=after)
    changed()
    if state == State.BACK:
        _tell(row, f"'{row.variant}' of '{row.flag}' was taken back by itself", f"{why} {_hit(row)}")


def _hit(row: FlagRollout) -> str:
    return f"{row.people_hit} of {row.people} people had a text that failed."


def _tell(row: FlagRollout, title: str, body: str) -> None:
    tell_operators("flag.rollout", title, body, f"/admin/deployments/flagrollout/{row.pk}/change/")


def _sample(row: FlagRollout, new: Arm, old: Arm, now: dt.datetime, *, always: bool) -> None:
    last = row.samples.order_by("-pk").first()
    if not always and last is not None and last.stage == row.number and now - last.at < _SAMPLE_EVERY:
        return
    FlagSample.objects.bulk_create(
        FlagSample(
            rollout=row,
            stage=row.number,
            arm=name,
            at=now,
            n=arm.n,
            errors=arm.errors,
            regenerated=arm.regenerated,
            p95_ms=arm.p95_ms,
            cost=arm.cost if arm.priced else None,
        )
        for name, arm in (("new", new), ("old", old))
    )


def rails_of(row: FlagRollout) -> Rails:
    """What it must keep to."""
    return Rails(
        min_seconds=row.min_seconds,
        max_seconds=row.max_seconds,
        min_samples=row.min_samples,
        alpha=row.alpha,
        errors=row.guard_errors,
        regenerated=row.guard_regenerated,
        latency_times=row.latency_times,
        cost_times=row.cost_times,
    )


def _open(rollout_id: uuid.UUID | str) -> FlagRollout:
    row = FlagRollout.objects.select_for_update(of=("self",)).select_related("flag").filter(pk=rollout_id).first()
    if row is None:
        raise NotFound("There is no such roll-out.")
    if row.state not in FlagRollout.OPEN:
        raise Conflict(f"It has ended: {row.get_state_display().lower()}.", remedy="Begin another one.")
    return row


def _stages(given: Sequence[int]) -> list[int]:
    stages = list(given)
    whole = all(isinstance(each, int) and not isinstance(each, bool) and 1 <= each <= 99 for each in stages)
    if not whole or not 1 <= len(stages) <= MAX_STAGES or sorted(set(stages)) != stages:
        raise InvalidInput(
            f"Stages are 1 to {MAX_STAGES} rising percentages below 100.",
            field="stages",
            remedy="Write 5, 25, 50: those who do not have the variant are whom it is compared with.",
        )
    return stages


def _check(row: FlagRollout) -> None:
    checked(row, RAILS)
    if row.max_seconds < row.min_seconds:
        raise InvalidInput("A stage would pause before it may pass.", field="max_seconds", remedy="Use more seconds.")
    if row.min_samples < 1:
        raise InvalidInput("A stage needs samples.", field="min_samples", remedy="Use 20 or more.")
    for name in ("latency_times", "cost_times"):
        if getattr(row, name) and not 1.05 <= getattr(row, name) <= 100:
            raise InvalidInput("Use 1.05 to 100 times, or 0 for no guard.", field=name, remedy="Use 1.5, for example.")
    if not (row.guard_errors or row.guard_regenerated or row.latency_times or row.cost_times):
        raise InvalidInput("Nothing guards it.", field="guard_errors", remedy="Guard the errors at least.")
