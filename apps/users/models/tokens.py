"""API tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.expiry import ExpiringQuerySet
from apps.users.models.workspaces import Workspace

KEY_PREFIX = "aiw"
MAX_DAYS = 365
DEFAULT_DAYS = 90


class TokenQuerySet(ExpiringQuerySet):
    """Questions about tokens."""

    def usable(self, **which: Any) -> TokenQuerySet:
        """Enabled, not at their end, of an account that may act; `which` narrows it in the same step."""
        # Every token has an end, so `live()` and its second condition are not needed on the way of every API call.
        return self.filter(expires_at__gt=Now(), enabled=True, user__status="active", **which)


class ApiToken(models.Model):
    """A key with which a program acts for a person.

    The secret itself is shown once and never kept: the row holds an HMAC of it. Scopes are capabilities; a token never
    allows more than its person may do at that moment.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        help_text="Empty: every workspace of the person.",
    )
    name = models.CharField(max_length=80)
    key_id = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    pepper_id = models.CharField(
        max_length=16,
        blank=True,
        default="",
        # The version before inserts rows without this column.
        db_default="",
        editable=False,
        help_text="Key of the digest; empty: the secret key.",
    )
    scopes = models.JSONField(default=list)
    networks = models.JSONField(
        null=True, blank=True, help_text="From which networks it works, like 10.8.0.0/24. Empty: from anywhere."
    )
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="To the hour, so that reading does not write on every call."
    )
    last_used_address = models.CharField(max_length=45, blank=True, editable=False, help_text="Network only.")

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "API token"
        indexes = [models.Index(fields=["user", "-created_at"], name="token_of_user")]

    def __str__(self) -> str:
        return f"{self.name} ({KEY_PREFIX}_{self.key_id}_…)"
