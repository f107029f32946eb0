"""Prompt actions: what the editor's AI menu offers beside the built-in actions, written by people and kept in versions."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from aiwriter.core.ids import uuid7


class PromptActionQuerySet(models.QuerySet["PromptAction"]):
    """The questions that the menu and the list ask."""

    def offered_in(self, workspace_id: uuid.UUID | str) -> Self:
        """What a workspace has: its own, and those of the installation that it has no action of the same key for."""
        own = PromptAction.objects.filter(workspace_id=workspace_id).values("key")
        return self.filter(Q(workspace_id=workspace_id) | (Q(workspace__isnull=True) & ~Q(key__in=own)))


class PromptAction(models.Model):
    """A named prompt. Without a workspace it is offered in every workspace that has none of the same key.

    What is sent to a model stands in `current`, the newest of its versions; no version is ever changed or removed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        "users.Workspace", on_delete=models.CASCADE, null=True, blank=True, related_name="prompt_actions"
    )
    key = models.SlugField(max_length=60, help_text="Names it for programs.")
    name = models.CharField(max_length=80, help_text="The words in the menu.")
    is_active = models.BooleanField("active", default=True, help_text="Offered in the menu.")
    current = models.ForeignKey(
        "content.PromptActionVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PromptActionQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            # Two constraints, since NULL is equal to nothing: without the second a default could stand twice.
            models.UniqueConstraint(fields=["workspace", "key"], name="content_prompt_action_key"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(workspace__isnull=True), name="content_prompt_action_default_key"
            ),
        ]

    def __str__(self) -> str:
        return f"prompt action {self.pk}"


class PromptActionVersion(models.Model):
    """What an action said from one moment on: the template, what it works on, where the answer goes."""

    class Scope(models.TextChoices):
        """What it works on."""

        SELECTION = "selection", "A selection"
        WHOLE = "whole", "The whole text"
        BOTH = "both", "A selection or the whole text"

    class Placement(models.TextChoices):
        """Where the answer goes."""

        REPLACE = "replace", "In place of the text"
        BEFORE = "before", "Before the text"
        AFTER = "after", "After the text"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The unique constraint begins with it.
    action = models.ForeignKey(PromptAction, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    template = models.TextField()
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.SELECTION)
    placement = models.CharField(max_length=10, choices=Placement.choices, default=Placement.REPLACE)
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["action", "number"], name="content_prompt_action_version_once")]

    def __str__(self) -> str:
        return f"version {self.number} of prompt action {self.action_id}"
