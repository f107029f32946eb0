"""The visiting card."""

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

descriptor = Descriptor(
    key="zoo-wrong-schema",
    kind="model",
    label="Zoo: wrong schema",
    contract="1.0",
    target="zoo_wrong_schema.backend:Animal",
    capabilities=frozenset({"generate"}),
    config=ConfigSchema(
        fields=(
            ConfigField(name="url", type="url", label="Address"),
            ConfigField(name="url", type="str", label="Address again"),
            ConfigField(name="size", type="choice", label="Size"),
            ConfigField(name="key", type="secret", label="Key", default="changeme"),
        )
    ),
)
