"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor
from aiwriter_sdk.prices import PRICE_FIELDS

_CONNECTION = (
    ConfigField(
        name="base_url",
        type="url",
        label="Address",
        help="https://api.openai.com/v1, or a server of your own such as http://127.0.0.1:11434/v1 for Ollama.",
        default="https://api.openai.com/v1",
    ),
    ConfigField(
        name="api_key",
        type="secret",
        label="API key",
        help="Local servers usually need none.",
        required=False,
    ),
    ConfigField(
        name="organisation",
        type="str",
        label="Organisation",
        help="Only for accounts at OpenAI that belong to several, such as org-AbC123.",
        required=False,
    ),
    ConfigField(
        name="project",
        type="str",
        label="Project",
        help="Only at OpenAI, such as proj_AbC123.",
        required=False,
    ),
)
_MODELS = (
    ConfigField(
        name="default_model",
        type="str",
        label="Default model",
        help="Used where a request names none, and offered where the server lists none. Example: gpt-5.4-mini.",
        required=False,
        group="Models",
    ),
    ConfigField(
        name="embedding_models",
        type="str",
        label="Embedding models",
        help="Names, with commas between them, of models that embed text but whose names do not show it.",
        required=False,
        group="Models",
    ),
    ConfigField(
        name="dimensions",
        type="int",
        label="Embedding dimensions",
        help="Asks for shorter vectors where the model can do that; empty takes the model's own length.",
        required=False,
        minimum=8,
        maximum=8192,
        group="Models",
    ),
    ConfigField(
        name="query_prefix",
        type="str",
        label="Prefix of questions",
        help='Put before a text that is searched for, as some embedding models want it: "search_query:".',
        required=False,
        group="Models",
    ),
    ConfigField(
        name="document_prefix",
        type="str",
        label="Prefix of documents",
        help='Put before a text that is searched in: "search_document:".',
        required=False,
        group="Models",
    ),
)
_DIALECT = (
    ConfigField(
        name="continuation",
        type="choice",
        label="How to go on with a text",
        help="instruction works everywhere; prefill suits Ollama and llama.cpp; vllm sets vLLM's own switches.",
        default="instruction",
        choices=("instruction", "prefill", "vllm"),
        group="Dialect",
    ),
    ConfigField(
        name="max_tokens_field",
        type="choice",
        label="Name of the length limit",
        help="auto begins with what the address suggests and takes the other one when the server refuses it.",
        default="auto",
        choices=("auto", "max_tokens", "max_completion_tokens"),
        group="Dialect",
    ),
    ConfigField(
        name="usage",
        type="choice",
        label="Ask for the tokens used",
        help="auto asks, and asks no more when the server refuses stream_options; off counts by estimate.",
        default="auto",
        choices=("auto", "off"),
        group="Dialect",
    ),
    ConfigField(
        name="reasoning_effort",
        type="choice",
        label="Reasoning effort",
        help="For models that reason before they write; default leaves it to the model.",
        default="default",
        choices=("default", "none", "minimal", "low", "medium", "high"),
        group="Dialect",
    ),
    ConfigField(
        name="silence",
        type="int",
        label="Longest silence",
        help="Seconds without a token after which the server counts as hanging. A large local model may load for minutes.",
        default=120,
        minimum=1,
        maximum=3600,
        group="Dialect",
    ),
)

descriptor = Descriptor(
    key="openai",
    kind="model",
    label="OpenAI and compatible servers",
    contract="1.0",
    target="aiwriter_model_openai.backend:OpenAIBackend",
    config=ConfigSchema(fields=(*_CONNECTION, *_MODELS, *_DIALECT, *PRICE_FIELDS)),
    capabilities=frozenset({"generate", "embed", "system", "json", "continue"}),
    summary="OpenAI, Ollama, llama.cpp, vLLM, LM Studio and anything else that serves /v1/chat/completions.",
)
