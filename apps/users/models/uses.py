"""What people used their rights for: counts by day, and reductions to what was used."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.grants import RoleGrant
from apps.users.models.workspaces import Membership

NOWHERE = uuid.UUID(int=0)


class CapabilityUse(models.Model):
    """How often somebody was let pass, and refused, for one capability on one day."""

    id = models.BigAutoField(primary_key=True)
    # Without a constraint: a count that is written a minute later must not fail for an account that is gone by then.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    # Plain ids, zero for none: an upsert needs columns that are never null, and the row outlives what they name.
    token_id = models.UUIDField(default=NOWHERE)
    workspace_id = models.UUIDField(default=NOWHERE)
    capability = models.CharField(max_length=60)
    day = models.DateField()
    allowed = models.PositiveIntegerField(default=0)
    denied = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "day", "capability", "workspace_id", "token_id"], name="capability_use_once"
            )
        ]
        indexes = [models.Index(fields=["day"], name="capability_use_of_day")]

    def __str__(self) -> str:
        return f"{self.capability} on {self.day}"


class Reduction(models.Model):
    """A grant that was cut down to what was used of it; taken back with one click for a while."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    role_grant = models.ForeignKey(
        RoleGrant, null=True, blank=True, on_delete=models.CASCADE, related_name="reductions"
    )
    membership = models.ForeignKey(
        Membership, null=True, blank=True, on_delete=models.CASCADE, related_name="reductions"
    )
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField()
    reason = models.CharField(max_length=300, blank=True)
    adopted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    undo_until = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(role_grant=None, membership__isnull=False) | Q(role_grant__isnull=False, membership=None),
                name="reduction_of_one",
            )
        ]

    def __str__(self) -> str:
        return f"reduction of {self.role_grant or self.membership}"
