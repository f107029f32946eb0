"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

descriptor = Descriptor(
    key="offline",
    kind="model",
    label="Composer (built in)",
    contract="1.0",
    target="aiwriter_model_offline.backend:OfflineBackend",
    summary="Composes cited drafts from your own sources and embeds text. No key, no network, nothing invented.",
    capabilities=frozenset({"generate", "embed", "continue", "count_tokens", "offline"}),
    config=ConfigSchema(
        fields=(
            ConfigField(
                name="embedder",
                type="choice",
                label="Embedder",
                help="auto takes MiniLM when it is installed; lexical knows words, not meanings, and needs no memory.",
                choices=("auto", "minilm", "lexical"),
                default="auto",
                required=False,
            ),
            ConfigField(
                name="threads",
                type="int",
                label="Threads",
                help="How many texts are embedded at the same time, for example 2 on two processor cores.",
                default=2,
                minimum=1,
                maximum=16,
                required=False,
            ),
        )
    ),
)
