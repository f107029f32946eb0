"""Checks that are held back because they kept missing their deadline, and running one at once."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.monitoring.models import CheckResult
from apps.monitoring.services.checks import learn
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

WATCH = Actor.system_actor("watch")


def note_quarantine(key: str, *, message: str, until: dt.datetime | None) -> None:
    """Record that a check is held back, and tell the operators.

    Args:
        key: the check.
        message: what it last said.
        until: when it is tried again.
    """
    with transaction.atomic():
        record(WATCH, "check.quarantined", after={"check": key, "until": until, "message": message[:300]})
        tell_operators(
            "check.quarantined",
            f"The check {key} is held back: it keeps missing its deadline.",
            message,
            "/admin/monitoring/checkresult/",
        )


def run_now(*, actor: Actor, key: str) -> int:
    """Have a check run at once on every machine; one that is held back is released.

    Args:
        actor: needs "monitoring.manage".
        key: the check.

    Returns:
        on how many machines.

    Raises:
        PermissionDenied: the actor may not.
        NotFound: there is no such check, or it has never run.
    """
    require(actor, "monitoring.manage")
    if key not in {check.key for check in learn()}:
        raise NotFound(f"There is no check '{key}'.")
    with transaction.atomic():
        rows = CheckResult.objects.select_for_update().filter(key=key)
        held = rows.filter(quarantined_until__gt=timezone.now()).exists()
        asked = rows.update(run_requested_at=timezone.now(), quarantined_until=None, overruns=0)
        if not asked:
            raise NotFound(f"The check '{key}' has not run on any machine yet.")
        record(actor, "check.released" if held else "check.run", after={"check": key})
    return asked
