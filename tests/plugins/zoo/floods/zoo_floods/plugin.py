"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-floods",
    kind="model",
    label="Zoo: floods",
    contract="1.0",
    target="zoo_floods.backend:Animal",
    capabilities=frozenset({"generate"}),
)
