"""Typing, long lists, retrieval, reading in, export and the OpenAI endpoint are within their bounds.

The bounds are ratios against a peer or limit in the same run; `make bench` prints the same table.
"""

from __future__ import annotations

from tests.proofs.bench_core import within_bounds

PARTS = ("typing", "documents", "recall", "ingest", "exports", "openai_endpoint")


def prove() -> str:
    """Run the benchmarks of the writers' portal."""
    return within_bounds(PARTS)
