"""Guarded roll-outs and experiments, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Experiment, FlagRollout, FlagSample, FlagStage
from apps.deployments.selectors import experiments as experiment_selectors
from apps.deployments.selectors import flags as selectors
from apps.deployments.services import experiments, flag_rollouts
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

_SHOWN = 200


class FlagStageOut(serializers.ModelSerializer[FlagStage]):
    """A percentage for a time, and the verdict on it."""

    class Meta:
        model = FlagStage
        fields = ("number", "percent", "began_at", "ended_at", "verdict", "reason")


class FlagSampleOut(serializers.ModelSerializer[FlagSample]):
    """What was known of one variant at a moment of a stage, since it began."""

    class Meta:
        model = FlagSample
        fields = ("stage", "arm", "at", "n", "errors", "regenerated", "p95_ms", "cost")


class FlagRolloutOut(serializers.ModelSerializer[FlagRollout]):
    """A guarded roll-out."""

    flag = serializers.CharField(source="flag.key")
    flag_id = serializers.UUIDField()
    stages = FlagStageOut(many=True)

    class Meta:
        model = FlagRollout
        fields = (
            "id",
            "flag",
            "flag_id",
            "variant",
            "before",
            "state",
            "why",
            "number",
            "percent",
            *flag_rollouts.RAILS,
            "people",
            "people_hit",
            "author",
            "started_at",
            "finished_at",
            "stages",
        )


class FlagRolloutWholeOut(FlagRolloutOut):
    """A guarded roll-out with what was measured, newest first."""

    samples = serializers.SerializerMethodField()

    class Meta(FlagRolloutOut.Meta):
        fields = (*FlagRolloutOut.Meta.fields, "samples")  # type: ignore[assignment]

    @extend_schema_field(FlagSampleOut(many=True))
    def get_samples(self, row: FlagRollout) -> Any:
        """The last of them."""
        return FlagSampleOut(row.samples.order_by("-pk")[:_SHOWN], many=True).data


class FlagRolloutIn(Input):
    """A new one."""

    flag_id = serializers.UUIDField()
    variant = serializers.CharField(max_length=40)
    stages = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=99), max_length=10, help_text="Rising percentages."
    )
    min_seconds = serializers.IntegerField(min_value=0, max_value=10**7, required=False)
    max_seconds = serializers.IntegerField(min_value=1, max_value=10**7, required=False)
    min_samples = serializers.IntegerField(min_value=1, max_value=5000, required=False)
    alpha = serializers.FloatField(min_value=1e-6, max_value=0.1, required=False)
    guard_errors = serializers.BooleanField(required=False)
    guard_regenerated = serializers.BooleanField(required=False)
    latency_times = serializers.FloatField(min_value=0, max_value=100, required=False)
    cost_times = serializers.FloatField(min_value=0, max_value=100, required=False)


class FlagRolloutStopIn(Input):
    """Why."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ExperimentArmOut(serializers.Serializer[Any]):
    """One arm."""

    variant = serializers.CharField()
    exposed = serializers.IntegerField(help_text="People who were given it.")
    counted = serializers.IntegerField(help_text="Of these, whose time is over.")
    hit = serializers.IntegerField(
        allow_null=True, help_text="Of these, who have what the metric asks for; not told before the verdict."
    )
    share = serializers.FloatField(allow_null=True)


class ExperimentStandingOut(serializers.Serializer[Any]):
    """What may be said of an experiment."""

    verdict = serializers.ChoiceField(["collecting", "refused", "better", "worse", "inconclusive"])
    words = serializers.CharField()
    control = ExperimentArmOut()
    treatment = ExperimentArmOut()
    ratio_p = serializers.FloatField(help_text="Chance of arms of these sizes when all is well.")
    p = serializers.FloatField(allow_null=True, help_text="Chance of this difference when there is none.")


class ExperimentOut(serializers.ModelSerializer[Experiment]):
    """An experiment."""

    flag = serializers.CharField(source="flag.key")
    flag_id = serializers.UUIDField()

    class Meta:
        model = Experiment
        fields = (
            "id",
            "flag",
            "flag_id",
            *experiments.FIELDS,
            "planned",
            "state",
            "why",
            "author",
            "started_at",
            "concluded_at",
            "finished_at",
        )


class ExperimentWholeOut(ExperimentOut):
    """An experiment and how it stands."""

    standing = serializers.SerializerMethodField()

    class Meta(ExperimentOut.Meta):
        fields = (*ExperimentOut.Meta.fields, "standing")  # type: ignore[assignment]

    @extend_schema_field(ExperimentStandingOut)
    def get_standing(self, row: Experiment) -> Any:
        """As concluded, else now; before the verdict nobody is shown which arm is ahead."""
        found = ExperimentStandingOut(experiment_selectors.standing(row)).data
        if found["p"] is None:
            for side in ("control", "treatment"):
                found[side] |= {"hit": None, "share": None}
        return found


