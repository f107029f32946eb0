"""Proof packs: one signed file a month that shows, without the portal, how it stood."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class ProofPack(LeasedJob):
    """The file of a month, and the job that makes it. One that is asked for before a month's end says so and replaces none."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being made"
        DONE = "done", "Signed"
        FAILED = "failed", "Failed"

    FINAL_STATES = (State.DONE, State.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    month = models.DateField(help_text="The first day of the month that it is about.")
    whole = models.BooleanField(
        default=True, help_text="Whether the month was over. There is one such file of a month."
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(null=True, blank=True, editable=False)
    key_id = models.CharField(max_length=16, blank=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    size = models.PositiveBigIntegerField(default=0, editable=False)
    parts = models.JSONField(default=list, blank=True, help_text="What it shows, and what is absent.")
    content = models.BinaryField(default=bytes, editable=False)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "proof pack"
        constraints = [
            models.UniqueConstraint(fields=["month"], condition=Q(whole=True), name="proof_pack_once_a_month"),
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(whole=False, state__in=["queued", "running"]),
                name="proof_pack_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(made_at__isnull=False, size__gt=0), name="proof_pack_done_has_file"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in self.FINAL_STATES

    @property
    def filename(self) -> str:
        """What the file is called."""
        until = "" if self.whole or self.made_at is None else f"-until-{self.made_at:%Y%m%dT%H%M%SZ}"
        return f"proof-pack-{self.month:%Y-%m}{until}.zip"

    @property
    def absent(self) -> list[str]:
        """Names of parts for which there was nothing to show."""
        return [each["name"] for each in self.parts if not each["present"]]
