"""Access reviews: campaigns in which somebody looks at each grant, with frozen evidence and a signed end."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.grants import RoleGrant
from apps.users.models.workspaces import Membership, Workspace

# How often by default: who may harm the portal is looked at twice as often as who writes in it.
RECURRENCE_DAYS = {"privileged": 90, "all": 180, "workspace": 180}
DUE_DAYS = 14
LONGEST_DAYS = 366


class AccessReview(models.Model):
    """One campaign. The next of a series names the one before it."""

    class Scope(models.TextChoices):
        PRIVILEGED = "privileged", "System roles"
        ALL = "all", "System roles and all memberships"
        WORKSPACE = "workspace", "Members of one workspace"

    class OnOverdue(models.TextChoices):
        REVOKE = "revoke", "Take away what nobody has decided about"
        ESCALATE = "escalate", "Tell all administrators and auditors"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.PRIVILEGED)
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    recurrence_days = models.PositiveSmallIntegerField(
        "again after days", null=True, blank=True, help_text="Counted from the beginning. Empty: once."
    )
    due_days = models.PositiveSmallIntegerField("days to decide", default=DUE_DAYS)
    due_at = models.DateTimeField()
    on_overdue = models.CharField(max_length=8, choices=OnOverdue.choices, default=OnOverdue.ESCALATE)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    # One row has one successor, however many schedulers run.
    previous = models.OneToOneField("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="following")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    escalated_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    evidence = models.TextField(blank=True, help_text="The signed file, as it was signed.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="workspace", workspace__isnull=False)
                | (~Q(scope="workspace") & Q(workspace__isnull=True)),
                name="access_review_workspace_fits",
            ),
            models.CheckConstraint(
                condition=~Q(state="closed") | Q(closed_at__isnull=False) & ~Q(evidence=""),
                name="access_review_closed_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_overdue(self) -> bool:
        """Whether it is open beyond its day."""
        return self.state == self.State.OPEN and self.due_at <= timezone.now()


class ReviewItem(models.Model):
    """One grant as it was when the campaign began, what was used of it, and what was decided."""

    class Decision(models.TextChoices):
        KEEP = "keep", "Keep"
        REDUCE = "reduce", "Reduce"
        REVOKE = "revoke", "Take away"
        GONE = "gone", "Had ended already"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    review = models.ForeignKey(AccessReview, on_delete=models.CASCADE, related_name="items")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    role_grant = models.ForeignKey(RoleGrant, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    membership = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    role = models.CharField(max_length=8)
    snapshot = models.JSONField(help_text="The grant when the campaign began.")
    facts = models.JSONField(help_text="Last use, uses in 90 days, how many others hold the same, what was needed.")
    decision = models.CharField(max_length=6, choices=Decision.choices, blank=True)
    kept = models.JSONField(null=True, blank=True, help_text="What a reduction left.")
    comment = models.CharField(max_length=300, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True, help_text="Why it could not be taken away when it was due.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("user")), name="review_item_by_another"
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None) | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="review_item_decided_when",
            ),
            models.UniqueConstraint(
                fields=["review", "role_grant"], condition=Q(role_grant__isnull=False), name="review_item_of_grant"
            ),
            models.UniqueConstraint(
                fields=["review", "membership"], condition=Q(membership__isnull=False), name="review_item_of_member"
            ),
        ]
        indexes = [models.Index(fields=["review", "decision"], name="review_item_open")]

    def __str__(self) -> str:
        return f"{self.role} of {self.user}"

    @property
    def giver(self) -> str:
        """Who gave it; "" when it is gone, or was given by the system."""
        grant = self.role_grant or self.membership
        return str(grant.granted_by or "") if grant else ""
