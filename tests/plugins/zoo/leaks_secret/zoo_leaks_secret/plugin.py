"""The visiting card."""

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

descriptor = Descriptor(
    key="zoo-leaks-secret",
    kind="model",
    label="Zoo: leaks secret",
    contract="1.0",
    target="zoo_leaks_secret.backend:Animal",
    capabilities=frozenset({"generate"}),
    config=ConfigSchema(fields=(ConfigField(name="key", type="secret", label="Key"),)),
)
