"""Retrieval at 10,000 and 100,000 passages against brute force over the same vectors."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from tests.benchmarks import Row
from tests.lab.django import set_up
from tests.servers import free_port

DIMENSION, QUERIES, LIMIT = 384, 40, 10


def _vectors(count: int, seed: int) -> Any:
    """Unit vectors in clusters, as those of real passages are."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(200, DIMENSION)).astype(np.float32)
    rows = centres[chance.integers(0, 200, count)] + 0.8 * chance.normal(size=(count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _fill(count: int, matrix: Any) -> Any:
    """A workspace with one source of `count` passages."""
    from aiwriter_sdk import EmbedResult
    from apps.content.models import Source, SourceChunk
    from apps.content.retrieval import index
    from apps.users.models import User, Workspace

    owner, _ = User.objects.get_or_create(email="bench@example.org")
    workspace = Workspace.objects.create(name=f"Bench {count}", slug=f"bench-{count}")
    source = Source.objects.create(workspace=workspace, owner=owner, kind="text", title="Bench", state="ready")
    vocabulary = [f"word{n}" for n in range(5000)]
    chance = np.random.default_rng(count)
    for start in range(0, count, 5000):
        many = min(5000, count - start)
        picks = chance.zipf(1.3, size=(many, 60)) % 5000
        rows = [
            SourceChunk(
                source=source,
                workspace=workspace,
                ordinal=start + n,
                text=" ".join(vocabulary[p] for p in picks[n]),
                char_start=(start + n) * 500,
                char_end=(start + n) * 500 + 400,
            )
            for n in range(many)
        ]
        SourceChunk.objects.bulk_create(rows, batch_size=1000)
        vectors = matrix[start : start + many]
        index.store_vectors(rows, EmbedResult(vectors=vectors, dimensions=DIMENSION, fingerprint="bench"))
    return workspace


def _median_ms(work: Any, queries: Any) -> float:
    times = []
    for query in queries:
        begun = time.perf_counter()
        work(query)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure() -> list[Row]:
    """Fill, search through the product, search by brute force."""
    settings = set_up()
    port = free_port()
    folder = settings.DATA_DIR / "chroma-bench"
    command = [sys.executable, "-m", "apps.content.retrieval.chroma_server", "--path", str(folder), "--port", str(port)]
    server = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings.AIWRITER_CHROMA_URL = f"http://127.0.0.1:{port}"
    try:
        return [row for count in (10_000, 100_000) for row in _at(count)]
    finally:
        server.terminate()
        server.wait(20)


def _at(count: int) -> list[Row]:
    from aiwriter_sdk import EmbedResult
    from apps.content.retrieval import hybrid, index

    matrix = _vectors(count, seed=1)
    begun = time.perf_counter()
    workspace = _fill(count, matrix)
    while index.sync(workspace.pk):
        pass
    filled = time.perf_counter() - begun
    questions = matrix[:: count // QUERIES][:QUERIES] + 0.02 * _vectors(QUERIES, seed=2)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    truth = [set(np.argsort(-(matrix @ q))[:LIMIT].tolist()) for q in questions]

    def answer(query: Any) -> EmbedResult:
        return EmbedResult(vectors=[query], dimensions=DIMENSION, fingerprint="bench")

    def vector_only(query: Any) -> Any:
        return index.nearest(workspace_id=workspace.pk, result=answer(query), limit=LIMIT)

    def both(query: Any) -> Any:
        return hybrid.search(
            workspace_id=workspace.pk, query="word17 word230 word999", limit=LIMIT, embed=lambda _text: answer(query)
        )

    found = vector_only(questions[0])
    vector_only(questions[1])
    brute = _median_ms(lambda q: np.argsort(-(matrix @ q))[:LIMIT], questions)
    ours = _median_ms(vector_only, questions)
    hybrid_ms = _median_ms(both, questions)
    ordinals = dict(_ordinals(workspace.pk))
    recall = statistics.mean(
        len({ordinals[h.chunk_id] for h in vector_only(q).hits} & t) / LIMIT
        for q, t in zip(questions, truth, strict=True)
    )
    name = f"{count:,} passages"
    return [
        Row(f"nearest passages, {name} ({found.engine})", ours, brute, "ms", "numpy over all vectors, in memory", 20.0),
        Row(f"hybrid search, {name}, rows loaded", hybrid_ms, 50, "ms", "limit", 1.0 if count <= 10_000 else 4.0),
        Row(f"recall@{LIMIT}, {name}", recall, 0.95, "", "limit", 1.0, more_is_better=True),
        Row(f"stored and indexed, {name}", count / filled, 400, "passages/s", "limit", 1.0, more_is_better=True),
    ]


def _ordinals(workspace_id: Any) -> list[tuple[Any, int]]:
    from apps.content.models import SourceChunk

    return list(SourceChunk.objects.filter(workspace_id=workspace_id).values_list("id", "ordinal"))
