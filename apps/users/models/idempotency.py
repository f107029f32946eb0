"""Answers kept for clients that ask twice."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class IdempotencyRecord(models.Model):
    """One `Idempotency-Key` of one caller on one endpoint. Without a status the first call is still running."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64, help_text="Digest of caller, method and path.")
    key = models.CharField(max_length=128)
    request_hash = models.CharField(max_length=64)
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.BinaryField(default=bytes)
    response_headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return f"{self.key} ({self.response_status or 'running'})"
