"""The sealed record: its head, signed checkpoints, the places outside that get them, archived segments, verifications."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet
from aiwriter.core.ledger import GENESIS, Checkpoint, Start


class LedgerHead(models.Model):
    """The end of the chain, in one row. Whoever seals holds its lease; every write names the fencing number."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    seq = models.BigIntegerField(default=0, editable=False)
    hash = models.CharField(max_length=64, default=GENESIS, editable=False)
    root = models.CharField(max_length=64, default=GENESIS, editable=False)
    sealed_at = models.DateTimeField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    worker = models.CharField(max_length=120, blank=True, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="ledger_has_one_head")]

    def __str__(self) -> str:
        return f"event {self.seq}"


class AuditCheckpoint(models.Model):
    """A signed statement about the record up to a number. The database refuses changes of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    root = models.CharField(max_length=64)
    made_at = models.CharField(max_length=40, help_text="As it was signed.")
    ledger = models.CharField(max_length=40)
    previous = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=100)
    reason = models.CharField(max_length=20, default="schedule")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "checkpoint"
        indexes = [models.Index(fields=["-seq"], name="checkpoint_of_seq")]

    def __str__(self) -> str:
        return f"checkpoint at event {self.seq}"

    @property
    def signed(self) -> Checkpoint:
        """As the chain's code sees it."""
        return Checkpoint(**{name: getattr(self, name) for name in Checkpoint.__slots__})


class AuditSegment(models.Model):
    """Events that were moved out of the table into a file. `sha256` is the digest of the file; checkpoints cover its end."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    first_seq = models.BigIntegerField(unique=True)
    last_seq = models.BigIntegerField(unique=True)
    before_hash = models.CharField(max_length=64)
    before_root = models.CharField(max_length=64)
    last_hash = models.CharField(max_length=64)
    last_root = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    oldest_at = models.DateTimeField()
    newest_at = models.DateTimeField()
    released_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when its events are out of the table; not before a place outside has it.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "archived segment"
        constraints = [models.CheckConstraint(condition=Q(last_seq__gte=models.F("first_seq")), name="segment_forward")]

    def __str__(self) -> str:
        return f"events {self.first_seq} to {self.last_seq}"

    @property
    def end(self) -> Start:
        """Where the record goes on behind it."""
        return Start(seq=self.last_seq, hash=self.last_hash, root=self.last_root)


class AuditSink(models.Model):
    """A place outside the database that gets checkpoints and segments."""

    class Kind(models.TextChoices):
        """How it is reached."""

        FILE = "file", "Folder"
        SYSLOG = "syslog", "Syslog server"
        WEBHOOK = "webhook", "Webhook"
        STORAGE = "storage", "Storage profile (S3 and others)"

    # A syslog line or a webhook's message has no room for a file of events.
    KEEPS_SEGMENTS = (Kind.FILE, Kind.STORAGE)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    address = models.CharField(
        max_length=2000,
        blank=True,
        help_text="Folder, https:// address, or tls://host:6514 (also tcp, udp) for syslog.",
    )
    profile_id = models.UUIDField(null=True, blank=True, help_text="Storage profile, for that kind.")
    prefix = models.CharField(max_length=200, blank=True, help_text="Begin of the names of objects.")
    sealed_secret = models.TextField(blank=True, editable=False)
    secret_hint = models.CharField(max_length=8, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    last_ok_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_seq = models.BigIntegerField(
        default=0, editable=False, help_text="Up to which event its newest checkpoint goes."
    )
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "place for checkpoints"
        verbose_name_plural = "places for checkpoints"

    def __str__(self) -> str:
        return self.name


class AuditDelivery(LeasedJob):
    """One checkpoint or segment for one place; the row is also the job that takes it there."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being sent"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sink = models.ForeignKey(AuditSink, on_delete=models.CASCADE, related_name="deliveries")
    checkpoint = models.ForeignKey(AuditCheckpoint, on_delete=models.PROTECT, null=True, related_name="deliveries")
    segment = models.ForeignKey(AuditSegment, on_delete=models.PROTECT, null=True, related_name="deliveries")
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    next_try_at = models.DateTimeField(default=timezone.now)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "delivery of a checkpoint"
        verbose_name_plural = "deliveries of checkpoints"
        constraints = [
            models.UniqueConstraint(fields=["sink", "checkpoint"], name="audit_delivery_once"),
            models.UniqueConstraint(fields=["sink", "segment"], name="audit_segment_delivery_once"),
            models.CheckConstraint(
                condition=Q(checkpoint=None, segment__isnull=False) | Q(checkpoint__isnull=False, segment=None),
                name="audit_delivery_of_one",
            ),
        ]
        indexes = [models.Index(fields=["state", "next_try_at"], name="audit_delivery_due")]

    def __str__(self) -> str:
        return f"{self.checkpoint or self.segment} to {self.sink}"


class AuditVerification(LeasedJob):
    """One verification of the whole record; the row is also the job."""

    class State(models.TextChoices):
        """How it ended."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SOUND = "sound", "As it was sealed"
        CHANGED = "changed", "Not as it was sealed"
        FAILED = "failed", "Could not be verified"

    FINAL_STATES = (State.SOUND, State.CHANGED, State.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    events = models.BigIntegerField(default=0)
    first_seq = models.BigIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)
    checkpoints = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(null=True, blank=True)
    findings = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "verification of the record"
        verbose_name_plural = "verifications of the record"

    def __str__(self) -> str:
        return f"{self.get_state_display()}, {self.events} events"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in self.FINAL_STATES
