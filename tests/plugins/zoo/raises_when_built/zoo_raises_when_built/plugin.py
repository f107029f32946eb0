"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-raises-when-built",
    kind="model",
    label="Zoo: raises when built",
    contract="1.0",
    target="zoo_raises_when_built.backend:Animal",
    capabilities=frozenset({"generate"}),
)
