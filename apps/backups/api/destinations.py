"""Places for backups and policies, for administrators."""

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
from apps.backups.models import Destination, Policy
from apps.backups.selectors.destinations import destinations_for, get_destination, get_policy, policies_for
from apps.backups.selectors.forecast import forecast_of
from apps.backups.selectors.status import is_elsewhere, status_of
from apps.backups.services import destinations, policies, retention, schedules, taking_back
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class BackupProblemOutput(serializers.Serializer):
    """Something to be mended."""

    key = serializers.CharField()
    severity = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()


class BackupStatusOutput(serializers.Serializer):
    """How well the portal is protected."""

    state = serializers.CharField(help_text="ok, warn or fail.")
    headline = serializers.CharField()
    protected_until = serializers.DateTimeField(allow_null=True)
    verified_at = serializers.DateTimeField(allow_null=True, help_text="Time of the newest state that was checked.")
    drilled_set_at = serializers.DateTimeField(allow_null=True, help_text="Of the newest state shown to come back.")
    rpo_seconds = serializers.FloatField(allow_null=True)
    rto_seconds = serializers.FloatField(allow_null=True)
    sets = serializers.IntegerField()
    stored_bytes = serializers.IntegerField()
    source_bytes = serializers.IntegerField()
    copies = serializers.IntegerField()
    elsewhere = serializers.BooleanField(help_text="Whether a place is on another device than the data folder.")
    problems = BackupProblemOutput(many=True)


class BackupStatusView(APIView):
    """The state of all backups."""

    @extend_schema(operation_id="backups_status", responses=BackupStatusOutput)
    def get(self, request: Request) -> Response:
        """Say how well the portal is protected."""
        return Response(status_of(actor_of(request)).as_dict())


class DestinationOutput(serializers.Serializer):
    """A place for backups. Keys are never told."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    folder = serializers.CharField()
    profile_id = serializers.UUIDField(allow_null=True)
    prefix = serializers.CharField()
    recipients = serializers.ListField(child=serializers.CharField())
    identity_kept_here = serializers.BooleanField(help_text="Whether this portal can open the backups by itself.")
    mirror_of = serializers.UUIDField(allow_null=True)
    elsewhere = serializers.BooleanField(help_text="On another device than the data folder.")
    enabled = serializers.BooleanField()
    price_gib_month = serializers.DecimalField(max_digits=9, decimal_places=4, allow_null=True)
    currency = serializers.CharField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_problem = serializers.CharField()
    last_remedy = serializers.CharField()
    compared_at = serializers.DateTimeField(allow_null=True)
    missing_objects = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class NewDestinationOutput(DestinationOutput):
    """A new place, and once the key that was made for it."""

    identity = serializers.CharField(
        help_text="The key that opens the backups, told this once; empty if none was made."
    )


class DestinationInput(Input):
    """A new place. Without recipients and without an identity a pair of keys is made."""

    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(choices=Destination.Kind.choices, default="folder")
    folder = serializers.CharField(max_length=300, required=False, default="")
    profile_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    prefix = serializers.CharField(max_length=100, required=False, default="backups", allow_blank=True)
    recipients = serializers.ListField(child=serializers.CharField(max_length=200), required=False, default=list)
    identity = serializers.CharField(
        max_length=2_000, required=False, default="", help_text="The key of a repository that is there already."
    )
    mirror_of = serializers.UUIDField(required=False, allow_null=True, default=None)


class DestinationChangeInput(Input):
    """What of a place can be changed."""

    name = serializers.CharField(max_length=80, required=False)
    enabled = serializers.BooleanField(required=False)
    price_gib_month = serializers.DecimalField(
        max_digits=9,
        decimal_places=4,
        min_value=0,
        required=False,
        allow_null=True,
        help_text="What a GiB costs there a month; null: not known.",
    )
    currency = serializers.CharField(max_length=3, required=False)


class SizeOfDay(serializers.Serializer):
    """How much lies there on a day."""

    day = serializers.DateField()
    bytes = serializers.IntegerField()


class ForecastOutput(serializers.Serializer):
    """What a place will hold and cost, if the last weeks go on."""

    destination_id = serializers.UUIDField()
    bytes_now = serializers.IntegerField()
    bytes_per_day = serializers.IntegerField(allow_null=True, help_text="Null with fewer than four days to tell from.")
    history = SizeOfDay(many=True)
    ahead = SizeOfDay(many=True)
    free_bytes = serializers.IntegerField(allow_null=True, help_text="On a folder's disk.")
    full_on = serializers.DateField(allow_null=True, help_text="When that disk is full; null: not within a year.")
    currency = serializers.CharField()
    price_gib_month = serializers.DecimalField(max_digits=9, decimal_places=4, allow_null=True)
    cost_month_now = serializers.DecimalField(max_digits=20, decimal_places=2, allow_null=True)
    cost_month_ahead = serializers.DecimalField(max_digits=20, decimal_places=2, allow_null=True)
    cost_year = serializers.DecimalField(max_digits=20, decimal_places=2, allow_null=True)


class RecipientsInput(Input):
    """Who can open the backups from now on."""

    recipients = serializers.ListField(child=serializers.CharField(max_length=200))
    identity = serializers.CharField(
        max_length=2_000, required=False, default="", help_text="A present key, when the portal does not have it."
    )


def shown(row: Destination) -> dict[str, Any]:
    """A place as the API shows it."""
    return {
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "folder": row.folder,
        "profile_id": row.profile_id,
        "prefix": row.prefix,
        "recipients": row.recipients,
        "identity_kept_here": bool(row.identity_ref),
        "mirror_of": row.mirror_of_id,
        "elsewhere": is_elsewhere(row),
        "enabled": row.enabled,
        "price_gib_month": row.price_gib_month,
        "currency": row.currency,
        "last_used_at": row.last_used_at,
        "last_problem": row.last_problem,
        "last_remedy": row.last_remedy,
        "compared_at": row.compared_at,
        "missing_objects": row.missing_objects,
        "created_at": row.created_at,
    }


class DestinationListView(APIView):
    """Places for backups."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_destinations_list", responses=DestinationOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, destinations_for(actor_of(request)), row=shown)

    @extend_schema(
        operation_id="backup_destinations_create", request=DestinationInput, responses={201: NewDestinationOutput}
    )
    def post(self, request: Request) -> Response:
        """Set one up and make the repository in it. A key that is made is told in this answer only."""
        values = read(DestinationInput, request)
        row, identity = destinations.create_destination(actor=actor_of(request), **values)
        return Response({**shown(row), "identity": identity}, status=status.HTTP_201_CREATED)


