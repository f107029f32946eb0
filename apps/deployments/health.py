"""The check of the flags."""

from __future__ import annotations

from apps.deployments.models import FlagRollout
from apps.deployments.selectors.flags import stale_flags
from apps.monitoring.services.checks import Result, check
from apps.users.selectors.access import Actor

_ACTOR = Actor.system_actor("health")


@check("flags", title="Flags", interval=300, deadline=5, runbook="operators/checks")
def flags() -> Result:
    """Whether a flag has outlived its use, and whether a roll-out waits for a person."""
    stale = stale_flags(_ACTOR)
    waiting = list(FlagRollout.objects.filter(state=FlagRollout.State.PAUSED).select_related("flag")[:1])
    data = {"stale": float(len(stale)), "paused": float(len(waiting))}
    if waiting:
        return Result(
            status="warn",
            message=f"The roll-out of '{waiting[0].flag}' is paused at {waiting[0].percent} %. {waiting[0].why}",
            remedy="Judge it anew or stop it: Console > Guarded roll-outs.",
            data=data,
        )
    if stale:
        more = f" And {len(stale) - 1} more." if len(stale) > 1 else ""
        return Result(
            status="warn",
            message=f"'{stale[0].flag}': {stale[0].reasons[0]}{more}",
            remedy="See manage.py flags stale; remove it from the code, give it an owner or another end.",
            data=data,
        )
    return Result(status="ok", message="No flag has outlived its use, no roll-out waits.", data=data)
