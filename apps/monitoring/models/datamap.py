"""What the tables of monitoring hold: see `aiwriter.core.datamap`."""

from __future__ import annotations

from aiwriter.core.datamap import JOB, table

_USAGE = "as long as the portal: it is what budgets and bills are counted from"

TABLES = (
    table(
        "monitoring.CheckResult",
        staging="drop",
        retention="replaced by the next check",
        technical="id key node data latency_ms since checked_at valid_until recent overruns quarantined_until "
        "run_requested_at",
        public="status",
        internal="message remedy",
    ),
    table(
        "monitoring.CheckHistory",
        staging="drop",
        retention="30 days",
        technical="id key node latency_ms checked_at",
        public="status",
        internal="message",
    ),
    table(
        "monitoring.CheckDay",
        staging="drop",
        retention="400 days",
        technical="id key node day ok_seconds warn_seconds fail_seconds unknown_seconds",
    ),
    table("monitoring.MetricSeries", staging="drop", retention="as its points", technical="id name label node"),
    table(
        "monitoring.MetricPoint",
        staging="drop",
        retention="as long as its step is kept",
        technical="id series step at count total low high",
    ),
    table("monitoring.Leadership", staging="drop", retention="seconds", technical="name holder until"),
    # ------------------------------------------------------------ alerts: a copy watches itself, and tells nobody
    table(
        "monitoring.AlertRule",
        staging="drop",
        retention="until an operator removes it",
        technical="id threshold window_minutes for_seconds keep_firing_seconds needed of_last no_data_seconds enabled "
        "built_in proven_at created_at updated_at",
        public="severity source level combine compare no_data",
        internal="slug title subject label runbook",
    ),
    table(
        "monitoring.Alert",
        staging="drop",
        people="acknowledged_by",
        erasure="detach",
        retention="90 days",
        technical="id rule fingerprint value looks begun_at fired_at right_since silent_since resolved_at acknowledged_at "
        "drill external silenced",
        public="severity state",
        internal="title subject summary remedy link",
        personal="acknowledged_by:shape",
    ),
    table(
        "monitoring.Silence",
        staging="drop",
        people="author",
        erasure="detach",
        retention="90 days",
        technical="id rule starts_at ends_at created_at",
        public="kind",
        internal="subject reason",
        personal="author:shape",
    ),
    table(
        "monitoring.AlertChannel",
        staging="drop",
        retention="until an operator removes it",
        technical="id enabled failing_since last_delivered_at created_at",
        public="kind",
        internal="name",
        secrets="sealed_address address_hint sealed_secret",
    ),
    table(
        "monitoring.AlertRoute",
        staging="drop",
        retention="as its channel",
        technical="id channel gather_seconds repeat_hours tell_end enabled created_at",
        public="least_severity",
        internal="rules",
    ),
    table(
        "monitoring.AlertDelivery",
        staging="drop",
        retention="30 days",
        technical=f"{JOB} id channel route next_try_at created_at",
        public="kind state",
        internal="receipt error tries:json",
    ),
    table(
        "monitoring.AlertDelivery_alerts",
        staging="drop",
        retention="as its delivery",
        technical="id alertdelivery alert",
    ),
    table(
        "monitoring.Incident",
        staging="drop",
        people="lead opened_by",
        erasure="detach",
        retention="until an operator removes it",
        technical="id by_alert opened_at resolved_at reviewed_at",
        public="severity state",
        internal="title review",
        personal="lead:shape opened_by:shape",
    ),
    table("monitoring.Incident_alerts", staging="drop", retention="as its incident", technical="id incident alert"),
    table(
        "monitoring.IncidentEntry",
        staging="drop",
        people="author",
        erasure="detach",
        retention="as its incident",
        technical="id incident at public",
        internal="text",
        personal="author:shape",
    ),
    table(
        "monitoring.IncidentAction",
        staging="drop",
        people="owner",
        erasure="detach",
        retention="as its incident",
        technical="id incident done_at",
        internal="text",
        personal="owner:shape",
    ),
    table("monitoring.Heartbeat", staging="drop", retention="a day", technical="id part node beat_at"),
    table(
        "monitoring.UsageRow",
        people="user_id",
        erasure="detach",
        retention=_USAGE,
        technical="id subject:subject workspace_id user_id token_id input_tokens output_tokens cached_tokens cost "
        "currency:currency duration_ms created_at purpose:word(write,edit,small,embed)",
        internal="model:name profile:name",
    ),
    table(
        "monitoring.Budget",
        people="scope_id",
        erasure="delete",
        retention="until somebody removes it",
        technical="id scope_id workspace_id by_operator limit_cost limit_tokens currency:currency warn_at hard "
        "refuse_unpriced enabled created_at updated_at",
        public="scope period",
    ),
    table(
        "monitoring.BudgetPeriod",
        retention="as long as its budget",
        technical="id budget starts_on spent_nanos spent_tokens reserved_nanos reserved_tokens warned_at",
    ),
    table(
        "monitoring.Reservation",
        staging="drop",
        people="user_id",
        erasure="delete",
        retention="a day after it was settled",
        technical="id subject:subject workspace_id user_id token_id created_at",
        public="state",
    ),
    table(
        "monitoring.BudgetHold",
        staging="drop",
        retention="as its reservation",
        technical="id reservation budget_period nanos tokens",
    ),
)
