"""What agents say and get: one address, asked from their side."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Command, Sample, ScalePolicy, State
from apps.deployments.services.reports import take_report
from apps.users.api.authentication import actor_of

_MOST = 2_147_483_647
_LAST_SECOND = 32_503_680_000


class AgentIn(Input):
    """The agent, and what it sees."""

    version = serializers.CharField(max_length=40)
    runtime = serializers.CharField(max_length=20)
    traffic = serializers.CharField(max_length=20)
    by_people = serializers.BooleanField()
    observed = serializers.DictField()


class ChangeIn(Input):
    """A change of state."""

    at = serializers.FloatField(help_text="Seconds since 1970.")
    old = serializers.CharField(max_length=17, allow_blank=True)
    new = serializers.ChoiceField(State.choices)
    reason = serializers.CharField(allow_blank=True, max_length=10_000, trim_whitespace=False)


class StepIn(Input):
    """Something that was done."""

    kind = serializers.CharField(max_length=160)
    status = serializers.CharField(max_length=10)
    attempt = serializers.IntegerField(min_value=1, max_value=32_767)
    evidence = serializers.DictField()
    begun_at = serializers.FloatField()
    ended_at = serializers.FloatField(allow_null=True)


class SampleIn(Input):
    """What one version had answered since its stage began."""

    stage = serializers.IntegerField(min_value=-1, max_value=100)
    slot = serializers.ChoiceField(["new", "old"])
    kind = serializers.ChoiceField(Sample.Kind.choices)
    n = serializers.IntegerField(min_value=0, max_value=_MOST)
    errors = serializers.IntegerField(min_value=0, max_value=_MOST)  # type: ignore[assignment]
    p95 = serializers.FloatField(allow_null=True)
    at = serializers.FloatField()


class ReportedIn(Input):
    """A deployment as the agent's journal has it."""

    id = serializers.UUIDField()
    sequence = serializers.IntegerField(min_value=0, max_value=_MOST, help_text="Grows with everything that happens.")
    state = serializers.CharField(max_length=17)
    users_hit = serializers.IntegerField(min_value=0, max_value=_MOST)
    people = serializers.IntegerField(min_value=0, max_value=_MOST)
    transitions = ChangeIn(many=True)
    steps = StepIn(many=True)
    samples = SampleIn(many=True)
    at = serializers.FloatField(required=False)


class RefusedIn(Input):
    """A plan that was not taken."""

    id = serializers.UUIDField()
    reason = serializers.CharField(max_length=2000)


class ScaledIn(Input):
    """One more or one fewer, or what would have been."""

    number = serializers.IntegerField(min_value=1, max_value=2**62)
    at = serializers.FloatField(min_value=1, max_value=_LAST_SECOND)
    part = serializers.ChoiceField(ScalePolicy.Part.choices)
    old = serializers.IntegerField(min_value=0, max_value=1000)
    new = serializers.IntegerField(min_value=0, max_value=1000)
    why = serializers.CharField(max_length=300)
    acted = serializers.BooleanField()


class ScaleSampleIn(Input):
    """What was so in one minute."""

    minute = serializers.IntegerField(min_value=1, max_value=_LAST_SECOND // 60, help_text="Minutes since 1970.")
    part = serializers.ChoiceField(ScalePolicy.Part.choices)
    count = serializers.IntegerField(min_value=0, max_value=1000)
    wanted = serializers.IntegerField(min_value=0, max_value=1000)
    load = serializers.FloatField(allow_null=True)


class ScalingIn(Input):
    """Of an agent that scales: what its own file allows, and what it did and saw."""

    bounds = serializers.DictField(
        child=serializers.ListField(
            child=serializers.IntegerField(min_value=0, max_value=1000), min_length=2, max_length=2
        )
    )
    events = serializers.ListField(child=ScaledIn(), max_length=100)
    samples = serializers.ListField(child=ScaleSampleIn(), max_length=100)


class AgentReportIn(Input):
    """All that an agent says."""

    agent = AgentIn()
    # Below what the column holds: plans must still be numbered after the highest that an agent can say.
    fence = serializers.IntegerField(min_value=0, max_value=_MOST // 2)
    deployments = ReportedIn(many=True)
    refused = RefusedIn(many=True)
    taken = serializers.ListField(child=serializers.IntegerField(min_value=1, max_value=2**62), max_length=1000)
    scaling = ScalingIn(required=False)


class OrderOut(serializers.Serializer[Any]):
    """A word of a person."""

    number = serializers.IntegerField()
    deployment = serializers.UUIDField()
    verb = serializers.ChoiceField(Command.Verb.choices)
    who = serializers.CharField()


class SealedOut(serializers.Serializer[Any]):
    """A signed plan."""

    plan = serializers.DictField()
    signature = serializers.CharField()


class ScalingOut(serializers.Serializer[Any]):
    """The policies of the environment, what waits, and up to which number events are known."""

    policies = serializers.ListField(child=serializers.DictField())
    load = serializers.DictField(child=serializers.IntegerField())
    taken = serializers.IntegerField()


class AgentAnswerOut(serializers.Serializer[Any]):
    """What comes back."""

    plan = SealedOut(allow_null=True)
    commands = OrderOut(many=True)
    acknowledged = serializers.DictField(child=serializers.IntegerField())
    scaling = ScalingOut(required=False)


class AgentReports(APIView):
    """An agent's report."""

    @extend_schema(operation_id="agents_report", request=AgentReportIn, responses=AgentAnswerOut)
    def post(self, request: Request, environment_slug: str) -> Response:
        """Say what is so; get the plan that waits, and what people said. The same report again changes nothing."""
        values = read(AgentReportIn, request)
        return Response(take_report(actor=actor_of(request), environment=environment_slug, **values))
