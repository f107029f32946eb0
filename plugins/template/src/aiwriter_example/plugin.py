"""The visiting cards. The portal imports this module at start, so it imports nothing heavy, the backends neither."""

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

check = Descriptor(
    key="example-check",
    kind="check",
    label="Example check (Ollama's memory)",
    summary="Warns when the loaded models of a server take much memory.",
    contract="1.2",
    target="aiwriter_example.check:ExampleCheck",
    interval=60,
    deadline=5,
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
                name="most_gib",
                type="float",
                label="Most memory (GiB)",
                default=16.0,
                minimum=0,
                help="Above it the check warns, for example 16.",
            ),
        )
    ),
)
