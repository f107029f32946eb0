"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-not-a-backend",
    kind="model",
    label="Zoo: not a backend",
    contract="1.0",
    target="zoo_not_a_backend.backend:Animal",
    capabilities=frozenset({"generate"}),
)
