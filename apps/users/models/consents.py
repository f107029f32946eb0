"""What people are asked to agree to, in every wording that there was, and what they have answered."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class ConsentText(models.Model):
    """One version of what is asked. The words of a version never change; a change is the next version."""

    class Purpose(models.TextChoices):
        """What is asked for. What an answer does stands in `services.consents`."""

        TERMS = "terms", "Terms of use"
        PRIVACY = "privacy", "Privacy notice"
        OUTSIDE_MODELS = "outside_models", "My texts may be sent to models outside"
        USAGE_ANALYSIS = "usage_analysis", "My usage may be shown to others by name"

    # Who uses the portal has taken note of these; the others are free to say no.
    DUTIES = (Purpose.TERMS, Purpose.PRIVACY)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    version = models.PositiveIntegerField(editable=False)
    title = models.CharField(max_length=120)
    body = models.TextField(max_length=50_000)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    published_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when a newer version, or nothing, is in its place."
    )

    class Meta:
        ordering = ["purpose", "-version"]
        verbose_name = "text that people agree to"
        verbose_name_plural = "texts that people agree to"
        constraints = [
            models.UniqueConstraint(fields=["purpose", "version"], name="consent_text_version_once"),
            models.UniqueConstraint(
                fields=["purpose"], condition=models.Q(ended_at=None), name="consent_text_in_force_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"

    @property
    def is_duty(self) -> bool:
        """Whether nobody uses the portal without having agreed."""
        return self.purpose in self.DUTIES


class Consent(models.Model):
    """One answer of a person to one version. Rows are only added; the newest of a person and a version counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="answers")
    # Repeated, so that a copy of the person's data can be read by itself.
    purpose = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    given = models.BooleanField()
    answered_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["user", "text", "-id"], name="consent_of_person")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}: {'yes' if self.given else 'no'}"
