"""The vectors: stored in the database, found by Chroma or exactly, and made again when Chroma loses them."""

from __future__ import annotations

import random
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiwriter.core.errors import InvalidInput, Unavailable
from aiwriter_sdk import EmbedResult
from apps.content.models import EmbeddingIndex, Source, SourceChunk
from apps.content.retrieval import exact, hybrid, index, store
from apps.content.retrieval.chroma_server import EXIT_HELD, check_store_lock, put_aside, store_report
from apps.content.retrieval.vectors import is_intact, pack, top, unit_rows, unpack
from tests.people import People
from tests.unit.content.shelf import ChromaProcess, embed, run_server_once, shelve

WORDS = ["harbour", "ferry", "light", "winter", "lamp", "master", "berth", "tower", "signal", "crane", "rope", "anchor"]


def sentences(count: int, seed: int = 7) -> list[str]:
    chance = random.Random(seed)
    return [f"Note {n}: " + " ".join(chance.choices(WORDS, k=12)) + f" {n * 37}." for n in range(count)]


# ── the stored form ──────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=64).filter(
        lambda row: any(abs(x) > 1e-3 for x in row)
    )
)
def test_stored_vectors_keep_their_direction(row: list[float]) -> None:
    unit = unit_rows([row], len(row))[0]
    data, sha256 = pack(unit)
    assert len(data) == 2 * len(row)
    assert is_intact(data, sha256)
    assert float(np.dot(unpack(data, len(row)), unit)) == pytest.approx(1.0, abs=2e-3)
    assert not is_intact(data[:-1] + bytes([data[-1] ^ 1]), sha256)


@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0, 3.0]], [[0.0, 0.0]], [[float("nan"), 1.0]], [[float("inf"), 1.0]], [[1.0], [1.0, 2.0]]]
)
def test_vectors_that_cannot_be_right_are_refused(rows: list[list[float]]) -> None:
    with pytest.raises(InvalidInput):
        unit_rows(rows, 2)


@given(st.lists(st.floats(-1, 1, width=32), max_size=50), st.integers(0, 60))
def test_the_top_is_the_top(scores: list[float], count: int) -> None:
    chosen = top(np.asarray(scores, dtype=np.float32), count)
    assert [scores[at] for at in chosen] == sorted(scores, reverse=True)[:count]


# ── exact search ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_chroma(settings: Any) -> None:
    settings.AIWRITER_CHROMA_URL = ""
    exact.forget()


def nearest(workspace_id: uuid.UUID, text: str, limit: int = 5, **more: Any) -> index.Found:
    return index.nearest(workspace_id=workspace_id, result=embed(text), limit=limit, **more)


@pytest.mark.django_db
@pytest.mark.parametrize("budget", [128, 0], ids=["in memory", "in pieces"])
def test_exact_search_is_exact(people: People, settings: Any, no_chroma: None, budget: int) -> None:
    settings.AIWRITER_VECTOR_CACHE_MB = budget
    texts = sentences(120)
    shelve(people.press, "Notes", *texts)
    question = "a winter light on the tower"
    rows = list(SourceChunk.objects.filter(workspace=people.press))
    wanted = unit_rows(embed(question).vectors, 1024)[0]
    scores = {row.id: float(unpack(bytes(row.vector or b""), 1024) @ wanted) for row in rows}
    expected = sorted(scores, key=lambda each: -scores[each])[:10]
    hits = nearest(people.press.pk, question, limit=10).hits
    assert [round(hit.similarity, 4) for hit in hits] == [round(scores[each], 4) for each in expected]


@pytest.mark.django_db
def test_exact_search_sees_every_change(people: People, no_chroma: None) -> None:
    source = shelve(people.press, "Notes", *sentences(5))
    assert nearest(people.press.pk, "anchor").hits
    shelve(people.press, "More", "Walruses sleep on the ice.")
    best = nearest(people.press.pk, "walruses asleep on ice").hits[0]
    assert SourceChunk.objects.get(pk=best.chunk_id).text.startswith("Walruses")
    index.forget_source(source)
    source.delete()
    assert len(nearest(people.press.pk, "anchor").hits) == 1


@pytest.mark.django_db
def test_memory_holds_no_more_than_allowed(people: People, settings: Any, no_chroma: None) -> None:
    settings.AIWRITER_VECTOR_CACHE_MB = 1
    for workspace in (people.press, people.rival):
        shelve(workspace, "Notes", *sentences(300))
        nearest(workspace.pk, "anchor")
    # 300 vectors of 2 KiB fit into a mebibyte once, not twice.
    assert sum(kept.size for kept in exact._kept.values()) <= 2**20
    assert len(exact._kept) == 1


