"""Deployments: a frozen plan, how far it is, and what the agent reported."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from aiwriter.core.ids import uuid7
from apps.deployments.models.environments import ConfigRevision, Environment, Strategy
from apps.deployments.models.releases import Release
from apps.deployments.models.states import FINAL, State


class Deployment(models.Model):
    """One version on its way into one environment."""

    State, Strategy = State, Strategy

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="deployments")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="deployments")
    from_release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    strategy = models.CharField(max_length=10, choices=Strategy.choices)
    state = models.CharField(max_length=17, choices=State.choices, default=State.PLANNED)
    stage = models.SmallIntegerField(default=-1)
    reason = models.TextField(blank=True)
    why = models.CharField(max_length=300, blank=True, help_text="Why it is done.")
    # What was agreed to, without its number and its end; then the text that the agent gets, to the byte that was signed.
    plan = models.JSONField(default=dict)
    plan_digest = models.CharField(max_length=64)
    signed_plan = models.TextField(blank=True)
    signature = models.CharField(max_length=120, blank=True)
    fence = models.PositiveIntegerField(null=True, blank=True)
    configuration = models.ForeignKey(ConfigRevision, null=True, blank=True, on_delete=models.SET_NULL)
    requester_id = models.UUIDField(null=True, blank=True)
    requester = models.CharField(max_length=254, blank=True)
    sequence = models.PositiveIntegerField(default=0)
    users_hit = models.PositiveIntegerField(default=0)
    people = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    touched_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["environment", "-created_at"], name="deployment_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["environment"],
                condition=~models.Q(state__in=sorted(FINAL)),
                name="deployment_one_under_way",
            )
        ]

    def __str__(self) -> str:
        return f"{self.release} → {self.environment}"

    @property
    def delegate(self) -> str:
        """The controller that acts, as the plan says it; "" for the agent."""
        return str(self.plan.get("delegate", ""))

    @property
    def acts(self) -> str:
        """Who acts, for people."""
        return str(Environment.Delegate(self.delegate).label)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL


class Transition(models.Model):
    """A change of state: when, why, by whom."""

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField(default=timezone.now)
    old = models.CharField(max_length=17, blank=True)
    new = models.CharField(max_length=17, choices=State.choices)
    reason = models.TextField(blank=True)
    who = models.CharField(max_length=254, blank=True)
    # The agent's own number of it; a repeated report changes nothing.
    number = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="transition_reported_once")]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


_STEPS = {
    ("verify", 0): _("The release is what was built"),
    ("rehearse", 1): _("Migrations of {0} were tried on a copy with the version before"),
    ("prepare", 1): _("The database was prepared for {0}"),
    ("fit", 1): _("{0} was asked whether it can work on the database"),
    ("contract", 1): _("The database was contracted to what {0} needs"),
    ("smoke", 0): _("The new version was tried through the proxy"),
    ("swap", 2): _("The {0} was exchanged for that of {1}"),
    ("confirm-rollout", 0): _("It was asked whether the new version may start"),
    ("confirm-promotion", 0): _("It was asked whether everybody may get the new version"),
    ("rollback", 0): _("It was asked whether everybody has to go back"),
    ("phase", 1): _("The controller told its phase: {0}"),
    ("outcome", 1): _("The controller told how it ended: {0}"),
}


class Step(models.Model):
    """Something that the agent did, with its evidence."""

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=160)
    status = models.CharField(max_length=10)
    attempt = models.PositiveSmallIntegerField(default=1)
    evidence = models.JSONField(default=dict)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["begun_at", "id"]
        constraints = [models.UniqueConstraint(fields=["deployment", "kind"], name="step_of_deployment_once")]

    def __str__(self) -> str:
        return self.kind

    @property
    def words(self) -> str:
        """What was done, for people; as the agent calls it where it is not known here."""
        kind, *about = self.kind.split(":")
        said = _STEPS.get((kind, len(about)))
        return str(said).format(*about) if said else self.kind


class Stage(models.Model):
    """A share of the people that a canary gets, and what came of it."""

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="stages")
    number = models.PositiveSmallIntegerField()
    share = models.PositiveSmallIntegerField()
    min_seconds = models.FloatField()
    max_seconds = models.FloatField()
    min_samples = models.PositiveIntegerField()
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    verdict = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="stage_of_deployment_once")]

    def __str__(self) -> str:
        return f"{self.share} %"


class Sample(models.Model):
    """What a version had answered by a moment since its stage began; people's requests and the agent's probes apart."""

    class Kind(models.TextChoices):
        """Whose requests."""

        REAL = "real", "People"
        PROBE = "probe", "Probes"

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="samples")
    stage = models.SmallIntegerField()
    slot = models.CharField(max_length=3, choices=[("new", "New version"), ("old", "Old version")])
    kind = models.CharField(max_length=5, choices=Kind.choices)
    # Moments closer together than a slice are one row: a long bake must not fill the table.
    slice = models.PositiveIntegerField()
    at = models.DateTimeField()
    n = models.PositiveIntegerField()
    errors = models.PositiveIntegerField()
    p95 = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "stage", "slot", "kind", "slice"], name="sample_of_slice_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.slot} {self.kind} {self.n}"


class Command(models.Model):
    """What a person tells the agent about a deployment that is under way: a verb, and no words of their own."""

    class Verb(models.TextChoices):
        """All that can be said."""

        ABORT = "abort", "Everybody back"
        RESUME = "resume", "Judge once more"
        ACCEPT = "accept", "Go on without a verdict"

    id = models.BigAutoField(primary_key=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="commands")
    verb = models.CharField(max_length=6, choices=Verb.choices)
    who = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.verb
