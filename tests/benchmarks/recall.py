"""Recall and rank of hybrid search against each of its halves, on questions whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence

from aiwriter_sdk import EmbedResult
from tests.benchmarks import Row
from tests.lab.django import set_up

QUESTIONS = 200


def measure() -> list[Row]:
    """Ask the question set with the shipped embedder."""
    set_up()
    from aiwriter_model_offline import minilm

    from apps.users.models import Workspace
    from tests.unit.content.question_set import answered, shelved

    def embed(texts: Sequence[str]) -> EmbedResult:
        vectors = [minilm.load().embed(text).tolist() for text in texts]
        return EmbedResult(vectors=vectors, dimensions=minilm.DIMENSIONS, fingerprint=minilm.FINGERPRINT)

    workspace = Workspace.objects.create(name="Questions", slug="questions")
    found = answered(workspace, shelved(workspace), embed)
    both, asked = found["hybrid"], found["hybrid"].questions
    rows = [Row("questions with a known passage", asked, QUESTIONS, "", "limit", 1.0, more_is_better=True)]
    for half in ("keyword", "vector"):
        other = found[half]
        # 1 % is what the order of equal scores can do.
        rows += [
            Row(f"recall@5, hybrid, {asked} questions", both.recall, other.recall, "", half, 1.01, more_is_better=True),
            Row(
                f"mean reciprocal rank, hybrid, {asked} questions",
                both.reciprocal_rank,
                other.reciprocal_rank,
                "",
                half,
                1.01,
                more_is_better=True,
            ),
        ]
    return rows
