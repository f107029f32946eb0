"""Experiments: begun with a planned size, concluded once when it is reached, ended by a person."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.deployments.models import Experiment
from apps.deployments.selectors.experiments import standing
from apps.deployments.selectors.flags import is_measured
from apps.deployments.selectors.statistics import planned_size
from apps.deployments.services.environments import checked, words
from apps.deployments.services.flags import changed, free, known_variant, locked
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

FIELDS = ("title", "control", "treatment", "share", "split", "metric", "baseline", "effect", "window_hours")
MOST_PLANNED = 1_000_000
_GUARD = Actor.system_actor("flag-guard")
State = Experiment.State
log = logging.getLogger(__name__)


def start_experiment(*, actor: Actor, flag_id: uuid.UUID | str, **values: Any) -> Experiment:
    """Begin a comparison of two variants of a flag.

    Args:
        actor: needs "deployments.run".
        flag_id: a flag whose answers are noted with texts.
        values: some of `FIELDS`; all without a default are needed. They are fixed from then on.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be begun so.
        Conflict: something is under way, or the kill switch is on.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        flag = locked(flag_id)
        if not is_measured(flag):
            raise InvalidInput(
                "Nothing is measured for this flag, so there would be no result.",
                field="flag",
                remedy="Use a flag whose answer is noted with texts.",
            )
        if flag.killed_at:
            raise Conflict("The kill switch is on.", remedy="Switch it off first.")
        free(flag)
        row = Experiment(flag=flag, author=actor.label[:254])
        for name, value in values.items():
            if name not in FIELDS:
                raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
            setattr(row, name, value)
        row.title = words(row.title, "title", 120)
        checked(row, FIELDS)
        known_variant(flag, row.control, "control")
        if known_variant(flag, row.treatment, "treatment") == row.control:
            raise InvalidInput("Both arms have the same variant.", field="treatment", remedy="Choose another one.")
        if not 0 < row.baseline + row.effect < 1 and not 0 < row.baseline - row.effect < 1:
            raise InvalidInput(
                "No share can be so much higher or lower.", field="effect", remedy="Use a smaller difference."
            )
        row.planned = planned_size(row.baseline, row.effect, row.split)
        if row.planned > MOST_PLANNED:
            raise InvalidInput(
                f"It would need {row.planned:,} people in an arm.",
                field="effect",
                remedy="Look for a larger difference.",
            )
        row.save()
        after = {**{name: getattr(row, name) for name in FIELDS}, "planned": row.planned}
        record(actor, "experiment.started", obj=row, after=after)
        changed()
    return row


def end_experiment(*, actor: Actor, experiment_id: uuid.UUID | str, keep: str = "", reason: str = "") -> Experiment:
    """Let nobody be in an arm any more.

    Args:
        actor: needs "deployments.run".
        experiment_id: which.
        keep: the variant that everybody gets from now on; as it is, when left out.
        reason: why, where it is ended before its result.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be ended so.
        Conflict: it has ended.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        row = Experiment.objects.select_for_update(of=("self",)).select_related("flag").filter(pk=experiment_id).first()
        if row is None:
            raise NotFound("There is no such experiment.")
        if row.state == State.ENDED:
            raise Conflict("It has ended.", remedy="Begin another one.")
        if keep:
            known_variant(row.flag, keep, "keep")
        if row.state == State.RUNNING:
            reason = words(reason, "reason", 300)
            row.result = asdict(standing(row))
        row.state, row.why, row.finished_at = State.ENDED, reason.strip()[:300], timezone.now()
        row.save(update_fields=["state", "why", "finished_at", "result"])
        if keep and keep != row.flag.default_variant:
            row.flag.default_variant, row.flag.changed_at = keep, timezone.now()
            row.flag.save(update_fields=["default_variant", "changed_at"])
        after = {"verdict": row.result.get("verdict", ""), "keep": keep or row.flag.default_variant}
        record(actor, "experiment.ended", obj=row, reason=row.why, after=after)
        changed()
    return row


def look_after() -> int:
    """Conclude those whose size is reached, once and for good: looking until it pleases is no test. Returns how many ran."""
    running = list(Experiment.objects.filter(state=State.RUNNING).select_related("flag"))
    for row in running:
        try:
            _look(row)
        except Exception:
            log.exception("The experiment %s could not be judged", row.pk)
    return len(running)


def _look(row: Experiment) -> None:
    # Counting everybody is work: not before there can be enough of them.
    if row.exposures.count() < 2 * row.planned:
        return
    found = standing(row)
    if found.p is None:
        return
    now = timezone.now()
    with transaction.atomic():
        done = Experiment.objects.filter(pk=row.pk, state=State.RUNNING).update(
            state=State.CONCLUDED, result=asdict(found), concluded_at=now
        )
        if done:
            record(_GUARD, "experiment.concluded", obj=row, reason=found.words, after={"verdict": found.verdict})
            link = f"/admin/deployments/experiment/{row.pk}/change/"
            tell_operators("flag.experiment", f"There is a result: {row.title}", found.words, link)
