"""Releases: what can be rolled out, who says so, and what people are told about it."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

VERSION = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", "Use letters, digits, dots and dashes.")
DIGEST = RegexValidator(r"\Asha256:[0-9a-f]{64}\Z", "Write sha256: and 64 digits of a to f and 0 to 9.")


class Release(models.Model):
    """A version. What it is never changes once it is registered; what is said about it may."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.CharField(max_length=64, unique=True, validators=[VERSION])
    git_sha = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=71, blank=True, validators=[DIGEST], help_text="aw-deployd digest VERSION")
    signature = models.CharField(max_length=120, blank=True, help_text="Ed25519 over the digest, base64.")
    sbom = models.CharField(max_length=500, blank=True, help_text="Where the list of its parts lies.")
    schema_heads = models.JSONField(default=dict, blank=True, help_text="The last migration of each app.")
    contract = models.JSONField(default=list, blank=True, help_text="Migrations that the version before cannot bear.")
    min_upgrade_from = models.CharField(max_length=64, blank=True, help_text="Replaces this version or a newer one.")
    config_added = models.JSONField(default=list, blank=True)
    config_removed = models.JSONField(default=list, blank=True)
    notes_operators = models.TextField(blank=True)
    notes_users = models.TextField(blank=True)
    registered_by = models.CharField(max_length=254, blank=True, editable=False)
    withdrawn = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.version
