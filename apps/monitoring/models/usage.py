"""What was used, and what may be used."""

from __future__ import annotations

import datetime as dt

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7

# Sums of money are whole billionths of the currency: additions in SQL are exact on every database, and one token at
# 0.0375 a million is still 37.5 of them.
NANOS = 1_000_000_000


def period_start(period: str, moment: dt.datetime) -> dt.date:
    """The first day of the period that a moment (UTC) falls into."""
    day = moment.astimezone(dt.UTC).date()
    return day if period == Budget.Period.DAY else day.replace(day=1)


def next_start(period: str, moment: dt.datetime) -> dt.date:
    """The first day of the period after that."""
    start = period_start(period, moment)
    if period == Budget.Period.DAY:
        return start + dt.timedelta(days=1)
    return (start + dt.timedelta(days=32)).replace(day=1)


class UsageRow(models.Model):
    """One thing that was used, once. Ids are plain values: the record outlives people and workspaces."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=80, unique=True, help_text="What it belongs to, call:<id> for example.")
    workspace_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    token_id = models.UUIDField(null=True, blank=True)
    purpose = models.CharField(max_length=20)
    model = models.CharField(max_length=120, blank=True)
    profile = models.CharField(max_length=80, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(
        max_digits=18, decimal_places=9, null=True, blank=True, help_text="Empty: the price is not known."
    )
    currency = models.CharField(max_length=3, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="usage_newest"),
            models.Index(fields=["workspace_id", "-created_at"], name="usage_of_workspace"),
            models.Index(fields=["user_id", "-created_at"], name="usage_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.subject}"


class UsageHour(models.Model):
    """The rows of a full hour, added up: what reports of weeks and years are made from. `services/usage_hours.py` writes them."""

    hour = models.DateTimeField(help_text="When it began.")
    workspace_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    token_id = models.UUIDField(null=True, blank=True)
    purpose = models.CharField(max_length=20)
    model = models.CharField(max_length=120, blank=True)
    profile = models.CharField(max_length=80, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    calls = models.PositiveIntegerField()
    input_tokens = models.PositiveBigIntegerField()
    output_tokens = models.PositiveBigIntegerField()
    cost = models.DecimalField(max_digits=21, decimal_places=9, null=True, blank=True)
    unpriced = models.PositiveIntegerField(help_text="Calls whose price is not known.")

    class Meta:
        ordering = ["-hour", "-id"]
        indexes = [
            models.Index(fields=["hour"], name="usage_hours"),
            models.Index(fields=["workspace_id", "hour"], name="usage_hours_of_workspace"),
            models.Index(fields=["user_id", "hour"], name="usage_hours_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.hour:%Y-%m-%d %H}:00"


class Budget(models.Model):
    """A limit on what a workspace, a person or a token may use in a day or a month (UTC)."""

    class Scope(models.TextChoices):
        """Whom it binds."""

        WORKSPACE = "workspace", "Workspace"
        USER = "user", "Person"
        TOKEN = "token", "API token"

    class Period(models.TextChoices):
        """When it begins anew."""

        DAY = "day", "Day"
        MONTH = "month", "Month"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    scope_id = models.UUIDField(help_text="Id of the workspace, person or token.")
    workspace_id = models.UUIDField(
        null=True, blank=True, help_text="Counts only what is used in this workspace; empty for all of them."
    )
    by_operator = models.BooleanField(
        default=True, help_text="Set by an operator; the editors of a workspace cannot change it."
    )
    period = models.CharField(max_length=6, choices=Period.choices, default=Period.MONTH)
    limit_cost = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(max_length=3, default="USD")
    limit_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    warn_at = models.PositiveSmallIntegerField(
        "warn at (%)", default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    hard = models.BooleanField(default=True, help_text="Refuse calls beyond the limit, not only warn.")
    refuse_unpriced = models.BooleanField(
        default=False, help_text="Also refuse calls whose price is unknown or in another currency."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["scope", "scope_id", "period"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "scope_id", "period", "by_operator"],
                condition=Q(workspace_id=None),
                name="budget_once",
            ),
            models.UniqueConstraint(
                fields=["scope", "scope_id", "period", "by_operator", "workspace_id"],
                condition=Q(workspace_id__isnull=False),
                name="budget_once_in_workspace",
            ),
            models.CheckConstraint(
                condition=Q(limit_cost__isnull=False) | Q(limit_tokens__isnull=False),
                name="budget_limits_something",
                violation_error_message="Give a limit of cost, of tokens or of both.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.scope_id}, per {self.period}"


class BudgetPeriod(models.Model):
    """What has been used and set aside of a budget in one of its periods."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    starts_on = models.DateField()
    spent_nanos = models.BigIntegerField(default=0)
    spent_tokens = models.BigIntegerField(default=0)
    reserved_nanos = models.BigIntegerField(default=0)
    reserved_tokens = models.BigIntegerField(default=0)
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["budget", "-starts_on"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts_on"], name="budget_period_once"),
            models.CheckConstraint(
                condition=Q(reserved_nanos__gte=0, reserved_tokens__gte=0), name="budget_period_reserved_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} from {self.starts_on}"


class Reservation(models.Model):
    """What was set aside for one call before it was made; settled once with what it really used."""

    class State(models.TextChoices):
        """Whether the outcome is known."""

        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=80, unique=True)
    workspace_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    token_id = models.UUIDField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["created_at"], condition=Q(state="open"), name="reservation_open")]

    def __str__(self) -> str:
        return f"{self.subject}: {self.state}"


class BudgetHold(models.Model):
    """The part of a reservation that one budget carries."""

    id = models.BigAutoField(primary_key=True)
    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="holds")
    budget_period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="holds")
    nanos = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.nanos} / {self.tokens}"
