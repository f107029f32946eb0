"""Asks before a job is made whether its first call could be paid at all."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import Q

from apps.monitoring.models import Budget
from apps.monitoring.services.usage import Estimate, reserve

_LEAST = Estimate(tokens=1)


def check_budget(*, workspace_id: uuid.UUID, user_id: uuid.UUID | None, token_id: uuid.UUID | None) -> None:
    """Refuse at once what would fail in a worker a second later.

    Raises:
        BudgetExceeded: a hard budget has nothing left.
    """
    scopes = {"workspace": workspace_id, "user": user_id, "token": token_id}
    binding = Q()
    for scope, key in scopes.items():
        binding |= Q(scope=scope, scope_id=key) if key else Q()
    if not Budget.objects.filter(binding, enabled=True, hard=True).exists():
        return
    with transaction.atomic():
        reserve(
            subject=f"preflight:{uuid.uuid4()}",
            workspace_id=workspace_id,
            user_id=user_id,
            token_id=token_id,
            estimate=_LEAST,
        )
        # It was only a question; the call itself sets its own, better estimate aside.
        transaction.set_rollback(True)
