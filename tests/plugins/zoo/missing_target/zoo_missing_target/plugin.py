"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-missing-target",
    kind="model",
    label="Zoo: missing target",
    contract="1.0",
    target="zoo_missing_target.nowhere:Animal",
    capabilities=frozenset({"generate"}),
)
