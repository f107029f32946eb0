"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-shared",
    kind="model",
    label="Zoo: shared key a",
    contract="1.0",
    target="zoo_shared_key_a.backend:Animal",
    capabilities=frozenset({"generate"}),
)
