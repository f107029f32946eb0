"""Files: blobs by their content, and the names under which people know them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.backends.models.profiles import BackendProfile


class BlobQuerySet(models.QuerySet["StoredBlob"]):
    """The collector's questions."""

    def unreferenced(self) -> Self:
        """Blobs that no file and no version names."""
        files = StoredFile.objects.filter(blob=OuterRef("pk"))
        versions = StoredFileVersion.objects.filter(blob=OuterRef("pk"))
        return self.filter(~Exists(files), ~Exists(versions))


class StoredBlob(models.Model):
    """Bytes in a storage, once for each content.

    The row appears after its bytes are complete, and goes before they are deleted, so a row always has its bytes; what
    a crash can leave behind is bytes without a row. Who refers to a blob is asked of the database when it matters, and
    no counter is kept that could drift.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text="Bytes, before encryption.")
    profile = models.ForeignKey(BackendProfile, on_delete=models.PROTECT, related_name="blobs")
    storage_name = models.CharField(max_length=200)
    encrypted = models.BooleanField(default=False)
    key_id = models.CharField(max_length=16, blank=True, help_text="Which key encrypts it.")
    condemned_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing has named it.")
    damaged_at = models.DateTimeField(null=True, blank=True, help_text="When a read found it changed or missing.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = BlobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "stored blob"
        constraints = [
            models.UniqueConstraint(fields=["sha256", "profile"], name="blob_once"),
            models.UniqueConstraint(fields=["profile", "storage_name"], name="blob_storage_name_once"),
        ]
        indexes = [models.Index(fields=["condemned_at"], name="blob_condemned")]

    def __str__(self) -> str:
        return f"{self.sha256[:12]}… ({self.size} bytes)"


class StoredFile(models.Model):
    """A file as people know it. `blob` is the newest content; older contents are its versions."""

    class Purpose(models.TextChoices):
        """What the file is for, which decides who may read and change it."""

        SOURCE = "source", "Source"
        EXPORT = "export", "Export"
        ATTACHMENT = "attachment", "Attachment"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="stored_files")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="stored_files"
    )
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=127, blank=True)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    blob = models.ForeignKey(StoredBlob, on_delete=models.PROTECT, related_name="files")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "stored file"
        indexes = [models.Index(fields=["workspace", "-created_at"], name="stored_file_recent")]

    def __str__(self) -> str:
        return self.name


class StoredFileVersion(models.Model):
    """One content that a file has or had."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    blob = models.ForeignKey(StoredBlob, on_delete=models.PROTECT, related_name="file_versions")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["file", "-number"]
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="stored_file_version_number")]

    def __str__(self) -> str:
        return f"{self.file_id} v{self.number}"
