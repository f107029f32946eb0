"""Who may set whose limits: operators all, editors those of their workspace, and nobody loosens their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aiwriter.core.errors import BudgetExceeded, Conflict, InvalidInput, NotFound, PermissionDenied
from apps.monitoring.models import Budget
from apps.monitoring.services import usage
from apps.monitoring.services.budgets import create_budget, delete_budget, update_budget
from apps.monitoring.services.usage import Estimate
from apps.users.models import AuditEvent
from tests.factories.monitoring import used, workspace_budget
from tests.factories.users import make_token
from tests.people import People

pytestmark = pytest.mark.django_db


def set_by(people: People, name: str, scope: str, scope_id: Any, **more: Any) -> Budget:
    values: dict[str, Any] = {"period": "month", "limit_tokens": 100, "workspace_id": people.press.pk, **more}
    return create_budget(actor=people.actor(name), scope=scope, scope_id=scope_id, **values)


def test_an_editor_limits_the_workspace_its_members_and_its_keys(people: People) -> None:
    bound, _text = make_token(people.wanda, "content.read", workspace=people.press)
    made = [
        set_by(people, "eddie", "workspace", people.press.pk),
        set_by(people, "eddie", "user", people.wanda.pk),
        set_by(people, "eddie", "token", bound.pk),
    ]
    assert [budget.by_operator for budget in made] == [False] * 3
    assert made[1].workspace_id == people.press.pk
    assert AuditEvent.objects.filter(action="budget.created").count() == 3


@pytest.mark.parametrize("scope", ["workspace", "user", "token"])
def test_an_editor_limits_nothing_beyond(people: People, scope: str) -> None:
    token, _text = make_token(people.eve, "content.read")
    target = {"workspace": people.rival, "user": people.eve, "token": token}[scope]
    with pytest.raises(NotFound):
        set_by(people, "eddie", scope, target.pk)
    assert not Budget.objects.exists()


def test_an_editor_names_the_workspace_for_a_person(people: People) -> None:
    with pytest.raises(InvalidInput, match="which workspace"):
        set_by(people, "eddie", "user", people.wanda.pk, workspace_id=None)


def test_what_an_operator_set_stands_beside_it_and_stays(people: People) -> None:
    strict = workspace_budget(people.press, limit_tokens=50)
    own = set_by(people, "eddie", "workspace", people.press.pk, limit_tokens=1_000)
    with pytest.raises(PermissionDenied, match="operator"):
        update_budget(actor=people.actor("eddie"), budget_id=strict.pk, limit_tokens=10_000)
    with pytest.raises(PermissionDenied):
        delete_budget(actor=people.actor("eddie"), budget_id=strict.pk)
    with pytest.raises(Conflict):
        set_by(people, "eddie", "workspace", people.press.pk)
    with pytest.raises(BudgetExceeded, match="50 tokens left"):
        reserve(people, 51)
    update_budget(actor=people.actor("eddie"), budget_id=own.pk, limit_tokens=10)
    with pytest.raises(BudgetExceeded, match="10 tokens left"):
        reserve(people, 11)


@pytest.mark.parametrize(
    "loosened", [{"limit_tokens": 101}, {"limit_tokens": None, "limit_cost": 1}, {"hard": False}, {"enabled": False}]
)
def test_nobody_loosens_their_own_limit(people: People, loosened: dict[str, Any]) -> None:
    own = set_by(people, "eddie", "user", people.eddie.pk)
    with pytest.raises(PermissionDenied, match="their own limit"):
        update_budget(actor=people.actor("eddie"), budget_id=own.pk, **loosened)
    with pytest.raises(PermissionDenied, match="their own limit"):
        delete_budget(actor=people.actor("eddie"), budget_id=own.pk)
    assert Budget.objects.get(pk=own.pk).limit_tokens == 100
    update_budget(actor=people.actor("eddie"), budget_id=own.pk, limit_tokens=60)
    update_budget(actor=people.actor("otto"), budget_id=own.pk, **loosened)


def test_a_limit_in_one_workspace_does_not_count_another(people: People) -> None:
    set_by(people, "eddie", "user", people.wanda.pk, limit_tokens=160)
    used(people.rival, people.wanda)
    used(people.press, people.wanda)
    with pytest.raises(BudgetExceeded, match="10 tokens left"):
        reserve(people, 11)
    assert usage.reserve(
        subject="call:elsewhere",
        workspace_id=people.rival.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=Estimate(tokens=5_000),
    )


def test_the_refusal_says_what_is_left_and_when_it_begins_anew(people: People) -> None:
    workspace_budget(people.press, limit_cost=Decimal("0.50"), period="day")
    with pytest.raises(BudgetExceeded) as caught:
        reserve(people, 1, cost=Decimal("0.75"), currency="USD")
    assert "0.5000 USD left" in caught.value.message
    assert "00:00 UTC" in caught.value.remedy


def test_a_writer_sees_what_binds_them_and_sets_nothing(people: People) -> None:
    with pytest.raises(PermissionDenied):
        set_by(people, "wanda", "user", people.wanda.pk)


def reserve(people: People, tokens: int, **more: Any) -> object:
    return usage.reserve(
        subject=f"call:{tokens}",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=Estimate(tokens=tokens, **more),
    )
