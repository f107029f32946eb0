"""Which backends answer which wish, in which order."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.backends.models.profiles import BackendProfile


class Route(models.Model):
    """The chain for one purpose, of the whole portal or of one workspace."""

    class Purpose(models.TextChoices):
        """What a model is asked for."""

        WRITE = "write", "Drafts and sections"
        EDIT = "edit", "Changes to a selection"
        SMALL = "small", "Titles, tags and other small things"
        EMBED = "embed", "Search in sources"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    workspace = models.ForeignKey(
        "users.Workspace",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="model_routes",
        help_text="Empty: for every workspace that has no chain of its own.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["purpose", "workspace"]
        constraints = [
            models.UniqueConstraint(fields=["purpose", "workspace"], name="route_once"),
            # NULLs are distinct to a unique index, so the default routes need one of their own.
            models.UniqueConstraint(fields=["purpose"], condition=Q(workspace=None), name="route_default_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}" + (f" in {self.workspace}" if self.workspace_id else "")


class RouteStep(models.Model):
    """One backend of a chain."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    profile = models.ForeignKey(BackendProfile, on_delete=models.PROTECT, related_name="route_steps")
    model = models.CharField(max_length=120, blank=True, help_text="Empty: the profile's first suitable model.")
    options = models.JSONField(default=dict, blank=True, help_text="temperature, max_output, seed")

    class Meta:
        ordering = ["route", "position"]
        constraints = [models.UniqueConstraint(fields=["route", "position"], name="route_step_position")]

    def __str__(self) -> str:
        return f"{self.position}. {self.profile_id} {self.model}"
