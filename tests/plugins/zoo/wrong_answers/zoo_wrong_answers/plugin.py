"""The visiting card."""

from aiwriter_sdk import Descriptor

descriptor = Descriptor(
    key="zoo-wrong-answers",
    kind="model",
    label="Zoo: wrong answers",
    contract="1.0",
    target="zoo_wrong_answers.backend:Animal",
    capabilities=frozenset({"generate"}),
)
