"""Workspaces and who works in them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.expiry import ExpiringQuerySet


class Workspace(models.Model):
    """A closed room for documents and sources; nothing in it is seen from another."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    personal_of = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="personal_workspace",
        help_text="The one person whose private workspace this is.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a person may do in a workspace, and until when.

    As with system roles, what a group gives and what was lent for a time stand in rows beside the person's own one.
    """

    class Role(models.TextChoices):
        WRITER = "writer", "Writer"
        EDITOR = "editor", "Editor"

    class Source(models.TextChoices):
        PERSON = "person", "Given by a person"
        PROVIDER = "provider", "From a group at the identity provider"
        GROUP = "group", "From a group of this portal"
        ELEVATION = "elevation", "For a time, approved by another person"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.WRITER)
    only = models.JSONField(
        "reduced to", null=True, blank=True, help_text="Capabilities that are left of the role. Empty: all of it."
    )
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: by the system itself, or before this was noted.",
    )
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    source = models.CharField(max_length=9, choices=Source.choices, default=Source.PERSON)
    group = models.ForeignKey(
        "users.Group", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="memberships"
    )
    elevation = models.OneToOneField(
        "users.Elevation", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="membership"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        ordering = ["workspace", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace"],
                condition=models.Q(group=None, elevation=None),
                name="membership_once",
            ),
            models.UniqueConstraint(
                fields=["user", "workspace", "group"],
                condition=models.Q(group__isnull=False),
                name="membership_by_group_once",
            ),
            models.CheckConstraint(
                condition=models.Q(elevation=None) | models.Q(expires_at__isnull=False), name="membership_lent_has_end"
            ),
            models.CheckConstraint(condition=models.Q(role__in=["writer", "editor"]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} in {self.workspace}"

    @property
    def is_own(self) -> bool:
        """Whether it was given to this person, and comes from no group and no elevation."""
        return self.group_id is None and self.elevation_id is None
