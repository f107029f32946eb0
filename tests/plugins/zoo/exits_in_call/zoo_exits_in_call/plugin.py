"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-exits-in-call",
    kind="model",
    label="Zoo: exits in call",
    contract="1.0",
    target="zoo_exits_in_call.backend:Animal",
    capabilities=frozenset({"generate"}),
)
