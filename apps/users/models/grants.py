"""System roles and who granted them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.expiry import ExpiringQuerySet


class RoleGrant(models.Model):
    """One system role of one person. Taking it away deletes the row; its history is in the audit record."""

    class Role(models.TextChoices):
        OPERATOR = "operator", "Operator"
        AUDITOR = "auditor", "Auditor"
        ADMIN = "admin", "Administrator"

    class Source(models.TextChoices):
        PERSON = "person", "Given by a person"
        PROVIDER = "provider", "From a group at the identity provider"
        ELEVATION = "elevation", "For a time, approved by another person"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_grants")
    role = models.CharField(max_length=8, choices=Role.choices)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: granted by the system itself, at the first start or on the command line.",
    )
    reason = models.CharField(max_length=300)
    source = models.CharField(max_length=9, choices=Source.choices, default=Source.PERSON)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        ordering = ["role", "user"]
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], name="role_granted_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["operator", "auditor", "admin"]), name="role_grant_role_known"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="role_grant_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.role} for {self.user}"
