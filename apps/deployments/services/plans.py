"""Planning: what will be done is decided once, frozen, and later signed for the agent as it was agreed to."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.deployments.models import Deployment, Environment, Release, Stage, State, Strategy, Transition
from apps.deployments.selectors.environments import installation
from apps.deployments.selectors.strategies import FORWARD, missing_for
from apps.deployments.services import signing
from apps.deployments.services.environments import get_environment
from apps.deployments.services.releases import get_release
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.sealing import open_sealed

FORMAT = 1
SHARES = (5, 25, 50)
ON_LOST = ("resume", "rollback", "hold")
# A plan that nobody took within a day was meant for another situation.
VALID = dt.timedelta(days=1)
_BOUNDS = {"bake_seconds": (0.0, 86400.0), "probes": (0.0, 20.0)}
_STAGE_BOUNDS = {
    "share": (1, 99),
    "min_seconds": (0.0, 86400.0),
    "max_seconds": (0.0, 86400.0),
    "min_samples": (1, 10**6),
}


def plan_deployment(
    *,
    actor: Actor,
    environment_id: uuid.UUID | str,
    release_id: uuid.UUID | str,
    strategy: str = "",
    stages: Sequence[Mapping[str, Any]] | None = None,
    why: str = "",
    **options: Any,
) -> Deployment:
    """Decide what will be done; nothing is done yet.

    Args:
        actor: needs "deployments.run".
        environment_id, release_id: what goes where.
        strategy: one of `Strategy`; the environment's own when left out.
        stages: of a canary: `share`, `min_seconds`, `max_seconds`, `min_samples` each; 5, 25 and 50 % when left out.
        why: for those who read the history.
        options: `bake_seconds`, `keep_old`, `workers`, `rehearse`, `probes`, `dry_run`, `on_lost`.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to plan.
        InvalidInput: a value cannot be used.
        Conflict: another deployment is under way there, the release was withdrawn, or the environment is halted.
    """
    require(actor, "deployments.run")
    environment, release = get_environment(environment_id), get_release(release_id)
    chosen = _strategy(environment, release, strategy or environment.default_strategy)
    before = environment.current
    if chosen == Strategy.CANARY and not stages:
        stages = [{"share": share} for share in SHARES]
    frozen = _options(options) | {"stages": _stages(stages or []) if chosen == Strategy.CANARY else []}
    if chosen == Strategy.ROLLBACK:
        frozen |= {"bake_seconds": 0.0, "rehearse": False}
    if environment.delegate:
        # The steps are the controller's own, and stand in its objects.
        frozen |= {"stages": [], "delegate": environment.delegate}
    identifier = uuid.uuid4()
    # The way back waits for nobody: it is for the moment in which people are hurt.
    awaits = environment.approvals_required and chosen != Strategy.ROLLBACK
    frozen |= {
        "format": FORMAT,
        "id": str(identifier),
        "environment": environment.slug,
        "release": release.version,
        "from_release": before.version if before else "",
        "strategy": str(chosen),
        "digest": release.digest,
        "requester": actor.id,
        "lost_seconds": 60.0,
    }
    deployment = Deployment(
        id=identifier,
        environment=environment,
        release=release,
        from_release=before,
        strategy=chosen,
        state=State.AWAITING if awaits else State.PLANNED,
        why=why.strip()[:300],
        plan=frozen,
        plan_digest=signing.digest(frozen),
        requester_id=actor.user_id,
        requester=actor.label[:254],
    )
    try:
        with transaction.atomic():
            deployment.save(force_insert=True)
            Stage.objects.bulk_create(
                Stage(deployment=deployment, number=number, **stage) for number, stage in enumerate(frozen["stages"])
            )
            Transition.objects.create(deployment=deployment, new=deployment.state, who=actor.label[:254])
            after = {"release": release.version, "strategy": str(chosen), "plan": deployment.plan_digest}
            record(actor, "deployment.planned", obj=deployment, reason=deployment.why, after=after)
    except IntegrityError:
        raise Conflict(
            f"Another deployment is under way in {environment.title}.", remedy="Let it end, abort it or withdraw it."
        ) from None
    return deployment


def plan_rollback(*, actor: Actor, deployment_id: uuid.UUID | str, why: str = "") -> Deployment:
    """Plan the way back from a deployment that has succeeded, to the version that served before it.

    Args:
        actor: needs "deployments.run".
        deployment_id: which one is taken back.
        why: what is wrong with it.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to take back.
        Conflict: it does not serve, nothing was before it, or a contract came after it.
    """
    require(actor, "deployments.run")
    deployment = get_deployment(deployment_id)
    if deployment.state != State.SUCCEEDED or deployment.environment.current_id != deployment.release_id:
        raise Conflict("This version does not serve.", remedy="Take back the one that does.")
    if deployment.from_release is None:
        raise Conflict("There was no version before.", remedy="Restore a backup if the portal cannot be used.")
    if contracted_since(deployment):
        raise Conflict(
            "The database was contracted since then: the version before cannot work on it.",
            remedy="Restore a backup, or mend the fault with a new version.",
        )
    return plan_deployment(
        actor=actor,
        environment_id=deployment.environment_id,
        release_id=deployment.from_release_id,  # type: ignore[arg-type]
        strategy=Strategy.ROLLBACK,
        why=why or f"Back from {deployment.release.version}.",
    )


def contracted_since(deployment: Deployment) -> bool:
    """Whether the database has lost what the version before needs."""
    return Deployment.objects.filter(
        environment__in=installation(deployment.environment),
        strategy=Strategy.CONTRACT,
        state=State.SUCCEEDED,
        created_at__gt=deployment.created_at,
    ).exists()


def sign_plan(deployment: Deployment) -> None:
    """Give the plan its number and its end, and sign it; the caller holds the rows and saves."""
    # Locked: an agent may just report a higher number, of a plan that was made on its host.
    environment = deployment.environment = Environment.objects.select_for_update().get(pk=deployment.environment_id)
    environment.fence += 1
    environment.save(update_fields=["fence"])
    deployment.fence = environment.fence
    whole = {**deployment.plan, "fence": deployment.fence, "expires_at": round(time.time() + VALID.total_seconds(), 3)}
    text = signing.spelled(whole)
    deployment.signed_plan = text.decode()
    deployment.signature = signing.sign(text, open_sealed(environment, "sealed_key"))


def get_deployment(deployment_id: uuid.UUID | str, *, lock: bool = False) -> Deployment:
    """One deployment, for a service; a locked one belongs into a transaction.

    Raises:
        NotFound: there is none.
    """
    rows = Deployment.objects.select_related("environment", "release", "from_release")
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(pk=deployment_id).first()
    if found is None:
        raise NotFound("There is no such deployment.")
    return found


def _strategy(environment: Environment, release: Release, wanted: str) -> Strategy:
    if wanted not in Strategy.values:
        raise InvalidInput(
            f"'{wanted[:20]}' is no strategy.", field="strategy", remedy=f"Use {', '.join(Strategy.values)}."
        )
    chosen, serving = Strategy(wanted), environment.current
    if environment.halted:
        raise Conflict(
            f"{environment.title} is halted: {environment.halted}",
            remedy="Look at it, then open the environment again.",
        )
    if serving is None and (seen := _seen(environment)):
        raise Conflict(
            f"{seen} serves there and is not registered, so there would be no way back.", remedy="Register it first."
        )
    if release.withdrawn and chosen in FORWARD:
        raise Conflict(f"{release.version} was withdrawn: {release.withdrawn}", remedy="Choose another release.")
    if chosen == Strategy.CONTRACT and serving != release:
        raise Conflict(
            f"{release.version} does not serve there.",
            remedy="A contract is for the version that serves, and for no other.",
        )
    if chosen != Strategy.CONTRACT and serving == release:
        raise Conflict(f"{release.version} serves there already.", remedy="Choose another release.")
    if missing := missing_for(environment, chosen):
        raise InvalidInput(missing, field="strategy", remedy="Choose another strategy.")
    return chosen


def _seen(environment: Environment) -> str:
    """Versions that the agent saw serving."""
    target = getattr(environment, "target", None)
    slots = target.observed.get("slots", {}) if target else {}
    return ", ".join(sorted({str(slot.get("release")) for slot in slots.values() if slot.get("percent")}))


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bake_seconds": 300.0,
        "keep_old": True,
        "workers": True,
        "rehearse": True,
        "probes": 2.0,
        "dry_run": False,
        "on_lost": "resume",
    }
    for name, value in options.items():
        if name not in found:
            raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
        if name in _BOUNDS:
            found[name] = float(_within(name, value, *_BOUNDS[name]))
        elif name == "on_lost":
            if value not in ON_LOST:
                raise InvalidInput(
                    f"'{str(value)[:20]}' is not known.", field=name, remedy=f"Use {', '.join(ON_LOST)}."
                )
            found[name] = value
        else:
            found[name] = bool(value)
    return found


def _stages(stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for stage in stages[:21]:
        whole = {"min_seconds": 60.0, "max_seconds": 600.0, "min_samples": 40, **stage}
        for name, bounds in _STAGE_BOUNDS.items():
            value = _within("stages", whole.get(name), *bounds)
            whole[name] = int(value) if name in ("share", "min_samples") else float(value)
        if whole["max_seconds"] < whole["min_seconds"]:
            raise InvalidInput("A stage ends before it may pass.", field="stages", remedy="Raise max_seconds.")
        made.append({name: whole[name] for name in _STAGE_BOUNDS})
    shares = [stage["share"] for stage in made]
    if not 0 < len(made) <= 20 or shares != sorted(set(shares)):
        raise InvalidInput("The shares must grow, and be 20 at most.", field="stages", remedy="For example 5, 25, 50.")
    return made


def _within(name: str, value: Any, least: float, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInput(f"This must be a number from {least:g} to {most:g}.", field=name, remedy="Correct it.")
    return value
