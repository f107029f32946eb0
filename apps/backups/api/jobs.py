"""Sets, runs, drills and restores."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.backups.models import BackupRun, BackupSet, Drill, RecoveryJob, Restore
from apps.backups.selectors.sets import (
    drills_for,
    get_drill,
    get_restore,
    get_run,
    get_set,
    restores_for,
    runs_for,
    sets_for,
)
from apps.backups.services import approvals, backups, drills, jobs, restores, upkeep
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

Job = TypeVar("Job", bound=RecoveryJob)
JOB_FIELDS = (
    "id",
    "state",
    "trigger",
    "phase",
    "done",
    "total",
    "percent",
    "error",
    "remedy",
    "exit_code",
    "created_at",
    "started_at",
    "finished_at",
)


class BackupSetOutput(serializers.ModelSerializer):
    """One consistent state in a repository."""

    class Meta:
        model = BackupSet
        fields = (
            "id",
            "name",
            "destination_id",
            "run_id",
            "state",
            "problem",
            "created_at",
            "pin",
            "bytes_source",
            "bytes_added",
            "entries",
            "rows",
            "files",
            "portal_version",
            "engine",
            "engine_version",
            "capture",
            "heads",
            "missing",
            "verified_at",
            "deep_verified_at",
            "drilled_at",
        )


class JobOutput(serializers.ModelSerializer):
    """What all jobs have."""

    percent = serializers.IntegerField(read_only=True)


class BackupRunOutput(JobOutput):
    """One backup, check, clean-up or copy."""

    class Meta:
        model = BackupRun
        fields = (*JOB_FIELDS, "action", "destination_id", "policy_id", "pin", "result", "log")


class DrillOutput(JobOutput):
    """A rehearsed restore."""

    class Meta:
        model = Drill
        fields = (
            *JOB_FIELDS,
            "destination_id",
            "delegate_id",
            "policy_id",
            "backup_set_id",
            "set_name",
            "moment",
            "phases",
            "findings",
            "rpo_seconds",
            "rto_seconds",
            "log",
        )


class RestoreOutput(JobOutput):
    """A restore: planned, carried out, perhaps undone."""

    class Meta:
        model = Restore
        fields = (
            *JOB_FIELDS,
            "scope",
            "subject",
            "destination_id",
            "backup_set_id",
            "set_name",
            "moment",
            "plan",
            "result",
            "safety_run_id",
            "approved_by_id",
            "approved_at",
            "switched_at",
            "undo_until",
            "undone_at",
            "log",
        )


class PinInput(Input):
    """Why a set is kept."""

    pin = serializers.CharField(max_length=80, allow_blank=True, help_text="Empty takes the pin away.")


class RunInput(Input):
    """What is to be done."""

    action = serializers.ChoiceField(choices=["backup", "verify", "deep", "prune", "copy"], default="backup")
    destination_id = serializers.UUIDField()
    pin = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


class DrillInput(Input):
    """Which set is to be restored for practice."""

    destination_id = serializers.UUIDField()
    set_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    moment = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Instead of a set: rehearse a restore to this moment."
    )


class RestoreInput(Input):
    """What is to be planned."""

    set_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    moment = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Instead of a set: bring back the state of this moment. See GET /backups/moments for what can be reached.",
    )
    destination_id = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="With a moment: from which place."
    )
    scope = serializers.ChoiceField(choices=Restore.Scope.choices)
    subject = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        default="",
        help_text="Id of the workspace, the document or the file.",
    )
    identity = serializers.CharField(
        max_length=2_000, required=False, default="", help_text="The key, when the portal does not have it."
    )


class RestoreStartInput(Input):
    """The words that the plan asks for."""

    confirm = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


def _set(row: BackupSet) -> Any:
    return BackupSetOutput(row).data


def _run(row: BackupRun) -> Any:
    return BackupRunOutput(row).data


def _drill(row: Drill) -> Any:
    return DrillOutput(row).data


def _restore(row: Restore) -> Any:
    return RestoreOutput(row).data


class BackupSetListView(APIView):
    """Sets."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_sets_list", responses=BackupSetOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, sets_for(actor_of(request)), row=_set)


class BackupSetView(APIView):
    """One set."""

    @extend_schema(operation_id="backup_sets_read", responses=BackupSetOutput)
    def get(self, request: Request, set_id: uuid.UUID) -> Response:
        """Read what is known of it."""
        return Response(_set(get_set(actor=actor_of(request), set_id=set_id)))

    @extend_schema(operation_id="backup_sets_pin", request=PinInput, responses=BackupSetOutput)
    def patch(self, request: Request, set_id: uuid.UUID) -> Response:
        """Pin it, so that no retention deletes it, or take the pin away."""
        values = read(PinInput, request)
        return Response(_set(upkeep.pin_set(actor=actor_of(request), set_id=set_id, pin=values["pin"])))


class BackupSetAcceptView(APIView):
    """A suspicious set."""

    @extend_schema(operation_id="backup_sets_accept", request=None, responses=BackupSetOutput)
    def post(self, request: Request, set_id: uuid.UUID) -> Response:
        """Say that it is right: the portal really has so much less now."""
        return Response(_set(upkeep.accept_set(actor=actor_of(request), set_id=set_id)))


