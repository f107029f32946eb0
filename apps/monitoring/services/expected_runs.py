"""Heartbeats from outside: what is expected, and the reports that come in."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.redact import redact
from apps.monitoring.models import ExpectedRun, RunReport
from apps.monitoring.models.expected_runs import cron
from apps.monitoring.services.channels import checked
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record, record_change

FIELDS = ("title", "period_seconds", "cron", "grace_seconds", "enabled")
REPORTS_KEPT = 100
LONGEST_LOG = 10_000


def create_expected_run(*, actor: Actor, slug: str, **values: Any) -> ExpectedRun:
    """Expect reports.

    Args:
        actor: needs "monitoring.manage".
        slug: short name, part of the address that is reported to.
        values: some of `FIELDS`; `title`, and one of `period_seconds` and `cron`, are needed.

    Raises:
        PermissionDenied, InvalidInput, Conflict: it cannot be expected.
    """
    require(actor, "monitoring.manage")
    if ExpectedRun.objects.filter(slug=slug).exists():
        raise _taken()
    return _save(actor, ExpectedRun(slug=slug), values, "expected_run.created")


def update_expected_run(*, actor: Actor, run_id: uuid.UUID | str, **values: Any) -> ExpectedRun:
    """Change what is expected; values as for `create_expected_run`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    return _save(actor, _get(run_id), values, "expected_run.updated")


def delete_expected_run(*, actor: Actor, run_id: uuid.UUID | str) -> None:
    """Expect it no longer; its alert ends.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    run = _get(run_id)
    with transaction.atomic():
        record(actor, "expected_run.deleted", obj=run, before=_values(run))
        run.delete()


def report(*, actor: Actor, slug: str, kind: str, exit_code: int | None = None, log: str = "") -> ExpectedRun:
    """Take a report.

    Args:
        actor: needs "monitoring.report"; a token of just this belongs into the job that reports.
        slug: of what.
        kind: one of `RunReport.Kind`.
        exit_code: of the program that ended; another one than 0 is a failure, whatever the kind says.
        log: its last words; secrets in it are masked, and only its end is kept when it is long.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be taken.
    """
    require(actor, "monitoring.report")
    if kind not in RunReport.Kind.values:
        raise InvalidInput(f"'{kind[:20]}' is no report.", field="kind", remedy="Use ping, start, fail or log.")
    if exit_code is not None and not -32768 <= exit_code <= 32767:
        raise InvalidInput(
            "This is no exit code.", field="exit_code", remedy="Send the number that the program ended with."
        )
    if kind == RunReport.Kind.PING and exit_code:
        kind = RunReport.Kind.FAIL
    now = timezone.now()
    with transaction.atomic():
        run = ExpectedRun.objects.select_for_update().filter(slug=slug).first()
        if run is None:
            raise NotFound("There is no such heartbeat.")
        took = None
        if kind == RunReport.Kind.START:
            run.started_at = now
        elif kind in (RunReport.Kind.PING, RunReport.Kind.FAIL):
            if run.started_at is not None and (run.reported_at is None or run.started_at > run.reported_at):
                took = (now - run.started_at).total_seconds()
            run.reported_at, run.failed, run.exit_code = now, kind == RunReport.Kind.FAIL, exit_code
        run.save(update_fields=["started_at", "reported_at", "failed", "exit_code"])
        RunReport.objects.create(
            run=run,
            kind=kind,
            at=now,
            exit_code=exit_code,
            took_seconds=took,
            log=redact(log[-LONGEST_LOG:].replace("\0", "")),
            sender=actor.label[:254],
        )
        old = RunReport.objects.filter(run=run).order_by("-at", "-id").values_list("pk", flat=True)[REPORTS_KEPT:]
        RunReport.objects.filter(pk__in=list(old)).delete()
    return run


def _get(run_id: uuid.UUID | str) -> ExpectedRun:
    found = ExpectedRun.objects.filter(pk=run_id).first()
    if found is None:
        raise NotFound("There is no such heartbeat.")
    return found


def _taken() -> Conflict:
    return Conflict("There is a heartbeat of this name.", field="slug", remedy="Choose another one.")


def _values(run: ExpectedRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in FIELDS}


def _save(actor: Actor, run: ExpectedRun, values: dict[str, Any], action: str) -> ExpectedRun:
    before = _values(run)
    for name in FIELDS:
        if name in values:
            setattr(run, name, values[name])
    run.cron = " ".join(run.cron.split())
    # The form and PATCH send one of the two: the other way of saying it goes.
    if values.get("cron") and not values.get("period_seconds"):
        run.period_seconds = None
    elif values.get("period_seconds") and not values.get("cron"):
        run.cron = ""
    if run.cron:
        try:
            cron(run.cron)
        except ValueError as error:
            raise InvalidInput(
                f"The times cannot be read: {error}.", field="cron", remedy="Five words as for cron: 15 3 * * *"
            ) from None
    if bool(run.cron) == (run.period_seconds is not None):
        raise InvalidInput(
            "Say either how often it reports, or at which times.",
            field="period_seconds",
            remedy="Fill in one of period and times.",
        )
    checked(run)
    try:
        with transaction.atomic():
            run.save()
            record_change(actor, action, obj=run, before=before, after=_values(run))
    except IntegrityError:
        raise _taken() from None
    return run
