"""Reading deployments: what one will do, how far it is, what people met."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from aiwriter.core.errors import NotFound
from aiwriter.core.plots import Line
from apps.deployments.models import Deployment, GateResult, Sample, State, Strategy
from apps.deployments.selectors.checklists import Gate, gates_of
from apps.users.selectors.access import Actor, require

# The version that served has a slot of its own, and is left there when the plan says so.
_KEEPS_OLD = (Strategy.CANARY, Strategy.BLUE_GREEN, Strategy.ROLLBACK)
_BY_DELEGATE = "Nothing, as long as the controller's steps begin small."
_DOWNTIME = {
    Strategy.BLUE_GREEN: "Nothing: the new version is seen by the proxy before it gets anybody.",
    Strategy.CANARY: "Nothing: people go to the new version in parts, and back at once if it is worse.",
    Strategy.ROLLING: "Nothing: slots are exchanged one after the other.",
    Strategy.RECREATE: "Requests wait in the proxy while the one slot is exchanged: some seconds.",
    Strategy.CONTRACT: "Nothing, but tables are locked for moments.",
    Strategy.ROLLBACK: "Nothing: the version before is seen by the proxy before it gets anybody.",
}


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a deployment will do, on one screen.

    Args:
        lines: what is done, in order.
        downtime: what people notice.
        back: until when and how it can be undone.
        final: whether there is no way back but a restore.
        contract: migrations that are left for later.
        config_added, config_removed: variables.
    """

    lines: Sequence[str]
    downtime: str
    back: str
    final: bool
    contract: Sequence[str]
    config_added: Sequence[str]
    config_removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the checklist, and what was found.

    Args:
        gate: as the file has it.
        result: None before anybody looked.
        required: it must hold here.
        automatic: nobody has to sign it.
    """

    gate: Gate
    result: GateResult | None
    required: bool
    automatic: bool


@dataclass(frozen=True, slots=True)
class Count:
    """What one version had answered at the end of a stage."""

    stage: str
    slot: str
    real: int
    real_errors: int
    probes: int
    probe_errors: int
    p95: float | None


def deployments_for(actor: Actor) -> QuerySet[Deployment]:
    """All deployments, newest first."""
    require(actor, "deployments.read")
    return Deployment.objects.select_related("environment", "release", "from_release")


def deployment_for(actor: Actor, deployment_id: uuid.UUID | str) -> Deployment:
    """One deployment.

    Raises:
        NotFound: there is none.
    """
    rows = (
        deployments_for(actor).select_related("environment__target").prefetch_related("stages", "samples", "approvals")
    )
    found = rows.filter(pk=deployment_id).first()
    if found is None:
        raise NotFound("There is no such deployment.")
    return found


def under_way(actor: Actor) -> list[Deployment]:
    """What goes on now, for the console's home."""
    return list(deployments_for(actor).filter(finished_at=None)[:6])


def is_silent(deployment: Deployment) -> bool:
    """Whether the agent that works on it has not been heard of for a while."""
    if deployment.is_final or deployment.taken_at is None or deployment.delegate:
        return False
    target = getattr(deployment.environment, "target", None)
    return target is None or target.is_silent


def consequences(deployment: Deployment) -> Consequences:
    """What it will do and until when it can be undone."""
    release, before, plan = deployment.release, deployment.from_release, deployment.plan
    strategy = Strategy(deployment.strategy)
    lines: list[str] = []
    if deployment.delegate:
        lines = _delegated(deployment)
    elif strategy == Strategy.CONTRACT:
        lines.append("Versions that stand by without requests are stopped.")
        lines.append(
            f"Migrations that older versions cannot bear are run: {', '.join(release.contract) or 'those that wait'}."
        )
    else:
        if before and plan.get("rehearse") and strategy not in (Strategy.ROLLBACK, Strategy.RECREATE):
            lines.append(
                f"Migrations are tried on an empty copy with {before.version}, then their expand phase is run."
            )
        elif strategy != Strategy.ROLLBACK:
            lines.append("The expand phase of the migrations is run.")
        # Not the number first: "2. 2.0 starts" reads as another version.
        beside = f" beside {before.version}" if before else ""
        standing = ", unless it stands by there" if strategy == Strategy.ROLLBACK else ""
        lines.append(f"Version {release.version} starts{beside}{standing}.")
        if stages := plan.get("stages"):
            shares = ", then ".join(f"{stage['share']} %" for stage in stages)
            lines.append(
                f"First {shares} of the people go to it, each stage judged after {stages[0]['min_samples']} requests or more."
            )
        lines.append("Then everybody goes to it.")
        if plan.get("workers"):
            lines.append("Workers and the scheduler are exchanged; jobs that run are finished by the old ones.")
        if plan.get("bake_seconds"):
            lines.append(f"The version before stands by for {plan['bake_seconds']:.0f} s without requests.")
    back, final = _way_back(deployment)
    return Consequences(
        lines=lines,
        downtime=_BY_DELEGATE if deployment.delegate else _DOWNTIME[strategy],
        back=back,
        final=final,
        contract=release.contract if strategy != Strategy.CONTRACT else [],
        config_added=release.config_added,
        config_removed=release.config_removed,
    )


def _delegated(deployment: Deployment) -> list[str]:
    who, release = deployment.acts, deployment.release.version
    return [
        f"{who} exchanges the version, in the steps of its own objects; this console moves nothing.",
        "The migrations are run by the chart, before the new version starts.",
        f"{release} may start once this deployment is started here, and everything that must hold does.",
        f"{who} asks here before everybody gets {release}: for errors, checks, incidents and requests since it began.",
        "An abort is given as its answer; it then leads everybody back.",
    ]


