"""Where backups lie."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Destination(models.Model):
    """One repository: a folder, or a storage profile of the backends.

    No key stands here in clear. `writer_ref` says where the secret is with which this portal adds to the repository;
    `identity_ref` says where the key is that opens backups, and may be empty: a portal that only writes does not need
    it, and restores then ask for it.
    """

    class Kind(models.TextChoices):
        """What it is."""

        FOLDER = "folder", "Folder on this machine"
        STORAGE = "storage", "Storage profile"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FOLDER)
    folder = models.CharField(
        max_length=300, blank=True, help_text="A path; one that does not begin with / is within the data folder."
    )
    profile = models.ForeignKey(
        "backends.BackendProfile",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="backup_destinations",
        help_text="A storage profile whose files nobody else uses.",
    )
    prefix = models.CharField(max_length=100, blank=True, default="backups", help_text="Begin of every object's name.")
    recipients = models.JSONField(default=list, help_text="Public keys (age1…) whose owners can open the backups.")
    writer_ref = models.CharField(max_length=140, blank=True, editable=False)
    identity_ref = models.CharField(max_length=140, blank=True, editable=False)
    mirror_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="mirrors",
        help_text="Everything in that repository is copied here after each backup.",
    )
    enabled = models.BooleanField(default=True)
    managed = models.CharField(max_length=40, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_problem = models.TextField(blank=True, editable=False)
    last_remedy = models.TextField(blank=True, editable=False)
    keys_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    encrypted_anew_at = models.DateTimeField(null=True, blank=True, editable=False)
    key_tested_at = models.DateTimeField(null=True, blank=True, editable=False)
    compared_at = models.DateTimeField(null=True, blank=True, editable=False)
    missing_objects = models.PositiveIntegerField(default=0, editable=False)
    segments_lost_at = models.DateTimeField(null=True, blank=True, editable=False)
    price_gib_month = models.DecimalField(
        max_digits=9,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What a GiB costs there a month. Empty: the forecast tells sizes only.",
    )
    currency = models.CharField(max_length=3, default="USD", db_default="USD")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = "place for backups"
        verbose_name_plural = "places for backups"
        constraints = [
            models.UniqueConstraint(fields=["managed"], condition=~Q(managed=""), name="backup_destination_managed"),
            models.CheckConstraint(
                condition=Q(kind="folder", profile=None) & ~Q(folder="") | Q(kind="storage", profile__isnull=False),
                name="backup_destination_somewhere",
                violation_error_message="A place for backups is a folder or a storage profile.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
