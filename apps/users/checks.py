"""System checks of the users app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from apps.users.models import AuditSink


@register(Tags.security)
def cache_is_shared(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """users.E001: sign-in limits and the guard against replayed codes count in the cache."""
    backend = settings.CACHES["default"]["BACKEND"]
    if backend.rsplit(".", 1)[-1] in ("LocMemCache", "DummyCache", "FileBasedCache"):
        return [
            Error(
                f"The default cache is {backend}, which processes do not share.",
                hint="Use the database or Redis cache: with this one, each process allows its own sign-in attempts.",
                id="users.E001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def record_leaves_the_machine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W009: only a checkpoint outside tells that the end of the audit record was cut off."""
    try:
        if AuditSink.objects.filter(enabled=True).exists():
            return []
    except DatabaseError:
        # A machine that only builds has no database; the health check says it where there is one.
        return []
    return [
        Warning(
            "No place outside gets checkpoints of the audit record.",
            hint="Set one up in the console under Record, on another disk or machine.",
            id="aiw.W009",
        )
    ]
