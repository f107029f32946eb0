"""Rules about elevations: made, changed, taken out of use."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core import patterns
from aiwriter.core.errors import Conflict, Detail, InvalidInput
from apps.users.models import ElevationPolicy, User
from apps.users.models.capabilities import CAPABILITIES, GRAVE, SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.models.elevations import LONGEST_MINUTES, LONGEST_PROOF_MINUTES, MOST_APPROVALS
from apps.users.models.grants import policy_contents
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.selectors.elevations import approvers_of
from apps.users.services import audit

FIELDS = (
    "name",
    "description",
    "role",
    "capabilities",
    "eligible_roles",
    "approver_roles",
    "approvals",
    "default_minutes",
    "max_minutes",
    "proof_minutes",
    "ticket_pattern",
    "weekdays",
    "from_hour",
    "to_hour",
    "extendable",
    "strict",
    "enabled",
)
_ROLES = (*WORKSPACE_ROLES, *SYSTEM_ROLES)


def create_policy(*, actor: Actor, **values: Any) -> ElevationPolicy:
    """Say what may be asked for.

    Args:
        actor: needs "users.manage".
        values: of `FIELDS`.

    Raises:
        InvalidInput: one detail for every wrong field.
        Conflict: the name is taken, or too few people could agree to what roles alone would not allow any more.
    """
    require(actor, "users.manage")
    require_proof(actor)
    policy = ElevationPolicy(set_by=actor.user)
    return _store(actor, policy, values, "elevation_policy.created")


def update_policy(*, actor: Actor, policy: ElevationPolicy, **values: Any) -> ElevationPolicy:
    """Change a rule. What was lent already keeps its end; open requests keep the number of approvals they were made with.

    Raises:
        InvalidInput, Conflict: as for `create_policy`; also when its role would change after somebody has used it.
    """
    require(actor, "users.manage")
    require_proof(actor)
    moved = {"role", "capabilities"} & {name for name, value in values.items() if value != getattr(policy, name)}
    if moved and policy.elevations.exists():
        raise Conflict(
            "Elevations by this policy stand in the history; what it lends does not change any more.",
            field=min(moved),
            remedy="Take it out of use and make another.",
        )
    return _store(actor, policy, values, "elevation_policy.changed")


def delete_policy(*, actor: Actor, policy: ElevationPolicy) -> None:
    """Remove a rule that nobody has used. The actor needs "users.manage".

    Raises:
        Conflict: somebody has.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if policy.elevations.exists():
        raise Conflict("Elevations by this policy stand in the history.", remedy="Take it out of use instead.")
    with transaction.atomic():
        audit.record(actor, "elevation_policy.deleted", obj=policy, before=_state(policy))
        policy.delete()


def _store(actor: Actor, policy: ElevationPolicy, values: dict[str, Any], action: str) -> ElevationPolicy:
    before = None if policy._state.adding else _state(policy)
    if unknown := set(values) - set(FIELDS):
        raise InvalidInput("A policy has no such field.", field=min(unknown))
    for name, value in values.items():
        setattr(policy, name, value)
    policy.name = policy.name.strip()
    policy.set_by = actor.user
    _check(policy)
    try:
        with transaction.atomic():
            policy.save()
            if policy.strict and policy.enabled:
                _refuse_too_few(policy)
            audit.record(actor, action, obj=policy, before=before, after=_state(policy))
    except IntegrityError as error:
        raise Conflict(f"A policy '{policy.name}' exists already.", field="name", remedy="Choose another.") from error
    return policy


def _state(policy: ElevationPolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in FIELDS}


def _check(policy: ElevationPolicy) -> None:
    wrong = [
        Detail("name", "A policy needs a name.") if not policy.name else None,
        *_wrong_contents(policy),
        *_wrong_roles(policy),
        *_wrong_times(policy),
    ]
    if found := [each for each in wrong if each]:
        raise InvalidInput("The policy cannot be used.", details=found)


