"""Sets aside before a call, settles after it: exact when many do so at once, and once for each call.

These functions act for the portal itself, inside services that have asked for permission; so they take ids, no actor.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction
from django.db.models import F, Sum, Value
from django.utils import timezone

from aiwriter.core.errors import BudgetExceeded
from apps.monitoring.models import (
    NANOS,
    Budget,
    BudgetHold,
    BudgetPeriod,
    Reservation,
    UsageRow,
    period_start,
)
from apps.monitoring.selectors.usage import binding_budgets, states_of
from apps.users.models import ApiToken, Membership, User
from apps.users.services.notifications import notify

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The most that a call is expected to use.

    Args:
        tokens: input and output together.
        cost: None when the price is not known.
        currency: of the cost.
    """

    tokens: int = 0
    cost: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a call really used.

    Args:
        purpose: "write", "embed", …
        model: that answered.
        profile: name of the backend.
        cost: None when the price is not known; never 0 for that.
    """

    purpose: str
    model: str = ""
    profile: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: Decimal | None = None
    currency: str = ""
    duration_ms: int = 0


def reserve(
    *,
    subject: str,
    workspace_id: uuid.UUID | None,
    user_id: uuid.UUID | None,
    token_id: uuid.UUID | None,
    estimate: Estimate,
) -> uuid.UUID:
    """Set an estimate aside in every budget that binds the call; all of them or none.

    Args:
        subject: what the call is, unique, "call:<id>"; it becomes the usage row's.
        workspace_id: where.
        user_id: for whom.
        token_id: through which token.
        estimate: see `Estimate`.

    Returns:
        the reservation, to be settled.

    Raises:
        BudgetExceeded: a hard budget has not so much left; nothing is set aside.
    """
    with transaction.atomic():
        reservation = Reservation.objects.create(
            subject=subject, workspace_id=workspace_id, user_id=user_id, token_id=token_id
        )
        # In the order of their ids, so that two calls which meet in two budgets cannot wait for each other.
        for budget in binding_budgets(workspace_id, user_id, token_id).order_by("id"):
            _hold(reservation, budget, estimate)
    return reservation.pk


def ensure_room(*, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None, token_id: uuid.UUID | None) -> None:
    """Refuse what could not be paid anyway, before a job is made for it. Sets nothing aside and writes nothing.

    Raises:
        BudgetExceeded: a hard budget is used up.
    """
    budgets = list(binding_budgets(workspace_id, user_id, token_id).filter(hard=True))
    for state in states_of(budgets):
        if state.remaining_cost == 0 or state.remaining_tokens == 0:
            raise _exceeded(state.budget)


def settle(reservation_id: uuid.UUID, *, used: Used | None) -> bool:
    """Replace what was set aside by what was used, and write the usage row.

    Args:
        reservation_id: from `reserve`.
        used: None when the call used nothing, such as one that never reached the provider; no row is written then.

    Returns:
        whether this call did it; False when it was settled before.
    """
    with transaction.atomic():
        taken = Reservation.objects.filter(pk=reservation_id, state=Reservation.State.OPEN).update(
            state=Reservation.State.SETTLED
        )
        if not taken:
            return False
        reservation = Reservation.objects.get(pk=reservation_id)
        holds = list(
            BudgetHold.objects.filter(reservation=reservation)
            .select_related("budget_period__budget")
            .order_by("budget_period__budget_id")
        )
        for hold in holds:
            budget = hold.budget_period.budget
            BudgetPeriod.objects.filter(pk=hold.budget_period_id).update(
                reserved_nanos=F("reserved_nanos") - hold.nanos,
                reserved_tokens=F("reserved_tokens") - hold.tokens,
                spent_nanos=F("spent_nanos") + (_nanos(used.cost, used.currency, budget) if used else 0),
                spent_tokens=F("spent_tokens") + (used.input_tokens + used.output_tokens if used else 0),
            )
        if holds:
            BudgetHold.objects.filter(reservation=reservation).delete()
        if used is not None:
            record_usage(
                subject=reservation.subject,
                workspace_id=reservation.workspace_id,
                user_id=reservation.user_id,
                token_id=reservation.token_id,
                used=used,
            )
            for hold in holds:
                _warn(hold.budget_period_id)
    return True


def record_usage(
    *,
    subject: str,
    workspace_id: uuid.UUID | None,
    user_id: uuid.UUID | None,
    token_id: uuid.UUID | None,
    used: Used,
) -> None:
    """Write a usage row. A second one for the same subject is refused by the database."""
    UsageRow.objects.create(
        subject=subject,
        workspace_id=workspace_id,
        user_id=user_id,
        token_id=token_id,
        purpose=used.purpose,
        model=used.model,
        profile=used.profile,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cached_tokens,
        cost=used.cost,
        currency=used.currency if used.cost is not None else "",
        duration_ms=used.duration_ms,
    )


def _hold(reservation: Reservation, budget: Budget, estimate: Estimate) -> None:
    priced = estimate.cost is not None and estimate.currency == budget.currency
    if budget.hard and budget.refuse_unpriced and budget.limit_cost is not None and not priced:
        raise BudgetExceeded(
            f"The price of this call is not known in {budget.currency}, and the budget refuses such calls.",
            remedy="Choose a model with a known price, or ask an operator to enter one.",
        )
    period = current_period(budget)
    nanos, tokens = _nanos(estimate.cost, estimate.currency, budget), estimate.tokens
    free = BudgetPeriod.objects.filter(pk=period.pk)
    if budget.hard and budget.limit_cost is not None:
        free = free.filter(spent_nanos__lte=Value(to_nanos(budget.limit_cost) - nanos) - F("reserved_nanos"))
        if nanos == 0 and not priced:
            # Without a price nothing can be set aside, but a budget that is used up stays used up.
            free = free.filter(spent_nanos__lt=to_nanos(budget.limit_cost))
    if budget.hard and budget.limit_tokens is not None:
        free = free.filter(spent_tokens__lte=Value(budget.limit_tokens - tokens) - F("reserved_tokens"))
    # One statement that asks and takes: of many at once the database lets exactly as many through as there is room for.
    if not free.update(reserved_nanos=F("reserved_nanos") + nanos, reserved_tokens=F("reserved_tokens") + tokens):
        raise _exceeded(budget)
    BudgetHold.objects.create(reservation=reservation, budget_period=period, nanos=nanos, tokens=tokens)


def current_period(budget: Budget) -> BudgetPeriod:
    """The counters of a budget's present period, made when they are first needed."""
    starts_on = period_start(budget.period, timezone.now())
    found = BudgetPeriod.objects.filter(budget=budget, starts_on=starts_on).first()
    if found is not None:
        return found
    spent = {"spent_nanos": 0, "spent_tokens": 0}
    if budget.created_at.astimezone(dt.UTC).date() >= starts_on:
        spent = _spent_before(budget, starts_on)
    # ignore_conflicts: of two calls that are the first of a period, one makes the row and both use it.
    BudgetPeriod.objects.bulk_create([BudgetPeriod(budget=budget, starts_on=starts_on, **spent)], ignore_conflicts=True)
    return BudgetPeriod.objects.get(budget=budget, starts_on=starts_on)


