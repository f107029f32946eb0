"""Whether a version may go on: the answer for Argo Rollouts and Flagger, which act where this console only knows.

It rests on what must hold by the checklist, and on what the portal itself has measured since it began: its checks, incidents, new
kinds of errors, requests against those of the hours before. Without requests nothing passes: then it is not known.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from apps.deployments.models import Command, Deployment, GateResult, State
from apps.deployments.selectors.environments import frozen_by
from apps.deployments.selectors.statistics import LEAST_FOR_STATISTICS, ONLY_ERRORS, fisher
from apps.deployments.services import checking, evidence
from apps.deployments.services.plans import get_deployment
from apps.monitoring.models import Incident
from apps.monitoring.selectors.series import read_histories
from apps.users.selectors.access import Actor, can, require

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
MIN_SAMPLES = 40
LEAST_ERRORS = 3
ALPHA = 0.002
_SURFACES = ("web", "api")
# As much of before as there can be of after, and at least an hour: a quiet moment is no measure.
_LEAST_BEFORE = dt.timedelta(hours=1)
_MOST = dt.timedelta(hours=6)
_BAD = (State.FAILED, State.ROLLING_BACK, State.ROLLED_BACK, State.ROLLBACK_FAILED, State.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer.

    Args:
        verdict: pass, fail or inconclusive.
        reason: in a sentence.
        remedy: what a person does about it; "" for nothing.
        measured: what it rests on.
    """

    verdict: str
    reason: str
    remedy: str = ""
    measured: dict[str, Any] = field(default_factory=dict)


def ask_verdict(
    *, actor: Actor, deployment_id: uuid.UUID | str, min_samples: int | None = None
) -> tuple[Deployment, Verdict]:
    """The verdict on a deployment, now. Nothing is changed.

    Args:
        actor: needs "deployments.report", as controllers have it, or "deployments.read".
        deployment_id: which.
        min_samples: requests that "pass" needs; 40 when left out. 0 for whoever counts requests in another place.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to ask.
    """
    if not can(actor, "deployments.report"):
        require(actor, "deployments.read")
    deployment = get_deployment(deployment_id)
    return deployment, judge(deployment, MIN_SAMPLES if min_samples is None else min_samples)


def judge(deployment: Deployment, min_samples: int = MIN_SAMPLES) -> Verdict:
    """The verdict: first what is known of the deployment, then what must hold, then what was measured."""
    state = State(deployment.state)
    if state == State.SUCCEEDED:
        return Verdict(PASS, "It has succeeded.")
    if state in _BAD:
        return Verdict(FAIL, deployment.reason or f"It is: {state.label.lower()}.")
    told = deployment.commands.filter(verb=Command.Verb.ABORT).first()
    if told is not None:
        return Verdict(FAIL, f"{told.who} asked to stop.")
    if deployment.environment.halted:
        return Verdict(FAIL, f"The environment is halted: {deployment.environment.halted}")
    if state in (State.PLANNED, State.AWAITING):
        return Verdict(INCONCLUSIVE, "It was not started here.", "Start it on its page in the console.")
    if not deployment.delegate:
        return Verdict(INCONCLUSIVE, f"Its agent works on it: {state.label.lower()}.", "The agent decides there.")
    return _by_gates(deployment) or _by_measures(deployment, min_samples)


def judge_start(deployment: Deployment) -> Verdict:
    """Whether a controller may begin: it was started here, nobody has stopped it, and what must hold does."""
    found = judge(deployment, 0)
    if found.verdict == FAIL or State(deployment.state) not in (State.QUEUED, State.DELEGATED):
        return found
    return _by_gates(deployment) or Verdict(PASS, "It was started, and everything that must hold does.")


def _by_gates(deployment: Deployment) -> Verdict | None:
    if freeze := frozen_by(deployment.environment):
        return Verdict(INCONCLUSIVE, f"Frozen until {freeze.ends_at:%Y-%m-%d %H:%M} UTC: {freeze.reason}")
    before = deployment.gates.filter(phase=GateResult.Phase.BEFORE)
    if stopping := checking.stopping(before):
        names = "; ".join(f"{checking.title_of(each.gate)}: {each.finding}" for each in stopping)
        return Verdict(INCONCLUSIVE, f"Something that must hold does not. {names}", "Mend it, or have it waived.")
    return None


def _by_measures(deployment: Deployment, min_samples: int) -> Verdict:
    began = deployment.taken_at or deployment.started_at or timezone.now()
    if not deployment.environment.own:
        if not min_samples:
            return Verdict(PASS, "What must hold does; requests are counted in another place.")
        return Verdict(
            INCONCLUSIVE,
            f"This portal does not run in {deployment.environment.title}, so it has measured nothing there.",
            "Ask the portal that does, or count requests in another metric and ask with min_samples=0.",
        )
    health = evidence.health_good(deployment, {})
    if health.status == evidence.FAIL:
        return Verdict(FAIL, f"Checks: {health.finding}", measured=health.evidence)
    incident = Incident.objects.filter(state=Incident.State.OPEN, opened_at__gte=began).first()
    if incident is not None:
        return Verdict(FAIL, f"An incident was opened since it began: {incident.title}.", "See the incident.")
    errors = evidence.errors_new(deployment, {})
    if errors.status == evidence.FAIL:
        return Verdict(FAIL, f"Kinds of errors: {errors.finding}", measured=errors.evidence)
    if health.status == evidence.UNKNOWN:
        return Verdict(INCONCLUSIVE, health.finding, "Look whether the watch runs.")
    return _by_requests(began, min_samples)


def _by_requests(began: dt.datetime, min_samples: int) -> Verdict:
    now = timezone.now()
    # Of a deployment that takes days the newest hours count.
    length = min(now - began, _MOST)
    new, bad_new = _requests(now - length, now)
    old, bad_old = _requests(began - max(_LEAST_BEFORE, length), began)
    measured = {"requests": new, "errors": bad_new, "requests_before": old, "errors_before": bad_old}
    if bad_new >= ONLY_ERRORS and bad_new == new:
        return Verdict(FAIL, f"All {new} requests failed.", measured=measured)
    if new >= LEAST_FOR_STATISTICS and bad_new >= LEAST_ERRORS:
        chance = fisher(bad_new, new, bad_old, old)
        if chance < ALPHA:
            said = f"{bad_new} errors of {new} requests, against {bad_old} of {old} before (p {chance:.2g})."
            return Verdict(FAIL, said, measured=measured)
    if new < min_samples:
        said = f"Not known: {new} requests were measured here since it began, {min_samples} are needed."
        return Verdict(INCONCLUSIVE, said, "Wait, or count in another metric and ask with min_samples=0.", measured)
    return Verdict(PASS, f"{bad_new} errors of {new} requests, against {bad_old} of {old} before.", measured=measured)


def _requests(since: dt.datetime, until: dt.datetime) -> tuple[int, int]:
    """Answered, and answered with 5xx, of pages and the API. A minute that began before counts as before."""
    first, last = since.timestamp(), until.timestamp()
    span = "6h" if timezone.now() - since < dt.timedelta(hours=6) else "24h"
    found = read_histories(["requests", "request_errors"], span=span, labels=_SURFACES)
    counted = [
        round(sum(point.total for line in found[name] for point in line.points if first <= point.at < last))
        for name in ("requests", "request_errors")
    ]
    return counted[0], counted[1]
