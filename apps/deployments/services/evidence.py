"""What finds the evidence of the checklist by itself. Each looks at facts, and says "not known" where it has none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.core import checks
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError
from aiwriter.core.schema import named, standing
from apps.backends.models import BackendProfile
from apps.backups.selectors.status import present_status
from apps.deployments.models import Announcement, Deployment, Environment, GateResult, State, Strategy
from apps.deployments.selectors.environments import frozen_by, installation
from apps.deployments.selectors.strategies import FORWARD
from apps.deployments.services import signing
from apps.deployments.services.plans import contracted_since
from apps.monitoring.models import CheckResult, ErrorGroup, Incident
from apps.monitoring.services.checks import registry

PASS, FAIL, UNKNOWN = GateResult.Status.PASS, GateResult.Status.FAIL, GateResult.Status.UNKNOWN
Numbers = Mapping[str, float]
_TEST_KEY = re.compile(r"(^|[-_])(test|tests|testing|fake|dummy|sandbox|example)([-_0-9]|$)", re.IGNORECASE)
_HERE = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Args:
        status: one of `GateResult.Status`.
        finding: in a sentence.
        evidence: the facts.
    """

    status: str
    finding: str
    evidence: dict[str, Any] = field(default_factory=dict)


def agent_reports(deployment: Deployment, numbers: Numbers) -> Found:
    """Somebody is there to do it, and its proxy answers."""
    if deployment.delegate:
        return Found(PASS, f"{deployment.acts} acts there, and asks when it begins.", {"delegate": deployment.delegate})
    target = getattr(deployment.environment, "target", None)
    if target is None:
        return Found(FAIL, "No agent has ever reported.")
    age = (timezone.now() - target.seen_at).total_seconds()
    evidence = {"seen_at": target.seen_at.isoformat(), "agent": target.version, "problem": target.problem}
    if age > numbers.get("seconds", 120):
        return Found(FAIL, f"The agent has been silent for {age:.0f} s.", evidence)
    if target.problem:
        return Found(FAIL, target.problem, evidence)
    return Found(PASS, f"Seen {age:.0f} s ago.", evidence)


def release_verified(deployment: Deployment, numbers: Numbers) -> Found:
    """The digest is known, signed where that is asked, and no version in between is jumped over."""
    release, environment = deployment.release, deployment.environment
    evidence: dict[str, Any] = {"digest": release.digest, "sbom": release.sbom}
    if release.withdrawn and deployment.strategy in FORWARD:
        return Found(FAIL, f"It was withdrawn: {release.withdrawn}", evidence)
    if not release.digest:
        return Found(FAIL, "It was registered without a digest.", evidence)
    if environment.keys:
        evidence["signed_by"] = signing.signer(release.digest.encode(), release.signature, environment.keys)
        if not evidence["signed_by"]:
            return Found(FAIL, "None of the environment's keys has signed it.", evidence)
    serving = deployment.from_release.version if deployment.from_release else ""
    least = release.min_upgrade_from
    if serving and least and deployment.strategy != Strategy.ROLLBACK and order(serving) < order(least):
        return Found(FAIL, f"It replaces {least} and newer, and {serving} serves.", evidence)
    return Found(
        PASS, "Signed." if environment.keys else "The agent compares the digest before anything stops.", evidence
    )


