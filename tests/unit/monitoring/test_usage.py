"""Budgets are exact when many ask at once, and every call is settled once."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from decimal import Decimal

import pytest
from django.db import connections
from django.utils import timezone

from aiwriter.core.errors import BudgetExceeded, Conflict, InvalidInput, NotFound, PermissionDenied
from apps.monitoring.models import Budget, BudgetPeriod, Reservation, UsageRow, next_start, period_start
from apps.monitoring.selectors.usage import usage_by, visible_budgets, visible_usage
from apps.monitoring.services import budgets, usage
from apps.monitoring.services.usage import Estimate, Used
from apps.users.models import Notification
from tests.factories.monitoring import used, workspace_budget
from tests.people import People

pytestmark = pytest.mark.django_db


def reserve(people: People, **estimate: object) -> uuid.UUID:
    return usage.reserve(
        subject=f"call:{uuid.uuid4()}",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=Estimate(**estimate),  # type: ignore[arg-type]
    )


def spent(cost: str | None = "0.10", tokens: int = 10) -> Used:
    return Used(
        purpose="write",
        model="m",
        profile="p",
        input_tokens=tokens,
        cost=None if cost is None else Decimal(cost),
        currency="USD",
    )


class TestReserving:
    def test_an_estimate_beyond_the_limit_is_refused_and_leaves_nothing(self, people: People) -> None:
        workspace_budget(people.press, limit_cost=Decimal(1))
        with pytest.raises(BudgetExceeded) as caught:
            reserve(people, cost=Decimal("1.01"), currency="USD")
        assert "begins anew" in caught.value.remedy
        assert not Reservation.objects.exists()

    def test_of_two_budgets_both_or_none_are_charged(self, people: People) -> None:
        wide = workspace_budget(people.press, limit_cost=Decimal(100))
        budgets.create_budget(
            actor=people.actor("otto"), scope="user", scope_id=people.wanda.pk, period="day", limit_tokens=50
        )
        with pytest.raises(BudgetExceeded, match="daily budget of this person"):
            reserve(people, tokens=51, cost=Decimal(1), currency="USD")
        assert not BudgetPeriod.objects.filter(budget=wide).exclude(reserved_nanos=0).exists()

    def test_a_soft_budget_refuses_nothing_and_counts(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_tokens=1, hard=False)
        hold = reserve(people, tokens=500)
        usage.settle(hold, used=spent(tokens=400))
        assert budget.periods.get().spent_tokens == 400

    def test_an_unknown_price_is_let_through_unless_the_budget_says_no(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_cost=Decimal(1))
        assert usage.settle(reserve(people, tokens=10), used=spent(None))
        Budget.objects.filter(pk=budget.pk).update(refuse_unpriced=True)
        with pytest.raises(BudgetExceeded, match="price"):
            reserve(people, tokens=10)

    def test_another_currency_does_not_count_as_ours(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_cost=Decimal(1))
        reserve(people, cost=Decimal(50), currency="EUR")
        assert budget.periods.get().reserved_nanos == 0

    def test_a_used_up_budget_stays_used_up_for_unpriced_calls(self, people: People) -> None:
        workspace_budget(people.press, limit_cost=Decimal("0.10"))
        usage.settle(reserve(people, cost=Decimal("0.10"), currency="USD"), used=spent("0.10"))
        with pytest.raises(BudgetExceeded):
            reserve(people, tokens=5)
        with pytest.raises(BudgetExceeded):
            usage.ensure_room(workspace_id=people.press.pk, user_id=people.wanda.pk, token_id=None)

    def test_what_was_used_before_the_budget_counts_in_its_first_period(self, people: People) -> None:
        used(people.press, people.wanda, cost="0.80")
        workspace_budget(people.press, limit_cost=Decimal(1))
        with pytest.raises(BudgetExceeded):
            reserve(people, cost=Decimal("0.30"), currency="USD")

    def test_other_workspaces_are_not_bound(self, people: People) -> None:
        workspace_budget(people.rival, limit_tokens=1)
        assert reserve(people, tokens=1000)


class TestSettling:
    def test_what_was_used_takes_the_place_of_what_was_set_aside(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_cost=Decimal(1))
        hold = reserve(people, tokens=1000, cost=Decimal("0.90"), currency="USD")
        assert usage.settle(hold, used=spent("0.123456789", tokens=7))
        period = budget.periods.get()
        assert (period.reserved_nanos, period.reserved_tokens) == (0, 0)
        assert (period.spent_nanos, period.spent_tokens) == (123456789, 7)
        assert UsageRow.objects.get().cost == Decimal("0.123456789")

    def test_once_only(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_cost=Decimal(1))
        hold = reserve(people, cost=Decimal("0.10"), currency="USD")
        assert usage.settle(hold, used=spent())
        assert not usage.settle(hold, used=spent())
        assert not usage.settle(hold, used=None)
        assert UsageRow.objects.count() == 1
        assert budget.periods.get().spent_nanos == 100_000_000

    def test_nothing_used_gives_everything_back_and_writes_no_row(self, people: People) -> None:
        budget = workspace_budget(people.press, limit_cost=Decimal(1))
        assert usage.settle(reserve(people, cost=Decimal(1), currency="USD"), used=None)
        assert not UsageRow.objects.exists()
        period = budget.periods.get()
        assert (period.spent_nanos, period.reserved_nanos) == (0, 0)

    def test_people_are_warned_once(self, people: People) -> None:
        people.eddie  # noqa: B018  the editor is told
        workspace_budget(people.press, limit_cost=Decimal(1), warn_at=80)
        for _ in range(9):
            usage.settle(reserve(people, cost=Decimal("0.10"), currency="USD"), used=spent("0.10"))
        (note,) = Notification.objects.all()
        assert note.user == people.eddie
        assert "80%" in note.title


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_at_once_exactly_as_many_pass_as_there_is_room_for(people: People) -> None:
    budget = workspace_budget(people.press, limit_cost=Decimal("1.00"))
    workspace_id, user_id = people.press.pk, people.wanda.pk
    passed: list[uuid.UUID] = []
    refused: list[BudgetExceeded] = []
    start = threading.Barrier(16)

    def work() -> None:
        try:
            start.wait()
            for _ in range(5):
                try:
                    hold = usage.reserve(
                        subject=f"call:{uuid.uuid4()}",
                        workspace_id=workspace_id,
                        user_id=user_id,
                        token_id=None,
                        estimate=Estimate(tokens=1, cost=Decimal("0.03"), currency="USD"),
                    )
                except BudgetExceeded as error:
                    refused.append(error)
                else:
                    passed.append(hold)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), len(refused)) == (33, 47)
    assert budget.periods.get().reserved_nanos == 33 * 30_000_000


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_settle_one_call_one_does(people: People) -> None:
    workspace_budget(people.press, limit_cost=Decimal(1))
    hold = reserve(people, cost=Decimal("0.10"), currency="USD")
    done: list[bool] = []

    def work() -> None:
        try:
            done.append(usage.settle(hold, used=spent()))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]
    assert UsageRow.objects.count() == 1


class TestBudgets:
    def test_periods_begin_in_utc(self) -> None:
        late = dt.datetime(2026, 1, 31, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
        assert period_start("month", late) == dt.date(2026, 2, 1)
        assert next_start("month", late) == dt.date(2026, 3, 1)
        assert next_start("day", late) == dt.date(2026, 2, 2)

    def test_a_limit_is_needed(self, people: People) -> None:
        with pytest.raises(InvalidInput, match="Give a limit"):
            workspace_budget(people.press, warn_at=50)

    def test_one_of_a_kind(self, people: People) -> None:
        workspace_budget(people.press)
        with pytest.raises(Conflict):
            workspace_budget(people.press)

    def test_of_something_that_exists(self, people: People) -> None:
        with pytest.raises(NotFound):
            budgets.create_budget(
                actor=people.actor("otto"), scope="user", scope_id=uuid.uuid4(), period="day", limit_tokens=1
            )

    def test_writers_set_none(self, people: People) -> None:
        with pytest.raises(PermissionDenied):
            budgets.create_budget(
                actor=people.actor("wanda"), scope="user", scope_id=people.wanda.pk, period="day", limit_tokens=1
            )


class TestReading:
    def test_who_sees_which_rows(self, people: People) -> None:
        mine = used(people.press, people.wanda)
        colleague = used(people.press, people.eddie)
        elsewhere = used(people.rival, people.eve)

        def seen(name: str) -> set[str]:
            return set(visible_usage(people.actor(name)).values_list("subject", flat=True))

        assert seen("wanda") == {mine}
        assert seen("eddie") == {mine, colleague}
        assert seen("eve") == {elsewhere}
        assert seen("otto") == seen("ada") == {mine, colleague, elsewhere}

    def test_budgets_of_others_are_not_seen(self, people: People) -> None:
        workspace_budget(people.press)
        assert visible_budgets(people.actor("wanda")).count() == 1
        assert not visible_budgets(people.actor("eve")).exists()

    def test_sums_keep_unknown_prices_apart(self, people: People) -> None:
        used(people.press, people.wanda, cost="0.25")
        used(people.press, people.wanda, cost="0.50")
        used(people.press, people.wanda, cost=None)
        (total,) = usage_by(people.actor("wanda"), "model")
        assert (total.calls, total.costs, total.unpriced) == (3, {"USD": Decimal("0.75")}, 1)
        days = usage_by(people.actor("wanda"), "day")
        assert {day.key for day in days} == {timezone.now().date().isoformat()}
        with pytest.raises(InvalidInput):
            usage_by(people.actor("wanda"), "planet")
