"""Flags for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from aiwriter.core.flags import PROMPT
from apps.content.models import Generation
from apps.deployments.models import Flag
from apps.deployments.services.flags import create_flag
from apps.users.models import User
from tests.factories.deployments import SETUP


def prompt_flag(**values: Any) -> Flag:
    """The flag that chooses the rules of the prompt, whose outcome is measured."""
    given = {"title": PROMPT.title, "kind": "ops", "variants": dict(PROMPT.variants), **values}
    return create_flag(actor=SETUP, key=PROMPT.key, default_variant="standard", off_variant="standard", **given)


def texts(workspace: Any, variant: str, count: int, *, failed: int = 0, user: User | None = None, **more: Any) -> None:
    """Finished texts that were asked for just now, with what the flag had answered."""
    now = timezone.now()
    for number in range(count):
        Generation.objects.create(
            workspace=workspace,
            requested_by=user,
            kind="draft",
            state="failed" if number < failed else "succeeded",
            input={"brief": {}, "measured": {"flags": {PROMPT.key: variant}, "wish": f"{variant}-{number}"}},
            started_at=now,
            finished_at=now + dt.timedelta(milliseconds=1),
            **more,
        )
