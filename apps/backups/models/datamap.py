"""What the tables of backups hold: see `aiwriter.core.datamap`. A staging copy knows nothing of the original's backups."""

from __future__ import annotations

from aiwriter.core.datamap import JOB, table

_RECOVERY = f"{JOB} id requested_by done total stop_requested_at exit_code created_at"

TABLES = (
    table(
        "backups.Destination",
        staging="drop",
        retention="until an operator takes it out of use",
        technical="id profile mirror_of enabled managed last_used_at compared_at missing_objects keys_changed_at encrypted_anew_at key_tested_at segments_lost_at "
        "price_gib_month currency:currency created_at updated_at",
        public="kind",
        internal="name folder prefix recipients:json last_problem last_remedy",
        secrets="writer_ref identity_ref",
    ),
    table(
        "backups.Delegate",
        staging="drop",
        retention="until an operator removes it",
        technical="id enabled gate max_age_hours drill_days looked_at newest_at since created_at updated_at",
        public="tool state",
        internal="name source config role problem remedy sets:json",
        secrets="token_ref",
    ),
    table("backups.PlaceSize", staging="drop", retention="as its place", technical="id destination day bytes"),
    table(
        "backups.Policy",
        staging="drop",
        retention="until an operator removes it",
        technical="id destination enabled at window_start window_end bandwidth_mb cpu_percent keep_last keep_hourly keep_daily "
        "keep_weekly keep_monthly keep_yearly keep_days keep_minimum verify_percent deep_days drill_days rpo_minutes "
        "rto_minutes pitr pitr_seconds pitr_days created_at updated_at",
        public="every",
        internal="name",
    ),
    table(
        "backups.BackupRun",
        staging="drop",
        people="requested_by",
        erasure="detach",
        retention="90 days; what failed longer",
        technical=f"{_RECOVERY} destination policy result:json",
        public="state trigger action phase:drop",
        internal="log error remedy pin",
        secrets="identity_ref",
    ),
    table(
        "backups.BackupSet",
        staging="drop",
        retention="as its policy says",
        technical="id destination run name capture:json created_at bytes_source bytes_added entries rows files portal_version "
        "engine engine_version heads verified_at deep_verified_at drilled_at",
        public="state",
        internal="problem pin missing:json",
    ),
    table(
        "backups.Drill",
        staging="drop",
        people="requested_by",
        erasure="detach",
        retention="as long as its place",
        technical=f"{_RECOVERY} destination delegate policy backup_set set_name phases:json rpo_seconds rto_seconds moment",
        public="state trigger phase:drop",
        internal="log error remedy findings:json",
    ),
    table(
        "backups.Restore",
        staging="drop",
        people="requested_by approved_by",
        erasure="detach",
        retention="as long as its place",
        technical=f"{_RECOVERY} destination backup_set set_name plan:json result:json safety_run moment switched_at undo_until "
        "undone_at before:drop approved_by approved_at",
        public="state trigger scope phase:drop",
        internal="log error remedy subject",
        secrets="identity_ref",
    ),
    table(
        "backups.StagingCopy",
        staging="drop",
        people="requested_by",
        erasure="detach",
        retention="as long as its place",
        technical=f"{_RECOVERY} destination backup_set set_name result:json scan:json",
        public="state trigger phase:drop",
        internal="log error remedy folder database",
        secrets="identity_ref database_ref",
    ),
    table(
        "backups.Pause",
        staging="drop",
        retention="one row",
        technical="id maintenance since restore_id outside outside_since",
        internal="message",
    ),
    table(
        "backups.StagingMark",
        staging="drop",
        retention="as long as the copy",
        technical="id made_at set_name version scan:json",
    ),
)
