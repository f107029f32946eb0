"""The one function that changes the state of a deployment, and what follows from an end."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from aiwriter.core.errors import Conflict
from apps.deployments.models import Announcement, Deployment, Environment, Release, Stage, State, Strategy, Transition
from apps.deployments.models.states import FINAL, allowed
from apps.deployments.selectors.announcements import forget
from apps.users.selectors.access import Actor
from apps.users.services.audit import record
from apps.users.services.notifications import tell_operators

AGENT = Actor.system_actor("deploy-agent")
_ENDED_WELL = {
    State.SUCCEEDED: "{0} serves now.",
    State.ROLLED_BACK: "{0} went back: {1}",
    State.FAILED: "{0} failed before anybody saw it: {1}",
    State.ROLLBACK_FAILED: "Going back from {0} failed: {1}",
    State.WITHDRAWN: "{0} was withdrawn: {1}",
}


def move(
    deployment: Deployment,
    new: State | str,
    *,
    reason: str = "",
    actor: Actor = AGENT,
    number: int | None = None,
    at: dt.datetime | None = None,
) -> Deployment:
    """Change the state, in the caller's transaction and with the row locked.

    Args:
        deployment: the locked row.
        new: where to.
        reason: why.
        actor: who.
        number: the agent's number of this change.
        at: when it was; now when left out.

    Raises:
        Conflict: there is no such way.
    """
    old, state = State(deployment.state), State(new)
    if state not in allowed(old):
        raise Conflict(
            f"A deployment that is {old.label.lower()} cannot become: {state.label.lower()}.",
            remedy="Load the page again.",
        )
    when = at or timezone.now()
    Transition.objects.create(
        deployment=deployment, at=when, old=old, new=state, reason=reason, who=actor.label[:254], number=number
    )
    deployment.state, deployment.reason, deployment.touched_at = state, reason, timezone.now()
    if state in FINAL:
        deployment.finished_at = when
    deployment.save(update_fields=["state", "reason", "touched_at", "finished_at"])
    _follow_stage(deployment, old, state, reason, when)
    if state in FINAL:
        _ended(deployment, actor)
    return deployment


def _follow_stage(deployment: Deployment, old: State, new: State, reason: str, when: dt.datetime) -> None:
    """A stage begins when people are sent to it; it ends with the verdict."""
    if old == State.SHIFTING and new == State.ANALYSING:
        entered = deployment.transitions.filter(old=State.SHIFTING, new=State.ANALYSING).count()
        deployment.stage = entered - 1
        deployment.save(update_fields=["stage"])
        Stage.objects.filter(deployment=deployment, number=deployment.stage).update(began_at=when)
    elif old in (State.ANALYSING, State.PAUSED) and new != State.ANALYSING:
        stage = Stage.objects.filter(deployment=deployment, number=deployment.stage)
        stage.update(verdict=reason[:2000], ended_at=None if new == State.PAUSED else when)


def _ended(deployment: Deployment, actor: Actor) -> None:
    release, environment = deployment.release, deployment.environment
    if deployment.state == State.SUCCEEDED:
        serves(environment, release)
    elif deployment.state == State.ROLLED_BACK and deployment.from_release is not None:
        serves(environment, deployment.from_release)
    elif deployment.state == State.ROLLBACK_FAILED:
        # Nothing more is tried by itself: a person looks first.
        environment.halted = deployment.reason[:300] or "Going back failed."
        environment.save(update_fields=["halted"])
    now = timezone.now()
    # What was said beforehand is over; what was said of an end that did not come goes too, and what is new no longer is.
    said = Q(deployment=deployment)
    if deployment.state == State.SUCCEEDED and deployment.strategy == Strategy.ROLLBACK:
        said |= Q(deployment__environment=environment, deployment__release=deployment.from_release_id)
    Announcement.objects.filter(said, starts_at__lte=now, ends_at__gt=now).update(ends_at=now)
    forget()
    after = {"state": deployment.state, "release": release.version, "users_hit": deployment.users_hit}
    record(actor, "deployment.ended", obj=deployment, reason=deployment.reason, after=after)
    text = _ENDED_WELL[State(deployment.state)].format(release.version, deployment.reason)
    title = f"{environment.title}: {State(deployment.state).label.lower()}"
    tell_operators("deployment.ended", title, text, f"/admin/deployments/deployment/{deployment.pk}/change/")


def serves(environment: Environment, release: Release) -> None:
    """Note which version serves in an environment."""
    if environment.current_id != release.pk:
        environment.current, environment.current_since = release, timezone.now()
        environment.save(update_fields=["current", "current_since"])
