"""Reading what was used."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, F, Max, Q, QuerySet, Sum, When
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from apps.monitoring.models import NANOS, Budget, BudgetPeriod, UsageHour, UsageRow, next_start, period_start
from apps.users.models import ApiToken, Membership
from apps.users.selectors import consents
from apps.users.selectors.access import Actor, can, require, workspaces_of

_EXACT = Decimal("0.000000001")
HOUR = dt.timedelta(hours=1)
GROUPS = ("day", "model", "profile", "purpose", "token", "user", "workspace")
_COLUMNS = {
    "model": "model",
    "profile": "profile",
    "purpose": "purpose",
    "workspace": "workspace_id",
}


def visible_usage(actor: Actor) -> QuerySet[UsageRow]:
    """Rows that the actor may see: an operator or auditor all, an editor the workspace's, everybody else their own.

    Raises:
        PermissionDenied: the actor may see none at all.
    """
    return UsageRow.objects.filter(_visible(actor))


def named_usage(actor: Actor) -> QuerySet[UsageRow]:
    """The same, each with `shown_user` and `shown_token`: what others may be told of whose it is."""
    return visible_usage(actor).annotate(shown_user=shown_user(actor), shown_token=shown_user(actor, "token_id"))


def _visible(actor: Actor) -> Q:
    """Which rows these are, of calls and of hours."""
    if sees_all(actor):
        return Q()
    require(actor, "usage.read")
    if actor.user is None:
        return Q()  # a part of the portal itself; nobody else passes without a person
    edited = Membership.objects.live().filter(user=actor.user, role=Membership.Role.EDITOR)
    own_rooms = workspaces_of(actor).values("pk")
    of_rooms = Q(workspace_id__in=edited.values("workspace_id"))
    return (of_rooms | Q(user_id=actor.user_id)) & Q(workspace_id__in=own_rooms)


def added_up_until() -> dt.datetime | None:
    """Up to when the calls are added up by hours; None before the first time."""
    last: dt.datetime | None = UsageHour.objects.aggregate(last=Max("hour"))["last"]
    return last + HOUR if last else None


def _in_hours(since: dt.datetime, until: dt.datetime | None) -> tuple[Q, Q]:
    """Of a time the full hours that are added up, and the calls of the rest."""
    begin = -(-since.timestamp() // 3600) * 3600
    end = min(added_up_until() or since, until or timezone.now()).timestamp() // 3600 * 3600
    calls = Q(created_at__gte=since) & (Q() if until is None else Q(created_at__lt=until))
    if end <= begin:
        return Q(pk=None), calls
    first, last = (dt.datetime.fromtimestamp(each, dt.UTC) for each in (begin, end))
    return Q(hour__gte=first, hour__lt=last), calls & (Q(created_at__lt=first) | Q(created_at__gte=last))


def shown_user(actor: Actor, column: str = "user_id") -> Case:
    """Whose a row is, or with which of their tokens it was asked for, for others: nobody's where its person has not agreed to be named. One's own are always one's own.

    With nothing asked of people, everybody is named.
    """
    agreed = consents.agreed(consents.USAGE_ANALYSIS)
    named = Q() if agreed is None else Q(user_id=actor.user_id) | Q(user_id__in=agreed)
    return Case(When(named, then=F(column)), default=None) if named else Case(default=F(column))


def sees_all(actor: Actor) -> bool:
    """Whether the actor sees the usage of the whole installation."""
    if actor.token and actor.token.workspace_id:
        return False
    return can(actor, "monitoring.read")


@dataclass(slots=True, kw_only=True)
class UsageSum:
    """What a group used.

    Args:
        key: the day, model, … as text.
        costs: by currency, of the calls whose price is known; empty when there are none of these.
        unpriced: calls whose price is not known.
    """

    key: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0


def usage_by(
    actor: Actor, group: str, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> list[UsageSum]:
    """Sums by group, largest first (days: newest first).

    Args:
        actor: see `visible_usage`.
        group: one of `GROUPS`.
        since: from here on; 30 days ago when left out.
        until: up to, not including.

    Raises:
        InvalidInput: there is no such group.
    """
    if group not in GROUPS:
        raise InvalidInput(f"'{group}' is no group.", field="group", remedy=f"Use one of {', '.join(GROUPS)}.")
    in_hours, calls = _in_hours(since or timezone.now() - dt.timedelta(days=30), until)
    of_hours = {"number": Sum("calls"), "without_price": Sum("unpriced")}
    of_calls = {"number": Count("id"), "without_price": Count("id", filter=Q(cost=None))}
    found: dict[str, UsageSum] = {}
    for row in (
        *_sums(UsageHour.objects.filter(in_hours), actor, group, "hour", of_hours),
        *_sums(UsageRow.objects.filter(calls), actor, group, "created_at", of_calls),
    ):
        total = found.setdefault(str(row["key"] or ""), UsageSum(key=str(row["key"] or "")))
        total.calls += row["number"]
        total.input_tokens += row["tokens_in"]
        total.output_tokens += row["tokens_out"]
        total.unpriced += row["without_price"]
        if row["money"] is not None and row["currency"]:
            # SQLite adds up as floating point; to the billionth the sum is exact again.
            before = total.costs.get(row["currency"], Decimal(0))
            total.costs[row["currency"]] = before + row["money"].quantize(_EXACT)
    if group == "day":
        return sorted(found.values(), key=lambda s: s.key, reverse=True)
    return sorted(found.values(), key=lambda s: (-sum(s.costs.values()), -(s.input_tokens + s.output_tokens), s.key))


def _sums(rows: QuerySet[Any], actor: Actor, group: str, time: str, counts: dict[str, Any]) -> QuerySet[Any]:
    key: Any
    if group == "day":
        key = TruncDate(time, tzinfo=dt.UTC)
    elif group in ("token", "user"):
        key = shown_user(actor, f"{group}_id")
    else:
        key = F(_COLUMNS[group])
    return (
        rows.filter(_visible(actor))
        .annotate(key=key)
        .order_by()
        .values("key", "currency")
        .annotate(tokens_in=Sum("input_tokens"), tokens_out=Sum("output_tokens"), money=Sum("cost"), **counts)
    )


def calls_by_hour(since: dt.datetime) -> dict[dt.datetime, int]:
    """How many calls each hour had, of the whole portal. The caller has checked that they may be seen."""
    in_hours, calls = _in_hours(since, None)
    found: Counter[dt.datetime] = Counter()
    full = UsageHour.objects.filter(in_hours).order_by().values_list("hour").annotate(Sum("calls"))
    rest = UsageRow.objects.filter(calls).order_by().annotate(hour=TruncHour("created_at", tzinfo=dt.UTC))
    for hour, number in (*full, *rest.values_list("hour").annotate(Count("id"))):
        found[hour] += number
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget with what is used of it in the present period. Money in the budget's currency."""

    budget: Budget
    starts_on: dt.date
    spent_cost: Decimal
    reserved_cost: Decimal
    spent_tokens: int
    reserved_tokens: int

    @property
    def resets_on(self) -> dt.date:
        """The day (UTC) on which it begins anew."""
        return next_start(self.budget.period, dt.datetime.combine(self.starts_on, dt.time(), tzinfo=dt.UTC))

    @property
    def remaining_cost(self) -> Decimal | None:
        """What neither is spent nor set aside, never below zero; None when cost is not limited."""
        if self.budget.limit_cost is None:
            return None
        return max(self.budget.limit_cost - self.spent_cost - self.reserved_cost, Decimal(0))

    @property
    def remaining_tokens(self) -> int | None:
        """The same of tokens."""
        if self.budget.limit_tokens is None:
            return None
        return max(self.budget.limit_tokens - self.spent_tokens - self.reserved_tokens, 0)

    @property
    def percent(self) -> int:
        """The share in percent, for people."""
        return round(self.share * 100)

    @property
    def share(self) -> float:
        """The larger of the used shares of cost and tokens; 1.0 is all of it."""
        shares = [0.0]
        if self.budget.limit_cost:
            shares.append(float(self.spent_cost / self.budget.limit_cost))
        if self.budget.limit_tokens:
            shares.append(self.spent_tokens / self.budget.limit_tokens)
        return max(shares)


