"""Reading flags, and which of them have outlived their use."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import NotFound
from aiwriter.core.flags import DECLARED
from apps.deployments.models import Experiment, Flag, FlagRollout
from apps.users.selectors.access import Actor, require

# A switch that is off for so long, or a feature that everybody has for so long, is no longer a question.
SETTLED = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Stale:
    """A flag that should be looked at, and why."""

    flag: Flag
    reasons: tuple[str, ...]


def flags_for(actor: Actor) -> QuerySet[Flag]:
    """All flags, with their rules."""
    require(actor, "deployments.read")
    return Flag.objects.select_related("owner").prefetch_related(
        "rules__workspace", "rules__person", "rollouts", "experiments"
    )


def flag_for(actor: Actor, flag_id: uuid.UUID | str) -> Flag:
    """One flag.

    Raises:
        NotFound: there is none.
    """
    found = flags_for(actor).filter(pk=flag_id).first()
    if found is None:
        raise NotFound("There is no such flag.")
    return found


def rollouts_for(actor: Actor) -> QuerySet[FlagRollout]:
    """All guarded roll-outs, newest first."""
    require(actor, "deployments.read")
    return FlagRollout.objects.select_related("flag").prefetch_related("stages")


def rollout_for(actor: Actor, rollout_id: uuid.UUID | str) -> FlagRollout:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    found = rollouts_for(actor).filter(pk=rollout_id).first()
    if found is None:
        raise NotFound("There is no such roll-out.")
    return found


def open_rollout(flag: Flag) -> FlagRollout | None:
    """The roll-out that is under way, if one is."""
    return next((row for row in flag.rollouts.all() if row.state in FlagRollout.OPEN), None)


def open_experiment(flag: Flag) -> Experiment | None:
    """The experiment that is under way, if one is."""
    return next((row for row in flag.experiments.all() if row.state in Experiment.OPEN), None)


def is_measured(flag: Flag) -> bool:
    """Whether what it answers is noted with every text, so that its outcome can be told."""
    return flag.key in DECLARED and DECLARED[flag.key].measured


def stale_flags(actor: Actor, now: dt.datetime | None = None) -> list[Stale]:
    """Flags that should be looked at. One that came with the product and answers as it came is not among them.

    Args:
        actor: needs "deployments.read".
        now: the present when left out.
    """
    moment = now or timezone.now()
    return [Stale(flag, reasons) for flag in flags_for(actor) if (reasons := stale_reasons(flag, moment))]


def stale_reasons(flag: Flag, now: dt.datetime) -> tuple[str, ...]:
    """Why a flag of `flags_for` should be looked at; empty when it need not."""
    declared, reasons = DECLARED.get(flag.key), []
    under_way = open_rollout(flag) is not None or open_experiment(flag) is not None
    untouched = (
        declared is not None
        and flag.default_variant == declared.default
        and not flag.killed_at
        and not flag.rules.all()
        and not under_way
    )
    if flag.expires_at and flag.expires_at <= now:
        reasons.append(f"It should have been gone since {flag.expires_at:%Y-%m-%d}.")
    if not untouched and (flag.owner is None or flag.owner.status != "active"):
        reasons.append("Nobody owns it.")
    if declared is None:
        reasons.append("This version of the code does not read it.")
    if flag.killed_at and now - flag.killed_at > SETTLED:
        reasons.append(f"Its kill switch is on since {flag.killed_at:%Y-%m-%d}.")
    same = not under_way and not flag.rules.all() and not flag.killed_at
    if same and flag.kind in Flag.PASSING and now - flag.changed_at > SETTLED:
        reasons.append(f"Everybody has '{flag.default_variant}' since {flag.changed_at:%Y-%m-%d}.")
    return tuple(reasons)
