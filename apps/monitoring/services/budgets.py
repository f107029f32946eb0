"""Setting budgets."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound, PermissionDenied
from apps.monitoring.models import Budget
from apps.monitoring.selectors.usage import visible_budgets
from apps.users.models import ApiToken, Membership, User, Workspace
from apps.users.selectors.access import Actor, can, require
from apps.users.services.audit import record

_FIELDS = ("limit_cost", "currency", "limit_tokens", "warn_at", "hard", "refuse_unpriced", "enabled")
_TABLES: dict[str, type[Model]] = {"workspace": Workspace, "user": User, "token": ApiToken}


def create_budget(
    *,
    actor: Actor,
    scope: str,
    scope_id: uuid.UUID | str,
    period: str,
    workspace_id: uuid.UUID | str | None = None,
    **limits: Any,
) -> Budget:
    """Limit what a workspace, a person or a token may use.

    An operator's budget and one of the workspace's editors stand side by side; both bind.

    Args:
        actor: needs "backends.manage", or "budgets.manage" in the workspace that the budget is about.
        scope: "workspace", "user" or "token".
        scope_id: which one.
        period: "day" or "month", in UTC.
        workspace_id: count only what is used there; editors must name it for people.
        limits: `limit_cost` (Decimal, in `currency`), `limit_tokens`, `warn_at` (percent), `hard`, `refuse_unpriced`,
            `enabled`.

    Raises:
        InvalidInput: neither limit, or a value out of range.
        NotFound: there is no such workspace, person or token.
        Conflict: it has a budget of this period already.
    """
    operator = can(actor, "backends.manage")
    if not operator:
        require(actor, "budgets.manage")
    if scope not in _TABLES:
        raise InvalidInput(f"'{scope}' is no scope.", field="scope", remedy="Use workspace, user or token.")
    if period not in Budget.Period.values:
        raise InvalidInput(f"'{period}' is no period.", field="period", remedy="Use day or month.")
    if not _exists(_TABLES[scope], scope_id) or (workspace_id and not _exists(Workspace, workspace_id)):
        raise NotFound(f"There is no such {scope}.", field="scope_id", remedy="Use its id.")
    budget = Budget(
        scope=scope,
        scope_id=uuid.UUID(str(scope_id)),
        period=period,
        workspace_id=uuid.UUID(str(workspace_id)) if workspace_id else None,
        by_operator=operator,
    )
    if not operator:
        _require_editor(actor, budget)
    same = Budget.objects.filter(
        scope=scope,
        scope_id=budget.scope_id,
        period=period,
        workspace_id=budget.workspace_id,
        by_operator=operator,
    )
    if same.exists():
        raise Conflict(f"This {scope} has a budget of this period already.", remedy="Change that one.")
    with transaction.atomic():
        _apply(budget, limits)
        budget.save(force_insert=True)
        record(actor, "budget.created", obj=budget, after=_values(budget))
    return budget


def update_budget(*, actor: Actor, budget_id: uuid.UUID | str, **limits: Any) -> Budget:
    """Change limits; what was used in this period stays counted. Arguments and errors as for `create_budget`.

    Raises:
        PermissionDenied: an operator set it, or it would loosen the actor's own limit.
    """
    budget = _changeable(actor, budget_id)
    with transaction.atomic():
        before, old = _values(budget), Budget.objects.get(pk=budget.pk)
        _apply(budget, limits)
        if _binds(budget, actor) and _looser(old, budget):
            _refuse_own()
        budget.save()
        record(actor, "budget.updated", obj=budget, before=before, after=_values(budget))
    return budget


def delete_budget(*, actor: Actor, budget_id: uuid.UUID | str) -> None:
    """Remove a limit. Calls that are under way settle without it.

    Raises:
        NotFound: there is no such budget.
        PermissionDenied: an operator set it, or it is the actor's own limit.
    """
    budget = _changeable(actor, budget_id)
    if _binds(budget, actor):
        _refuse_own()
    with transaction.atomic():
        record(actor, "budget.deleted", obj=budget, before=_values(budget))
        budget.delete()


def may_change(actor: Actor, budget: Budget) -> bool:
    """Whether the actor may change a budget at all; loosening one's own is asked for apart."""
    if can(actor, "backends.manage"):
        return True
    room = budget.scope_id if budget.scope == Budget.Scope.WORKSPACE else budget.workspace_id
    return not budget.by_operator and room is not None and can(actor, "budgets.manage", workspace=room)


