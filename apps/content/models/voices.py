"""Voices: how an office writes, as rules that people can read and a program can check."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from aiwriter.core.ids import uuid7


class VoiceQuerySet(models.QuerySet["VoiceProfile"]):
    """The questions that lists and generations ask."""

    def in_workspace(self, workspace_id: uuid.UUID | str) -> Self:
        """Voices of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def approved(self) -> Self:
        """Voices that generations may use."""
        return self.filter(status=VoiceProfile.Status.APPROVED)


class VoiceProfile(models.Model):
    """A voice. Only an approved one goes into prompts; whoever changes a rule makes it a draft again.

    `figures` is what was measured in the samples when the voice last learnt; see `apps.content.markup.measures`.
    """

    class Status(models.TextChoices):
        """Whether generations use it."""

        DRAFT = "draft", "Draft"
        APPROVED = "approved", "Approved"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="voices")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, help_text="In one's own words; goes into the prompt.")
    language = models.CharField(max_length=12, default="en")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    is_default = models.BooleanField(default=False, help_text="Used where nothing else is chosen.")
    figures = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = VoiceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="content_voice_name"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(is_default=True), name="content_voice_one_default"
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="content_voice_recent")]

    def __str__(self) -> str:
        return f"voice {self.pk}"

    @property
    def is_approved(self) -> bool:
        """Whether generations use it."""
        return self.status == self.Status.APPROVED


class VoiceSample(models.Model):
    """A text that a voice learns from: pasted, or a source or document as it is when the voice learns."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    voice = models.ForeignKey(VoiceProfile, on_delete=models.CASCADE, related_name="samples")
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    source = models.ForeignKey("content.Source", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    word_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["voice", "created_at", "id"]

    def __str__(self) -> str:
        return f"sample {self.pk}"

    @property
    def kind(self) -> str:
        """Where it comes from: "source", "document" or "text"."""
        return "source" if self.source_id else "document" if self.document_id else "text"


class VoiceRule(models.Model):
    """One rule. A proposed one was learnt and waits for a person: it counts neither in prompts nor in checks."""

    class Kind(models.TextChoices):
        """What the rule is about."""

        REQUIRE = "require", "Required term"
        FORBID = "forbid", "Forbidden term"
        PREFER = "prefer", "Preferred term"
        SENTENCE_LENGTH = "sentence_length", "Sentence length"
        READABILITY = "readability", "Readability"
        TONE = "tone", "Tone"

    class Severity(models.TextChoices):
        """How grave a breach is."""

        ERROR = "error", "Error"
        WARNING = "warning", "Warning"
        HINT = "hint", "Hint"

    class State(models.TextChoices):
        """Whether it counts."""

        PROPOSED = "proposed", "Proposed"
        ACTIVE = "active", "Active"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    voice = models.ForeignKey(VoiceProfile, on_delete=models.CASCADE, related_name="rules")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    pattern = models.CharField(max_length=200, blank=True)
    replacement = models.CharField(max_length=200, blank=True)
    minimum = models.FloatField(null=True, blank=True)
    maximum = models.FloatField(null=True, blank=True)
    message = models.CharField(max_length=300, blank=True)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["voice", "kind", "pattern", "id"]
        constraints = [
            models.UniqueConstraint(fields=["voice", "kind", "pattern"], name="content_voice_rule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} rule {self.pk}"
