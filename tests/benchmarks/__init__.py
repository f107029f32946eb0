"""Benchmarks: our figure beside a named peer or limit, measured in the same run, and their ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Args:
        what: what was measured.
        ours: our figure.
        peer: the peer's or the limit's figure, measured in the same run where it is a peer.
        unit: of both.
        against: who the peer is, or "limit".
        most: the largest ratio ours/peer that is good enough; None when the row only informs.
        more_is_better: throughput: then `most` bounds peer/ours.
    """

    what: str
    ours: float
    peer: float
    unit: str
    against: str
    most: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours to the peer's; below 1 is better than the peer, above worse."""
        if self.more_is_better:
            return self.peer / self.ours if self.ours else float("inf")
        return self.ours / self.peer if self.peer else float("inf")

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bound."""
        return self.most is None or self.ratio <= self.most


Benchmark = Callable[[], list[Row]]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| measured | ours | against | its figure | ratio | bound | |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        bound = "" if row.most is None else f"≤ {row.most:g}"
        against = row.against.replace("|", "\\|")
        lines.append(
            f"| {row.what} | {row.ours:,.4g} {row.unit} | {against} | {row.peer:,.4g} {row.unit} "
            f"| {row.ratio:.3g} | {bound} | {'ok' if row.holds else 'OVER'} |"
        )
    return "\n".join(lines)