def _changeable(actor: Actor, budget_id: uuid.UUID | str) -> Budget:
    if not can(actor, "backends.manage"):
        require(actor, "budgets.manage")
        try:
            found = visible_budgets(actor).filter(pk=budget_id).first()
        except (ValidationError, ValueError):
            found = None
        if found is None:
            raise NotFound("There is no such budget.")
        if not may_change(actor, found):
            raise PermissionDenied("An operator set this budget.", remedy="Ask an operator to change it.")
        return found
    return _get(budget_id)


def _require_editor(actor: Actor, budget: Budget) -> None:
    """An editor limits the workspace, what members use in it, and tokens that are bound to it; nothing beyond."""
    if budget.scope == Budget.Scope.WORKSPACE:
        require(actor, "budgets.manage", workspace=budget.scope_id)
        budget.workspace_id = None
        return
    if budget.workspace_id is None:
        raise InvalidInput(
            "Nothing says in which workspace.", field="workspace_id", remedy="Give the id of the workspace."
        )
    require(actor, "budgets.manage", workspace=budget.workspace_id)
    if budget.scope == Budget.Scope.USER:
        rows = Membership.objects.live().filter(user_id=budget.scope_id, workspace_id=budget.workspace_id)
        if not rows.exists():
            raise NotFound("There is no such member.", field="scope_id", remedy="Choose a member of the workspace.")
    elif not ApiToken.objects.filter(pk=budget.scope_id, workspace_id=budget.workspace_id).exists():
        raise NotFound("There is no such key.", field="scope_id", remedy="Choose a key that is bound to the workspace.")


def _binds(budget: Budget, actor: Actor) -> bool:
    """Whether it is the actor's own limit, and the actor is no operator."""
    if actor.user is None or can(actor, "backends.manage"):
        return False
    if budget.scope == Budget.Scope.USER:
        return budget.scope_id == actor.user_id
    if budget.scope == Budget.Scope.TOKEN:
        return ApiToken.objects.filter(pk=budget.scope_id, user=actor.user).exists()
    return False


def _looser(old: Budget, new: Budget) -> bool:
    def raised(before: Any, after: Any) -> bool:
        return before is not None and (after is None or after > before)

    return (
        raised(old.limit_cost, new.limit_cost)
        or raised(old.limit_tokens, new.limit_tokens)
        or old.currency != new.currency
        or any(getattr(old, name) and not getattr(new, name) for name in ("hard", "refuse_unpriced", "enabled"))
    )


def _refuse_own() -> NoReturn:
    raise PermissionDenied(
        "Nobody loosens their own limit.", remedy="Ask another editor of the workspace, or an operator."
    )


def _exists(table: type[Model], key: uuid.UUID | str) -> bool:
    try:
        return bool(table._default_manager.filter(pk=key).exists())
    except (ValidationError, ValueError):
        return False


def _get(budget_id: uuid.UUID | str) -> Budget:
    try:
        return Budget.objects.get(pk=budget_id)
    except (Budget.DoesNotExist, ValidationError, ValueError):
        raise NotFound("There is no such budget.") from None


def _apply(budget: Budget, limits: dict[str, Any]) -> None:
    if unknown := sorted(set(limits) - set(_FIELDS)):
        raise InvalidInput(f"A budget has no {unknown[0]}.", field=unknown[0])
    for name, value in limits.items():
        if name == "limit_cost" and value is not None:
            value = Decimal(str(value))
        setattr(budget, name, value.upper() if name == "currency" else value)
    try:
        budget.full_clean(validate_unique=False)
    except ValidationError as error:
        details = [
            Detail("" if field == "__all__" else field, " ".join(messages))
            for field, messages in error.message_dict.items()
        ]
        raise InvalidInput(details[0].issue, field=details[0].field, details=details) from error


def _values(budget: Budget) -> dict[str, Any]:
    return {name: getattr(budget, name) for name in ("scope", "scope_id", "workspace_id", "period", *_FIELDS)}
