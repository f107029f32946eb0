"""Tries settings out: is the form right, does the other side answer, which models are there?"""

from __future__ import annotations

import datetime as dt
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, Health, ModelInfo
from aiwriter_sdk import Unavailable as BackendUnavailable
from apps.backends.models import BackendProfile
from apps.backends.services import instances

HEALTH_SECONDS, MODELS_SECONDS = 15.0, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Settings to try; see `instances.Settings`."""

    id: uuid.UUID
    kind: str
    plugin_key: str
    name: str
    options: Mapping[str, Any] = field(repr=False)
    secret_refs: Mapping[str, str] = field(repr=False)
    schema_version: int
    revision: int
    managed: str = ""

    @classmethod
    def of(cls, profile: BackendProfile) -> Draft:
        """The settings of a profile, saved or not."""
        return cls(
            id=profile.pk,
            kind=profile.kind,
            plugin_key=profile.plugin_key,
            name=profile.name,
            options=profile.options,
            secret_refs=profile.secret_refs,
            schema_version=profile.schema_version,
            revision=profile.revision,
            managed=profile.managed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a test found.

    Args:
        ok: whether the settings may be used.
        message: one sentence.
        remedy: what to do when they may not.
        models: what a model backend offers.
    """

    ok: bool
    message: str
    remedy: str = ""
    latency_ms: int = 0
    at: dt.datetime
    models: tuple[ModelInfo, ...] = ()


def probe(draft: instances.Settings) -> Probe:
    """Try settings with a backend of their own. Blocks, at most some 35 seconds; never raises for what it finds."""
    begun = time.monotonic()
    models: tuple[ModelInfo, ...] = ()
    try:
        backend = instances.fresh(draft)
        health, models = instances.run_alone(lambda: _ask(backend, draft.kind))
        if draft.kind == "storage" and health.status != "fail":
            round_trip(backend)
    except BackendError as error:
        return Probe(ok=False, message=error.message, remedy=error.remedy, latency_ms=_since(begun), at=timezone.now())
    ok = health.status != "fail"
    message = health.detail or ("It answers." if ok else "It reports a fault.")
    return Probe(ok=ok, message=message, latency_ms=_since(begun), at=timezone.now(), models=models)


async def _ask(backend: calls.BuiltBackend, kind: str) -> tuple[Health, tuple[ModelInfo, ...]]:
    try:
        health: Health = await calls.call(backend, "health", timeout=HEALTH_SECONDS)
        if kind != "model" or health.status == "fail":
            return health, ()
        return health, tuple(await calls.call(backend, "models", timeout=MODELS_SECONDS))
    finally:
        await calls.call(backend, "close", timeout=2.0)


def round_trip(backend: calls.BuiltBackend) -> None:
    """Write, read and delete a few bytes.

    Raises:
        BackendError: one of the three failed, or something else came back.
    """
    sent = secrets.token_bytes(1024)
    storage = calls.storage(backend)
    with calls.guarded(backend):
        name = storage.save(f"health/{secrets.token_hex(8)}", ContentFile(sent))
        try:
            with storage.open(name, "rb") as file:
                came = file.read()
        finally:
            storage.delete(name)
    if came != sent:
        raise BackendUnavailable("The storage gave back something else than was written.", remedy="Check its disk.")


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
