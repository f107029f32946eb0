"""Flags: what is given to whom. The rows are read through one set that each process keeps (`selectors/flag_set.py`)."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

ROLES = {
    "writer": "Writer of the workspace",
    "editor": "Editor of the workspace",
    "operator": "Operator",
    "auditor": "Auditor",
    "admin": "Administrator",
}


class Flag(models.Model):
    """A question that the code asks, and its possible answers.

    `killed_at` goes before everything: whoever asks is given `off_variant`.
    """

    class Kind(models.TextChoices):
        """What it is for, and so how long it may live."""

        RELEASE = "release", "A new feature on its way"
        OPS = "ops", "A switch for operators"
        EXPERIMENT = "experiment", "A comparison"
        PERMISSION = "permission", "For some people only"

    # These are meant to be over one day, so they say when.
    PASSING = (Kind.RELEASE, Kind.EXPERIMENT)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"\A[a-z][a-z0-9-]{1,59}\Z", "Use lower-case letters, digits and dashes.")],
        help_text="As the code asks for it.",
    )
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    variants = models.JSONField(default=dict, help_text="Names and the values that the code gets, all of one type.")
    default_variant = models.CharField(max_length=40, help_text="For everybody whom nothing else reaches.")
    off_variant = models.CharField(max_length=40, help_text="For everybody while the kill switch is on.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When it should be gone. Needed for features and comparisons."
    )
    killed_at = models.DateTimeField(null=True, blank=True, editable=False)
    kill_reason = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class FlagRule(models.Model):
    """Who gets which answer: all that is named must hold, the first rule that holds decides."""

    id = models.BigAutoField(primary_key=True)
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="rules")
    number = models.PositiveSmallIntegerField()
    workspace = models.ForeignKey("users.Workspace", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    role = models.CharField(max_length=8, blank=True, choices=list(ROLES.items()))
    email_domain = models.CharField(max_length=120, blank=True)
    percent = models.PositiveSmallIntegerField(default=100, validators=[MaxValueValidator(100)])
    variant = models.CharField(max_length=40)

    class Meta:
        ordering = ["flag_id", "number"]
        constraints = [models.UniqueConstraint(fields=["flag", "number"], name="flag_rule_number_once")]

    def __str__(self) -> str:
        return f"{self.number}. {self.variant}"


class FlagStamp(models.Model):
    """One number that grows with every change of what flags answer: each process asks for it, and for the rest when it grew."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="flag_stamp_is_one")]

    def __str__(self) -> str:
        return str(self.number)
