"""Deployments, for programs: planning, the checklist, starting, stopping, taking back."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Approval, Deployment, GateResult, Stage, State, Step, Strategy, Transition, Waiver
from apps.deployments.selectors import deployments as selectors
from apps.deployments.services import checking, delegates, plans, rollouts, verdicts
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

_WAYS = [choice for choice in Strategy.choices if choice[0] != "rollback"]


class DeploymentOut(serializers.ModelSerializer[Deployment]):
    """A deployment."""

    environment = serializers.CharField(source="environment.slug")
    release = serializers.CharField(source="release.version")
    from_release = serializers.CharField(source="from_release.version", default="")
    delegate = serializers.CharField(help_text="The controller that acts; empty: the agent.")

    class Meta:
        model = Deployment
        fields = (
            "id",
            "environment",
            "delegate",
            "release",
            "from_release",
            "strategy",
            "state",
            "stage",
            "reason",
            "why",
            "plan_digest",
            "requester",
            "users_hit",
            "people",
            "created_at",
            "started_at",
            "taken_at",
            "finished_at",
        )


class TransitionOut(serializers.ModelSerializer[Transition]):
    """A change of state."""

    class Meta:
        model = Transition
        fields = ("at", "old", "new", "reason", "who")


class StepOut(serializers.ModelSerializer[Step]):
    """Something that the agent did."""

    evidence = serializers.DictField()

    class Meta:
        model = Step
        fields = ("kind", "status", "attempt", "evidence", "begun_at", "ended_at")


class StageOut(serializers.ModelSerializer[Stage]):
    """A share of the people."""

    class Meta:
        model = Stage
        fields = ("number", "share", "min_seconds", "max_seconds", "min_samples", "began_at", "ended_at", "verdict")


class CountOut(serializers.Serializer[Any]):
    """What one version had answered at the end of a stage."""

    stage = serializers.CharField()
    slot = serializers.ChoiceField(["new", "old"])
    real = serializers.IntegerField()
    real_errors = serializers.IntegerField()
    probes = serializers.IntegerField()
    probe_errors = serializers.IntegerField()
    p95 = serializers.FloatField(allow_null=True)


class GateOut(serializers.ModelSerializer[GateResult]):
    """An item of the checklist and what was found."""

    evidence = serializers.DictField()

    class Meta:
        model = GateResult
        fields = ("gate", "phase", "required", "status", "finding", "evidence", "checked_at", "signed_by", "signed_at")


class ApprovalOut(serializers.ModelSerializer[Approval]):
    """Somebody agreed."""

    who = serializers.CharField(source="label")

    class Meta:
        model = Approval
        fields = ("who", "reason", "plan_digest", "created_at")


class WaiverOut(serializers.ModelSerializer[Waiver]):
    """Somebody let an item pass."""

    class Meta:
        model = Waiver
        fields = ("gate", "reason", "author", "expires_at", "created_at")


class ConsequencesOut(serializers.Serializer[Any]):
    """What it will do and until when it can be undone."""

    lines = serializers.ListField(child=serializers.CharField())
    downtime = serializers.CharField()
    back = serializers.CharField()
    final = serializers.BooleanField(help_text="Back means a restore.")
    contract = serializers.ListField(child=serializers.CharField())
    config_added = serializers.ListField(child=serializers.CharField())
    config_removed = serializers.ListField(child=serializers.CharField())


class DeploymentWholeOut(DeploymentOut):
    """A deployment with everything that is known of it."""

    plan = serializers.DictField()
    consequences = ConsequencesOut()
    operators_notes = serializers.CharField(help_text="The release's notes, and what was waived.")
    agent_silent = serializers.BooleanField()
    possible = serializers.ListField(child=serializers.CharField(), help_text="What may be asked for now.")
    transitions = TransitionOut(many=True)
    stages = StageOut(many=True)
    steps = StepOut(many=True)
    counts = CountOut(many=True)
    gates = GateOut(many=True)
    approvals = ApprovalOut(many=True)
    waivers = WaiverOut(many=True)

    class Meta(DeploymentOut.Meta):
        fields = (  # type: ignore[assignment]
            *DeploymentOut.Meta.fields,
            "plan",
            "consequences",
            "operators_notes",
            "agent_silent",
            "possible",
            "transitions",
            "stages",
            "steps",
            "counts",
            "gates",
            "approvals",
            "waivers",
        )


class StageIn(Input):
    """A stage of a canary."""

    share = serializers.IntegerField(min_value=1, max_value=99)
    min_seconds = serializers.FloatField(min_value=0, max_value=86400, required=False)
    max_seconds = serializers.FloatField(min_value=0, max_value=86400, required=False)
    min_samples = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False)


class DeploymentIn(Input):
    """A plan."""

    environment_id = serializers.UUIDField()
    release_id = serializers.UUIDField()
    strategy = serializers.ChoiceField(_WAYS, required=False)
    stages = StageIn(many=True, required=False)
    why = serializers.CharField(max_length=300, required=False, allow_blank=True)
    bake_seconds = serializers.FloatField(min_value=0, max_value=86400, required=False)
    keep_old = serializers.BooleanField(required=False)
    workers = serializers.BooleanField(required=False)
    rehearse = serializers.BooleanField(required=False)
    probes = serializers.FloatField(min_value=0, max_value=20, required=False)
    dry_run = serializers.BooleanField(required=False)
    on_lost = serializers.ChoiceField(list(plans.ON_LOST), required=False)


class SaidIn(Input):
    """Why, if somebody says so."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class WaiverIn(Input):
    """Why an item may pass, and how long."""

    reason = serializers.CharField(max_length=500)
    hours = serializers.IntegerField(min_value=1, max_value=checking.LONGEST_WAIVER_HOURS, required=False)


