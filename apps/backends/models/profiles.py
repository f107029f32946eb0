"""Backends as an operator set them up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter_sdk import ModelInfo, Pricing


class ProfileQuerySet(models.QuerySet["BackendProfile"]):
    """The questions that services and pages ask."""

    def enabled(self) -> Self:
        """Profiles that may be called."""
        return self.filter(enabled=True)

    def of_kind(self, kind: str) -> Self:
        """Storage or model profiles."""
        return self.filter(kind=kind)


class BackendProfile(models.Model):
    """One configured use of a plugin.

    `options` never holds a secret: a secret is a reference (`env:…`, `file:…`) in `secret_refs`, and for those that an
    operator typed the last characters stand in `secret_hints`, which also marks the file as the portal's own to remove.

    `revision` grows with every change of the settings; a test counts only for the revision that it tried, and only a
    profile whose present revision passed may be enabled.
    """

    class Kind(models.TextChoices):
        """What the backend is for."""

        STORAGE = "storage", "Files"
        MODEL = "model", "Models"
        PUBLISH = "publish", "Publishing"
        CHECK = "check", "Health checks"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MODEL)
    plugin_key = models.CharField("plugin", max_length=40)
    name = models.CharField(max_length=80, unique=True)
    options = models.JSONField(default=dict, blank=True)
    secret_refs = models.JSONField(default=dict, blank=True, editable=False)
    secret_hints = models.JSONField(default=dict, blank=True, editable=False)
    schema_version = models.PositiveIntegerField(default=1, editable=False)
    encrypt_files = models.BooleanField(
        default=False, help_text="Files are encrypted before they are given to this storage."
    )
    region = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="Where it processes and stores, such as eu, eu-de or us; local: on the operator's own machines. "
        "Empty: nobody has said.",
    )
    enabled = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    managed = models.CharField(
        max_length=40, blank=True, editable=False, help_text="The product's own name for a profile that it made."
    )
    offered_models = models.JSONField(default=list, editable=False, help_text="What models() gave at the last test.")
    last_test_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_test_revision = models.PositiveIntegerField(null=True, blank=True, editable=False)
    last_test_ok = models.BooleanField(default=False, editable=False)
    last_test_message = models.TextField(blank=True, editable=False)
    last_test_remedy = models.TextField(blank=True, editable=False)
    last_test_latency_ms = models.PositiveIntegerField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failed calls in a row.")
    cooldown_until = models.DateTimeField(null=True, blank=True, editable=False)
    cooldown_kind = models.CharField(max_length=32, blank=True, editable=False)
    cooldown_reason = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = "backend profile"
        constraints = [
            models.UniqueConstraint(fields=["managed"], condition=~Q(managed=""), name="profile_managed_once"),
            # The rule of "test before enable", kept by the database too: a bulk update cannot walk around it.
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(last_test_ok=True, last_test_revision=F("revision")),
                name="profile_enabled_was_tested",
                violation_error_message="A profile is enabled after its present settings passed the test.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that the backend offered at its last test."""
        return tuple(model_from_json(entry) for entry in self.offered_models)

    @property
    def tested(self) -> bool:
        """Whether the present settings passed a test."""
        return self.last_test_ok and self.last_test_revision == self.revision

    @property
    def cooling(self) -> bool:
        """Whether calls are held back for now."""
        return self.cooldown_until is not None and self.cooldown_until > timezone.now()


def models_to_json(models: Iterable[ModelInfo]) -> list[dict[str, Any]]:
    """Models as `offered_models` holds them; prices as text, so that no digit is lost."""
    rows = []
    for info in models:
        row: dict[str, Any] = {
            "id": info.id,
            "label": info.label,
            "capabilities": sorted(info.capabilities),
            "context_window": info.context_window,
            "max_output": info.max_output,
            "dimensions": info.dimensions,
        }
        if (price := info.pricing) is not None:
            row["pricing"] = {
                "input": str(price.input),
                "output": str(price.output),
                "cached_input": None if price.cached_input is None else str(price.cached_input),
                "currency": price.currency,
                "as_of": price.as_of.isoformat() if price.as_of else None,
            }
        rows.append(row)
    return rows


def model_from_json(row: dict[str, Any]) -> ModelInfo:
    """The opposite of `models_to_json`, for one model."""
    price = row.get("pricing")
    pricing = price and Pricing(
        input=Decimal(price["input"]),
        output=Decimal(price["output"]),
        cached_input=None if price["cached_input"] is None else Decimal(price["cached_input"]),
        currency=price["currency"],
        as_of=dt.date.fromisoformat(price["as_of"]) if price["as_of"] else None,
    )
    return ModelInfo(
        id=row["id"],
        label=row["label"],
        capabilities=frozenset(row["capabilities"]),
        context_window=row["context_window"],
        max_output=row["max_output"],
        dimensions=row["dimensions"],
        pricing=pricing or None,
    )


class PriceOverride(models.Model):
    """A price that an operator states, in place of the plugin's; per one million tokens."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile = models.ForeignKey(BackendProfile, on_delete=models.CASCADE, related_name="price_overrides")
    model = models.CharField(max_length=120, help_text="The model's id, or * for every model of the profile.")
    input_price = models.DecimalField(max_digits=14, decimal_places=6)
    output_price = models.DecimalField(max_digits=14, decimal_places=6)
    cached_input_price = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        ordering = ["profile", "model"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "model"], name="price_override_once"),
            models.CheckConstraint(
                condition=Q(input_price__gte=0, output_price__gte=0), name="price_override_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} of {self.profile_id}"
