"""Budgets and usage for tests."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from apps.monitoring.models import Budget
from apps.monitoring.services.budgets import create_budget
from apps.monitoring.services.usage import Used, record_usage
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor

SETUP = Actor.system_actor("tests")


def workspace_budget(workspace: Workspace, *, period: str = "month", **limits: Any) -> Budget:
    """A budget of a workspace; without a limit, of one dollar."""
    limits = limits or {"limit_cost": Decimal(1)}
    return create_budget(actor=SETUP, scope="workspace", scope_id=workspace.pk, period=period, **limits)


def used(workspace: Workspace, user: User, *, cost: str | None = "0.01", **values: Any) -> str:
    """A call that was made. Returns its subject."""
    subject = f"call:{uuid.uuid4()}"
    record_usage(
        subject=subject,
        workspace_id=workspace.pk,
        user_id=user.pk,
        token_id=None,
        used=Used(
            purpose=values.pop("purpose", "write"),
            model=values.pop("model", "fake-large"),
            profile=values.pop("profile", "Fake"),
            input_tokens=values.pop("input_tokens", 100),
            output_tokens=values.pop("output_tokens", 50),
            cost=None if cost is None else Decimal(cost),
            currency="USD",
            **values,
        ),
    )
    return subject
