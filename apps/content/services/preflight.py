"""Asks before a job is made whether its first call could be paid at all."""

from __future__ import annotations

import uuid

from apps.monitoring.services.usage import Estimate, reserve, settle

# A short prompt with a short answer. The call itself sets its own, better estimate aside.
_LEAST = Estimate(tokens=1)


def check_budget(*, workspace_id: uuid.UUID, user_id: uuid.UUID | None, token_id: uuid.UUID | None) -> None:
    """Refuse at once what would fail in a worker a second later.

    Raises:
        BudgetExceeded: a hard budget has nothing left.
    """
    hold = reserve(
        subject=f"preflight:{uuid.uuid4()}",
        workspace_id=workspace_id,
        user_id=user_id,
        token_id=token_id,
        estimate=_LEAST,
    )
    settle(hold, used=None)
