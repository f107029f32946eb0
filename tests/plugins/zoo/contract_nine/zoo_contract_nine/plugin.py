"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-contract-nine",
    kind="model",
    label="Zoo: contract nine",
    contract="9.0",
    target="zoo_contract_nine.backend:Animal",
    capabilities=frozenset({"generate"}),
)
