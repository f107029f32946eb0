"""Invitations to make an account."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.grants import RoleGrant
from apps.users.models.workspaces import Membership, Workspace

DAYS = 7
MAX_DAYS = 30


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Questions about invitations."""

    def open(self) -> InvitationQuerySet:
        """Those that can be accepted now, by the database's clock."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=Now())


class Invitation(models.Model):
    """Somebody without an account may make one, and becomes what is stated here.

    The link is signed and names the row; nothing that opens it is stored.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail address", max_length=254)
    workspace = models.ForeignKey(
        Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="invitations"
    )
    workspace_role = models.CharField(max_length=8, choices=Membership.Role.choices, blank=True)
    system_role = models.CharField(max_length=8, choices=RoleGrant.Role.choices, blank=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The account is made with this person's rights, as they are when it is accepted.",
    )
    expires_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(workspace__isnull=True, workspace_role="")
                | models.Q(workspace__isnull=False) & ~models.Q(workspace_role=""),
                name="invitation_role_with_workspace",
            ),
            # Two open invitations of one address could make the account with roles that nobody meant together.
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def state(self) -> str:
        """ "open", "accepted", "revoked" or "expired"."""
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "open" if self.expires_at > timezone.now() else "expired"
