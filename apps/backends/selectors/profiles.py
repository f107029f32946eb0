"""Reading profiles."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import NotFound
from aiwriter_sdk import ModelInfo
from apps.backends.models import BackendProfile, ModelCall, PriceOverride
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A profile outside the database, as calls need it: no row that could be saved, no secret, only references."""

    id: uuid.UUID
    name: str
    kind: str
    plugin_key: str
    revision: int
    schema_version: int
    options: Mapping[str, Any] = field(repr=False)
    secret_refs: Mapping[str, str] = field(repr=False)
    managed: str = ""
    region: str = ""
    models: tuple[ModelInfo, ...] = ()
    failures: int = 0
    cooldown_until: dt.datetime | None = None
    cooldown_kind: str = ""
    cooldown_reason: str = ""

    def model(self, model_id: str) -> ModelInfo | None:
        """What is known of one of its models."""
        return next((info for info in self.models if info.id == model_id), None)

    @property
    def cooling(self) -> bool:
        """Whether calls are held back for now."""
        return self.cooldown_until is not None and self.cooldown_until > timezone.now()


def profile_view(profile: BackendProfile) -> ProfileView:
    """The view of a row."""
    return ProfileView(
        id=profile.pk,
        name=profile.name,
        kind=profile.kind,
        plugin_key=profile.plugin_key,
        revision=profile.revision,
        schema_version=profile.schema_version,
        options=dict(profile.options),
        secret_refs=dict(profile.secret_refs),
        managed=profile.managed,
        region=profile.region,
        models=profile.models,
        failures=profile.failures,
        cooldown_until=profile.cooldown_until,
        cooldown_kind=profile.cooldown_kind,
        cooldown_reason=profile.cooldown_reason,
    )


def visible_profiles(actor: Actor) -> QuerySet[BackendProfile]:
    """All profiles, for those who may see backends."""
    require(actor, "backends.read")
    return BackendProfile.objects.all()


def get_profile(actor: Actor, profile_id: uuid.UUID | str) -> BackendProfile:
    """One profile.

    Raises:
        NotFound: there is none.
    """
    require(actor, "backends.read")
    try:
        return BackendProfile.objects.get(pk=profile_id)
    except (BackendProfile.DoesNotExist, ValidationError, ValueError):
        raise NotFound("There is no such backend profile.") from None


def price_overrides(profile_ids: list[uuid.UUID]) -> dict[tuple[uuid.UUID, str], PriceOverride]:
    """Prices that operators entered, by profile and model."""
    rows = PriceOverride.objects.filter(profile__in=profile_ids)
    return {(row.profile_id, row.model): row for row in rows}


def model_calls(actor: Actor) -> QuerySet[ModelCall]:
    """The record of attempts, for operators and auditors."""
    require(actor, "backends.read")
    return ModelCall.objects.all()