def visible_budgets(actor: Actor) -> QuerySet[Budget]:
    """Budgets that the actor may see: all, or those of their workspaces and their own.

    Raises:
        PermissionDenied: the actor may see no usage at all.
    """
    if sees_all(actor) or can(actor, "backends.manage"):
        return Budget.objects.all()
    require(actor, "usage.read")
    if actor.user is None:
        return Budget.objects.all()  # a part of the portal itself
    rooms = workspaces_of(actor).values("pk")
    edited = Membership.objects.live().filter(user=actor.user, role=Membership.Role.EDITOR, workspace_id__in=rooms)
    return Budget.objects.filter(
        Q(scope=Budget.Scope.WORKSPACE, scope_id__in=rooms)
        | Q(scope=Budget.Scope.USER, scope_id=actor.user_id)
        | Q(scope=Budget.Scope.TOKEN, scope_id__in=ApiToken.objects.filter(user=actor.user).values("pk"))
        | Q(workspace_id__in=edited.values("workspace_id"))
    )


def binding_budgets(
    workspace_id: uuid.UUID | None, user_id: uuid.UUID | None, token_id: uuid.UUID | None
) -> QuerySet[Budget]:
    """The budgets that a call would be booked in: of the workspace, the person and the token."""
    # Ids are drawn by chance from 2^74 and more: none is a workspace's and a person's, so the scope need not be asked.
    ids = [each for each in (workspace_id, user_id, token_id) if each is not None]
    return Budget.objects.filter(Q(workspace_id=None) | Q(workspace_id=workspace_id), scope_id__in=ids, enabled=True)


def states_of(budgets: list[Budget]) -> list[BudgetState]:
    """Budgets with what is used of them now."""
    now = timezone.now()
    return budget_states(budgets, {budget.pk: period_start(budget.period, now) for budget in budgets})


def budget_states(budgets: list[Budget], starts: dict[uuid.UUID, dt.date]) -> list[BudgetState]:
    """Budgets with their counters, in one query.

    Args:
        budgets: which.
        starts: first day of the present period by budget id.
    """
    if not budgets:
        return []
    periods = {
        (p.budget_id, p.starts_on): p
        for p in BudgetPeriod.objects.filter(budget__in=budgets, starts_on__in=set(starts.values()))
    }
    states = []
    for budget in budgets:
        period = periods.get((budget.pk, starts[budget.pk])) or BudgetPeriod()
        states.append(
            BudgetState(
                budget=budget,
                starts_on=starts[budget.pk],
                spent_cost=Decimal(period.spent_nanos) / NANOS,
                reserved_cost=Decimal(period.reserved_nanos) / NANOS,
                spent_tokens=period.spent_tokens,
                reserved_tokens=period.reserved_tokens,
            )
        )
    return states
