"""Addresses below /api/v1/."""

from django.urls import path

from apps.backups.api import delegates, destinations, jobs, keys, moments, pauses, staging

urlpatterns = [
    path("backups/status", destinations.BackupStatusView.as_view(), name="api-backup-status"),
    path("backups/destinations", destinations.DestinationListView.as_view(), name="api-backup-destinations"),
    path(
        "backups/destinations/<uuid:destination_id>",
        destinations.DestinationView.as_view(),
        name="api-backup-destination",
    ),
    path(
        "backups/destinations/<uuid:destination_id>/recipients",
        destinations.RecipientsView.as_view(),
        name="api-backup-recipients",
    ),
    path("backups/destinations/<uuid:destination_id>/keys", keys.KeysView.as_view(), name="api-backup-keys"),
    path(
        "backups/destinations/<uuid:destination_id>/keys/test", keys.KeyTestView.as_view(), name="api-backup-key-test"
    ),
    path(
        "backups/destinations/<uuid:destination_id>/keys/reencrypt",
        keys.ReencryptView.as_view(),
        name="api-backup-reencrypt",
    ),
    path(
        "backups/destinations/<uuid:destination_id>/forecast",
        destinations.ForecastView.as_view(),
        name="api-backup-forecast",
    ),
    path(
        "backups/destinations/<uuid:destination_id>/removed",
        destinations.RemovedView.as_view(),
        name="api-backup-removed",
    ),
    path("backups/delegates", delegates.DelegateListView.as_view(), name="api-backup-delegates"),
    path("backups/delegates/<uuid:delegate_id>", delegates.DelegateView.as_view(), name="api-backup-delegate"),
    path(
        "backups/delegates/<uuid:delegate_id>/look",
        delegates.DelegateLookView.as_view(),
        name="api-backup-delegate-look",
    ),
    path(
        "backups/delegates/<uuid:delegate_id>/drill",
        delegates.DelegateDrillView.as_view(),
        name="api-backup-delegate-drill",
    ),
    path("backups/policies", destinations.PolicyListView.as_view(), name="api-backup-policies"),
    path("backups/policies/<uuid:policy_id>", destinations.PolicyView.as_view(), name="api-backup-policy"),
    path(
        "backups/policies/<uuid:policy_id>/preview",
        destinations.PolicyPreviewView.as_view(),
        name="api-backup-policy-preview",
    ),
    path("backups/sets", jobs.BackupSetListView.as_view(), name="api-backup-sets"),
    path("backups/sets/<uuid:set_id>", jobs.BackupSetView.as_view(), name="api-backup-set"),
    path("backups/sets/<uuid:set_id>/accept", jobs.BackupSetAcceptView.as_view(), name="api-backup-set-accept"),
    path("backups/runs", jobs.BackupRunListView.as_view(), name="api-backup-runs"),
    path("backups/runs/<uuid:run_id>", jobs.BackupRunView.as_view(), name="api-backup-run"),
    path("backups/runs/<uuid:run_id>/stop", jobs.BackupRunStopView.as_view(), name="api-backup-run-stop"),
    path("backups/drills", jobs.DrillListView.as_view(), name="api-backup-drills"),
    path("backups/drills/<uuid:drill_id>", jobs.DrillView.as_view(), name="api-backup-drill"),
    path("backups/drills/<uuid:drill_id>/stop", jobs.DrillStopView.as_view(), name="api-backup-drill-stop"),
    path("backups/moments", moments.MomentsView.as_view(), name="api-backup-moments"),
    path("backups/staging", staging.StagingCopyListView.as_view(), name="api-backup-staging"),
    path("backups/staging/<uuid:copy_id>", staging.StagingCopyView.as_view(), name="api-backup-staging-copy"),
    path("backups/staging/<uuid:copy_id>/stop", staging.StagingCopyStopView.as_view(), name="api-backup-staging-stop"),
    path("backups/restores", jobs.RestoreListView.as_view(), name="api-backup-restores"),
    path("backups/restores/<uuid:restore_id>", jobs.RestoreView.as_view(), name="api-backup-restore"),
    path("backups/restores/<uuid:restore_id>/start", jobs.RestoreStartView.as_view(), name="api-backup-restore-start"),
    path(
        "backups/restores/<uuid:restore_id>/approve",
        jobs.RestoreApproveView.as_view(),
        name="api-backup-restore-approve",
    ),
    path("backups/maintenance", pauses.MaintenanceView.as_view(), name="api-backup-maintenance"),
    path("backups/outside", pauses.OutsideView.as_view(), name="api-backup-outside"),
    path("backups/restores/<uuid:restore_id>/stop", jobs.RestoreStopView.as_view(), name="api-backup-restore-stop"),
    path("backups/restores/<uuid:restore_id>/undo", jobs.RestoreUndoView.as_view(), name="api-backup-restore-undo"),
]
