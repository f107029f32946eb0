"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor
from aiwriter_sdk.prices import PRICE_FIELDS

_FIELDS = (
    ConfigField(
        name="api_key",
        type="secret",
        label="API key",
        help="From Google AI Studio; it is sent in a header, never in an address.",
    ),
    ConfigField(
        name="base_url",
        type="url",
        label="Address",
        help="https://generativelanguage.googleapis.com/v1beta, or a gateway of your own that speaks the Gemini API.",
        default="https://generativelanguage.googleapis.com/v1beta",
    ),
    ConfigField(
        name="default_model",
        type="str",
        label="Default model",
        help="Used where a request names none. Example: gemini-3.8-flash.",
        required=False,
        group="Models",
    ),
    ConfigField(
        name="dimensions",
        type="int",
        label="Embedding dimensions",
        help="Shorter vectors take less room: 768 is enough for most uses. Empty takes the model's own length.",
        required=False,
        minimum=64,
        maximum=3072,
        group="Models",
    ),
    ConfigField(
        name="continuation",
        type="choice",
        label="How to go on with a text",
        help="auto lets the model go on in the same turn (prefill), and tells it to where a model refuses that, as some "
        "do since Gemini 3.5.",
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
    key="gemini",
    kind="model",
    label="Google Gemini",
    contract="1.0",
    target="aiwriter_model_gemini.backend:GeminiBackend",
    config=ConfigSchema(fields=(*_FIELDS, *PRICE_FIELDS)),
    capabilities=frozenset({"generate", "embed", "system", "json", "continue", "count_tokens"}),
    summary="Gemini models over the Gemini API of Google AI Studio.",
)