def _way_back(deployment: Deployment) -> tuple[str, bool]:
    before = deployment.from_release
    if deployment.delegate and before is not None:
        return f"To {before.version}, by {deployment.acts}, until it has put the version before away.", False
    if deployment.strategy == Strategy.CONTRACT:
        return "From the moment it starts, back means restoring a backup.", True
    if before is None:
        return "Nothing served before, so there is nothing to go back to.", False
    warm = deployment.plan.get("keep_old") and deployment.strategy in _KEEPS_OLD
    took = "in a moment, for the version before stays running" if warm else "within seconds, for it is started again"
    doubt = f" Mind that it was withdrawn: {before.withdrawn}" if before.withdrawn else ""
    return f"To {before.version} {took}; until the database is contracted or another version goes live.{doubt}", False


def checklist(deployment: Deployment) -> list[Item]:
    """All items and what was found, in the order of the file."""
    results = {row.gate: row for row in deployment.gates.all()}
    return [
        Item(gate, results.get(gate.id), gate.must_hold(deployment), gate.is_automatic(deployment))
        for gate in gates_of(deployment)
    ]


def operators_notes(deployment: Deployment) -> str:
    """What operators read about it: the release's notes, and everything that was waived, by whom and why."""
    notes = deployment.release.notes_operators.strip()
    waived = [
        f"* {waiver.gate} was waived by {waiver.author} until {waiver.expires_at:%Y-%m-%d %H:%M} UTC: {waiver.reason}"
        for waiver in deployment.waivers.all()
    ]
    return "\n\n".join(part for part in (notes, "\n".join(waived)) if part)


def _samples(deployment: Deployment) -> list[Sample]:
    return sorted(deployment.samples.all(), key=lambda each: (each.at, each.pk))


def counts(deployment: Deployment) -> list[Count]:
    """The newest count of each stage and version."""
    newest: dict[tuple[int, str, str], Sample] = {
        (sample.stage, sample.slot, sample.kind): sample for sample in _samples(deployment)
    }
    shares = {stage.number: f"{stage.share} %" for stage in deployment.stages.all()}
    found = []
    for stage, slot in sorted({(key[0], key[1]) for key in newest}, key=lambda each: (each[0] < 0, each[0], each[1])):
        real, probe = newest.get((stage, slot, "real")), newest.get((stage, slot, "probe"))
        found.append(
            Count(
                stage=shares.get(stage, "100 %") if stage >= 0 else "100 %",
                slot=slot,
                real=real.n if real else 0,
                real_errors=real.errors if real else 0,
                probes=probe.n if probe else 0,
                probe_errors=probe.errors if probe else 0,
                p95=real.p95 if real and real.p95 is not None else probe.p95 if probe else None,
            )
        )
    return found


def curves(deployment: Deployment) -> list[Line]:
    """Requests of people and probes to each version over time, for a plot; a new stage counts anew."""
    points: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    stage_of: dict[tuple[str, str], int] = {}
    for sample in _samples(deployment):
        key = (sample.slot, sample.kind)
        at = sample.at.timestamp()
        line = points.setdefault(key, [])
        if key in stage_of and stage_of[key] != sample.stage:
            line.append((at, None))
        stage_of[key] = sample.stage
        line.append((at, float(sample.n)))
    names = {
        ("new", "real"): "New version, people",
        ("old", "real"): "Old version, people",
        ("new", "probe"): "New version, probes",
        ("old", "probe"): "Old version, probes",
    }
    return [Line(name, points[key]) for key, name in names.items() if key in points]


def agreements_missing(deployment: Deployment) -> int:
    """How many others have to agree before it can be started. The checklist looks at the plans themselves once more."""
    if deployment.state != State.AWAITING:
        return 0
    given = [
        each
        for each in deployment.approvals.all()
        if each.plan_digest == deployment.plan_digest and each.user_id not in (None, deployment.requester_id)
    ]
    return max(0, deployment.environment.approvals_required - len(given))


def possible(deployment: Deployment) -> set[str]:
    """Which buttons mean something now: start, approve, abort, resume, accept, rollback."""
    state = State(deployment.state)
    if state in (State.PLANNED, State.AWAITING):
        return {"abort", "approve" if agreements_missing(deployment) else "start"}
    if not deployment.is_final:
        return {"abort"} | ({"resume", "accept"} if state == State.PAUSED else set())
    serves = deployment.environment.current_id == deployment.release_id
    back = (
        state == State.SUCCEEDED and serves and deployment.from_release_id and deployment.strategy != Strategy.CONTRACT
    )
    return {"rollback"} if back else set()


def moments(since: dt.datetime, until: dt.datetime) -> list[tuple[dt.datetime, str, str]]:
    """What deployments did in a time, for the timeline of an incident: when, what, who."""
    rows = Deployment.objects.select_related("environment", "release").filter(
        Q(started_at__lte=until), Q(finished_at=None) | Q(finished_at__gte=since), started_at__isnull=False
    )
    found = []
    for row in rows[:20]:
        name = f"{row.release.version} → {row.environment.title}"
        if row.started_at is not None and row.started_at >= since:
            found.append((row.started_at, f"Deployment of {name} begins.", row.requester))
        if row.finished_at is not None and row.finished_at <= until:
            found.append((row.finished_at, f"Deployment of {name}: {row.get_state_display().lower()}.", "deploy-agent"))
    return found
