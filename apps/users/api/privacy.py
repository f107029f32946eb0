"""Requests about personal data: one's own, and the privacy desk's."""

from __future__ import annotations

import uuid

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import LegalHold, PrivacyRequest
from apps.users.selectors.privacy import get_request, holds_for, own_requests, person_by_email, requests_for
from apps.users.services import legal_holds, privacy
from apps.users.services.privacy_files import download_response


class PrivacyRequestOutput(serializers.ModelSerializer[PrivacyRequest]):
    """What a person asks about their data, and what became of it."""

    person = serializers.UUIDField(source="person_id_kept", read_only=True)
    percent = serializers.IntegerField(read_only=True)
    can_download = serializers.BooleanField(read_only=True, help_text="Whether its person can download the file now.")
    is_overdue = serializers.BooleanField(read_only=True)
    changes = serializers.DictField(child=serializers.CharField(), read_only=True)
    report = serializers.DictField(read_only=True)

    class Meta:
        model = PrivacyRequest
        fields = (
            "id",
            "kind",
            "state",
            "person",
            "requested_by",
            "identity",
            "wish",
            "changes",
            "due_at",
            "is_overdue",
            "decided_by",
            "decided_at",
            "answer",
            "phase",
            "done",
            "total",
            "percent",
            "report",
            "can_download",
            "parcel_size",
            "expires_at",
            "error",
            "remedy",
            "created_at",
            "finished_at",
        )


class PrivacyAskInput(Input):
    """A request about one's own data, or, with an address, one that the desk takes in."""

    kind = serializers.ChoiceField(choices=PrivacyRequest.Kind.choices)
    wish = serializers.CharField(required=False, default="", allow_blank=True, max_length=5_000)
    full_name = serializers.CharField(required=False, default="", allow_blank=True, max_length=150)
    email = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=254, help_text="Of a correction: the right address."
    )
    of = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=254,
        help_text="The address of the person whose request the desk takes in; left out for one's own.",
    )
    identity = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=300,
        help_text="With `of`: how the person has shown who they are.",
    )


class PrivacyDecisionInput(Input):
    """What is decided."""

    decision = serializers.ChoiceField(choices=["approve", "refuse", "stop", "again"])
    answer = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class LegalHoldOutput(serializers.ModelSerializer[LegalHold]):
    """A legal hold."""

    class Meta:
        model = LegalHold
        fields = ("id", "user", "reason", "placed_by", "placed_at", "lifted_by", "lifted_at")


class LegalHoldInput(Input):
    """Whose data is to be kept, and why."""

    email = serializers.CharField(max_length=254)
    reason = serializers.CharField(max_length=500)


_MINE = OpenApiParameter("mine", bool, description="Only one's own.")


class PrivacyRequestListView(APIView):
    """Requests about personal data."""

    pagination_class = CursorPage

    @extend_schema(operation_id="privacy_requests_list", parameters=[_MINE], responses=PrivacyRequestOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first: all with `privacy.read`, one's own with `mine`."""
        actor = actor_of(request)
        rows = own_requests(actor) if request.query_params.get("mine") == "true" else requests_for(actor)
        return paginated(request, rows, row=lambda row: PrivacyRequestOutput(row).data)

    @extend_schema(operation_id="privacy_requests_ask", request=PrivacyAskInput, responses={201: PrivacyRequestOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask about one's own data; with `of` and `privacy.manage` take in the request of somebody else."""
        actor, given = actor_of(request), read(PrivacyAskInput, request)
        changes = {name: given[name] for name in ("full_name", "email") if given[name]}
        wanted = {"kind": given["kind"], "wish": given["wish"], "changes": changes}
        if given["of"]:
            person = person_by_email(actor=actor, email=given["of"])
            row = privacy.receive(actor=actor, person=person, identity=given["identity"], **wanted)
        else:
            row = privacy.ask(actor=actor, **wanted)
        return Response(PrivacyRequestOutput(row).data, status=status.HTTP_201_CREATED)


class PrivacyRequestView(APIView):
    """One request."""

    @extend_schema(operation_id="privacy_requests_read", responses=PrivacyRequestOutput)
    def get(self, request: Request, privacy_id: uuid.UUID) -> Response:
        """How far it is, and when it is done what was kept and why."""
        return Response(PrivacyRequestOutput(get_request(actor=actor_of(request), request_id=privacy_id)).data)

    @extend_schema(operation_id="privacy_requests_decide", request=PrivacyDecisionInput, responses=PrivacyRequestOutput)
    @idempotent
    def post(self, request: Request, privacy_id: uuid.UUID) -> Response:
        """Approve, refuse, stop, or begin again. An erasure is approved by a second person; one's own can be stopped."""
        actor, given = actor_of(request), read(PrivacyDecisionInput, request)
        decision, answer = given["decision"], given["answer"]
        if decision == "approve":
            row = privacy.approve(actor=actor, request_id=privacy_id, answer=answer)
        elif decision == "refuse":
            row = privacy.refuse(actor=actor, request_id=privacy_id, answer=answer)
        elif decision == "again":
            row = privacy.again(actor=actor, request_id=privacy_id)
        else:
            row = privacy.stop(actor=actor, request_id=privacy_id)
        return Response(PrivacyRequestOutput(row).data)


class PrivacyFileView(APIView):
    """The file of an export."""

    @extend_schema(operation_id="privacy_requests_file", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, privacy_id: uuid.UUID) -> HttpResponseBase:
        """Download the copy of one's data; nobody but its person can."""
        return download_response(actor=actor_of(request), request_id=privacy_id)


class LegalHoldListView(APIView):
    """Legal holds."""

    pagination_class = CursorPage

    @extend_schema(operation_id="privacy_holds_list", responses=LegalHoldOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first. Needs `privacy.read`."""
        rows = holds_for(actor_of(request))
        return paginated(request, rows, ordering=("-placed_at", "-id"), row=lambda row: LegalHoldOutput(row).data)

    @extend_schema(operation_id="privacy_holds_place", request=LegalHoldInput, responses={201: LegalHoldOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Keep somebody's data whatever is asked. Needs `privacy.manage`."""
        actor, given = actor_of(request), read(LegalHoldInput, request)
        person = person_by_email(actor=actor, email=given["email"])
        hold = legal_holds.place_hold(actor=actor, user=person, reason=given["reason"])
        return Response(LegalHoldOutput(hold).data, status=status.HTTP_201_CREATED)


class LegalHoldView(APIView):
    """One legal hold."""

    @extend_schema(operation_id="privacy_holds_lift", responses={200: LegalHoldOutput})
    def delete(self, request: Request, hold_id: uuid.UUID) -> Response:
        """Lift it."""
        return Response(LegalHoldOutput(legal_holds.lift_hold(actor=actor_of(request), hold_id=hold_id)).data)
