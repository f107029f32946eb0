"""Search is as good as it was measured to be: mean reciprocal rank on the shipped question set, by halves and together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from aiwriter_model_offline import lexical, minilm

from aiwriter_sdk import EmbedResult
from apps.content.markup.chunks import chunk_document
from apps.content.models import Source, SourceChunk
from apps.content.parsing.builder import TextBuilder
from apps.content.parsing.document import Limits
from apps.content.parsing.markdown import read_markdown
from apps.content.retrieval import hybrid, index, keyword
from apps.users.models import Workspace
from tests.people import People
from tests.unit.content.question_set import Question, corpus, questions, reciprocal_rank

# Modules that are named by an everyday word which a question about something else may use too.
COMMON_WORDS = {"string", "types", "time", "code", "copy", "select", "random", "secrets"}
Embed = Callable[[Sequence[str]], EmbedResult]


def by_words(texts: Sequence[str]) -> EmbedResult:
    return EmbedResult(
        vectors=lexical.embed(list(texts)).tolist(), dimensions=lexical.DIMENSIONS, fingerprint=lexical.FINGERPRINT
    )


class Remembering:
    """MiniLM, whose vectors are kept between runs: both databases are tested with the same texts."""

    path = Path(__file__).resolve().parents[2] / ".artifacts" / f"{minilm.FINGERPRINT}-1.npz"

    def __init__(self) -> None:
        self.kept: dict[str, np.ndarray] = {}
        if self.path.exists():
            stored = np.load(self.path)
            self.kept = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
        self.before = len(self.kept)

    def __call__(self, texts: Sequence[str]) -> EmbedResult:
        vectors = []
        for text in texts:
            key = hashlib.sha256(text.encode()).hexdigest()
            if key not in self.kept:
                self.kept[key] = minilm.load().embed(text)
            vectors.append(self.kept[key].tolist())
        return EmbedResult(vectors=vectors, dimensions=minilm.DIMENSIONS, fingerprint=minilm.FINGERPRINT)

    def save(self) -> None:
        if len(self.kept) > self.before:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.path.with_suffix(f".{os.getpid()}.npz")
            np.savez(scratch, keys=np.asarray(list(self.kept)), vectors=np.stack(list(self.kept.values())))
            scratch.replace(self.path)


def shelve(workspace: Workspace, embed: Embed) -> None:
    for name, text in corpus().items():
        builder = TextBuilder(Limits())
        read_markdown(text, builder)
        document = builder.finish(kind="markdown", mime="text/markdown", fallback_title=name)
        source = Source.objects.create(workspace=workspace, title=name, text=document.text, state="ready")
        rows = index.replace_chunks(
            source, chunk_document(document.text, headings=document.headings, blocks=document.blocks)
        )
        index.store_vectors(rows, embed([index.embedding_text(row) for row in rows]))


def ranks(people: People, embed: Embed) -> dict[str, float]:
    """Mean reciprocal rank of the keyword half, the vector half and both."""
    workspace = people.press
    shelve(workspace, embed)
    title = dict(SourceChunk.objects.values_list("id", "source__title"))
    present = set(title.values())
    asked: list[Question] = [question for question in questions() if question.modules & present]
    assert len(asked) >= 120, "too few modules are installed here"
    found: dict[str, list[float]] = {"keyword": [], "vector": [], "hybrid": []}
    for question in asked:
        words = keyword.search(workspace_id=workspace.pk, query=question.text, limit=50)
        vectors = index.nearest(workspace_id=workspace.pk, result=embed([question.text]), limit=50).hits
        both = hybrid.search(workspace_id=workspace.pk, query=question.text, limit=50, embed=lambda text: embed([text]))
        found["keyword"].append(reciprocal_rank((title[hit.chunk_id] for hit in words), question.modules))
        found["vector"].append(reciprocal_rank((title[hit.chunk_id] for hit in vectors), question.modules))
        found["hybrid"].append(reciprocal_rank((hit.title for hit in both.hits), question.modules))
    measured = {name: round(mean(values), 3) for name, values in found.items()}
    print(f"{len(asked)} questions, {len(title)} passages: {measured}")
    return measured


def test_the_question_set_avoids_the_answers_names() -> None:
    for question in questions():
        asked = question.text.lower().split()
        for name in question.modules:
            assert name not in asked or name in COMMON_WORDS, question


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_search_by_meaning_and_words(people: People) -> None:
    by_meaning = Remembering()
    measured = ranks(people, by_meaning)
    by_meaning.save()
    assert measured["hybrid"] >= 0.77
    assert measured["vector"] >= 0.77
    # Neither half may be hurt by the other: 1 % is what the order of equal scores can do.
    assert measured["hybrid"] >= 0.99 * max(measured["keyword"], measured["vector"])


@pytest.mark.django_db
def test_search_by_words_alone(people: People) -> None:
    measured = ranks(people, by_words)
    assert measured["keyword"] >= 0.62
    assert measured["hybrid"] >= 0.99 * max(measured["keyword"], measured["vector"])