class BackupRunListView(APIView):
    """Runs."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_runs_list", responses=BackupRunOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, runs_for(actor_of(request)), row=_run)

    @extend_schema(operation_id="backup_runs_create", request=RunInput, responses={201: BackupRunOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a backup, a check, a clean-up or a copy; a worker does it."""
        values = read(RunInput, request)
        actor = actor_of(request)
        if values["action"] == "backup":
            run = backups.start_backup(actor=actor, destination_id=values["destination_id"], pin=values["pin"])
        else:
            run = upkeep.start_upkeep(actor=actor, destination_id=values["destination_id"], action=values["action"])
        return Response(_run(run), status=status.HTTP_201_CREATED)


class BackupRunView(APIView):
    """One run."""

    @extend_schema(operation_id="backup_runs_read", responses=BackupRunOutput)
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """How far it is, and its log."""
        return Response(_run(get_run(actor=actor_of(request), run_id=run_id)))


def stopped(request: Request, job: Job) -> Job:
    """The job, after asking it to stop."""
    jobs.request_stop(actor=actor_of(request), job=job)
    job.refresh_from_db()
    return job


class BackupRunStopView(APIView):
    """Stopping a run."""

    @extend_schema(operation_id="backup_runs_stop", request=None, responses=BackupRunOutput)
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """End it at its next step. What was stored is used by the next one."""
        return Response(_run(stopped(request, get_run(actor=actor_of(request), run_id=run_id))))


class DrillListView(APIView):
    """Drills."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_drills_list", responses=DrillOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, drills_for(actor_of(request)), row=_drill)

    @extend_schema(operation_id="backup_drills_create", request=DrillInput, responses={201: DrillOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Restore a set into a scratch place and use it; a worker does it."""
        values = read(DrillInput, request)
        drill = drills.start_drill(
            actor=actor_of(request),
            destination_id=values["destination_id"],
            set_id=values["set_id"] or "",
            moment=values["moment"],
        )
        return Response(_drill(drill), status=status.HTTP_201_CREATED)


class DrillView(APIView):
    """One drill."""

    @extend_schema(operation_id="backup_drills_read", responses=DrillOutput)
    def get(self, request: Request, drill_id: uuid.UUID) -> Response:
        """What it found, and how long it took by phase."""
        return Response(_drill(get_drill(actor=actor_of(request), drill_id=drill_id)))


class DrillStopView(APIView):
    """Stopping a drill."""

    @extend_schema(operation_id="backup_drills_stop", request=None, responses=DrillOutput)
    def post(self, request: Request, drill_id: uuid.UUID) -> Response:
        """End it; its scratch place is removed."""
        return Response(_drill(stopped(request, get_drill(actor=actor_of(request), drill_id=drill_id))))


class RestoreListView(APIView):
    """Restores."""

    pagination_class = CursorPage

    @extend_schema(operation_id="backup_restores_list", responses=RestoreOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, restores_for(actor_of(request)), row=_restore)

    @extend_schema(operation_id="backup_restores_plan", request=RestoreInput, responses={201: RestoreOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Plan one: what will be lost, how long it takes, what stands against it. Nothing is changed."""
        values = read(RestoreInput, request)
        restore = restores.plan_restore(actor=actor_of(request), **values)
        return Response(_restore(restore), status=status.HTTP_201_CREATED)


class RestoreView(APIView):
    """One restore."""

    @extend_schema(operation_id="backup_restores_read", responses=RestoreOutput)
    def get(self, request: Request, restore_id: uuid.UUID) -> Response:
        """Its plan, how far it is, and its log."""
        return Response(_restore(get_restore(actor=actor_of(request), restore_id=restore_id)))


class RestoreStartView(APIView):
    """Carrying a plan out."""

    @extend_schema(operation_id="backup_restores_start", request=RestoreStartInput, responses=RestoreOutput)
    def post(self, request: Request, restore_id: uuid.UUID) -> Response:
        """Do what the plan says; `confirm` holds the words that it asks for."""
        values = read(RestoreStartInput, request)
        return Response(
            _restore(restores.start_restore(actor=actor_of(request), restore_id=restore_id, confirm=values["confirm"]))
        )


class RestoreApproveView(APIView):
    """Agreeing to a restore."""

    @extend_schema(operation_id="backup_restores_approve", request=None, responses=RestoreOutput)
    def post(self, request: Request, restore_id: uuid.UUID) -> Response:
        """Agree to a restore that somebody else has planned."""
        return Response(_restore(approvals.approve_restore(actor=actor_of(request), restore_id=restore_id)))


class RestoreStopView(APIView):
    """Stopping a restore."""

    @extend_schema(operation_id="backup_restores_stop", request=None, responses=RestoreOutput)
    def post(self, request: Request, restore_id: uuid.UUID) -> Response:
        """End it before the databases are exchanged, or throw a plan away."""
        return Response(_restore(stopped(request, get_restore(actor=actor_of(request), restore_id=restore_id))))


class RestoreUndoView(APIView):
    """Undoing a restore."""

    @extend_schema(operation_id="backup_restores_undo", request=None, responses=RestoreOutput)
    def post(self, request: Request, restore_id: uuid.UUID) -> Response:
        """Put the database of before back, within 72 hours."""
        return Response(_restore(restores.undo_restore(actor=actor_of(request), restore_id=restore_id)))
