"""Search finds what is there, in the workspace and sources that were asked for, and nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiwriter.core.errors import Unavailable
from aiwriter_sdk import EmbedResult
from apps.content.models import EmbeddingIndex, Source, SourceChunk
from apps.content.retrieval import hybrid, index, keyword
from tests.people import People
from tests.unit.content.shelf import embed, ids, shelve

pytestmark = pytest.mark.django_db

ARCHES = "The stone arch carries its load by compression alone."
CABLES = "A suspension bridge hangs its deck from steel cables."
FERRIES = "Ferries carry lorries and trains across the strait at night."


def found(people: People, query: str, **more: Any) -> list[str]:
    result = keyword.search(workspace_id=people.press.pk, query=query, limit=10, **more)
    texts = dict(SourceChunk.objects.values_list("id", "text"))
    return [texts[hit.chunk_id] for hit in result]


def test_words_are_found_in_any_form(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES, FERRIES, vectors=False)
    assert found(people, "carrying a load") == [ARCHES, FERRIES]
    assert found(people, "suspended bridges")[0] == CABLES
    assert found(people, "zeppelin") == []
    # The title of a source is known to each of its passages.
    assert set(found(people, "bridge")) == {ARCHES, CABLES, FERRIES}


@pytest.mark.parametrize(
    "query",
    ['"', "a AND", "NEAR(", "*", "col:umn", "'; DROP TABLE content_source; --", "\x00", "🙂", "the of and", "-", "a" * 5000,
     "carry' | 'x", "body : carry", "\\", "NOT carry", "{heading} : carry"],
)  # fmt: skip
def test_no_question_is_read_as_an_operator(people: People, query: str) -> None:
    shelve(people.press, "Bridges", ARCHES, vectors=False)
    keyword.search(workspace_id=people.press.pk, query=query, limit=5)
    assert Source.objects.count() == 1


@given(query=st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_the_keyword_search(people: People, query: str) -> None:
    keyword.search(workspace_id=people.press.pk, query=query, limit=5)


def test_the_index_follows_every_change(people: People) -> None:
    source = shelve(people.press, "Bridges", ARCHES, CABLES)
    assert keyword.verify() == (True, 2, 2, "")
    SourceChunk.objects.filter(text=ARCHES).update(text="Wooden trestles creak.")
    assert found(people, "trestle") == ["Wooden trestles creak."]
    assert found(people, "compression") == []
    replaced = index.replace_chunks(source, [])
    assert (replaced, found(people, "cables"), keyword.verify().indexed) == ([], [], 0)
    other = shelve(people.press, "Ferries", FERRIES)
    other.delete()
    assert keyword.verify() == (True, 0, 0, "")


def test_a_lost_keyword_index_is_noticed_and_made_again(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER content_keyword_insert")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as at the end of a transaction
            cursor.execute("DROP INDEX content_chunk_search_vector")
    keyword.ensure_keyword_index()
    shelve(people.press, "Ferries", FERRIES)
    assert found(people, "lorries") == [FERRIES]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM content_keyword_row")
        assert not keyword.verify().ok
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize" if connection.vendor == "sqlite" else "SET CONSTRAINTS ALL IMMEDIATE")
    assert keyword.rebuild() == 3
    assert keyword.verify().ok
    assert found(people, "compression") == [ARCHES]


def test_both_halves_answer_and_say_how(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES, FERRIES)
    result = hybrid.search(workspace_id=people.press.pk, query="a bridge that hangs from cables", embed=embed)
    first = result.hits[0]
    assert (result.engine, first.text, first.title) == ("exact", CABLES, "Bridges")
    assert (first.keyword_rank, first.vector_rank) == (1, 1)
    assert first.fused == pytest.approx((1.0 + 0.3) / 6)
    assert first.vector_score is not None
    assert 0.25 < first.score <= 1
    assert first.text == first.text == Source.objects.get().text[first.char_start : first.char_end]
    assert [hit.fused for hit in result.hits] == sorted((hit.fused for hit in result.hits), reverse=True)


def test_words_alone_answer_when_the_embedder_fails(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES)

    def broken(text: str) -> EmbedResult:
        raise Unavailable("The embedding model is away.", remedy="Start it.")

    result = hybrid.search(workspace_id=people.press.pk, query="steel cables", embed=broken)
    assert (result.engine, result.hits[0].text) == ("keyword", CABLES)
    assert "embedding model is away" in result.note


def test_search_never_leaves_the_workspace_or_the_sources(people: People) -> None:
    mine = shelve(people.press, "Mine", ARCHES)
    second = shelve(people.press, "Second", CABLES)
    theirs = shelve(people.rival, "Theirs", ARCHES, CABLES, FERRIES)

    def search(**more: Any) -> set[uuid.UUID]:
        result = hybrid.search(query="arch load bridge cables ferries", embed=embed, **more)
        return {hit.chunk_id for hit in result.hits}

    assert search(workspace_id=people.press.pk) == ids(mine) | ids(second)
    assert search(workspace_id=people.press.pk, source_ids=[mine.pk]) == ids(mine)
    assert search(workspace_id=people.press.pk, source_ids=[theirs.pk]) == set()
    assert search(workspace_id=people.press.pk, source_ids=[]) == set()
    assert search(workspace_id=people.rival.pk, source_ids=[mine.pk, theirs.pk]) == ids(theirs)
    assert search(workspace_id=uuid.uuid4()) == set()


def test_vectors_of_different_embedders_never_meet(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES)

    def other(text: str) -> EmbedResult:
        return EmbedResult(vectors=[[1.0, 0.0]], dimensions=2, fingerprint="another")

    result = hybrid.search(workspace_id=people.press.pk, query="zeppelin", embed=other)
    assert (result.hits, result.engine) == ([], "keyword")
    assert EmbeddingIndex.objects.count() == 1


def test_several_wishes_share_the_places(people: People) -> None:
    shelve(people.press, "Bridges", ARCHES, CABLES, FERRIES)
    result = hybrid.search_many(
        workspace_id=people.press.pk, queries=["stone arch", "lorries at night", "stone arch"], limit=2, embed=embed
    )
    assert [hit.text for hit in result.hits] == [ARCHES, FERRIES]
    assert hybrid.search_many(workspace_id=people.press.pk, queries=["", "  "], embed=embed).hits == []


def test_a_question_costs_a_fixed_number_of_queries(people: People, django_assert_max_num_queries: Any) -> None:
    for number in range(8):
        shelve(people.press, f"Source {number}", ARCHES, CABLES)
    with django_assert_max_num_queries(6):
        hybrid.search(workspace_id=people.press.pk, query="stone arch", embed=embed)
