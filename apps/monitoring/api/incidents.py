"""Incidents, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import Incident
from apps.monitoring.selectors import incidents as selectors
from apps.monitoring.services import incidents as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class IncidentOut(serializers.ModelSerializer[Incident]):
    """An incident."""

    class Meta:
        model = Incident
        fields = (
            "id",
            "title",
            "severity",
            "state",
            "lead",
            "by_alert",
            "opened_by",
            "opened_at",
            "resolved_at",
            "review",
            "reviewed_at",
        )


class MomentOut(serializers.Serializer[Any]):
    """A line of the timeline."""

    at = serializers.DateTimeField()
    text = serializers.CharField()
    who = serializers.CharField()
    public = serializers.BooleanField()


class ActionOut(serializers.Serializer[Any]):
    """Something to be done."""

    id = serializers.IntegerField()
    text = serializers.CharField()
    owner = serializers.CharField()
    done_at = serializers.DateTimeField(allow_null=True)


class IncidentWholeOut(IncidentOut):
    """An incident with its timeline and its actions."""

    timeline = MomentOut(many=True)
    actions = ActionOut(many=True)

    class Meta(IncidentOut.Meta):
        fields = (*IncidentOut.Meta.fields, "timeline", "actions")  # type: ignore[assignment]


class IncidentIn(Input):
    """A new incident."""

    title = serializers.CharField(max_length=160)
    severity = serializers.ChoiceField(Incident.Severity.choices, required=False)
    alert_ids = serializers.ListField(child=serializers.UUIDField(), max_length=50, required=False)


class IncidentChangeIn(Input):
    """What may be changed."""

    title = serializers.CharField(max_length=160, required=False)
    severity = serializers.ChoiceField(Incident.Severity.choices, required=False)
    state = serializers.ChoiceField(Incident.State.choices, required=False)
    lead = serializers.CharField(max_length=254, required=False, allow_blank=True)


class EntryIn(Input):
    """A line for the timeline."""

    text = serializers.CharField(max_length=4000)
    public = serializers.BooleanField(required=False, help_text="Shown to everybody on the status page.")


class ActionIn(Input):
    """Something to be done."""

    text = serializers.CharField(max_length=300)
    owner = serializers.CharField(max_length=254, required=False, allow_blank=True)


class WrittenReviewIn(Input):
    """What was learnt."""

    review = serializers.CharField(max_length=20_000)
    actions = ActionIn(many=True, required=False)


def _whole(incident: Incident) -> dict[str, Any]:
    return {
        **IncidentOut(incident).data,
        "timeline": MomentOut(selectors.timeline(incident), many=True).data,
        "actions": ActionOut(incident.actions.all(), many=True).data,
    }


class IncidentList(APIView):
    """Incidents."""

    pagination_class = CursorPage

    @extend_schema(operation_id="incidents_list", responses=IncidentOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.incidents_for(actor_of(request))
        return paginated(request, rows, row=lambda each: IncidentOut(each).data, ordering=("-opened_at", "-id"))

    @extend_schema(operation_id="incidents_open", request=IncidentIn, responses={201: IncidentWholeOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Say that something goes wrong for people."""
        incident = services.open_incident(actor=actor_of(request), **read(IncidentIn, request))
        return Response(_whole(incident), status=status.HTTP_201_CREATED)


class IncidentDetail(APIView):
    """One incident."""

    @extend_schema(operation_id="incidents_read", responses=IncidentWholeOut)
    def get(self, request: Request, incident_id: uuid.UUID) -> Response:
        """With its timeline and its actions."""
        return Response(_whole(selectors.incident_for(actor_of(request), incident_id)))

    @extend_schema(operation_id="incidents_update", request=IncidentChangeIn, responses=IncidentWholeOut)
    def patch(self, request: Request, incident_id: uuid.UUID) -> Response:
        """Change its state, its severity, its lead or its title."""
        values = read(IncidentChangeIn, request, partial=True)
        return Response(_whole(services.update_incident(actor=actor_of(request), incident_id=incident_id, **values)))


class IncidentEntries(APIView):
    """The timeline."""

    @extend_schema(operation_id="incidents_say", request=EntryIn, responses={201: IncidentWholeOut})
    @idempotent
    def post(self, request: Request, incident_id: uuid.UUID) -> Response:
        """Add a line; a public one is shown on the status page."""
        entry = services.add_entry(actor=actor_of(request), incident_id=incident_id, **read(EntryIn, request))
        return Response(_whole(entry.incident), status=status.HTTP_201_CREATED)


class IncidentReview(APIView):
    """The review."""

    @extend_schema(operation_id="incidents_review", request=WrittenReviewIn, responses=IncidentWholeOut)
    def put(self, request: Request, incident_id: uuid.UUID) -> Response:
        """What was learnt, and what is to be done; once it is over."""
        values = read(WrittenReviewIn, request)
        actions = [(each["text"], each.get("owner", "")) for each in values.get("actions", [])]
        incident = services.write_review(
            actor=actor_of(request), incident_id=incident_id, review=values["review"], actions=actions
        )
        return Response(_whole(incident))


class IncidentActionDone(APIView):
    """Something that a review wanted."""

    @extend_schema(operation_id="incidents_action_done", request=None, responses=ActionOut)
    def post(self, request: Request, incident_id: uuid.UUID, incident_action_id: int) -> Response:
        """It is done."""
        action = services.finish_action(actor=actor_of(request), incident_id=incident_id, action_id=incident_action_id)
        return Response(ActionOut(action).data)
