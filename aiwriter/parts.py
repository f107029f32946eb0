"""What the apps plug into each other and into the schedule: by name, so that nobody imports upwards.

Part of `aiwriter/settings.py`, which takes over every name. Nothing here depends on an installation's variables.
"""

from typing import Any

# Tasks by their names and what is between two runs, in seconds; one that waited for longer than it expires is dropped.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep-generations": {"task": "content.sweep_generations", "schedule": 5.0, "options": {"expires": 20}},
    "sweep-sources": {"task": "content.sweep_sources", "schedule": 10.0, "options": {"expires": 30}},
    "run-health-checks": {"task": "monitoring.run_health_checks", "schedule": 15.0, "options": {"expires": 30}},
    "prune-check-history": {"task": "monitoring.prune_history", "schedule": 3600.0},
    "sweep-publications": {"task": "content.sweep_publications", "schedule": 15.0, "options": {"expires": 30}},
    "sweep-schedules": {"task": "content.sweep_schedules", "schedule": 10.0, "options": {"expires": 20}},
    "sweep-webhooks": {"task": "content.sweep_webhooks", "schedule": 10.0, "options": {"expires": 20}},
    "prune-webhooks": {"task": "content.prune_webhooks", "schedule": 3600.0},
    "sweep-imports": {"task": "content.sweep_imports", "schedule": 20.0, "options": {"expires": 30}},
    "sweep-outlines": {"task": "content.sweep_outlines", "schedule": 10.0, "options": {"expires": 20}},
    "sweep-batches": {"task": "content.sweep_batches", "schedule": 10.0, "options": {"expires": 20}},
    "expire-exports": {"task": "content.expire_exports", "schedule": 600.0},
    "prune-generation-events": {"task": "content.prune_events", "schedule": 3600.0},
    "purge-trash": {"task": "content.purge_trash", "schedule": 3600.0},
    "collect-file-garbage": {"task": "backends.collect_garbage", "schedule": 6 * 3600.0},
    "prune-rate-limits": {"task": "users.prune_rate_limits", "schedule": 3600.0},
    "seal-audit": {"task": "users.seal_audit", "schedule": 5.0, "options": {"expires": 20}},
    "sweep-audit": {"task": "users.sweep_audit", "schedule": 15.0, "options": {"expires": 30}},
    "archive-audit": {"task": "users.archive_audit", "schedule": 3600.0},
    "sweep-invitations": {"task": "users.sweep_invitations", "schedule": 300.0, "options": {"expires": 300}},
    "sweep-privacy": {"task": "users.sweep_privacy", "schedule": 30.0, "options": {"expires": 60}},
    "sweep-reviews": {"task": "users.sweep_reviews", "schedule": 300.0, "options": {"expires": 300}},
    "sweep-proof-packs": {"task": "users.sweep_proof_packs", "schedule": 300.0, "options": {"expires": 300}},
    "prune-idempotency": {"task": "users.prune_idempotency", "schedule": 3600.0},
    "start-due-backups": {"task": "backups.start_due", "schedule": 15.0, "options": {"expires": 30}},
    "watch-backups-of-others": {"task": "backups.watch_delegates", "schedule": 300.0, "options": {"expires": 240}},
    "clear-backup-scratch": {"task": "backups.clear_scratch", "schedule": 3600.0},
    "look-after-flags": {"task": "deployments.look_after_flags", "schedule": 5.0, "options": {"expires": 20}},
    "look-after-experiments": {
        "task": "deployments.look_after_experiments",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "forget-scaling": {"task": "deployments.forget_scaling", "schedule": 6 * 3600.0},
    "settle-abandoned-calls": {"task": "backends.settle_abandoned_calls", "schedule": 60.0},
}

