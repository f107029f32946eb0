"""What an agent reports, and what it gets in return: the plan that waits, and what people said about the one under way.

A report holds the whole state of a deployment and a number that grows; what has been taken already changes nothing, so a
report may be lost, doubled or late. That everybody is back is believed only when the same report shows it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, NotFound
from aiwriter.core.redact import redact
from apps.deployments.models import Command, Deployment, Environment, Release, Sample, State, Step, Target
from apps.deployments.models.states import BEFORE_AGENT
from apps.deployments.services.plans import get_deployment
from apps.deployments.services.scaling import take_scaling
from apps.deployments.services.transitions import move, serves
from apps.users.selectors.access import Actor, require

SLICE_SECONDS, BAKE_SLICE_SECONDS = 5, 60
_LONGEST_EVIDENCE = 8000


def take_report(
    *,
    actor: Actor,
    environment: str,
    agent: Mapping[str, Any],
    fence: int = 0,
    deployments: Sequence[Mapping[str, Any]] = (),
    refused: Sequence[Mapping[str, Any]] = (),
    taken: Sequence[int] = (),
    scaling: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Take a report.

    Args:
        actor: needs "deployments.report"; a token of just this belongs to an agent.
        environment: its name.
        agent: `version`, `runtime`, `traffic`, `by_people`, `observed`.
        fence: the highest number of a plan that the agent has taken.
        deployments: those under way, and those that ended and were not acknowledged.
        refused: plans that the agent would not take, with the reason.
        taken: numbers of commands that it has in its journal.
        scaling: of an agent that scales: `bounds` of its own file, `events` and `samples`.

    Returns:
        the plan that waits or None, commands, which deployments were taken note of up to which number, and for an agent that
        scales the policies and the load.

    Raises:
        PermissionDenied: the actor may not.
        NotFound: there is no such environment.
    """
    require(actor, "deployments.report")
    place = Environment.objects.select_related("current").filter(slug=environment).first()
    if place is None:
        raise NotFound("There is no such environment.", remedy="Call it in the console as the agent's file does.")
    target = _target(place, agent, scaling)
    if fence > place.fence:
        # Somebody made a plan on the host itself: the next one of ours has to come after it.
        Environment.objects.filter(pk=place.pk, fence__lt=fence).update(fence=fence)
    slots = _slots(target)
    acknowledged = {str(each["id"]): _take(place, each, slots) for each in deployments}
    for each in refused:
        _refused(place, each)
    Command.objects.filter(pk__in=list(taken), deployment__environment=place, taken_at=None).update(
        taken_at=timezone.now()
    )
    _note_serving(place, slots)
    answer: dict[str, Any] = {"plan": _waiting(place), "commands": _commands(place), "acknowledged": acknowledged}
    return answer if scaling is None else answer | {"scaling": take_scaling(place, scaling)}


def _target(place: Environment, agent: Mapping[str, Any], scaling: Mapping[str, Any] | None) -> Target:
    observed = _evidence(agent.get("observed") or {})
    if scaling:
        observed["scale"] = scaling.get("bounds", {})
    problem = ""
    shares = [_percent(slot) for slot in _slots_in(observed).values()]
    if observed.get("proxy") != "answers":
        problem = "The proxy does not answer the agent."
    elif shares and sum(shares) != 100:
        problem = f"The proxy divides people as {shares} %, which is not 100."
    values = {
        "version": str(agent.get("version", ""))[:40],
        "runtime": str(agent.get("runtime", ""))[:20],
        "traffic": str(agent.get("traffic", ""))[:20],
        "by_people": bool(agent.get("by_people")),
        "observed": observed,
        "problem": problem,
        "seen_at": timezone.now(),
    }
    target, _ = Target.objects.update_or_create(environment=place, defaults=values)
    return target


