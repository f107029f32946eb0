"""The visiting card. The portal imports this module at start, so it imports nothing heavy, the backend neither."""

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

descriptor = Descriptor(
    key="example",
    kind="model",
    label="Example (Ollama's API)",
    summary="Writes with the models of a server that speaks Ollama's API.",
    contract="1.0",
    target="aiwriter_example.backend:ExampleBackend",
    capabilities=frozenset({"generate", "system", "json"}),
    config=ConfigSchema(
        fields=(
            ConfigField(
                name="base_url",
                type="url",
                label="Address of the server",
                default="http://127.0.0.1:11434",
                help="Without a path, for example http://127.0.0.1:11434.",
            ),
            ConfigField(
                name="api_key",
                type="secret",
                label="Key",
                required=False,
                help="Only if the server stands behind a proxy that asks for one.",
            ),
        )
    ),
)