def order(version: str) -> tuple[tuple[int, str], ...]:
    """What versions are sorted by, as the agent does it: numbers as numbers."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[A-Za-z]+", version))


def release_notes(deployment: Deployment, numbers: Numbers) -> Found:
    """Somebody wrote what is new."""
    release = deployment.release
    missing = [
        who for who, text in (("operators", release.notes_operators), ("everybody", release.notes_users)) if not text
    ]
    return (
        Found(FAIL, f"Notes are missing for {' and '.join(missing)}.") if missing else Found(PASS, "Both are written.")
    )


def migrations_phases(deployment: Deployment, numbers: Numbers) -> Found:
    """What the database is made to bear, and whether the version before can live with it."""
    release, before = deployment.release, deployment.from_release
    evidence: dict[str, Any] = {"contract": release.contract}
    if before and before.schema_heads and release.schema_heads:
        changed = {app: head for app, head in release.schema_heads.items() if before.schema_heads.get(app) != head}
        evidence["changed"] = changed
    if deployment.environment.own:
        found = standing()
        evidence |= {"missing_here": named(found.missing), "waiting_here": named(found.waiting)}
        if found.missing:
            return Found(FAIL, f"The database lacks what even this version needs: {named(found.missing)}.", evidence)
    if deployment.strategy == Strategy.CONTRACT:
        return Found(PASS, "The agent lets it run only when no older version serves.", evidence)
    if not release.schema_heads:
        return Found(UNKNOWN, "The release was registered without its schema.", evidence)
    if before and not deployment.plan.get("rehearse"):
        return Found(FAIL, "The rehearsal with the version before is switched off.", evidence)
    return Found(PASS, "The expand phase alone is run; the version before is tried on its result first.", evidence)


def staging_soaked(deployment: Deployment, numbers: Numbers) -> Found:
    """The same digest has served on staging for long enough."""
    hours = deployment.environment.soak_hours
    if not hours:
        return Found(PASS, "The environment asks for none.")
    places = Environment.objects.filter(kind=Environment.Kind.STAGING, current__version=deployment.release.version)
    since = min((place.current_since for place in places if place.current_since), default=None)
    if since is None:
        return Found(FAIL, f"{deployment.release.version} does not serve on staging.")
    served = timezone.now() - since
    evidence = {"since": since.isoformat(), "hours": round(served.total_seconds() / 3600, 1)}
    if served < dt.timedelta(hours=hours):
        return Found(FAIL, f"It has served on staging for {evidence['hours']} of {hours} hours.", evidence)
    return Found(PASS, f"It has served on staging for {evidence['hours']} hours.", evidence)


def hosts_in_order(deployment: Deployment, numbers: Numbers) -> Found:
    """Hosts of one installation take a release one after the other, and the database is contracted behind the last."""
    environment, release = deployment.environment, deployment.release
    hosts = installation(environment)
    evidence = {host.slug: host.current.version if host.current else "" for host in hosts}
    if len(hosts) == 1:
        return Found(PASS, "The installation is one host.", evidence)
    if deployment.strategy == Strategy.CONTRACT:
        if behind := [host.title for host in hosts if host.current_id != release.pk]:
            return Found(FAIL, f"Another version serves on {', '.join(behind)}: it could not work any more.", evidence)
        return Found(PASS, "All hosts serve it.", evidence)
    before = environment.follows
    if deployment.strategy in FORWARD and before is not None and before.current_id != release.pk:
        return Found(FAIL, f"It does not serve on {before.title} yet.", evidence)
    return Found(PASS, "It is this host's turn.", evidence)


def freeze_none(deployment: Deployment, numbers: Numbers) -> Found:
    """Nobody asked for quiet."""
    freeze = frozen_by(deployment.environment)
    if freeze is None:
        return Found(PASS, "No freeze holds now.")
    return Found(FAIL, f"Frozen until {freeze.ends_at:%Y-%m-%d %H:%M} UTC: {freeze.reason}", {"freeze": freeze.pk})


def approvals_given(deployment: Deployment, numbers: Numbers) -> Found:
    """As many others as the environment wants have agreed to exactly this plan."""
    wanted = deployment.environment.approvals_required
    given = [
        each
        for each in deployment.approvals.all()
        if each.plan_digest == signing.digest(deployment.plan) and each.user_id not in (None, deployment.requester_id)
    ]
    evidence = {"approvals": [each.pk for each in given], "plan": deployment.plan_digest}
    if len(given) < wanted:
        return Found(FAIL, f"{len(given)} of {wanted} have agreed.", evidence)
    said = f"{len(given)} of {wanted} have agreed." if wanted else "Nobody else has to agree here."
    return Found(PASS, said, evidence)


def backup_fresh(deployment: Deployment, numbers: Numbers) -> Found:
    """What people did until now is safe."""
    until = present_status().protected_until
    if until is None:
        return Found(FAIL, "Nothing is backed up yet.")
    hours = (timezone.now() - until).total_seconds() / 3600
    evidence = {"protected_until": until.isoformat()}
    if hours > numbers.get("hours", 24):
        return Found(FAIL, f"The newest backup is {hours:.0f} hours old.", evidence)
    return Found(PASS, f"Everything until {until:%Y-%m-%d %H:%M} UTC is backed up.", evidence)


def backup_restored(deployment: Deployment, numbers: Numbers) -> Found:
    """A restore was not only hoped for."""
    drill = present_status().last_drill
    if drill is None:
        return Found(FAIL, "No restore has been shown yet.")
    days = (timezone.now() - drill.created_at).total_seconds() / 86400
    evidence = {"drill": str(drill.pk), "at": drill.created_at.isoformat()}
    if days > numbers.get("days", 14):
        return Found(FAIL, f"The last restore was shown {days:.0f} days ago.", evidence)
    return Found(PASS, f"A restore was shown on {drill.created_at:%Y-%m-%d}.", evidence)


def health_good(deployment: Deployment, numbers: Numbers) -> Found:
    """What the portal cannot serve without works now."""
    required = {check.key for check in registry() if check.required}
    rows = list(CheckResult.objects.filter(key__in=required))
    bad = {row.key: row.effective_status for row in rows if row.effective_status not in ("ok", "warn")}
    evidence = {"checks": len(rows), "bad": bad}
    if not rows:
        return Found(UNKNOWN, "No check has reported.", evidence)
    return (
        Found(FAIL, f"Not good: {', '.join(sorted(bad))}.", evidence) if bad else Found(PASS, "All are good.", evidence)
    )


def incidents_none(deployment: Deployment, numbers: Numbers) -> Found:
    """Nobody is in the middle of something worse."""
    open_ones = list(Incident.objects.filter(state=Incident.State.OPEN)[:5])
    evidence = {"incidents": [str(each.pk) for each in open_ones]}
    if open_ones:
        return Found(FAIL, f"Open: {'; '.join(each.title for each in open_ones)}.", evidence)
    return Found(PASS, "None is open.", evidence)


# What the code alone decides: it cannot have changed since this process looked for the first time.
_OF_THE_CODE = (checks.Tags.models, checks.Tags.urls, checks.Tags.admin)


@cache
def _said_of_the_code() -> tuple[checks.CheckMessage, ...]:
    return tuple(checks.run_checks(tags=_OF_THE_CODE, include_deployment_checks=True))


def _said_of_the_rest() -> list[checks.CheckMessage]:
    """Of settings, files and what else may be otherwise by now."""
    looks = checks.registry.registry.get_checks(include_deployment_checks=True)
    rest = [look for look in looks if not set(look.tags).intersection(_OF_THE_CODE)]
    return [each for look in rest for each in look(app_configs=None, databases=None)]


def settings_safe(deployment: Deployment, numbers: Numbers) -> Found:
    """What `manage.py check --deploy` says."""
    messages = [each for each in (*_said_of_the_code(), *_said_of_the_rest()) if not each.is_silenced()]
    evidence = {"messages": [f"{each.id}: {each.msg}"[:200] for each in messages[:20]]}
    if messages:
        return Found(FAIL, f"{len(messages)} findings: {', '.join(sorted({str(e.id) for e in messages}))}.", evidence)
    return Found(PASS, "Nothing was found.", evidence)


def keys_fit(deployment: Deployment, numbers: Numbers) -> Found:
    """No test key in production, no real key in development. A key that cannot be read is not known."""
    environment = deployment.environment
    wrong, unread = [], []
    for profile in BackendProfile.objects.filter(enabled=True, kind=BackendProfile.Kind.MODEL):
        if not profile.secret_refs or any(place in str(profile.options) for place in _HERE):
            continue
        try:
            tested = [bool(_TEST_KEY.search(secretrefs.resolve(ref).reveal())) for ref in profile.secret_refs.values()]
        except AppError:
            unread.append(profile.name)
            continue
        in_production = environment.kind == Environment.Kind.PRODUCTION
        in_development = environment.kind == Environment.Kind.DEVELOPMENT
        if (in_production and any(tested)) or (in_development and not all(tested)):
            wrong.append(profile.name)
    evidence = {"wrong": wrong, "unread": unread}
    if wrong:
        kind = "A test key" if environment.kind == Environment.Kind.PRODUCTION else "A real key"
        return Found(FAIL, f"{kind} is in use: {', '.join(wrong)}.", evidence)
    return (
        Found(UNKNOWN, f"Not readable: {', '.join(unread)}.", evidence)
        if unread
        else Found(PASS, "They fit.", evidence)
    )


def rollback_known(deployment: Deployment, numbers: Numbers) -> Found:
    """Where everybody goes if it is bad, and how long that takes."""
    if deployment.strategy == Strategy.CONTRACT:
        return Found(PASS, "After a contract the way back is a restore: this is its point of no return.")
    before = deployment.from_release
    if before is None:
        return Found(PASS, "Nothing served before: the way back is to have nothing.")
    if contracted_since(deployment):
        return Found(FAIL, "The database was contracted: the version before cannot work on it.")
    warm = deployment.strategy in (Strategy.CANARY, Strategy.BLUE_GREEN) and deployment.plan.get("keep_old")
    return Found(
        PASS, f"To {before.version}, {'which stands by' if warm else 'which is started again'}.", {"warm": warm}
    )


def probes_passed(deployment: Deployment, numbers: Numbers) -> Found:
    """What the agent's probes got from the new version, before anybody else did."""
    if deployment.delegate:
        return Found(UNKNOWN, f"{deployment.acts} tries it, and does not tell what it saw.")
    if deployment.strategy in (Strategy.CONTRACT, Strategy.ROLLING):
        return Found(
            PASS, "Tried slot by slot by the agent." if deployment.strategy == Strategy.ROLLING else "Not asked for."
        )
    step = deployment.steps.filter(kind="smoke").first()
    if step is None:
        return Found(UNKNOWN, "It has not been tried yet.")
    probes = step.evidence.get("probes", [])
    return Found(PASS if step.status == "done" else FAIL, f"{len(probes)} probes: {step.status}.", step.evidence)


