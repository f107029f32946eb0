"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor
from aiwriter_sdk.prices import PRICE_FIELDS

_FIELDS = (
    ConfigField(
        name="api_key",
        type="secret",
        label="API key",
        help="From the Anthropic console; it begins with sk-ant-.",
    ),
    ConfigField(
        name="base_url",
        type="url",
        label="Address",
        help="https://api.anthropic.com, or a gateway of your own that speaks the Messages API.",
        default="https://api.anthropic.com",
    ),
    ConfigField(
        name="default_model",
        type="str",
        label="Default model",
        help="Used where a request names none, and offered where the gateway lists none. Example: claude-sonnet-5-5.",
        required=False,
        group="Models",
    ),
    ConfigField(
        name="max_output",
        type="int",
        label="Longest answer",
        help="Tokens, where a request sets no limit: the Messages API wants one. Above a model's own limit it refuses.",
        default=8192,
        minimum=1,
        maximum=1_000_000,
        group="Models",
    ),
    ConfigField(
        name="continuation",
        type="choice",
        label="How to go on with a text",
        help="auto lets the model go on in the same message (prefill), and tells it to where a model refuses that, as "
        "those since Claude 4.6 do.",
        default="auto",
        choices=("auto", "instruction"),
        group="Models",
    ),
    ConfigField(
        name="silence",
        type="int",
        label="Longest silence",
        help="Seconds without an event after which the provider counts as hanging.",
        default=120,
        minimum=1,
        maximum=3600,
        group="Models",
    ),
)

descriptor = Descriptor(
    key="anthropic",
    kind="model",
    label="Anthropic",
    contract="1.0",
    target="aiwriter_model_anthropic.backend:AnthropicBackend",
    config=ConfigSchema(fields=(*_FIELDS, *PRICE_FIELDS)),
    capabilities=frozenset({"generate", "system", "json", "continue", "count_tokens"}),
    summary="Claude models over the Messages API.",
)
