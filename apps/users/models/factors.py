"""Who must sign in with more than a password."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

ROLES = (
    ("writer", "Writer"),
    ("editor", "Editor"),
    ("operator", "Operator"),
    ("auditor", "Auditor"),
    ("admin", "Administrator"),
)
DEFAULT_GRACE_DAYS = 14
MAX_GRACE_DAYS = 90


class FactorPolicy(models.Model):
    """One role's duty to sign in with a second factor. No row: no duty."""

    class Strength(models.TextChoices):
        ANY = "any", "Any second factor"
        PASSKEY = "passkey", "A passkey"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    role = models.CharField(max_length=8, choices=ROLES, unique=True)
    strength = models.CharField(max_length=8, choices=Strength.choices, default=Strength.ANY)
    enforced_from = models.DateTimeField(help_text="From this moment nobody of the role gets in without.")
    grace_days = models.PositiveSmallIntegerField(
        default=0, help_text="Days that somebody has who gets the role later, counted from that day."
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["role"]
        verbose_name = "sign-in rule"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=[key for key, _ in ROLES]), name="factor_policy_role_known"
            ),
            models.CheckConstraint(
                condition=models.Q(strength__in=["any", "passkey"]), name="factor_policy_strength_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.get_strength_display().lower()}"
