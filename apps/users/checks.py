"""System checks of the users app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


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
