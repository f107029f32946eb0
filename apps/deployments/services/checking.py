"""The checklist of a deployment: looked at, signed by a person, waived with a reason."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.deployments.models import Deployment, GateResult, Waiver
from apps.deployments.selectors.checklists import Gate, gates, gates_of
from apps.deployments.services.environments import words
from apps.deployments.services.evidence import CHECKS, Found
from apps.deployments.services.plans import get_deployment
from apps.users.selectors.access import Actor, require, require_proof, require_session
from apps.users.services.audit import record

log = logging.getLogger(__name__)
Status = GateResult.Status
GOOD = (Status.PASS, Status.SIGNED, Status.WAIVED)
LONGEST_WAIVER_HOURS = 168


def check_gates(*, actor: Actor, deployment_id: uuid.UUID | str, phase: str = "") -> list[GateResult]:
    """Look at everything that can be looked at, and keep what was found.

    Args:
        actor: needs "deployments.run".
        deployment_id: which.
        phase: "before", "during" or "after"; all when left out.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to check.
    """
    require(actor, "deployments.run")
    deployment = get_deployment(deployment_id)
    return [_check(deployment, gate) for gate in gates_of(deployment, phase)]


def _check(deployment: Deployment, gate: Gate) -> GateResult:
    now = timezone.now()
    if gate.is_automatic(deployment):
        try:
            found = CHECKS[gate.check](deployment, gate.numbers)
        except Exception as error:
            # What cannot be looked at is not known, and not known does not pass.
            log.exception("gate %s could not be looked at", gate.id)
            found = Found(Status.UNKNOWN, f"It could not be looked at: {type(error).__name__}.")
    else:
        found = Found(Status.OPEN, "Nobody has signed it.")
    with transaction.atomic():
        kept = GateResult.objects.select_for_update().filter(deployment=deployment, gate=gate.id).first()
        row = kept or GateResult(deployment=deployment, gate=gate.id)
        row.phase, row.required, row.checked_at = gate.phase, gate.must_hold(deployment), now
        if row.status != Status.SIGNED:
            row.status, row.finding, row.evidence = found.status, found.finding[:1000], found.evidence
        if row.status not in GOOD and (waiver := _waiver(deployment, gate, now)):
            row.status, row.finding = (
                Status.WAIVED,
                f"{found.finding} Waived by {waiver.author}: {waiver.reason}"[:1000],
            )
        row.save()
    return row


def _waiver(deployment: Deployment, gate: Gate, now: dt.datetime) -> Waiver | None:
    if not gate.waivable:
        return None
    return Waiver.objects.filter(deployment=deployment, gate=gate.id, expires_at__gt=now).last()


def stopping(results: Iterable[GateResult]) -> list[GateResult]:
    """What must hold and does not."""
    return [each for each in results if each.required and each.status not in GOOD]


def title_of(gate_id: str) -> str:
    """What an item is called."""
    gate = gates().get(gate_id)
    return gate.title if gate else gate_id


def sign_gate(*, actor: Actor, deployment_id: uuid.UUID | str, gate_id: str) -> GateResult:
    """Sign an item that only a person can know.

    Args:
        actor: needs "deployments.approve", and is a person at a browser.
        deployment_id, gate_id: which.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to sign.
        Conflict: it finds its evidence by itself, or the deployment has ended before this item counts.
    """
    require(actor, "deployments.approve")
    require_session(actor)
    deployment, gate = _item(deployment_id, gate_id)
    if gate.is_automatic(deployment):
        raise Conflict("This item finds its evidence by itself.", remedy="Have it waived if it need not hold.")
    if deployment.is_final and gate.phase != GateResult.Phase.AFTER:
        raise Conflict("It has ended.", remedy="Sign what counts afterwards.")
    with transaction.atomic():
        row, _ = GateResult.objects.update_or_create(
            deployment=deployment,
            gate=gate.id,
            defaults={
                "phase": gate.phase,
                "required": gate.must_hold(deployment),
                "status": Status.SIGNED,
                "finding": "",
                "signed_by": actor.label[:254],
                "signed_at": timezone.now(),
                "checked_at": timezone.now(),
            },
        )
        record(actor, "gate.signed", obj=deployment, after={"gate": gate.id})
    return row


def waive_gate(
    *, actor: Actor, deployment_id: uuid.UUID | str, gate_id: str, reason: str, hours: int = 24
) -> GateResult:
    """Take it on oneself that an item does not hold. It is named in the operators' notes of the deployment.

    Args:
        actor: needs "deployments.approve", has just shown who they are, and where others must agree is another one than who planned it.
        deployment_id, gate_id: which.
        reason: why it may pass.
        hours: how long, 1 to 168.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to waive.
        InvalidInput: there is no reason, or the time is too long.
        Conflict: nobody can waive this, or the deployment has ended.
    """
    require(actor, "deployments.approve")
    require_proof(actor)
    deployment, gate = _item(deployment_id, gate_id)
    if not gate.waivable:
        raise Conflict(f"Nobody can waive this: {gate.title}.", remedy=gate.remedy)
    if deployment.is_final:
        raise Conflict("It has ended.", remedy="There is nothing to waive.")
    if deployment.environment.approvals_required and actor.user_id == deployment.requester_id:
        raise PermissionDenied("Who planned a deployment waives nothing of it.", remedy="Ask somebody else.")
    said = words(reason, "reason", 500)
    if not 1 <= hours <= LONGEST_WAIVER_HOURS:
        raise InvalidInput("A waiver lasts 1 to 168 hours.", field="hours", remedy="Choose a shorter time.")
    with transaction.atomic():
        ends = timezone.now() + dt.timedelta(hours=hours)
        Waiver.objects.create(
            deployment=deployment, gate=gate.id, reason=said, author=actor.label[:254], expires_at=ends
        )
        record(actor, "gate.waived", obj=deployment, reason=said, after={"gate": gate.id, "expires_at": ends})
        return _check(deployment, gate)


def _item(deployment_id: uuid.UUID | str, gate_id: str) -> tuple[Deployment, Gate]:
    deployment = get_deployment(deployment_id)
    gate = next((each for each in gates_of(deployment) if each.id == gate_id), None)
    if gate is None:
        raise NotFound("There is no such item.")
    return deployment, gate
