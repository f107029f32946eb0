"""Where the texts and files of a workspace may be processed and stored."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

PORTAL_RULE = uuid.UUID(int=1)


class ResidencyRule(models.Model):
    """What the whole portal, or one workspace, allows.

    Both lists bind, an empty one (null) allows everything. Ids stand in a list and not in a relation: were the last allowed
    backend deleted, a relation would become empty, and empty allows all.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        "users.Workspace",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="residency_rules",
        help_text="Empty: the rule of the whole portal.",
    )
    regions = models.JSONField(
        null=True, blank=True, default=None, help_text="Codes; eu also allows eu-de. Empty: every region."
    )
    backends = models.JSONField(
        null=True, blank=True, default=None, help_text="Ids of backends of every kind. Empty: every backend."
    )
    firm = models.BooleanField(
        default=True,
        help_text="Of the portal's rule: workspaces may narrow it, and cannot replace it by one of their own.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["workspace", "id"]
        verbose_name = "rule of residency"
        verbose_name_plural = "rules of residency"
        constraints = [
            # The portal's rule has no workspace, which a unique index does not see; it has an id that is always the same.
            models.UniqueConstraint(fields=["workspace"], name="residency_once"),
        ]

    def __str__(self) -> str:
        return f"rule of {self.workspace or 'the portal'}"
