"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-hangs-in-call",
    kind="model",
    label="Zoo: hangs in call",
    contract="1.0",
    target="zoo_hangs_in_call.backend:Animal",
    capabilities=frozenset({"generate"}),
)
