"""What must be so before, while and after a version goes live; who agreed, and who let something pass."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.deployments.models.deployments import Deployment


class GateResult(models.Model):
    """One item of the checklist for one deployment: what was found, or who signed it."""

    class Phase(models.TextChoices):
        """When it counts."""

        BEFORE = "before", "Before"
        DURING = "during", "While it goes live"
        AFTER = "after", "Afterwards"

    class Status(models.TextChoices):
        """How it stands."""

        PASS = "pass", "Holds"
        FAIL = "fail", "Does not hold"
        UNKNOWN = "unknown", "Not known"
        OPEN = "open", "To be signed"
        SIGNED = "signed", "Signed"
        WAIVED = "waived", "Waived"

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="gates")
    gate = models.CharField(max_length=60)
    phase = models.CharField(max_length=6, choices=Phase.choices)
    required = models.BooleanField(default=False)
    status = models.CharField(max_length=7, choices=Status.choices)
    finding = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    checked_at = models.DateTimeField(default=timezone.now)
    signed_by = models.CharField(max_length=254, blank=True)
    signed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "gate"
        constraints = [models.UniqueConstraint(fields=["deployment", "gate"], name="gate_of_deployment_once")]

    def __str__(self) -> str:
        return self.gate


class Waiver(models.Model):
    """Somebody takes it on themselves that a gate does not hold: with a reason, and not for ever."""

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="waivers")
    gate = models.CharField(max_length=60)
    reason = models.CharField(max_length=500)
    author = models.CharField(max_length=254, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.gate


class Approval(models.Model):
    """Another person has agreed to exactly this plan, and had just shown who they are."""

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="approvals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    label = models.CharField(max_length=254, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    plan_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["deployment", "user"], name="approval_of_person_once")]

    def __str__(self) -> str:
        return self.label