def stages_judged(deployment: Deployment, numbers: Numbers) -> Found:
    """No stage was passed without a verdict."""
    stages = list(deployment.stages.all())
    accepted = [stage.share for stage in stages if "person accepted" in stage.verdict]
    if deployment.state != State.SUCCEEDED:
        return Found(UNKNOWN, "It has not succeeded.", {"verdicts": [stage.verdict for stage in stages]})
    if accepted:
        return Found(FAIL, f"A person let {accepted} % pass without a verdict.", {"accepted": accepted})
    return Found(PASS, f"{len(stages)} stages were judged." if stages else "This way has no stages.")


def errors_new(deployment: Deployment, numbers: Numbers) -> Found:
    """Kinds of errors that were not known before it began."""
    if deployment.taken_at is None:
        return Found(UNKNOWN, "It has not begun.")
    new = list(ErrorGroup.objects.filter(first_seen_at__gte=deployment.taken_at, state=ErrorGroup.State.OPEN)[:5])
    evidence = {"errors": [str(each.pk) for each in new]}
    if new:
        return Found(FAIL, f"New: {', '.join(each.kind for each in new)}.", evidence)
    return Found(PASS, "None.", evidence)


def users_told(deployment: Deployment, numbers: Numbers) -> Found:
    """People were told, in the portal."""
    told = Announcement.objects.filter(deployment=deployment, audience=Announcement.Audience.USERS).exists()
    return Found(PASS, "An announcement was made.") if told else Found(FAIL, "Nothing was announced.")


CHECKS: Mapping[str, Callable[[Deployment, Numbers], Found]] = {
    check.__name__: check
    for check in (
        agent_reports,
        release_verified,
        release_notes,
        migrations_phases,
        staging_soaked,
        hosts_in_order,
        freeze_none,
        approvals_given,
        backup_fresh,
        backup_restored,
        health_good,
        incidents_none,
        settings_safe,
        keys_fit,
        rollback_known,
        probes_passed,
        stages_judged,
        errors_new,
        users_told,
    )
}
