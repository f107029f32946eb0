"""Controllers of a cluster that exchange versions instead of the agent: what they ask is answered, what they tell is kept.

They ask the same thing over and over, and repeat what was lost on the way. So each question is one step of the deployment, whose
evidence is the newest answer; the audit record has an entry when an answer changes.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from aiwriter.core.redact import redact
from apps.deployments.models import Announcement, Deployment, Environment, State, Step, Target
from apps.deployments.selectors.announcements import forget
from apps.deployments.services import verdicts
from apps.deployments.services.environments import get_environment
from apps.deployments.services.plans import get_deployment
from apps.deployments.services.transitions import move
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

log = logging.getLogger(__name__)
QUESTIONS = ("confirm-rollout", "confirm-promotion", "rollback")
HOOKS = (*QUESTIONS, "event")
OUTCOMES = ("succeeded", "rolled_back")
# What Flagger calls the ends.
_ENDS = {"Succeeded": State.SUCCEEDED, "Failed": State.ROLLED_BACK}
_BEGUN = ("Progressing", "WaitingPromotion", "Promoting", "Finalising")
_ANNOUNCED = dt.timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a controller gets.

    Args:
        yes: it may, or for "rollback": it shall.
        reason: why, or why not.
        remedy: for a person.
    """

    yes: bool
    reason: str
    remedy: str = ""


def take_hook(
    *, actor: Actor, environment_id: uuid.UUID | str, hook: str, said: Mapping[str, Any] | None = None
) -> Answer:
    """Answer a webhook of Flagger.

    Args:
        actor: needs "deployments.report".
        environment_id: where; who acts there must be Flagger.
        hook: one of `HOOKS`.
        said: `name`, `namespace`, `phase`, `checksum` and `metadata`, as Flagger sends them. A `version` among the metadata
            must be that of the deployment; `minSamples` are the requests that a promotion needs, 0 where another metric counts.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to ask.
        InvalidInput: there is no such webhook.
        Conflict: somebody else acts in this environment.
    """
    require(actor, "deployments.report")
    if hook not in HOOKS:
        raise InvalidInput(
            f"'{hook[:30]}' is no webhook of this portal.", field="hook", remedy=f"Use {', '.join(HOOKS)}."
        )
    place = get_environment(environment_id)
    _acts(place, Environment.Delegate.FLAGGER)
    told = _told(said or {})
    with transaction.atomic():
        deployment = _under_way(place)
        answer = _answer(actor, place, deployment, hook, told)
        _seen(place, told, "" if deployment or hook == "event" else answer.reason)
    return answer


def take_outcome(*, actor: Actor, deployment_id: uuid.UUID | str, outcome: str, message: str = "") -> Deployment:
    """Take note of how a controller's roll-out ended.

    Args:
        actor: needs "deployments.report".
        deployment_id: which.
        outcome: one of `OUTCOMES`.
        message: in the controller's words.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to tell.
        InvalidInput: there is no such end.
        Conflict: the agent acts there, it was never started, or it ended otherwise.
    """
    require(actor, "deployments.report")
    if outcome not in OUTCOMES:
        raise InvalidInput(f"'{outcome[:30]}' is no end.", field="outcome", remedy=f"Use {' or '.join(OUTCOMES)}.")
    with transaction.atomic():
        deployment = get_deployment(deployment_id, lock=True)
        if not deployment.delegate:
            raise Conflict("The agent acts there, and tells itself how it ended.", remedy="Tell it nothing.")
        if deployment.is_final:
            if deployment.state != outcome:
                raise Conflict(f"It has ended: {deployment.get_state_display().lower()}.", remedy="Look at its page.")
            return deployment
        if deployment.started_at is None:
            raise Conflict("It was not started here.", remedy="Start it on its page in the console.")
        _keep(actor, deployment, f"outcome:{outcome}", Answer(True, redact(message)[:2000]), {})
        _begin(actor, deployment)
        move(deployment, State(outcome), reason=redact(message)[:2000], actor=actor)
    return deployment


def _acts(place: Environment, wanted: Environment.Delegate) -> None:
    if place.delegate != wanted:
        raise Conflict(
            f"{place.get_delegate_display()} acts in {place.title}, not {wanted.label}.",
            remedy="Choose who acts on the environment's page.",
        )


def _under_way(place: Environment) -> Deployment | None:
    rows = Deployment.objects.select_for_update(of=("self",)).select_related("environment", "release", "from_release")
    return rows.filter(environment=place, finished_at=None).first()


