"""More rights for a time: rules about them, requests, and who agreed.

What an elevation gives is an ordinary row of `RoleGrant` or `Membership` with an end, so nothing has to run for it to end.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.workspaces import Workspace

LONGEST_MINUTES = 480
DEFAULT_MINUTES = 60
LONGEST_PROOF_MINUTES = 5
MOST_APPROVALS = 2
# A request that nobody has answered for so long is not open any more.
ANSWERED_WITHIN = dt.timedelta(hours=24)


def _admins() -> list[str]:
    return ["admin"]


class ElevationPolicy(models.Model):
    """What may be asked for, by whom, for how long, and who has to agree."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True, help_text="Shown to those who may ask.")
    role = models.CharField(
        max_length=8, blank=True, help_text="Writer and editor are lent in one workspace, which the request names."
    )
    capabilities = models.JSONField(default=list, blank=True, help_text="Empty: everything that the role allows.")
    eligible_roles = models.JSONField(help_text="Who holds one of them may ask.")
    approver_roles = models.JSONField(default=_admins, help_text="Who holds one of them may agree.")
    approvals = models.PositiveSmallIntegerField(default=1, help_text="How many other people have to agree, 0 to 2.")
    default_minutes = models.PositiveSmallIntegerField("minutes at first", default=DEFAULT_MINUTES)
    max_minutes = models.PositiveSmallIntegerField("minutes at most", default=LONGEST_MINUTES)
    proof_minutes = models.PositiveSmallIntegerField(
        "proof of at most", default=LONGEST_PROOF_MINUTES, help_text="Minutes since the person has shown who they are."
    )
    ticket_pattern = models.CharField(
        max_length=120,
        blank=True,
        help_text="Regular expression that a request's ticket has to match. Empty: no ticket.",
    )
    weekdays = models.JSONField(default=list, blank=True, help_text="0 is Monday. Empty: all days.")
    from_hour = models.PositiveSmallIntegerField(null=True, blank=True, help_text="UTC, 0 to 23.")
    to_hour = models.PositiveSmallIntegerField(null=True, blank=True, help_text="UTC, 1 to 24; not included.")
    extendable = models.BooleanField("once longer", default=True)
    strict = models.BooleanField(
        "only by elevation",
        default=False,
        help_text="Roles alone do not allow these capabilities any more; an emergency account's does.",
    )
    enabled = models.BooleanField(default=True)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "elevation policies"
        constraints = [
            models.CheckConstraint(condition=Q(approvals__lte=MOST_APPROVALS), name="elevation_policy_approvals"),
            models.CheckConstraint(
                condition=Q(
                    default_minutes__gte=1, max_minutes__gte=F("default_minutes"), max_minutes__lte=LONGEST_MINUTES
                ),
                name="elevation_policy_minutes",
            ),
            models.CheckConstraint(
                condition=Q(proof_minutes__gte=1, proof_minutes__lte=LONGEST_PROOF_MINUTES),
                name="elevation_policy_proof",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def needs_workspace(self) -> bool:
        """Whether it lends something in one workspace."""
        return self.role in ("writer", "editor")


class ElevationQuerySet(models.QuerySet[Any]):
    """Questions about elevations."""

    def live(self) -> Self:
        """Those that hold now, by the database's clock."""
        return self.filter(state="active", expires_at__gt=Now())

    def open(self) -> Self:
        """Those that wait for somebody to agree."""
        return self.filter(state="open", lapses_at__gt=Now())


class Elevation(models.Model):
    """A request for more rights, and what became of it. Rows stay: they are the history."""

    class State(models.TextChoices):
        OPEN = "open", "Waits for an answer"
        ACTIVE = "active", "Agreed"
        DENIED = "denied", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        LAPSED = "lapsed", "Not answered in time"
        REVOKED = "revoked", "Taken back"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.ForeignKey(ElevationPolicy, on_delete=models.PROTECT, related_name="elevations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="elevations")
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=300)
    ticket = models.CharField(max_length=80, blank=True)
    minutes = models.PositiveSmallIntegerField()
    approvals = models.PositiveSmallIntegerField(help_text="As the policy asked when the request was made.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    lapses_at = models.DateTimeField()
    starts_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    extended_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    end_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ElevationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "access now"
        constraints = [
            models.UniqueConstraint(fields=["user", "policy"], condition=Q(state="open"), name="elevation_open_once"),
            models.CheckConstraint(
                condition=~Q(state__in=["active", "revoked"]) | Q(expires_at__isnull=False, starts_at__isnull=False),
                name="elevation_active_has_end",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="elevation_has_reason"),
        ]
        indexes = [
            models.Index(fields=["state", "expires_at"], name="elevation_of_state"),
            models.Index(fields=["user", "-created_at"], name="elevation_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.policy} for {self.user}"

    @property
    def standing(self) -> str:
        """The state, with what time alone has done to it: "ended", "lapsed"."""
        now = timezone.now()
        if self.state == self.State.ACTIVE and self.expires_at and self.expires_at <= now:
            return "ended"
        if self.state == self.State.OPEN and self.lapses_at <= now:
            return "lapsed"
        return self.state

    @property
    def is_live(self) -> bool:
        """Whether it seems to hold now; services ask the database."""
        return self.standing == self.State.ACTIVE


class ElevationVote(models.Model):
    """What somebody else says to a request."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    elevation = models.ForeignKey(Elevation, on_delete=models.CASCADE, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # Copied from the request, so that the database itself can refuse a person's word for their own.
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    agrees = models.BooleanField()
    comment = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["elevation", "voter"], name="elevation_vote_once"),
            models.CheckConstraint(condition=~Q(voter=F("requester")), name="elevation_vote_by_another"),
        ]

    def __str__(self) -> str:
        return f"{self.voter}: {'yes' if self.agrees else 'no'}"