def _slots_in(observed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = observed.get("slots")
    return {str(n): s for n, s in found.items() if isinstance(s, dict)} if isinstance(found, dict) else {}


def _slots(target: Target) -> dict[str, dict[str, Any]]:
    return {} if target.problem else _slots_in(target.observed)


def _everybody_on(slots: Mapping[str, Mapping[str, Any]], version: str) -> bool:
    return sum(_percent(slot) for slot in slots.values() if slot.get("release") == version) == 100


def _percent(slot: Mapping[str, Any]) -> float:
    value = slot.get("percent")
    return value if isinstance(value, int | float) and 0 <= value <= 100 else 0


def _note_serving(place: Environment, slots: Mapping[str, Mapping[str, Any]]) -> None:
    """What serves is what is seen to serve, also when somebody rolled out from a terminal."""
    versions = {str(slot.get("release")) for slot in slots.values() if _percent(slot)}
    under_way = place.deployments.exclude(state__in=BEFORE_AGENT).filter(finished_at=None).exists()
    if len(versions) == 1 and not under_way:
        release = Release.objects.filter(version=versions.pop()).first()
        place.refresh_from_db(fields=["current"])
        if release is not None:
            serves(place, release)


# ------------------------------------------------------------ a deployment
def _take(place: Environment, reported: Mapping[str, Any], slots: Mapping[str, Mapping[str, Any]]) -> int:
    """Take note of what an agent says about a deployment; returns up to which number."""
    with transaction.atomic():
        try:
            deployment = get_deployment(reported["id"], lock=True)
        except NotFound:
            # Made on the host, without the console: what serves is seen all the same.
            return int(reported["sequence"])
        if deployment.environment_id != place.pk or reported["sequence"] <= deployment.sequence:
            return int(deployment.sequence)
        if deployment.is_final:
            # It was given up here while the agent was away; what serves is seen all the same.
            return int(reported["sequence"])
        if deployment.taken_at is None:
            deployment.taken_at = timezone.now()
        deployment.users_hit = max(deployment.users_hit, int(reported.get("users_hit", 0)))
        deployment.people = max(deployment.people, int(reported.get("people", 0)))
        whole = _replay(deployment, reported.get("transitions", ()), slots)
        _steps(deployment, reported.get("steps", ()))
        _samples(deployment, reported.get("samples", ()))
        if whole:
            deployment.sequence = int(reported["sequence"])
        deployment.touched_at = timezone.now()
        deployment.save(update_fields=["taken_at", "users_hit", "people", "sequence", "touched_at"])
    return int(deployment.sequence)


def _replay(
    deployment: Deployment, changes: Sequence[Mapping[str, Any]], slots: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Repeat the agent's changes of state that are new, in order. False when one cannot be believed yet."""
    known = set(deployment.transitions.exclude(number=None).values_list("number", flat=True))
    for number, change in enumerate(changes, start=1):
        if number in known:
            continue
        if change["new"] == State.ROLLED_BACK:
            before = deployment.plan.get("from_release", "")
            if not _everybody_on(slots, before):
                return False
        try:
            reason = redact(str(change.get("reason", "")))[:4000]
            move(deployment, change["new"], reason=reason, number=number, at=_moment(change["at"]))
        except Conflict as error:
            problem = f"The agent reports what cannot be: {error.message}"[:300]
            Target.objects.filter(environment=deployment.environment).update(problem=problem)
            return False
    return True


def _steps(deployment: Deployment, steps: Sequence[Mapping[str, Any]]) -> None:
    known = {step.kind: step for step in deployment.steps.all()}
    for each in steps[:200]:
        row = known.get(each["kind"]) or Step(deployment=deployment, kind=each["kind"])
        told = (each["status"], each["attempt"])
        if row.pk and (row.status, row.attempt) == told:
            continue
        row.status, row.attempt = told
        row.evidence = _evidence(each.get("evidence") or {})
        row.begun_at = _moment(each["begun_at"])
        row.ended_at = _moment(each["ended_at"]) if each.get("ended_at") is not None else None
        row.save()


def _evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    # A NUL is what PostgreSQL cannot keep.
    text = redact(json.dumps(evidence)).replace("\\u0000", "")
    try:
        found = json.loads(text) if len(text) <= _LONGEST_EVIDENCE else {"cut": text[-_LONGEST_EVIDENCE:]}
    except ValueError:
        found = {"cut": text[:_LONGEST_EVIDENCE]}
    return found if isinstance(found, dict) else {}


def _samples(deployment: Deployment, samples: Sequence[Mapping[str, Any]]) -> None:
    for each in samples[:200]:
        at, seconds = _moment(each["at"]), SLICE_SECONDS if each["stage"] >= 0 else BAKE_SLICE_SECONDS
        values = {"at": at, "n": each["n"], "errors": each["errors"], "p95": each.get("p95")}
        key = {"stage": each["stage"], "slot": each["slot"], "kind": each["kind"]}
        Sample.objects.update_or_create(
            deployment=deployment, **key, slice=int(at.timestamp()) // seconds, defaults=values
        )


def _moment(seconds: float) -> dt.datetime:
    """A time of the agent's clock; one that no clock shows is now."""
    if not math.isfinite(seconds) or not 0 < seconds < 32_503_680_000:
        return timezone.now()
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _refused(place: Environment, each: Mapping[str, Any]) -> None:
    with transaction.atomic():
        try:
            deployment = get_deployment(each["id"], lock=True)
        except NotFound:
            return
        if deployment.environment_id == place.pk and deployment.state == State.QUEUED:
            move(deployment, State.FAILED, reason=redact(f"The agent refused the plan: {each['reason']}")[:4000])


# ------------------------------------------------------------ in return
def _waiting(place: Environment) -> dict[str, Any] | None:
    """The signed plan, again and again until the agent reports on it: it takes each one once."""
    with transaction.atomic():
        rows = Deployment.objects.select_for_update(of=("self",))
        deployment = rows.filter(environment=place, state=State.QUEUED).first()
        if deployment is None or deployment.delegate:
            return None
        if deployment.taken_at is None:
            deployment.taken_at = timezone.now()
            deployment.save(update_fields=["taken_at"])
    return {"plan": json.loads(deployment.signed_plan), "signature": deployment.signature}


def _commands(place: Environment) -> list[dict[str, Any]]:
    rows = Command.objects.filter(deployment__environment=place, taken_at=None, deployment__finished_at=None)
    return [
        {"number": row.pk, "deployment": str(row.deployment_id), "verb": row.verb, "who": row.who}
        for row in rows.order_by("pk")[:20]
    ]