def _wrong_contents(policy: ElevationPolicy) -> list[Detail | None]:
    named = policy.capabilities
    if policy.role and policy.role not in _ROLES:
        return [Detail("role", f"'{policy.role}' is not a role.", f"Use one of {', '.join(_ROLES)}, or none.")]
    if not isinstance(named, list) or any(each not in CAPABILITIES for each in named):
        return [
            Detail("capabilities", "Not all of these are capabilities.", "GET /api/v1/access/capabilities lists them.")
        ]
    if not policy.role and not named:
        return [Detail("role", "A policy lends a role or capabilities.", "Choose a role, or name capabilities.")]
    within = {**WORKSPACE_ROLES, **SYSTEM_ROLES}.get(policy.role) or frozenset().union(*SYSTEM_ROLES.values())
    wrong: list[Detail | None] = []
    if beyond := sorted(set(named) - within):
        remedy = "Leave it out, or choose a role that has it."
        wrong.append(Detail("capabilities", f"This role does not have '{beyond[0]}'.", remedy))
    if policy.strict and not policy_contents(policy.role, named) & GRAVE:
        remedy = f"It is for policies that lend one of: {', '.join(sorted(GRAVE))}."
        wrong.append(Detail("strict", "Nothing in this policy can be had by elevation only.", remedy))
    return wrong


def _wrong_roles(policy: ElevationPolicy) -> list[Detail | None]:
    wrong: list[Detail | None] = []
    for name in ("eligible_roles", "approver_roles"):
        roles = getattr(policy, name)
        if not isinstance(roles, list) or not roles or any(each not in _ROLES for each in roles):
            wrong.append(Detail(name, "Name at least one role.", f"Roles are {', '.join(_ROLES)}."))
    if not 0 <= policy.approvals <= MOST_APPROVALS:
        wrong.append(Detail("approvals", f"0 to {MOST_APPROVALS} people can be asked to agree."))
    return wrong


def _wrong_times(policy: ElevationPolicy) -> list[Detail | None]:
    wrong: list[Detail | None] = []
    if not 1 <= policy.default_minutes <= policy.max_minutes <= LONGEST_MINUTES:
        issue = f"An elevation lasts 1 to {LONGEST_MINUTES} minutes, at first no longer than at most."
        wrong.append(Detail("max_minutes", issue))
    if not 1 <= policy.proof_minutes <= LONGEST_PROOF_MINUTES:
        wrong.append(Detail("proof_minutes", f"The proof may be 1 to {LONGEST_PROOF_MINUTES} minutes old."))
    try:
        patterns.check(policy.ticket_pattern)
    except patterns.PatternProblem as error:
        remedy = "Letters, classes, groups with alternatives; repeat letters and classes only: OPS-[0-9]{1,6}."
        wrong.append(Detail("ticket_pattern", f"This pattern cannot be used: {error}.", remedy))
    if not isinstance(policy.weekdays, list) or any(each not in range(7) for each in policy.weekdays):
        wrong.append(Detail("weekdays", "Days are numbers from 0, Monday, to 6."))
    hours = (policy.from_hour, policy.to_hour)
    if (hours[0] is None) != (hours[1] is None):
        wrong.append(Detail("to_hour", "A window has a beginning and an end.", "Give both hours or none."))
    elif hours[0] is not None and hours[1] is not None and not 0 <= hours[0] < hours[1] <= 24:
        wrong.append(Detail("to_hour", "The window ends after it begins, within one day."))
    return wrong


def _refuse_too_few(policy: ElevationPolicy) -> None:
    """What roles alone do not allow any more must still be reachable when one of those who agree is the one who asks."""
    able = sum(1 for person in approvers_of(policy) if person.status == User.Status.ACTIVE)
    if policy.approvals and able < policy.approvals + 1:
        raise Conflict(
            f"Only {able} people could agree; with one of them asking, {policy.approvals + 1} are needed.",
            field="strict",
            remedy="Name more roles that may agree, ask fewer people, or leave the roles as they are.",
        )