class VerdictIn(Input):
    """What the answer needs."""

    min_samples = serializers.IntegerField(min_value=0, max_value=10**6, required=False)


class VerdictOut(serializers.Serializer[Any]):
    """Whether it may go on, for other tools that roll out."""

    state = serializers.ChoiceField(State.choices)
    verdict = serializers.ChoiceField([verdicts.PASS, verdicts.FAIL, verdicts.INCONCLUSIVE])
    reason = serializers.CharField()
    remedy = serializers.CharField()
    measured = serializers.DictField()
    users_hit = serializers.IntegerField()


class OutcomeIn(Input):
    """How it ended."""

    outcome = serializers.ChoiceField(delegates.OUTCOMES)
    message = serializers.CharField(max_length=2000, required=False, allow_blank=True)


def whole(request: Request, deployment_id: uuid.UUID) -> dict[str, Any]:
    """Everything about a deployment."""
    row = selectors.deployment_for(actor_of(request), deployment_id)
    return {
        **DeploymentOut(row).data,
        "plan": row.plan,
        "consequences": ConsequencesOut(selectors.consequences(row)).data,
        "operators_notes": selectors.operators_notes(row),
        "agent_silent": selectors.is_silent(row),
        "possible": sorted(selectors.possible(row)),
        "transitions": TransitionOut(row.transitions.all(), many=True).data,
        "stages": StageOut(row.stages.all(), many=True).data,
        "steps": StepOut(row.steps.all(), many=True).data,
        "counts": CountOut(selectors.counts(row), many=True).data,
        "gates": GateOut(row.gates.all(), many=True).data,
        "approvals": ApprovalOut(row.approvals.all(), many=True).data,
        "waivers": WaiverOut(row.waivers.all(), many=True).data,
    }