@pytest.mark.django_db
def test_vectors_that_do_not_fit_change_nothing(people: People, no_chroma: None) -> None:
    source = shelve(people.press, "Notes", *sentences(3), vectors=False)
    rows = list(source.chunks.all())
    with pytest.raises(InvalidInput):
        index.store_vectors(rows, embed(["one"]))
    with pytest.raises(InvalidInput):
        index.store_vectors(rows, EmbedResult(vectors=[[1.0], [1.0], [0.0]], dimensions=1, fingerprint="x"))
    other = shelve(people.rival, "Notes", *sentences(1), vectors=False)
    with pytest.raises(InvalidInput):
        index.store_vectors([*rows, *other.chunks.all()], embed(["a", "b", "c", "d"]))
    assert not SourceChunk.objects.filter(vector__isnull=False).exists()
    assert not EmbeddingIndex.objects.exists()


# ── Chroma ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaProcess]:
    process = ChromaProcess(tmp_path_factory.mktemp("vectors") / "chroma")
    process.start()
    yield process
    process.end()


@pytest.fixture
def chroma(server: ChromaProcess, settings: Any, transactional_db: None) -> ChromaProcess:
    settings.AIWRITER_CHROMA_URL = server.url
    exact.forget()
    store._servers.clear()
    return server


def state(people: People) -> EmbeddingIndex:
    return EmbeddingIndex.objects.get(workspace=people.press)


def test_chroma_is_filled_as_vectors_are_stored(chroma: ChromaProcess, people: People) -> None:
    shelve(people.press, "Notes", *sentences(40))
    shelve(people.press, "More", *sentences(40, seed=9))
    assert (state(people).state, state(people).indexed_revision) == ("ready", 2)
    answer = nearest(people.press.pk, "winter light tower", limit=10)
    assert answer.engine == "chroma"
    settings_free = exact.search(
        workspace_id=people.press.pk,
        embedder_id=state(people).embedder_id,
        vector=unit_rows(embed("winter light tower").vectors, 1024)[0],
        revision=99,
        limit=10,
    )
    assert {hit.chunk_id for hit in answer.hits} == {hit.chunk_id for hit in settings_free}
    assert index.verify(people.press.pk).ok


def test_sources_are_forgotten_in_chroma_too(chroma: ChromaProcess, people: People) -> None:
    shelve(people.press, "Notes", *sentences(20))
    gone = shelve(people.press, "Gone", "Walruses sleep on the ice.")
    index.forget_source(gone)
    gone.delete()
    answer = nearest(people.press.pk, "walruses asleep on ice")
    assert answer.engine == "chroma"
    assert {hit.chunk_id for hit in answer.hits} <= set(SourceChunk.objects.values_list("id", flat=True))
    assert store.client().count(state(people).collection) == 20


def test_a_wiped_store_is_rebuilt_from_the_database_with_the_same_answers(
    chroma: ChromaProcess, people: People
) -> None:
    shelve(people.press, "Notes", *sentences(60))
    before = nearest(people.press.pk, "winter light tower", limit=10)
    store.client().drop(state(people).collection)
    store._servers.clear()
    during = nearest(people.press.pk, "winter light tower", limit=10)
    assert during.engine == "exact", "exact search takes over at once"
    assert state(people).state == "broken"
    assert index.behind() == [people.press.pk]
    assert index.sync(people.press.pk) == 60
    after = nearest(people.press.pk, "winter light tower", limit=10)
    assert after.engine == "chroma"
    for one, two, three in zip(before.hits, during.hits, after.hits, strict=True):
        assert one.similarity == pytest.approx(three.similarity, abs=1e-3)
        assert two.similarity == pytest.approx(three.similarity, abs=1e-3)
    assert {hit.chunk_id for hit in before.hits} == {hit.chunk_id for hit in after.hits}


def test_missing_vectors_are_noticed_by_counting(chroma: ChromaProcess, people: People) -> None:
    shelve(people.press, "Notes", *sentences(30))
    some = list(SourceChunk.objects.values_list("id", flat=True)[:7])
    store.client().remove(state(people).collection, some)
    store._servers.clear()
    assert nearest(people.press.pk, "winter").engine == "exact"
    assert state(people).state == "behind"
    assert index.sync(people.press.pk) == 7
    assert nearest(people.press.pk, "winter").engine == "chroma"
    store.client().remove(state(people).collection, some)
    verification = index.verify(people.press.pk)
    assert (verification.ok, verification.indexed) == (False, 23)
    assert index.rebuild(people.press.pk) == 30
    assert index.verify(people.press.pk).ok


def test_a_rebuild_leaves_one_collection(chroma: ChromaProcess, people: People) -> None:
    shelve(people.press, "Notes", *sentences(10))
    first = state(people).collection
    index.rebuild(people.press.pk)
    names = store.client().names()
    assert state(people).generation == 2
    assert first not in names
    assert state(people).collection in names
    store.client().create("ws-left-over-g1", metadata={"a": "b"})
    # Workspaces of other tests are gone from the database and left here, as after a restore.
    assert "ws-left-over-g1" in index.drop_orphans()
    assert state(people).collection in store.client().names()
    index.drop_workspace(people.press.pk)
    assert state(people).collection not in store.client().names()