class DestinationView(APIView):
    """One place."""

    @extend_schema(operation_id="backup_destinations_read", responses=DestinationOutput)
    def get(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(shown(get_destination(actor=actor_of(request), destination_id=destination_id)))

    @extend_schema(
        operation_id="backup_destinations_update", request=DestinationChangeInput, responses=DestinationOutput
    )
    def patch(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Rename it, price it, or switch it off."""
        values = read(DestinationChangeInput, request, partial=True)
        row = destinations.update_destination(actor=actor_of(request), destination_id=destination_id, **values)
        return Response(shown(row))

    @extend_schema(operation_id="backup_destinations_delete", responses={204: None})
    def delete(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Forget it. What lies there stays."""
        destinations.delete_destination(actor=actor_of(request), destination_id=destination_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ForecastView(APIView):
    """Size and cost to come."""

    @extend_schema(operation_id="backup_destinations_forecast", responses=ForecastOutput)
    def get(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Say what the place will hold and cost, if the last weeks go on."""
        found = forecast_of(actor=actor_of(request), destination_id=destination_id)
        return Response(ForecastOutput(found.as_dict()).data)


class RecipientsView(APIView):
    """Who can open the backups."""

    @extend_schema(operation_id="backup_recipients_set", request=RecipientsInput, responses=DestinationOutput)
    def put(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Wrap the keys for these recipients and no others."""
        values = read(RecipientsInput, request)
        row = destinations.change_recipients(actor=actor_of(request), destination_id=destination_id, **values)
        return Response(shown(row))


class RemovedOutput(serializers.Serializer):
    """A removed set that can be taken back."""

    name = serializers.CharField()
    until = serializers.DateTimeField(help_text="Then its bytes may go.")


class RemovedListOutput(serializers.Serializer):
    """Removed sets of a place."""

    sets = RemovedOutput(many=True)


class TakeBackInput(Input):
    """Which one."""

    set = serializers.CharField(max_length=120, help_text="Its name.")


class RemovedView(APIView):
    """Removed sets of a place."""

    @extend_schema(operation_id="backup_removed_list", responses=RemovedListOutput)
    def get(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Sets that the retention let go, and whose bytes are still there."""
        rows = taking_back.removed_sets(actor=actor_of(request), destination_id=destination_id)
        return Response({"sets": RemovedOutput(rows, many=True).data})

    @extend_schema(operation_id="backup_removed_take_back", request=TakeBackInput, responses=RemovedListOutput)
    def post(self, request: Request, destination_id: uuid.UUID) -> Response:
        """Take one back; it is pinned. Answers with those that are left."""
        values = read(TakeBackInput, request)
        actor = actor_of(request)
        taking_back.take_back(actor=actor, destination_id=destination_id, name=values["set"])
        rows = taking_back.removed_sets(actor=actor, destination_id=destination_id)
        return Response({"sets": RemovedOutput(rows, many=True).data})


class PolicyOutput(serializers.ModelSerializer):
    """A schedule, what is kept, and what is promised."""

    next_backup = serializers.SerializerMethodField()

    class Meta:
        model = Policy
        fields = ("id", "destination_id", *policies.FIELDS, "next_backup", "created_at")

    def get_next_backup(self, row: Policy) -> str:
        """When the schedule wants the next one."""
        return schedules.next_backup(row).isoformat()


class PolicyChangeInput(Input):
    """Fields of a policy; what is left out stays."""

    name = serializers.CharField(max_length=80, required=False)
    enabled = serializers.BooleanField(required=False)
    every = serializers.ChoiceField(choices=Policy.Every.choices, required=False)
    at = serializers.TimeField(required=False)
    window_start = serializers.TimeField(required=False, allow_null=True)
    window_end = serializers.TimeField(required=False, allow_null=True)
    bandwidth_mb = serializers.IntegerField(min_value=0, required=False)
    cpu_percent = serializers.IntegerField(min_value=5, max_value=100, required=False)
    keep_last = serializers.IntegerField(min_value=0, required=False)
    keep_hourly = serializers.IntegerField(min_value=0, required=False)
    keep_daily = serializers.IntegerField(min_value=0, required=False)
    keep_weekly = serializers.IntegerField(min_value=0, required=False)
    keep_monthly = serializers.IntegerField(min_value=0, required=False)
    keep_yearly = serializers.IntegerField(min_value=0, required=False)
    keep_days = serializers.IntegerField(min_value=0, required=False)
    keep_minimum = serializers.IntegerField(min_value=1, required=False)
    verify_percent = serializers.IntegerField(min_value=1, max_value=100, required=False)
    deep_days = serializers.IntegerField(min_value=0, required=False)
    drill_days = serializers.IntegerField(min_value=0, required=False)
    pitr = serializers.BooleanField(
        required=False, help_text="Capture every change, so that any second can be restored."
    )
    pitr_seconds = serializers.IntegerField(min_value=1, max_value=600, required=False)
    pitr_days = serializers.IntegerField(min_value=1, required=False)
    rpo_minutes = serializers.IntegerField(min_value=0, required=False)
    rto_minutes = serializers.IntegerField(min_value=0, required=False)


class PolicyInput(PolicyChangeInput):
    """A new policy."""

    destination_id = serializers.UUIDField()
    name = serializers.CharField(max_length=80)


def _policy(row: Policy) -> Any:
    return PolicyOutput(row).data


class PolicyListView(APIView):
    """Policies."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_policies_list", responses=PolicyOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, policies_for(actor_of(request)), row=_policy)

    @extend_schema(operation_id="backup_policies_create", request=PolicyInput, responses={201: PolicyOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one."""
        values = read(PolicyInput, request)
        row = policies.create_policy(actor=actor_of(request), **values)
        return Response(_policy(row), status=status.HTTP_201_CREATED)


class PolicyView(APIView):
    """One policy."""

    @extend_schema(operation_id="backup_policies_read", responses=PolicyOutput)
    def get(self, request: Request, policy_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_policy(get_policy(actor=actor_of(request), policy_id=policy_id)))

    @extend_schema(operation_id="backup_policies_update", request=PolicyChangeInput, responses=PolicyOutput)
    def patch(self, request: Request, policy_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(PolicyChangeInput, request, partial=True)
        return Response(_policy(policies.update_policy(actor=actor_of(request), policy_id=policy_id, **values)))

    @extend_schema(operation_id="backup_policies_delete", responses={204: None})
    def delete(self, request: Request, policy_id: uuid.UUID) -> Response:
        """Remove it; its sets stay."""
        policies.delete_policy(actor=actor_of(request), policy_id=policy_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RetentionVerdictOutput(serializers.Serializer):
    """What a policy would do with one set."""

    set_id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    kept = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())


class RetentionPreviewOutput(serializers.Serializer):
    """What a policy would do now."""

    frozen = serializers.CharField(help_text="Why nothing is deleted at all; empty when something may be.")
    sets = RetentionVerdictOutput(many=True)


class PolicyPreviewView(APIView):
    """What would be deleted."""

    @extend_schema(operation_id="backup_policies_preview", responses=RetentionPreviewOutput)
    def get(self, request: Request, policy_id: uuid.UUID) -> Response:
        """Show what the policy keeps and why, and what it would delete. Nothing is touched."""
        plan = retention.preview(get_policy(actor=actor_of(request), policy_id=policy_id))
        kept = {each.row.pk for each in plan.kept}
        rows = [
            {
                "set_id": each.row.pk,
                "name": each.row.name,
                "created_at": each.row.created_at,
                "kept": each.row.pk in kept,
                "reasons": each.reasons,
            }
            for each in plan.verdicts
        ]
        return Response({"frozen": plan.frozen, "sets": rows})
