"""Incidents: something went wrong for people, who is at it, what was said, and what was learnt."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.monitoring.models.alerts import Alert


class Incident(models.Model):
    """From the first alert or the first word of a person to the review."""

    class State(models.TextChoices):
        """How far it is."""

        OPEN = "open", "Open"
        WATCHED = "watched", "Mended, being watched"
        RESOLVED = "resolved", "Over"

    class Severity(models.TextChoices):
        """How bad it is for people."""

        MINOR = "minor", "Some are hindered"
        MAJOR = "major", "Many are hindered"
        CRITICAL = "critical", "Nobody can work"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=160)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.MINOR)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    lead = models.CharField(max_length=254, blank=True, help_text="Who decides.")
    alerts = models.ManyToManyField(Alert, related_name="incidents", blank=True)
    by_alert = models.BooleanField(default=False, editable=False)
    opened_by = models.CharField(max_length=254, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    review = models.TextField(blank=True, help_text="What happened, why, and what is done about it.")
    reviewed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [models.Index(fields=["state", "-opened_at"], name="incident_state_newest")]

    def __str__(self) -> str:
        return self.title


class IncidentEntry(models.Model):
    """A line of an incident's timeline. A public one is shown on the status page."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(default=timezone.now)
    author = models.CharField(max_length=254, blank=True)
    text = models.TextField()
    public = models.BooleanField(default=False)

    class Meta:
        ordering = ["at", "id"]
        verbose_name = "incident entry"
        verbose_name_plural = "incident entries"

    def __str__(self) -> str:
        return self.text[:80]


class IncidentAction(models.Model):
    """Something that a review wants done."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="actions")
    text = models.CharField(max_length=300)
    owner = models.CharField(max_length=254, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "incident action"

    def __str__(self) -> str:
        return self.text
