"""Setting budgets."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound
from apps.monitoring.models import Budget
from apps.users.models import ApiToken, User, Workspace
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

_FIELDS = ("limit_cost", "currency", "limit_tokens", "warn_at", "hard", "refuse_unpriced", "enabled")
_TABLES: dict[str, type[Model]] = {"workspace": Workspace, "user": User, "token": ApiToken}


def create_budget(*, actor: Actor, scope: str, scope_id: uuid.UUID | str, period: str, **limits: Any) -> Budget:
    """Limit what a workspace, a person or a token may use.

    Args:
        actor: needs "backends.manage".
        scope: "workspace", "user" or "token".
        scope_id: which one.
        period: "day" or "month", in UTC.
        limits: `limit_cost` (Decimal, in `currency`), `limit_tokens`, `warn_at` (percent), `hard`, `refuse_unpriced`,
            `enabled`.

    Raises:
        InvalidInput: neither limit, or a value out of range.
        NotFound: there is no such workspace, person or token.
        Conflict: it has a budget of this period already.
    """
    require(actor, "backends.manage")
    if scope not in _TABLES:
        raise InvalidInput(f"'{scope}' is no scope.", field="scope", remedy="Use workspace, user or token.")
    if not _exists(_TABLES[scope], scope_id):
        raise NotFound(f"There is no such {scope}.", field="scope_id", remedy="Use its id.")
    if Budget.objects.filter(scope=scope, scope_id=scope_id, period=period).exists():
        raise Conflict(f"This {scope} has a budget of this period already.", remedy="Change that one.")
    budget = Budget(scope=scope, scope_id=uuid.UUID(str(scope_id)), period=period)
    with transaction.atomic():
        _apply(budget, limits)
        budget.save(force_insert=True)
        record(actor, "budget.created", obj=budget, after=_values(budget))
    return budget


def update_budget(*, actor: Actor, budget_id: uuid.UUID | str, **limits: Any) -> Budget:
    """Change limits; what was used in this period stays counted. Arguments and errors as for `create_budget`."""
    require(actor, "backends.manage")
    with transaction.atomic():
        budget = _get(budget_id)
        before = _values(budget)
        _apply(budget, limits)
        budget.save()
        record(actor, "budget.updated", obj=budget, before=before, after=_values(budget))
    return budget


def delete_budget(*, actor: Actor, budget_id: uuid.UUID | str) -> None:
    """Remove a limit. Calls that are under way settle without it.

    Raises:
        NotFound: there is no such budget.
    """
    require(actor, "backends.manage")
    with transaction.atomic():
        budget = _get(budget_id)
        record(actor, "budget.deleted", obj=budget, before=_values(budget))
        budget.delete()


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
    return {name: getattr(budget, name) for name in ("scope", "scope_id", "period", *_FIELDS)}