def _told(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a payload: short words, and no secrets."""
    metadata = said.get("metadata")
    found = {name: str(said.get(name, ""))[:200] for name in ("name", "namespace", "phase", "checksum")}
    if isinstance(metadata, Mapping):
        for name in ("version", "minSamples", "eventMessage", "eventType", "timestamp"):
            if name in metadata:
                found[name] = str(metadata[name])[:1000]
    return {name: redact(value).replace("\x00", "") for name, value in found.items() if value}


def _answer(
    actor: Actor, place: Environment, deployment: Deployment | None, hook: str, told: Mapping[str, Any]
) -> Answer:
    if hook == "event":
        if deployment is not None and deployment.started_at is not None:
            _event(actor, deployment, told)
        return Answer(True, "Taken note of.")
    if deployment is None or deployment.delegate != Environment.Delegate.FLAGGER:
        return Answer(False, f"No deployment is under way in {place.title}.", "Plan and start one in the console.")
    answer = _asked(deployment, hook, told)
    _keep(actor, deployment, hook, answer, told)
    if hook == "confirm-rollout" and answer.yes:
        _begin(actor, deployment)
    return answer


def _asked(deployment: Deployment, hook: str, told: Mapping[str, Any]) -> Answer:
    version = told.get("version", "")
    if hook != "rollback" and version and version != deployment.release.version:
        return Answer(
            False,
            f"Flagger has {version}, and {deployment.release.version} was agreed to.",
            "Plan the version that is in the cluster.",
        )
    if hook == "confirm-rollout":
        # Nothing is measured yet: it may begin when it was started, and still holds.
        found = verdicts.judge_start(deployment)
        return Answer(found.verdict == verdicts.PASS, found.reason, found.remedy)
    asked = str(told.get("minSamples", ""))
    found = verdicts.judge(deployment, int(asked) if asked.isdecimal() and len(asked) < 7 else verdicts.MIN_SAMPLES)
    if hook == "rollback":
        return Answer(found.verdict == verdicts.FAIL, found.reason, found.remedy)
    return Answer(found.verdict == verdicts.PASS, found.reason, found.remedy)


def _keep(actor: Actor, deployment: Deployment, kind: str, answer: Answer, told: Mapping[str, Any]) -> None:
    """The step, and an entry of the audit record when the answer is another one than before."""
    now, status = timezone.now(), "done" if answer.yes else "no"
    step = Step.objects.filter(deployment=deployment, kind=kind).first()
    changed = step is None or step.status != status or step.evidence.get("reason") != answer.reason
    step = step or Step(deployment=deployment, kind=kind, begun_at=now, attempt=0)
    step.attempt = min(step.attempt + 1, 32_767)
    step.status, step.ended_at = status, now
    step.evidence = {**told, "reason": answer.reason}
    step.save()
    if changed:
        after = {"question": kind, "answer": "yes" if answer.yes else "no"}
        record(actor, "deployment.delegate_answered", obj=deployment, reason=answer.reason[:300], after=after)


def _begin(actor: Actor, deployment: Deployment) -> None:
    """It is in the controller's hands from now on. Operators read it above every page of the console."""
    if deployment.state != State.QUEUED:
        return
    deployment.taken_at = timezone.now()
    deployment.save(update_fields=["taken_at"])
    move(deployment, State.DELEGATED, reason=f"{deployment.acts} begins.", actor=actor)
    text = (
        f"{deployment.acts} exchanges the version in {deployment.environment.title} for {deployment.release.version}."
    )
    Announcement.objects.create(
        audience=Announcement.Audience.OPERATORS,
        text=text[:300],
        link=f"/admin/deployments/deployment/{deployment.pk}/change/",
        ends_at=timezone.now() + _ANNOUNCED,
        deployment=deployment,
        author=actor.label[:254],
    )
    forget()


def _event(actor: Actor, deployment: Deployment, told: Mapping[str, Any]) -> None:
    phase = str(told.get("phase", ""))
    if not phase:
        return
    if phase in _BEGUN or phase in _ENDS:
        _begin(actor, deployment)
    message = str(told.get("eventMessage", ""))
    _keep(actor, deployment, f"phase:{phase[:40]}", Answer(True, message), told)
    # An end that comes before anybody was let in is of an earlier roll-out.
    if phase in _ENDS and deployment.state == State.DELEGATED:
        move(deployment, _ENDS[phase], reason=message or f"Flagger says: {phase}.", actor=actor)


def _seen(place: Environment, told: Mapping[str, Any], problem: str) -> None:
    """The environment's page says that the controller was heard of, and what it wants in vain."""
    values = {
        "version": "",
        "runtime": "kubernetes",
        "traffic": "flagger",
        "by_people": False,
        "observed": dict(told),
        "problem": problem[:300],
        "seen_at": timezone.now(),
    }
    Target.objects.update_or_create(environment=place, defaults=values)