class NewExperimentIn(Input):
    """A new one; all of it is fixed from then on."""

    flag_id = serializers.UUIDField()
    title = serializers.CharField(max_length=120)
    control = serializers.CharField(max_length=40)
    treatment = serializers.CharField(max_length=40)
    metric = serializers.ChoiceField(Experiment.Metric.choices)
    baseline = serializers.FloatField(min_value=0.001, max_value=0.999)
    effect = serializers.FloatField(min_value=0.001, max_value=0.9)
    share = serializers.IntegerField(min_value=1, max_value=100, required=False)
    split = serializers.IntegerField(min_value=5, max_value=95, required=False)
    window_hours = serializers.IntegerField(min_value=0, max_value=2160, required=False)


class ExperimentEndIn(Input):
    """How it ends."""

    keep = serializers.CharField(max_length=40, required=False, allow_blank=True, help_text="What everybody gets.")
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class FlagRolloutList(APIView):
    """Guarded roll-outs."""

    pagination_class = CursorPage

    @extend_schema(operation_id="flag_rollouts_list", responses=FlagRolloutOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.rollouts_for(actor_of(request))
        ordering = ("-started_at", "-id")
        return paginated(request, rows, row=lambda each: FlagRolloutOut(each).data, ordering=ordering)

    @extend_schema(operation_id="flag_rollouts_start", request=FlagRolloutIn, responses={201: FlagRolloutWholeOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Let a variant go from stage to stage to everybody; a breach of its guardrails takes it back."""
        actor = actor_of(request)
        made = flag_rollouts.start_rollout(actor=actor, **read(FlagRolloutIn, request))
        return _rollout(request, made.pk, status.HTTP_201_CREATED)


class FlagRolloutDetail(APIView):
    """One guarded roll-out."""

    @extend_schema(operation_id="flag_rollouts_read", responses=FlagRolloutWholeOut)
    def get(self, request: Request, rollout_id: uuid.UUID) -> Response:
        """Its stages, what was measured, and how many people were hit."""
        return _rollout(request, rollout_id)


class FlagRolloutStop(APIView):
    """The way back, by a person's word."""

    @extend_schema(operation_id="flag_rollouts_stop", request=FlagRolloutStopIn, responses=FlagRolloutWholeOut)
    def post(self, request: Request, rollout_id: uuid.UUID) -> Response:
        """Take everybody back."""
        values = read(FlagRolloutStopIn, request)
        flag_rollouts.stop_rollout(actor=actor_of(request), rollout_id=rollout_id, **values)
        return _rollout(request, rollout_id)


class FlagRolloutResume(APIView):
    """After a pause."""

    @extend_schema(operation_id="flag_rollouts_resume", request=None, responses=FlagRolloutWholeOut)
    def post(self, request: Request, rollout_id: uuid.UUID) -> Response:
        """Judge the stage anew, from now on."""
        flag_rollouts.resume_rollout(actor=actor_of(request), rollout_id=rollout_id)
        return _rollout(request, rollout_id)


class ExperimentList(APIView):
    """Experiments."""

    pagination_class = CursorPage

    @extend_schema(operation_id="experiments_list", responses=ExperimentOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = experiment_selectors.experiments_for(actor_of(request))
        ordering = ("-started_at", "-id")
        return paginated(request, rows, row=lambda each: ExperimentOut(each).data, ordering=ordering)

    @extend_schema(operation_id="experiments_start", request=NewExperimentIn, responses={201: ExperimentWholeOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Begin a comparison; the answer says how many people each arm needs."""
        made = experiments.start_experiment(actor=actor_of(request), **read(NewExperimentIn, request))
        return _experiment(request, made.pk, status.HTTP_201_CREATED)


class ExperimentDetail(APIView):
    """One experiment."""

    @extend_schema(operation_id="experiments_read", responses=ExperimentWholeOut)
    def get(self, request: Request, experiment_id: uuid.UUID) -> Response:
        """How it stands: no verdict before the planned size, none when the arms are not as planned."""
        return _experiment(request, experiment_id)


class ExperimentEnd(APIView):
    """The end of an experiment."""

    @extend_schema(operation_id="experiments_end", request=ExperimentEndIn, responses=ExperimentWholeOut)
    def post(self, request: Request, experiment_id: uuid.UUID) -> Response:
        """Let nobody be in an arm any more; before its result a reason is needed."""
        values = read(ExperimentEndIn, request)
        experiments.end_experiment(actor=actor_of(request), experiment_id=experiment_id, **values)
        return _experiment(request, experiment_id)


def _rollout(request: Request, rollout_id: uuid.UUID, code: int = status.HTTP_200_OK) -> Response:
    row = selectors.rollout_for(actor_of(request), rollout_id)
    return Response(FlagRolloutWholeOut(row).data, status=code)


def _experiment(request: Request, experiment_id: uuid.UUID, code: int = status.HTTP_200_OK) -> Response:
    row = experiment_selectors.experiment_for(actor_of(request), experiment_id)
    return Response(ExperimentWholeOut(row).data, status=code)
