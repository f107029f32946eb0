"""The audit record: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from django.apps import apps
from django.db import models
from django.db.models.functions import Now

from aiwriter.core.ids import uuid7


@cache
def known_actions() -> Mapping[str, str]:
    """Every action that may be recorded, with its meaning.

    Each app lists its own in `AppConfig.audit_actions = {"document.created": "A document was created"}`.
    """
    actions: dict[str, str] = {}
    for config in apps.get_app_configs():
        actions.update(getattr(config, "audit_actions", {}))
    return actions


class AuditEvent(models.Model):
    """Who did what to which thing, and whether it was allowed.

    Written in the transaction of the act itself, so neither exists without the other. Database triggers refuse changes
    and deletion (migrations 0002 and 0004); the exceptions are the sealer, which numbers and chains unsealed rows, and the
    archive, which takes out rows that lie in a sealed segment elsewhere (`models.ledger`). Ids are plain values and not
    foreign keys: the record outlives what it speaks of. Names of people are ids or sealed (`services.subjects`); events of
    before that was so have them in clear.
    """

    class Outcome(models.TextChoices):
        ALLOWED = "allowed", "Allowed"
        DENIED = "denied", "Denied"
        FAILED = "failed", "Failed"

    class Origin(models.TextChoices):
        """What the sealer found about the writer of a row."""

        PORTAL = "portal", "The portal"
        OLDER = "older", "The portal, before there was a chain"
        FORGED = "forged", "Something else"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    occurred_at = models.DateTimeField(db_default=Now())
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=254, blank=True)
    token_key_id = models.CharField(max_length=16, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    # Room for a name that is sealed; see `services.subjects`.
    object_label = models.CharField(max_length=1200, blank=True)
    workspace_id = models.UUIDField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.ALLOWED)
    reason = models.CharField(max_length=2800, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    client_address = models.CharField(max_length=45, blank=True)
    # Left by the writer, so that the sealer knows a row that the portal did not write; see `aiwriter.core.ledger.mac`.
    mac = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001
    seq = models.BigIntegerField(null=True, blank=True, unique=True, editable=False)
    previous_hash = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001
    hash = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001

    seal_key_id = models.CharField(max_length=16, null=True, blank=True, editable=False)  # noqa: DJ001
    sealed_at = models.DateTimeField(null=True, blank=True, editable=False)
    origin = models.CharField(max_length=8, choices=Origin.choices, null=True, blank=True, editable=False)  # noqa: DJ001

    class Meta:
        ordering = ["-occurred_at", "-id"]
        indexes = [
            # What the sealer asks for every few seconds: nearly empty, so it costs nothing.
            models.Index(fields=["occurred_at", "id"], condition=models.Q(seq=None), name="audit_unsealed"),
            models.Index(fields=["action", "-occurred_at", "-id"], name="audit_of_action"),
            models.Index(fields=["workspace_id", "-occurred_at", "-id"], name="audit_of_workspace"),
            models.Index(fields=["-occurred_at", "-id"], name="audit_newest"),
            models.Index(fields=["object_type", "object_id"], name="audit_of_object"),
            models.Index(fields=["actor_id", "-occurred_at"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_label or self.actor_id}"
