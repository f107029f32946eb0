"""What the tables of monitoring hold: see `aiwriter.core.datamap`."""

from __future__ import annotations

from aiwriter.core.datamap import table

_USAGE = "as long as the portal: it is what budgets and bills are counted from"

TABLES = (
    table(
        "monitoring.CheckResult",
        staging="drop",
        retention="replaced by the next check",
        technical="id key node data latency_ms since checked_at valid_until",
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
