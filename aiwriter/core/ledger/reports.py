"""What a verification starts from and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiwriter.core.ledger.chain import GENESIS


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed.

    Args:
        kind: "edited", "deleted", "cut", "swapped", "replayed", "clock", "forged", "rewritten", "key" or "checkpoint".
        seq: the number of the event that it is about.
        message: for people.
    """

    kind: str
    seq: int
    message: str

    def as_json(self) -> dict[str, Any]:
        """For answers and rows."""
        return {"kind": self.kind, "seq": self.seq, "message": self.message}


@dataclass(frozen=True, slots=True)
class Start:
    """Where a record that is not read from its first event begins: after an archived segment."""

    seq: int = 0
    hash: str = GENESIS
    root: str = GENESIS


BEGIN = Start()


@dataclass(slots=True)
class Report:
    """What a verification found."""

    checked: int = 0
    first_seq: int = 0
    last_seq: int = 0
    last_hash: str = GENESIS
    last_root: str = GENESIS
    with_keys: bool = True
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.findings
