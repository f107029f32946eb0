"""Environments: where a version goes, what protects them, and the agent that acts there."""

from __future__ import annotations

import datetime as dt

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

SILENT = dt.timedelta(minutes=2)


class Strategy(models.TextChoices):
    """How one version takes the place of another."""

    BLUE_GREEN = "blue_green", "Blue/green"
    CANARY = "canary", "Canary"
    ROLLING = "rolling", "Rolling"
    RECREATE = "recreate", "Recreate"
    CONTRACT = "contract", "Contract the database"
    ROLLBACK = "rollback", "Back to a version before"


class Environment(models.Model):
    """A portal that versions are rolled out to. Its plans are signed with a key of its own."""

    class Kind(models.TextChoices):
        """What it is for."""

        DEVELOPMENT = "development", "Development"
        STAGING = "staging", "Staging"
        PRODUCTION = "production", "Production"

    class DataPolicy(models.TextChoices):
        """Whose data lies there."""

        SYNTHETIC = "synthetic", "Invented"
        SANITISED = "sanitised", "A copy without people"
        REAL = "real", "Real"

    class Delegate(models.TextChoices):
        """Who exchanges versions there."""

        AGENT = "", "The agent, aw-deployd"
        ARGO = "argo", "Argo Rollouts"
        FLAGGER = "flagger", "Flagger"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", "Use letters, digits, dots and dashes.")],
        help_text="As the agent's file calls it.",
    )
    title = models.CharField(max_length=80)
    kind = models.CharField(max_length=11, choices=Kind.choices)
    data_policy = models.CharField(max_length=9, choices=DataPolicy.choices, default=DataPolicy.SYNTHETIC)
    own = models.BooleanField(
        default=False, help_text="This portal runs in it: its backups, checks, incidents and keys are asked."
    )
    delegate = models.CharField(
        max_length=7,
        choices=Delegate.choices,
        default="",
        db_default="",
        blank=True,
        verbose_name="who acts",
        help_text="Who exchanges versions there. Argo Rollouts and Flagger ask this console and tell it how it ended.",
    )
    approvals_required = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(3)], help_text="How many others have to agree to a deployment."
    )
    default_strategy = models.CharField(max_length=10, choices=Strategy.choices, default=Strategy.BLUE_GREEN)
    soak_hours = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(720)],
        help_text="A release must have served on staging so long. 0: not asked.",
    )
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="followers",
        help_text="The host before this one, of the same installation: both work on one database. A release comes here when it serves there.",
    )
    release_keys = models.TextField(
        blank=True, help_text="Public keys that sign releases, one a line. Empty: signatures are not asked for."
    )
    public_key = models.CharField(max_length=64, blank=True, editable=False)
    sealed_key = models.TextField(blank=True, editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)
    halted = models.CharField(max_length=300, blank=True, editable=False)
    current = models.ForeignKey(
        "deployments.Release", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    current_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(fields=["own"], condition=models.Q(own=True), name="environment_one_is_own")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def keys(self) -> list[str]:
        """Public keys that sign releases."""
        return [line.strip() for line in self.release_keys.splitlines() if line.strip()]


class FreezeWindow(models.Model):
    """A time in which nothing is rolled out to an environment."""

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="freezes")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    weekly = models.BooleanField(default=False, help_text="Again every week.")
    reason = models.CharField(max_length=200)
    author = models.CharField(max_length=254, blank=True, editable=False)

    class Meta:
        ordering = ["starts_at", "id"]
        verbose_name = "freeze window"
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="freeze_ends_later")
        ]

    def __str__(self) -> str:
        return self.reason


class Target(models.Model):
    """The agent of an environment, and what it saw last. Written by its reports alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="target")
    version = models.CharField(max_length=40, blank=True)
    runtime = models.CharField(max_length=20, blank=True)
    traffic = models.CharField(max_length=20, blank=True)
    by_people = models.BooleanField(default=False)
    observed = models.JSONField(default=dict)
    problem = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["environment_id"]

    def __str__(self) -> str:
        return f"{self.runtime} behind {self.traffic}"

    @property
    def is_silent(self) -> bool:
        """Whether it has not been heard of for a while."""
        return timezone.now() - self.seen_at > SILENT

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.observed.get("slots", {}))


class ConfigRevision(models.Model):
    """The configuration that a deployment began with: what is no secret, and which secrets there were, never what they are."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="configurations")
    digest = models.CharField(max_length=64)
    values = models.JSONField(default=dict)
    secret_refs = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "digest"], name="configuration_of_environment_once")
        ]

    def __str__(self) -> str:
        return self.digest[:12]
