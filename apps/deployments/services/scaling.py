"""Setting scale policies, and taking in what agents did by them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.redact import redact
from apps.deployments.models import Environment, ScaleEvent, ScalePolicy, ScaleSample
from apps.deployments.selectors.scaling import for_agent, waiting_jobs, windows_of
from apps.deployments.services.environments import checked, get_environment
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record, record_change

FIELDS = ("metric", "target", "minimum", "maximum", "cooldown_seconds", "zero_after_seconds", "windows", "acts")
# As in the agent's scaling.py, which refuses the rest.
_METRICS = {"web": ("cpu", "requests", "schedule"), "worker": ("cpu", "queue", "schedule")}
_KEPT = dt.timedelta(days=14)


def create_policy(*, actor: Actor, environment_id: uuid.UUID | str, part: str, **values: Any) -> ScalePolicy:
    """Have an environment's agent look after how many of a part run.

    Args:
        actor: needs "deployments.manage", and has shown lately who they are.
        environment_id: where.
        part: "web" or "worker".
        values: some of `FIELDS`; `metric` is needed.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to set.
        InvalidInput: a value cannot be used.
        Conflict: there is one for this part.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    policy = ScalePolicy(environment=get_environment(environment_id), part=part)
    return _save(actor, policy, values, "scale_policy.created")


def update_policy(*, actor: Actor, policy_id: uuid.UUID | str, **values: Any) -> ScalePolicy:
    """Change a policy; values as for `create_policy`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    return _save(actor, _get(policy_id), values, "scale_policy.updated")


def delete_policy(*, actor: Actor, policy_id: uuid.UUID | str) -> None:
    """Let as many run as run now.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    policy = _get(policy_id)
    with transaction.atomic():
        record(actor, "scale_policy.deleted", obj=policy.environment, before={"part": policy.part, **_values(policy)})
        policy.delete()


def _get(policy_id: uuid.UUID | str) -> ScalePolicy:
    found = ScalePolicy.objects.select_related("environment").filter(pk=policy_id).first()
    if found is None:
        raise NotFound("There is no such scale policy.")
    return found


def _values(policy: ScalePolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in FIELDS}


def _save(actor: Actor, policy: ScalePolicy, values: dict[str, Any], action: str) -> ScalePolicy:
    before = _values(policy)
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
        setattr(policy, name, value)
    checked(policy, ("part", *FIELDS))
    _refuse_nonsense(policy)
    policy.changed_at = timezone.now()
    try:
        with transaction.atomic():
            policy.save()
            if action == "scale_policy.created":
                record(actor, action, obj=policy.environment, after={"part": policy.part, **_values(policy)})
            else:
                record_change(actor, action, obj=policy.environment, before=before, after=_values(policy))
    except IntegrityError:
        raise Conflict(
            "There is a policy for this part.", field="part", remedy="Change that one, or remove it first."
        ) from None
    return policy


def _refuse_nonsense(policy: ScalePolicy) -> None:
    """What the fields alone do not tell.

    Raises:
        InvalidInput: with the field, and what to write instead.
    """
    if policy.metric not in _METRICS[policy.part]:
        raise InvalidInput(
            f"{policy.get_part_display()} do not go by this.",
            field="metric",
            remedy=f"Use one of: {', '.join(_METRICS[policy.part])}.",
        )
    if policy.maximum < policy.minimum:
        raise InvalidInput("It is less than the minimum.", field="maximum", remedy=f"Write {policy.minimum} or more.")
    windows = windows_of(policy.windows)
    if (most := max((each["count"] for each in windows), default=0)) > policy.maximum:
        raise InvalidInput(
            f"A time asks for {most}, and at most {policy.maximum} may run.",
            field="windows",
            remedy="Write a higher maximum, or fewer there.",
        )
    if policy.metric == ScalePolicy.Metric.SCHEDULE and not windows:
        raise InvalidInput(
            "By schedule alone needs times of the week.", field="windows", remedy='For example "mon-fri 07:00-19:00 3".'
        )
    sleeps = policy.zero_after_seconds > 0
    may_sleep = (
        policy.part == ScalePolicy.Part.WORKER
        and policy.metric == ScalePolicy.Metric.QUEUE
        and policy.environment.kind == Environment.Kind.DEVELOPMENT
    )
    if sleeps and not may_sleep:
        raise InvalidInput(
            "None at all is for the workers of a development environment that go by the queue.",
            field="zero_after_seconds",
            remedy="Write 0.",
        )
    if sleeps == (policy.minimum > 0):
        remedy = "Write 0." if sleeps else "Write 1 or more, or after how many seconds without a job there are none."
        raise InvalidInput("The minimum does not fit.", field="minimum", remedy=remedy)


# ------------------------------------------------------------ an agent's report
def take_scaling(place: Environment, reported: Mapping[str, Any]) -> dict[str, Any]:
    """Take in what an agent did and saw.

    Args:
        place: its environment; the caller has checked that the agent may report for it.
        reported: `events` and `samples` of its journal; each may come again.

    Returns:
        the policies, what waits, and up to which number events are known here.
    """
    taken = _events(place, reported.get("events", ()))
    _samples(place, reported.get("samples", ()))
    policies = for_agent(place)
    load: dict[str, int] = {}
    # Jobs are counted where they lie: another environment's are in its own portal.
    if place.own and any(each["metric"] == ScalePolicy.Metric.QUEUE for each in policies):
        load["queue"] = waiting_jobs(timezone.now())
    return {"policies": policies, "load": load, "taken": taken}


def _events(place: Environment, events: Sequence[Mapping[str, Any]]) -> int:
    rows = [
        ScaleEvent(
            environment=place,
            number=each["number"],
            part=each["part"],
            old=each["old"],
            new=each["new"],
            why=redact(each["why"])[:300],
            acted=each["acted"],
            at=dt.datetime.fromtimestamp(each["at"], dt.UTC),
        )
        for each in events
    ]
    ScaleEvent.objects.bulk_create(rows, ignore_conflicts=True)
    return max((row.number for row in rows), default=0)


def _samples(place: Environment, samples: Sequence[Mapping[str, Any]]) -> None:
    newest = {(each["part"], each["minute"]): each for each in samples}
    rows = [
        ScaleSample(
            environment=place,
            part=part,
            at=dt.datetime.fromtimestamp(minute * 60, dt.UTC),
            count=each["count"],
            wanted=each["wanted"],
            load=each["load"],
        )
        for (part, minute), each in newest.items()
    ]
    # The minute that is under way comes again with newer numbers.
    ScaleSample.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["environment", "part", "at"],
        update_fields=["count", "wanted", "load"],
    )


def forget_old() -> int:
    """Remove samples and events of more than two weeks ago; returns how many rows went."""
    before = timezone.now() - _KEPT
    gone, _ = ScaleSample.objects.filter(at__lt=before).delete()
    events, _ = ScaleEvent.objects.filter(at__lt=before).delete()
    return gone + events
