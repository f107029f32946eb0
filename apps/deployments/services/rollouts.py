"""How a version goes live: agreed to, started, told to stop, judged again, taken back."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, PermissionDenied
from apps.deployments.models import Approval, Command, Deployment, State
from apps.deployments.models.states import BEFORE_AGENT
from apps.deployments.services import checking
from apps.deployments.services.configurations import snapshot
from apps.deployments.services.plans import get_deployment, plan_rollback, sign_plan
from apps.deployments.services.transitions import move
from apps.users.selectors.access import Actor, require, require_proof, require_session
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

# How lately somebody must have shown who they are when they agree.
FRESH_MINUTES = 15
# After so long without a word of the agent, a second "abort" ends a deployment here.
_LOST = dt.timedelta(minutes=15)


def approve(*, actor: Actor, deployment_id: uuid.UUID | str, reason: str = "") -> Deployment:
    """Agree to exactly the plan that somebody else has made.

    Args:
        actor: needs "deployments.approve", sits at a browser, has just shown who they are, and did not plan it.
        deployment_id: which.
        reason: what was looked at.

    Raises:
        PermissionDenied: the actor planned it, or is a program.
        ProofRequired: the actor has to show who they are.
        Conflict: there is nothing to agree to.
    """
    require(actor, "deployments.approve")
    user = require_session(actor, minutes=FRESH_MINUTES)
    with transaction.atomic():
        deployment = get_deployment(deployment_id, lock=True)
        if deployment.state != State.AWAITING:
            raise Conflict("There is nothing to agree to.", remedy="Load the page again.")
        if user.pk == deployment.requester_id:
            raise PermissionDenied("Who planned a deployment cannot agree to it.", remedy="Ask somebody else.")
        try:
            with transaction.atomic():
                Approval.objects.create(
                    deployment=deployment,
                    user=user,
                    label=actor.label[:254],
                    reason=reason.strip()[:300],
                    plan_digest=deployment.plan_digest,
                )
        except IntegrityError:
            raise Conflict("You have agreed already.", remedy="Somebody else has to.") from None
        record(actor, "deployment.approved", obj=deployment, reason=reason, after={"plan": deployment.plan_digest})
    return deployment


def start(*, actor: Actor, deployment_id: uuid.UUID | str) -> Deployment:
    """Let the agent have it, if everything that must hold does.

    Args:
        actor: needs "deployments.run", and has shown lately who they are.
        deployment_id: which.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to start.
        Conflict: it was started, or something that must hold does not; each is named.
    """
    require(actor, "deployments.run")
    require_proof(actor)
    found = get_deployment(deployment_id)
    _startable(found)
    results = checking.check_gates(actor=actor, deployment_id=found.pk, phase="before")
    if stopping := checking.stopping(results):
        names = "; ".join(f"{checking.title_of(each.gate)}: {each.finding}" for each in stopping)
        raise Conflict(f"It may not begin yet. {names}", remedy="Mend it, sign it, or have it waived with a reason.")
    with transaction.atomic():
        deployment = get_deployment(deployment_id, lock=True)
        _startable(deployment)
        if not deployment.delegate:
            sign_plan(deployment)
        deployment.configuration = snapshot(deployment.environment)
        deployment.started_at = timezone.now()
        deployment.save(update_fields=["fence", "signed_plan", "signature", "configuration", "started_at"])
        move(deployment, State.QUEUED, actor=actor)
        record(actor, "deployment.started", obj=deployment, after={"fence": deployment.fence})
        title = f"{deployment.environment.title}: {deployment.release.version} goes live"
        link = f"/admin/deployments/deployment/{deployment.pk}/change/"
        tell_operators("deployment.started", title, deployment.get_strategy_display(), link)
    return deployment


def _startable(deployment: Deployment) -> None:
    if deployment.state not in (State.PLANNED, State.AWAITING):
        raise Conflict(f"It is: {deployment.get_state_display().lower()}.", remedy="Load the page again.")
    if deployment.environment.halted:
        raise Conflict(
            f"The environment is halted: {deployment.environment.halted}", remedy="Open the environment again first."
        )
    if timezone.now() - deployment.created_at > dt.timedelta(days=7):
        raise Conflict("It was planned more than a week ago.", remedy="Withdraw it and plan again.")
    serving = deployment.environment.current_id
    if serving != deployment.from_release_id:
        raise Conflict("Another version serves now than when it was planned.", remedy="Withdraw it and plan again.")


def abort(*, actor: Actor, deployment_id: uuid.UUID | str, reason: str = "") -> Deployment:
    """Stop it, whatever it does: withdrawn before the agent has it, else everybody goes back to the version before.

    Args:
        actor: needs "deployments.run".
        deployment_id: which.
        reason: why.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to stop.
        Conflict: it has ended.
    """
    require(actor, "deployments.run")
    said = reason.strip()[:300] or "Somebody asked to stop."
    with transaction.atomic():
        deployment = get_deployment(deployment_id, lock=True)
        if deployment.is_final:
            raise Conflict("It has ended.", remedy="Take it back instead, if it serves.")
        if deployment.state in BEFORE_AGENT and deployment.taken_at is None:
            record(actor, "deployment.withdrawn", obj=deployment, reason=said)
            return move(deployment, State.WITHDRAWN, reason=said, actor=actor)
        if _is_lost(deployment):
            return _give_up(actor, deployment)
        _tell(actor, deployment, Command.Verb.ABORT, said)
    return deployment


def _is_lost(deployment: Deployment) -> bool:
    """Whether it was told to stop already, and the agent has not been heard of since for a quarter of an hour."""
    if deployment.delegate:
        # A controller says nothing while it waits; when it was told is what counts.
        return deployment.commands.filter(verb=Command.Verb.ABORT, at__lt=timezone.now() - _LOST).exists()
    told = deployment.commands.filter(verb=Command.Verb.ABORT, at__lt=timezone.now() - _LOST).exists()
    target = getattr(deployment.environment, "target", None)
    return told and (target is None or target.seen_at < timezone.now() - _LOST)


def _give_up(actor: Actor, deployment: Deployment) -> Deployment:
    """The host is gone: what it did is not known, so the environment is halted until somebody has looked."""
    gone = f"{deployment.acts} has not told how it ended. Look there" if deployment.delegate else ""
    said = f"{gone or 'The agent is gone. Look at its host'}: what serves there is not known."
    if deployment.state == State.QUEUED:
        return move(deployment, State.FAILED, reason=said, actor=actor)
    if deployment.state != State.ROLLING_BACK:
        move(deployment, State.ROLLING_BACK, reason=said, actor=actor)
    return move(deployment, State.ROLLBACK_FAILED, reason=said, actor=actor)


def resume(*, actor: Actor, deployment_id: uuid.UUID | str) -> Deployment:
    """Have a paused stage judged once more.

    Raises:
        PermissionDenied, NotFound, Conflict: it is not paused.
    """
    return _while_paused(actor, deployment_id, Command.Verb.RESUME, "")


def accept(*, actor: Actor, deployment_id: uuid.UUID | str, reason: str) -> Deployment:
    """Let a paused stage go on without a verdict.

    Args:
        actor: needs "deployments.run", and has shown lately who they are.
        deployment_id: which.
        reason: why that is right.

    Raises:
        PermissionDenied, NotFound, Conflict: it is not paused.
    """
    require(actor, "deployments.run")
    require_proof(actor)
    return _while_paused(actor, deployment_id, Command.Verb.ACCEPT, reason)


def _while_paused(actor: Actor, deployment_id: uuid.UUID | str, verb: Command.Verb, reason: str) -> Deployment:
    require(actor, "deployments.run")
    with transaction.atomic():
        deployment = get_deployment(deployment_id, lock=True)
        if deployment.state != State.PAUSED:
            raise Conflict("It is not paused.", remedy="Load the page again.")
        _tell(actor, deployment, verb, reason)
    return deployment


def _tell(actor: Actor, deployment: Deployment, verb: Command.Verb, reason: str) -> None:
    if not deployment.commands.filter(verb=verb, taken_at=None).exists():
        Command.objects.create(deployment=deployment, verb=verb, who=actor.label[:254])
        record(actor, "deployment.commanded", obj=deployment, reason=reason, after={"verb": str(verb)})


def roll_back(*, actor: Actor, deployment_id: uuid.UUID | str, reason: str = "") -> Deployment:
    """Take it back in any state: aborted while it is under way; afterwards a deployment of its own, started at once.

    Args:
        actor: needs "deployments.run", and has shown lately who they are.
        deployment_id: which.
        reason: why.

    Returns:
        the deployment that is under way now.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to take back.
        Conflict: there is no way back, or something that must hold for it does not.
    """
    require(actor, "deployments.run")
    require_proof(actor)
    deployment = get_deployment(deployment_id)
    if not deployment.is_final:
        return abort(actor=actor, deployment_id=deployment_id, reason=reason)
    # Both or none: a plan that could not begin would stand in the way of the next attempt.
    with transaction.atomic():
        back = plan_rollback(actor=actor, deployment_id=deployment_id, why=reason.strip())
        return start(actor=actor, deployment_id=back.pk)