class DeploymentList(APIView):
    """Deployments."""

    pagination_class = CursorPage

    @extend_schema(operation_id="deployments_list", responses=DeploymentOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.deployments_for(actor_of(request))
        return paginated(request, rows, row=lambda each: DeploymentOut(each).data)

    @extend_schema(operation_id="deployments_plan", request=DeploymentIn, responses={201: DeploymentWholeOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Plan one; nothing is done before it is started."""
        made = plans.plan_deployment(actor=actor_of(request), **read(DeploymentIn, request))
        return Response(whole(request, made.pk), status=status.HTTP_201_CREATED)


class DeploymentDetail(APIView):
    """One deployment."""

    @extend_schema(operation_id="deployments_read", responses=DeploymentWholeOut)
    def get(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Plan, consequences, checklist, stages with counts of people and probes, steps with evidence."""
        return Response(whole(request, deployment_id))


class DeploymentVerdict(APIView):
    """The `web` metric for Argo Rollouts."""

    @extend_schema(
        operation_id="deployments_verdict",
        parameters=[
            OpenApiParameter(
                "min_samples", int, description="Requests that a pass needs, 40; 0: they are counted elsewhere."
            )
        ],
        responses=VerdictOut,
    )
    def get(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """pass, fail or inconclusive, from the checklist and from what this portal has measured since it began."""
        asked = VerdictIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        row, found = verdicts.ask_verdict(actor=actor_of(request), deployment_id=deployment_id, **values)
        return Response(VerdictOut({**asdict(found), "state": row.state, "users_hit": row.users_hit}).data)


class DeploymentOutcome(APIView):
    """How a controller's roll-out ended."""

    @extend_schema(operation_id="deployments_outcome", request=OutcomeIn, responses=DeploymentOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Tell it; the same once more changes nothing. For Argo Rollouts' notifications."""
        values = read(OutcomeIn, request)
        row = delegates.take_outcome(actor=actor_of(request), deployment_id=deployment_id, **values)
        return Response(DeploymentOut(row).data)


class DeploymentApprove(APIView):
    """Another person agrees."""

    @extend_schema(operation_id="deployments_approve", request=SaidIn, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Agree to exactly this plan; a person at a browser who has just shown who they are, and did not plan it."""
        rollouts.approve(actor=actor_of(request), deployment_id=deployment_id, **read(SaidIn, request))
        return Response(whole(request, deployment_id))


class DeploymentStart(APIView):
    """It begins."""

    @extend_schema(operation_id="deployments_start", request=None, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Check everything once more, sign the plan and let the agent have it; 409 names what does not hold."""
        rollouts.start(actor=actor_of(request), deployment_id=deployment_id)
        return Response(whole(request, deployment_id))


class DeploymentAbort(APIView):
    """It stops."""

    @extend_schema(operation_id="deployments_abort", request=SaidIn, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """In any state that is not final: withdrawn before it began, else everybody goes back."""
        rollouts.abort(actor=actor_of(request), deployment_id=deployment_id, **read(SaidIn, request))
        return Response(whole(request, deployment_id))


class DeploymentResume(APIView):
    """It is judged once more."""

    @extend_schema(operation_id="deployments_resume", request=None, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Only while it is paused."""
        rollouts.resume(actor=actor_of(request), deployment_id=deployment_id)
        return Response(whole(request, deployment_id))


class DeploymentAccept(APIView):
    """It goes on without a verdict."""

    @extend_schema(operation_id="deployments_accept", request=SaidIn, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Only while it is paused."""
        values = {"reason": "", **read(SaidIn, request)}
        rollouts.accept(actor=actor_of(request), deployment_id=deployment_id, **values)
        return Response(whole(request, deployment_id))


class DeploymentRollback(APIView):
    """It is taken back."""

    @extend_schema(operation_id="deployments_rollback", request=SaidIn, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Aborted while it is under way; one that succeeded by a deployment of its own, which is answered."""
        back = rollouts.roll_back(actor=actor_of(request), deployment_id=deployment_id, **read(SaidIn, request))
        return Response(whole(request, back.pk))


class DeploymentGates(APIView):
    """The checklist."""

    @extend_schema(operation_id="deployments_check", request=None, responses=DeploymentWholeOut)
    def post(self, request: Request, deployment_id: uuid.UUID) -> Response:
        """Look at everything that can be looked at, now."""
        checking.check_gates(actor=actor_of(request), deployment_id=deployment_id)
        return Response(whole(request, deployment_id))


class GateSign(APIView):
    """An item that only a person can know."""

    @extend_schema(operation_id="deployments_sign_gate", request=None, responses=GateOut)
    def post(self, request: Request, deployment_id: uuid.UUID, gate_id: str) -> Response:
        """Sign it; a person at a browser."""
        row = checking.sign_gate(actor=actor_of(request), deployment_id=deployment_id, gate_id=gate_id)
        return Response(GateOut(row).data)


class GateWaive(APIView):
    """An item that need not hold."""

    @extend_schema(operation_id="deployments_waive_gate", request=WaiverIn, responses=GateOut)
    def post(self, request: Request, deployment_id: uuid.UUID, gate_id: str) -> Response:
        """Let it pass for a time, with a reason that stands in the operators' notes."""
        values = read(WaiverIn, request)
        row = checking.waive_gate(actor=actor_of(request), deployment_id=deployment_id, gate_id=gate_id, **values)
        return Response(GateOut(row).data)
