"""What people ask about their data, what stands against it, and the keys that their names in the audit record need."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class SubjectKey(models.Model):
    """The key that a person's names in the audit record are sealed with.

    The record is chained and cannot be changed. Its events hold ids, and names only in a form that this key opens: to
    destroy it makes every name unreadable, in the record, in its archive and in all places that have copies. The row stays,
    so that a name reads as that of an erased person and not as damage.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    sealed_key = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    destroyed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "person's key"

    def __str__(self) -> str:
        return str(self.pk)


class LegalHold(models.Model):
    """Somebody's data must be kept for now; while it stands nothing of theirs is erased."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="legal_holds")
    reason = models.CharField(max_length=500)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    placed_at = models.DateTimeField(default=timezone.now, editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(lifted_at=None),
                name="legal_hold_once",
                violation_error_message="A hold is in force already.",
            )
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}"


class PrivacyRequest(LeasedJob):
    """What a person asks about their data; the row is also the job that does it."""

    class Kind(models.TextChoices):
        """What is asked for."""

        EXPORT = "export", "A copy of the data"
        ERASE = "erase", "Erasure"
        RECTIFY = "rectify", "Correction"
        RESTRICT = "restrict", "Restriction"

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", "Needs a decision"
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    OPEN_STATES = (State.WAITING, State.QUEUED, State.RUNNING)
    FINAL_STATES = (State.DONE, State.REFUSED, State.STOPPED, State.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING, db_index=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="privacy_requests"
    )
    person_id_kept = models.UUIDField(editable=False, help_text="Whose; stays when the account is gone.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    identity = models.CharField(max_length=300, blank=True, help_text="How the person has shown who they are.")
    wish = models.TextField(blank=True, help_text="In the person's words.")
    changes = models.JSONField(
        default=dict, blank=True, help_text="Of a correction: the name or the address as it should be."
    )
    due_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    answer = models.CharField(max_length=500, blank=True, help_text="Why it was refused, or what was done.")
    phase = models.CharField(max_length=80, blank=True, editable=False)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    stop_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    report = models.JSONField(default=dict, blank=True, help_text="What was done, what was kept and why.")
    parcel = models.CharField(max_length=300, blank=True, editable=False)
    sealed_parcel_key = models.TextField(blank=True, editable=False)
    parcel_size = models.BigIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "privacy request"
        verbose_name_plural = "privacy desk"
        constraints = [
            models.UniqueConstraint(
                fields=["person_id_kept", "kind"],
                condition=models.Q(state__in=["waiting", "queued", "running"]),
                name="privacy_request_once",
                violation_error_message="Such a request is open already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in self.FINAL_STATES

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return min(100, round(100 * self.done / self.total)) if self.total else 0

    @property
    def is_overdue(self) -> bool:
        """Whether it should have been done by now."""
        return not self.is_final and self.due_at < timezone.now()

    @property
    def can_download(self) -> bool:
        """Whether its file is there."""
        return bool(self.parcel) and self.expires_at is not None and self.expires_at > timezone.now()