def test_damaged_vectors_are_found_and_wait_to_be_embedded_again(chroma: ChromaProcess, people: People) -> None:
    shelve(people.press, "Notes", *sentences(10))
    row = SourceChunk.objects.first()
    assert row
    SourceChunk.objects.filter(pk=row.pk).update(vector=b"\0" * 7)
    verification = index.verify(people.press.pk)
    assert (verification.ok, verification.damaged) == (False, 1)
    assert index.rebuild(people.press.pk) == 9
    row.refresh_from_db()
    assert (row.vector, row.embedder_id) == (None, "")
    assert index.verify(people.press.pk).ok
    assert nearest(people.press.pk, "winter").engine == "chroma"
    index.store_vectors([row], embed([index.embedding_text(row)]))
    assert index.verify(people.press.pk) == (True, 10, 10, 10, 0, 0, "")


def test_a_filter_on_sources_is_kept(chroma: ChromaProcess, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_FILTERED_EXACTLY", -1)
    one = shelve(people.press, "One", *sentences(20))
    shelve(people.press, "Two", *sentences(20, seed=3))
    answer = nearest(people.press.pk, "winter light", limit=30, source_ids=[one.pk])
    assert answer.engine == "chroma"
    assert {hit.chunk_id for hit in answer.hits} == set(one.chunks.values_list("id", flat=True))


def test_a_store_that_is_away_costs_nothing_but_speed(
    chroma: ChromaProcess, people: People, settings: Any, tmp_path: Path
) -> None:
    own = ChromaProcess(tmp_path / "chroma")
    own.start()
    settings.AIWRITER_CHROMA_URL = own.url
    shelve(people.press, "Notes", *sentences(20))
    own.kill()
    begun = time.monotonic()
    result = hybrid.search(workspace_id=people.press.pk, query="winter light", embed=embed)
    assert result.engine == "exact"
    assert result.hits
    assert time.monotonic() - begun < 2
    shelve(people.press, "Meanwhile", "Walruses sleep on the ice.")
    assert state(people).state == "behind"
    with pytest.raises(Unavailable):
        index.sync(people.press.pk)
    assert nearest(people.press.pk, "walruses ice").engine == "exact"
    own.start()
    try:
        store._servers.clear()
        assert index.sync(people.press.pk) == 21
        assert nearest(people.press.pk, "walruses ice").engine == "chroma"
        assert index.verify(people.press.pk).ok
    finally:
        own.end()


# ── the folder and its owner ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_process_is_refused_with_the_remedy(server: ChromaProcess) -> None:
    done = run_server_once(server.path)
    assert done.returncode == EXIT_HELD
    assert server.process
    assert f"process {server.process.pid}" in done.stderr
    assert "stop process" in done.stderr
    lock = check_store_lock(server.path)
    assert (lock.held, lock.pid) == (True, server.process.pid)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    own = ChromaProcess(tmp_path / "chroma")
    own.start()
    own.kill()
    assert not check_store_lock(own.path).held
    own.start()
    own.end()


def test_a_broken_store_is_put_aside_and_the_server_starts(tmp_path: Path) -> None:
    own = ChromaProcess(tmp_path / "chroma")
    own.start()
    own.end()
    (own.path / "chroma.sqlite3").write_bytes(b"this is not a database" * 100)
    own.start()
    complaint = own.end()
    assert "made again from the database" in complaint
    aside = list(tmp_path.glob("chroma.broken-*"))
    assert len(aside) == 1
    assert (aside[0] / "reason.txt").read_text()


def test_a_file_of_terabytes_is_noticed_before_it_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    folder.mkdir()
    (folder / "chroma.sqlite3").write_bytes(b"")
    assert store_report(folder).ok
    with (folder / "link_lists.bin").open("wb") as stream:
        stream.truncate(2**42)
    report = store_report(folder)
    assert (report.ok, report.largest) == (False, "link_lists.bin")
    assert "damaged" in report.detail
    target = put_aside(folder, report.detail)
    assert store_report(folder).ok
    assert (target / "link_lists.bin").exists()
    shutil.rmtree(target)


@pytest.mark.django_db
def test_without_a_store_everything_works_but_upkeep(people: People, no_chroma: None) -> None:
    shelve(people.press, "Notes", *sentences(5))
    assert nearest(people.press.pk, "winter").engine == "exact"
    verification = index.verify(people.press.pk)
    assert verification.ok
    assert "No vector store" in verification.note
    with pytest.raises(Unavailable):
        index.rebuild(people.press.pk)
    assert Source.objects.count() == 1