def _spent_before(budget: Budget, starts_on: dt.date) -> dict[str, int]:
    """What was used in this period before the budget existed: a limit set in mid-month binds the whole month."""
    begin = dt.datetime.combine(starts_on, dt.time(), tzinfo=dt.UTC)
    rows = UsageRow.objects.filter(**{f"{budget.scope}_id": budget.scope_id}, created_at__gte=begin)
    if budget.workspace_id is not None:
        rows = rows.filter(workspace_id=budget.workspace_id)
    tokens = rows.aggregate(n=Sum(F("input_tokens") + F("output_tokens")))["n"] or 0
    cost = rows.filter(currency=budget.currency).aggregate(n=Sum("cost"))["n"] or Decimal(0)
    return {"spent_nanos": to_nanos(cost), "spent_tokens": tokens}


def to_nanos(amount: Decimal) -> int:
    """An amount of money in whole billionths."""
    return int((amount * NANOS).to_integral_value(ROUND_HALF_UP))


def _nanos(cost: Decimal | None, currency: str, budget: Budget) -> int:
    return to_nanos(cost) if cost is not None and currency == budget.currency else 0


def _exceeded(budget: Budget) -> BudgetExceeded:
    whom = {"workspace": "this workspace", "user": "this person", "token": "this token"}[budget.scope]
    (state,) = states_of([budget])
    left = [
        *([f"{state.remaining_cost:.4f} {budget.currency}"] if state.remaining_cost is not None else []),
        *([f"{state.remaining_tokens:,} tokens"] if state.remaining_tokens is not None else []),
    ]
    return BudgetExceeded(
        f"The {'daily' if budget.period == 'day' else 'monthly'} budget of {whom} does not allow this call: "
        f"{' and '.join(left)} left.",
        field="budget",
        remedy=f"It begins anew on {state.resets_on:%d %B %Y} at 00:00 UTC. "
        + ("An operator" if budget.by_operator else "An editor of the workspace")
        + " can raise it.",
    )


def _warn(period_id: uuid.UUID) -> None:
    """Tell people once a period that a budget is nearly used up."""
    period = BudgetPeriod.objects.select_related("budget").get(pk=period_id)
    budget = period.budget
    used = [0.0]
    if budget.limit_cost:
        used.append(period.spent_nanos / to_nanos(budget.limit_cost))
    if budget.limit_tokens:
        used.append(period.spent_tokens / budget.limit_tokens)
    if max(used) * 100 < budget.warn_at:
        return
    if not BudgetPeriod.objects.filter(pk=period_id, warned_at=None).update(warned_at=timezone.now()):
        return
    log.warning("budget %s has reached %.0f %%", budget, max(used) * 100)
    for person in _people_of(budget):
        notify(
            person,
            "budget.warning",
            f"A budget has reached {max(used):.0%}.",
            f"The {budget.get_scope_display().lower()} budget for this {budget.period} is nearly used up. "
            + ("Further calls will be refused beyond it." if budget.hard else "It warns only; nothing is refused."),
        )


def _people_of(budget: Budget) -> list[User]:
    people = User.objects.filter(status=User.Status.ACTIVE)
    if budget.scope == Budget.Scope.USER:
        return list(people.filter(pk=budget.scope_id))
    if budget.scope == Budget.Scope.TOKEN:
        return list(people.filter(pk__in=ApiToken.objects.filter(pk=budget.scope_id).values("user_id")))
    editors = Membership.objects.live().filter(workspace_id=budget.scope_id, role=Membership.Role.EDITOR)
    return list(people.filter(pk__in=editors.values("user_id")))
