"""Sources: read in, found, cited; one that cannot be read holds up nothing."""

from __future__ import annotations

from io import BytesIO

import pytest

from aiwriter.core.errors import InvalidInput, NotFound, TooLarge
from apps.backends.models import BackendProfile, StoredFile
from apps.content.models import Source, SourceChunk
from apps.content.selectors.sources import get_source, source_counts, sources_for
from apps.content.services import ingesting
from apps.content.services.sources import (
    add_file_sources,
    add_text_source,
    delete_source,
    retry_source,
    search_sources,
)
from tests.factories.backends import route
from tests.factories.content import BRIDGES, TextSourceFactory, file_source, ready_source
from tests.people import People

pytestmark = pytest.mark.usefixtures("files")


def test_a_text_is_read_cut_and_found(transactional_db: None, offline: BackendProfile, people: People):
    wanda = people.actor("wanda")
    source = ready_source(people.press, actor=wanda, title="Bridges")
    assert source.chunk_count == source.chunks.count() > 0
    assert source.word_count > 30
    for chunk in source.chunks.all():
        assert source.text[chunk.char_start : chunk.char_end] == chunk.text
        assert chunk.vector is not None
    found = search_sources(actor=wanda, workspace=people.press, query="How long is the Akashi bridge?")
    assert "1,991" in found.hits[0].text
    assert found.engine == "exact"


def test_the_same_content_is_the_same_source(people: People):
    wanda = people.actor("wanda")
    first = file_source(people.press, "a.md", BRIDGES.encode(), actor=wanda)
    assert file_source(people.press, "b.md", BRIDGES.encode(), actor=wanda).pk == first.pk
    assert StoredFile.objects.filter(workspace=people.press).count() == 1
    assert file_source(people.rival, "b.md", BRIDGES.encode()).pk != first.pk


def test_one_bad_file_of_many_holds_up_nothing(transactional_db: None, offline: BackendProfile, people: People):
    files = [(f"note{n}.md", BytesIO(f"# Note {n}\n\nFact number {n}.\n".encode()), "text/markdown") for n in range(30)]
    files.insert(7, ("empty.md", BytesIO(b""), "text/markdown"))
    files.insert(9, ("broken.pdf", BytesIO(b"%PDF-1.4 nothing"), "application/pdf"))
    results = add_file_sources(actor=people.actor("wanda"), workspace=people.press, files=files)
    assert [result.name for result in results if result.error] == ["empty.md"]
    assert results[7].error.remedy
    assert ingesting.ingest() == 31
    assert source_counts(actor=people.actor("wanda"), workspace=people.press) == {
        "pending": 0,
        "parsing": 0,
        "embedding": 0,
        "ready": 30,
        "failed": 1,
    }
    broken = Source.objects.get(uri="broken.pdf")
    assert broken.error_code
    assert broken.error
    assert broken.remedy


def test_without_an_embedder_words_still_find_it(transactional_db: None, people: People):
    source = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    ingesting.ingest()
    source.refresh_from_db()
    assert source.state == "ready"
    assert "words only" in source.warnings[0]
    found = search_sources(actor=people.actor("wanda"), workspace=people.press, query="Akashi")
    assert (found.engine, len(found.hits) > 0) == ("keyword", True)


def test_missing_vectors_are_made_up_for(transactional_db: None, people: People, request: pytest.FixtureRequest):
    TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    ingesting.ingest()
    assert SourceChunk.objects.filter(vector__isnull=True).exists()
    offline = request.getfixturevalue("offline")
    route("embed", {"profile": offline.pk, "model": "minilm"})
    assert ingesting.embed_missing() == SourceChunk.objects.count()
    assert not SourceChunk.objects.filter(vector__isnull=True).exists()


def test_a_removed_source_takes_file_and_passages_along(
    transactional_db: None, offline: BackendProfile, people: People
):
    wanda = people.actor("wanda")
    source = ready_source(people.press, actor=wanda)
    delete_source(actor=wanda, source_id=source.pk)
    assert not Source.objects.exists()
    assert not SourceChunk.objects.exists()
    assert not StoredFile.objects.exists()
    assert search_sources(actor=wanda, workspace=people.press, query="Akashi").hits == []


def test_reading_anew(transactional_db: None, offline: BackendProfile, people: People):
    wanda = people.actor("wanda")
    source = ready_source(people.press, actor=wanda)
    before = source.chunks.count()
    assert retry_source(actor=wanda, source_id=source.pk).state == "pending"
    ingesting.ingest()
    source.refresh_from_db()
    assert (source.state, source.chunks.count()) == ("ready", before)


def test_a_source_that_ends_its_worker_is_given_up(people: People):
    source = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    Source.objects.filter(pk=source.pk).update(attempts=ingesting.MAX_ATTEMPTS)
    ingesting.ingest()
    source.refresh_from_db()
    assert (source.state, source.error_code) == ("failed", "worker_lost")


def test_values_that_cannot_be_used(people: People):
    wanda = people.actor("wanda")
    with pytest.raises(InvalidInput):
        add_text_source(actor=wanda, workspace=people.press, title="x", text=" \n ")
    with pytest.raises(InvalidInput):
        file_source(people.press, "x.md", b"", actor=wanda)
    with pytest.raises(InvalidInput):
        search_sources(actor=wanda, workspace=people.press, query=" ")


def test_a_file_over_the_limit_is_refused(people: People, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    with pytest.raises(TooLarge):
        file_source(people.press, "x.txt", b"x" * 1001, actor=people.actor("wanda"))
    assert not Source.objects.exists()


def test_other_workspaces_do_not_exist(people: People):
    source = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    eve = people.actor("eve")
    for act in (
        lambda: get_source(actor=eve, source_id=source.pk),
        lambda: delete_source(actor=eve, source_id=source.pk),
        lambda: retry_source(actor=eve, source_id=source.pk),
        lambda: search_sources(actor=eve, workspace=people.press, query="x"),
        lambda: add_text_source(actor=eve, workspace=people.press, title="x", text="x"),
    ):
        with pytest.raises(NotFound):
            act()
    assert not sources_for(eve).exists()
