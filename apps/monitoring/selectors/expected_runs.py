"""Reading heartbeats from outside."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.monitoring.models import ExpectedRun, RunReport
from apps.users.selectors.access import Actor, require


def expected_runs_for(actor: Actor) -> QuerySet[ExpectedRun]:
    """Everything that is expected."""
    require(actor, "monitoring.read")
    return ExpectedRun.objects.all()


def expected_run_for(actor: Actor, run_id: uuid.UUID | str) -> ExpectedRun:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    found = expected_runs_for(actor).filter(pk=run_id).first()
    if found is None:
        raise NotFound("There is no such heartbeat.")
    return found


def reports_of(run: ExpectedRun) -> QuerySet[RunReport]:
    """Its reports, newest first."""
    return run.reports.order_by("-at", "-id")
