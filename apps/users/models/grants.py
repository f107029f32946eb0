"""System roles and who granted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.capabilities import GRAVE, SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.models.elevations import ElevationPolicy
from apps.users.models.expiry import ExpiringQuerySet


def contents(role: str, only: Iterable[str] | None, roles: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What one grant allows.

    Args:
        role: of the grant; "" for one that names its capabilities itself.
        only: what was left of the role when somebody reduced it; None: all of it.
        roles: what roles contain.
    """
    if not role:
        return frozenset(only or ())
    return roles[role] if only is None else roles[role] & frozenset(only)


def withheld() -> frozenset[str]:
    """Grave capabilities that the roles alone do not allow now, because a policy says "only by elevation"."""
    rows = ElevationPolicy.objects.filter(strict=True, enabled=True).order_by()
    return frozenset().union(*(policy_contents(*row) for row in rows.values_list("role", "capabilities"))) & GRAVE


def policy_contents(role: str, named: Iterable[str]) -> frozenset[str]:
    """What a policy lends."""
    roles = {**SYSTEM_ROLES, **WORKSPACE_ROLES}
    return contents(role, list(named) or (None if role else ()), roles)


def held_by(user: Any, grants: Iterable[RoleGrant]) -> frozenset[str]:
    """What live system grants allow together.

    Args:
        user: whose.
        grants: of theirs; what was lent among them counts whatever a policy withholds.
    """
    own: frozenset[str] = frozenset()
    lent: frozenset[str] = frozenset()
    for grant in grants:
        allowed = contents(grant.role, grant.only, SYSTEM_ROLES)
        if grant.elevation_id:
            lent |= allowed
        else:
            own |= allowed
    if own & GRAVE and not user.is_emergency:
        own -= withheld()
    return own | lent


class RoleGrant(models.Model):
    """One system role of one person. Taking it away deletes the row; its history is in the audit record.

    What a group gives and what was lent for a time stand in rows of their own beside the person's own one: each goes when
    what has made it goes, and the others stay.
    """

    class Role(models.TextChoices):
        OPERATOR = "operator", "Operator"
        AUDITOR = "auditor", "Auditor"
        ADMIN = "admin", "Administrator"

    class Source(models.TextChoices):
        PERSON = "person", "Given by a person"
        PROVIDER = "provider", "From a group at the identity provider"
        GROUP = "group", "From a group of this portal"
        ELEVATION = "elevation", "For a time, approved by another person"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_grants")
    role = models.CharField(
        max_length=8, choices=Role.choices, blank=True, help_text="Empty: only what was lent for a time."
    )
    only = models.JSONField(
        "reduced to", null=True, blank=True, help_text="Capabilities that are left of the role. Empty: all of it."
    )
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: granted by the system itself, at the first start or on the command line.",
    )
    reason = models.CharField(max_length=300)
    source = models.CharField(max_length=9, choices=Source.choices, default=Source.PERSON)
    group = models.ForeignKey(
        "users.Group", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="role_grants"
    )
    elevation = models.OneToOneField(
        "users.Elevation", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="role_grant"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        ordering = ["role", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"], condition=models.Q(group=None, elevation=None), name="role_granted_once"
            ),
            models.UniqueConstraint(
                fields=["user", "role", "group"], condition=models.Q(group__isnull=False), name="role_by_group_once"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["operator", "auditor", "admin"])
                | models.Q(role="", elevation__isnull=False, only__isnull=False),
                name="role_grant_role_known",
            ),
            # What was lent has an end, whoever wrote the row.
            models.CheckConstraint(
                condition=models.Q(elevation=None) | models.Q(expires_at__isnull=False), name="role_lent_has_end"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="role_grant_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.role or 'lent capabilities'} for {self.user}"

    @property
    def is_own(self) -> bool:
        """Whether it was given to this person, and comes from no group and no elevation."""
        return self.group_id is None and self.elevation_id is None
