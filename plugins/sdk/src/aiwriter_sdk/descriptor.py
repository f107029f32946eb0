"""What an entry point points at. Importing it must be cheap: no provider library, no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aiwriter_sdk.config import ConfigSchema

CONTRACT = (1, 2)
Kind = Literal["storage", "model", "publish", "check"]
GROUPS: dict[Kind, str] = {
    "storage": "aiwriter.storage",
    "model": "aiwriter.models",
    "publish": "aiwriter.publish_targets",
    "check": "aiwriter.checks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A plugin's visiting card.

    Args:
        key: what the database stores; equals the entry point's name, is never renamed.
        kind: which of the four contracts the target fulfils.
        label: what an operator reads.
        contract: the contract it was written for, "1.0".
        target: "package.module:ClassName", imported on first use.
        config: the form.
        capabilities: what it declares to do; see `StorageBackend`, `ModelBackend` and `PublishTarget`; a check has none.
        summary: one sentence under the label.
        docs_url: where an operator reads more.
        interval: of a check: seconds between two looks, 5 to 86,400. Since 1.2.
        deadline: of a check: seconds after which a look is given up, at most 30 and less than the interval. Since 1.2.
    """

    key: str
    kind: Kind
    label: str
    contract: str
    target: str
    config: ConfigSchema = field(default_factory=ConfigSchema)
    capabilities: frozenset[str] = frozenset()
    summary: str = ""
    docs_url: str = ""
    interval: float = 60.0
    deadline: float = 5.0
