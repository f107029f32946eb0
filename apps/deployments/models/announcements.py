"""What people are told about versions, in the portal and in the console."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.deployments.models.deployments import Deployment


class Announcement(models.Model):
    """A line that stands above the pages for a time."""

    class Audience(models.TextChoices):
        """Who sees it."""

        USERS = "users", "Everybody who is signed in"
        OPERATORS = "operators", "Operators, in the console"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    audience = models.CharField(max_length=9, choices=Audience.choices, default=Audience.USERS)
    text = models.CharField(max_length=300)
    link = models.CharField(max_length=200, blank=True, help_text="A path within the portal.")
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    deployment = models.ForeignKey(
        Deployment, null=True, blank=True, on_delete=models.CASCADE, related_name="announcements"
    )
    author = models.CharField(max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-starts_at", "-id"]
        indexes = [models.Index(fields=["ends_at"], name="announcement_end")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="announcement_ends_later"
            )
        ]

    def __str__(self) -> str:
        return self.text
