"""Groups of people: what a group is worth, and who is in it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.expiry import ExpiringQuerySet
from apps.users.models.sso import SignInProvider
from apps.users.models.workspaces import Workspace


class Group(models.Model):
    """People who get the same roles, because they do the same work."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    provider = models.ForeignKey(
        SignInProvider,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="fills",
        help_text="Fills the group: its people come and go with their group there.",
    )
    provider_group = models.CharField(
        "group at the provider", max_length=200, blank=True, help_text="As the provider names it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="group_has_name")]

    def __str__(self) -> str:
        return self.name


class GroupRole(models.Model):
    """A role that everybody in a group gets: one for the whole portal, or one in a workspace."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="roles")
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=8)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["group", "created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "workspace"], condition=Q(workspace__isnull=False), name="group_role_once_in_workspace"
            ),
            models.UniqueConstraint(fields=["group", "role"], condition=Q(workspace=None), name="group_role_once"),
            models.CheckConstraint(
                condition=Q(workspace=None, role__in=["operator", "auditor", "admin"])
                | Q(workspace__isnull=False, role__in=["writer", "editor"]),
                name="group_role_fits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} in {self.workspace}" if self.workspace_id else self.role


class GroupMember(models.Model):
    """Somebody in a group, and until when."""

    class Source(models.TextChoices):
        PERSON = "person", "Put in by a person"
        PROVIDER = "provider", "From a group at the identity provider"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="group_memberships")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.CharField(max_length=300)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.PERSON)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        ordering = ["group", "user"]
        constraints = [
            models.UniqueConstraint(fields=["group", "user"], name="group_member_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="group_member_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"