# What `manage.py bootstrap` does on every start, in order; each is idempotent.
BOOTSTRAP_STEPS = [
    "apps.backups.services.staging.steps.refuse_unsanitised",
    "apps.users.services.keys.ensure_ring",
    "apps.users.services.ledger_sealing.checkpoint_at_start",
    "apps.backends.services.defaults.ensure_defaults",
    "apps.content.services.type_seeds.ensure_content_types",
    "apps.backups.services.defaults.ensure_backups",
    "apps.monitoring.services.alert_defaults.ensure_alerts",
    "apps.monitoring.services.slos.ensure_slos",
    "apps.deployments.services.environments.ensure_environment",
    "apps.deployments.services.flags.ensure_flags",
]
# What kind of data every column holds: read by staging copies, and by what finds, exports and erases a person's data.
DATA_MAPS = [f"apps.{app}.models.datamap.TABLES" for app in (
    "users", "monitoring", "backends", "backups", "content", "deployments",
)]  # fmt: skip
# Each app's share of an export or erasure of a person's data; where the file of an export is kept; backups that have copies.
PRIVACY_PARTS = ["apps.content.services.personal.PART", "apps.backends.services.personal.PART"]
PRIVACY_PARCELS, PRIVACY_COPIES = "apps.backends.services.parcels", ["apps.backups.services.personal.copies"]
# What a backup set consists of, in order: the first takes the snapshot apart, the others read from it.
BACKUP_SOURCES = [
    "apps.backups.sources.database.database",
    "apps.backups.sources.physical.physical",
    "apps.backups.sources.files.files",
    "apps.backups.sources.configuration.configuration",
]
# What a restore drill does with the restored portal; each returns what it tried, whether it worked, and a detail.
DRILL_PROBES = [
    "apps.backups.services.probes.sign_in",
    "apps.content.services.recovery.open_document",
    "apps.content.services.recovery.find_words",
    "apps.content.services.recovery.find_passages",
]
# Run once in a database that a restore has just put in place.
AFTER_RESTORE = ["apps.content.services.recovery.index_again", "apps.users.services.privacy_erasure.erase_again"]
# Run once within a staging copy whose rows are there: what is made from other columns is made again.
AFTER_STAGING = ["apps.content.services.recovery.make_again"]
# Which row is "a document" when one is brought back with everything that belongs to it.
BACKUP_ITEMS = {
    "workspace": "users.Workspace",
    "copy": "users.Workspace",
    "document": "content.Document",
    "file": "backends.StoredFile",
}
# What stays away all the same: a token that was revoked since then would open the portal again, and so would a link.
BACKUP_ITEMS_LEFT = ("users.ApiToken", "content.ShareLink", "users.IdempotencyRecord", "content.Presence")
# And what a copy of a workspace has not: what would act outside a second time, or let people in.
BACKUP_COPY_LEFT = (
    "content.Publication", "content.Schedule", "content.WebhookEndpoint", "content.WebhookDelivery",
    "users.Invitation", "users.RoleRule",
)  # fmt: skip
AFTER_COPY = ["apps.content.services.recovery.digest_again"]
# Maintenance, and the hold on what goes outside after a restore: who knows, what stays open, which tasks go on.
PAUSE_STATE = "apps.backups.selectors.pauses.state"
OPEN_IN_MAINTENANCE = ("/admin", "/accounts/", "/static/", "/livez", "/readyz", "/metrics", "/api/v1/backups")
TASKS_IN_MAINTENANCE = ("backups.", "monitoring.", "users.")
TASKS_OUTSIDE = (
    "content.run_publication", "content.sweep_publications", "content.run_schedule", "content.sweep_schedules",
    "content.deliver_webhook", "content.sweep_webhooks",
)  # fmt: skip
WAITING_OUTSIDE, DISCARD_OUTSIDE = ["apps.content.services.outside.waiting"], ["apps.content.services.outside.discard"]
HEALTH_CHECKS = [
    "apps.monitoring.health.database", "apps.monitoring.health.migrations", "apps.backends.health.file_storage",
    "apps.backends.health.malware_scanner",
    "apps.monitoring.health.disk", "apps.monitoring.health.memory", "apps.monitoring.health.processor",
    "apps.monitoring.health.descriptors", "apps.monitoring.health.network", "apps.monitoring.health.clock",
    "apps.monitoring.health.certificates", "apps.monitoring.health.connections",
    "apps.monitoring.health.transactions", "apps.monitoring.health.replication", "apps.monitoring.health.bloat",
    "apps.monitoring.health.wal", "apps.monitoring.health.cache_round_trip", "apps.monitoring.health.broker",
    "apps.monitoring.health.mail", "apps.monitoring.health.worker", "apps.monitoring.health.scheduler",
    "apps.monitoring.health.watch", "apps.monitoring.health.schedules", "apps.monitoring.health.jobs",
    "apps.monitoring.health.audit_record", "apps.monitoring.health.keyring_state", "apps.monitoring.health.logs",
    "apps.monitoring.health.privacy_requests", "apps.monitoring.health.retention_kept", "apps.monitoring.health.second_factor",
    "apps.backends.health.model_route", "apps.backends.health.providers", "apps.content.health.vector_store",
    "apps.content.health.queue", "apps.backups.health.backups", "apps.backups.health.backup_proof",
    "apps.backups.health.backup_copies", "apps.backups.health.backup_capture",
    "apps.deployments.health.flags",
]  # fmt: skip
# What a proof pack shows, in the order in which it is read.
PROOF_PARTS = [
    "apps.users.services.proof_parts.record",
    "apps.users.services.proof_parts.reviews",
    "apps.backups.services.proof.drills",
    "apps.users.services.proof_parts.keys",
    "apps.users.services.proof_parts.kept",
    "apps.users.services.proof_tests.tests",
    "apps.users.services.proof_parts.components",
]
# Checks that depend on what was set up: each returns them, and is asked again twice a minute.
CHECK_SOURCES = ["apps.backends.services.plugin_checks.checks"]
# More sections of the report of operations; each is called with the first moment and the first one after it.
REPORT_PARTS = ["apps.backups.selectors.report.section"]
# Called with each audit event and its object, in the transaction of the act.
AUDIT_LISTENERS = ["apps.content.services.deliveries.on_audit"]
# What else belongs into the timeline of an incident: what happened between two moments, to whom it may matter.
INCIDENT_MOMENTS = ["apps.deployments.selectors.deployments.moments"]
# Which keys are needed by parts above the people's app; each returns how many things need each key id.
KEY_USES = ["apps.backends.services.encryption.uses"]
# How the audit's checkpoints get into a storage profile: which profiles may be chosen, and what puts an object there.
AUDIT_STORAGE_PROFILE = "apps.backends.services.audit_places.usable_profile"
AUDIT_STORAGE_SINK = "apps.backends.services.audit_places.put_object"
