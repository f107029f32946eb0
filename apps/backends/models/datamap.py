"""What the tables of backends and files hold: see `aiwriter.core.datamap`."""

from __future__ import annotations

from aiwriter.core.datamap import table

_KEPT = "until an operator removes it"

TABLES = (
    table(
        "backends.BackendProfile",
        retention=_KEPT,
        technical="id schema_version encrypt_files:off enabled:off(managed) revision managed:key last_test_at "
        "last_test_revision last_test_ok last_test_latency_ms failures cooldown_until:drop created_at "
        "updated_at",
        public="kind",
        internal="plugin_key:key name:name last_test_message:drop last_test_remedy:drop cooldown_kind:drop "
        "cooldown_reason:drop offered_models:drop region:key",
        # Addresses of services and accounts: with them the copy would call the services of the original.
        secrets="options secret_refs secret_hints",
    ),
    table(
        "backends.PriceOverride",
        retention=_KEPT,
        technical="id profile input_price output_price cached_input_price currency:currency",
        internal="model:name",
    ),
    table(
        "backends.ModelCall",
        people="user_id",
        erasure="detach",
        retention="as its usage",
        technical="id subject:subject number workspace_id user_id token_id profile reservation_id input_tokens "
        "output_tokens cached_tokens reasoning_tokens cost currency:currency ttft_ms duration_ms output_chars "
        "started_at heartbeat_at finished_at purpose:word(write,edit,small,embed)",
        public="state usage_source finish_reason:word(stop,length,content_filter,stopped,error,tool_calls)",
        internal="profile_name:name plugin_key:key model:name error_kind:key error_message",
    ),
    table(
        "backends.StoredBlob",
        retention="two days after nothing names it any more",
        technical="id size:file_bytes profile:profile storage_name:file_bytes encrypted:off key_id:drop condemned_at "
        "damaged_at:drop created_at",
        content="sha256:file_bytes",
    ),
    table(
        "backends.StoredFile",
        people="owner",
        erasure="detach",
        retention="as long as what it belongs to",
        technical="id workspace owner blob version created_at updated_at",
        public="purpose content_type:mime",
        content="name:file",
    ),
    table(
        "backends.StoredFileVersion",
        people="created_by",
        erasure="detach",
        retention="as its file",
        technical="id file number blob created_by created_at",
    ),
    # A copy has the built-in backends only; rules that name others would close it.
    table(
        "backends.ResidencyRule",
        staging="drop",
        retention="until an editor of the workspace or an administrator removes it",
        technical="id workspace backends:ids firm created_at updated_at",
        internal="regions:json",
    ),
    # A copy has the built-in models only: routes to others would fail at the first text.
    table(
        "backends.Route",
        staging="drop",
        retention=_KEPT,
        technical="id workspace created_at updated_at",
        public="purpose",
    ),
    table(
        "backends.RouteStep",
        staging="drop",
        retention=_KEPT,
        technical="id route position profile options:json",
        internal="model:name",
    ),
)
