"""Web pages and documents as sources: fetched through the guarded way out, read again only when they have changed."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from apps.backends.models import StoredFile
from apps.content.models import Source
from apps.content.selectors.pins import pinned_ids
from apps.content.services import fetching, ingesting
from apps.content.services.documents import delete_document, save_document
from apps.content.services.generation import start_generation
from apps.content.services.pins import pin_source, unpin_source
from apps.content.services.sources import (
    add_document_source,
    add_url_source,
    change_source,
    refresh_source,
    retry_source,
    search_sources,
)
from tests.factories.content import DocumentFactory, TextSourceFactory, file_source
from tests.fakes.website import Answer, Website
from tests.people import People
from tests.unit.content.parsing_files import encrypted_pdf

pytestmark = pytest.mark.usefixtures("files")
PAGE = b"""<!doctype html><html><head><title>Tides &amp; ports</title></head><body><nav>Home</nav><main><h1>Tides</h1>
<p>The tide at the harbour of Brest rises by seven metres in spring.</p></main></body></html>"""


@pytest.fixture
def site(settings: object) -> Iterator[Website]:
    """A web site that may be reached although it is on the loopback address."""
    settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]  # type: ignore[attr-defined]
    with Website() as made:
        yield made


def read(source: Source) -> Source:
    ingesting.ingest()
    source.refresh_from_db()
    return source


def page_source(people: People, url: str, **more: object) -> Source:
    return add_url_source(actor=people.actor("wanda"), workspace=people.press, url=url, **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- pages
def test_a_page_is_fetched_read_and_found(transactional_db: None, people: People, site: Website):
    site.pages["/start"] = Answer(status=302, headers={"Location": "/tides"})
    site.pages["/tides"] = Answer(PAGE)
    source = read(page_source(people, f"{site.url}/start#top"))
    assert (source.state, source.title, source.mime) == ("ready", "Tides & ports", "text/html")
    assert source.uri == f"{site.url}/start"
    assert source.fetched_at
    found = search_sources(actor=people.actor("wanda"), workspace=people.press, query="tide in Brest")
    assert "seven metres" in found.hits[0].text
    assert found.milliseconds > 0
    assert page_source(people, f"{site.url}/start").pk == source.pk


def test_an_unchanged_page_is_not_read_again(transactional_db: None, people: People, site: Website):
    site.pages["/"] = Answer(PAGE)
    source = read(page_source(people, site.url))
    chunks = set(source.chunks.values_list("pk", flat=True))
    refresh_source(actor=people.actor("wanda"), source_id=source.pk)
    read(source)
    assert site.asked == [("/", 200), ("/", 304)]
    # Without an entity tag the bytes are compared, and with other bytes the words.
    site.pages["/"] = Answer(PAGE, etag=False)
    refresh_source(actor=people.actor("wanda"), source_id=source.pk)
    read(source)
    site.pages["/"] = Answer(PAGE.replace(b"Home", b"Start"), etag=False)
    refresh_source(actor=people.actor("wanda"), source_id=source.pk)
    read(source)
    assert (source.state, set(source.chunks.values_list("pk", flat=True))) == ("ready", chunks)
    site.pages["/"] = Answer(PAGE.replace(b"seven", b"eight"))
    refresh_source(actor=people.actor("wanda"), source_id=source.pk)
    read(source)
    assert "eight metres" in source.text
    assert set(source.chunks.values_list("pk", flat=True)).isdisjoint(chunks)
    assert StoredFile.objects.filter(workspace=people.press).count() == 1


def test_a_page_that_went_away_keeps_its_text(transactional_db: None, people: People, site: Website):
    site.pages["/"] = Answer(PAGE)
    source = read(page_source(people, site.url, refresh_hours=24))
    site.pages["/"] = Answer(b"", 404)
    refresh_source(actor=people.actor("wanda"), source_id=source.pk)
    read(source)
    assert (source.state, source.chunk_count > 0, source.error) == ("ready", True, "There is no such page.")
    assert source.remedy
    assert source.refresh_after > timezone.now()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"", 404), "There is no such page."),
        (Answer(b"", 401), "sign-in"),
        (Answer(b"", 500), "answered 500"),
        (Answer(status=301, headers={"Location": "/"}), "sends its readers on"),
        (Answer(status=302, headers={"Location": "ftp://example.org/"}), "not a web address"),
        (Answer(status=302, headers={"Location": "http://169.254.169.254/latest"}), "metadata"),
        (Answer(b"\x89PNG\r\n\x1a\n\0\0", content_type="text/html"), "cannot be read"),
        (Answer(b"<html><body></body></html>"), "No text"),
    ],
)
def test_pages_that_cannot_be_read(transactional_db: None, people: People, site: Website, answer: Answer, words: str):
    site.pages["/"] = answer
    source = read(page_source(people, site.url))
    assert source.state == "failed"
    assert words in source.error
    assert source.remedy
    assert not StoredFile.objects.filter(workspace=people.press).exists() or source.file


def test_private_addresses_are_refused(transactional_db: None, people: People):
    with Website() as site:
        site.pages["/"] = Answer(PAGE)
        source = read(page_source(people, site.url))
        assert site.asked == []
    assert source.state == "failed"
    assert "private address" in source.error
    assert "AIWRITER_OUTGOING_ALLOW_NETWORKS" in source.remedy


def test_a_page_over_the_limit(transactional_db: None, people: People, site: Website, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 2**20)
    site.pages["/"] = Answer(b"<p>" + b"word " * 400_000)
    source = read(page_source(people, site.url))
    assert (source.state, source.error_code) == ("failed", "too_large")
    assert source.remedy


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org/",
        "javascript:alert(1)",
        "http://",
        "https://a b.org/",
        "https://x:y@example.org/",
        "http://[::1",
    ],
)
def test_addresses_that_are_none(people: People, url: str):
    with pytest.raises(InvalidInput) as caught:
        page_source(people, url)
    assert caught.value.field == "url"
    assert caught.value.remedy


def test_the_schedule_wakes_a_source_once(transactional_db: None, people: People, site: Website):
    site.pages["/"] = Answer(PAGE)
    source = read(page_source(people, site.url, refresh_hours=24))
    assert ingesting.refresh_due() == 0
    Source.objects.filter(pk=source.pk).update(refresh_after=timezone.now() - dt.timedelta(minutes=1))
    assert ingesting.refresh_due() == 1
    assert ingesting.refresh_due() == 0
    read(source)
    assert source.refresh_after > timezone.now() + dt.timedelta(hours=23)
    change_source(actor=people.actor("wanda"), source_id=source.pk, refresh_hours=None)
    assert Source.objects.get(pk=source.pk).refresh_after is None


# ---------------------------------------------------------------- documents
def test_a_document_is_kept_in_step_on_request(transactional_db: None, people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Bridges", body_markdown="An arch carries.\n")
    source = read(add_document_source(actor=wanda, document_id=document.pk))
    assert (source.state, source.kind, source.title) == ("ready", "document", "Bridges")
    chunks = set(source.chunks.values_list("pk", flat=True))
    refresh_source(actor=wanda, source_id=source.pk)
    assert set(read(source).chunks.values_list("pk", flat=True)) == chunks
    save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="A cable carries.\n")
    assert "arch" in Source.objects.get(pk=source.pk).text
    refresh_source(actor=wanda, source_id=source.pk)
    assert "A cable carries." in read(source).text
    delete_document(actor=wanda, document_id=document.pk)
    refresh_source(actor=wanda, source_id=source.pk)
    assert (read(source).state, source.error) == ("ready", "The document was deleted.")
    assert "cable" in source.text
    assert retry_source(actor=wanda, source_id=source.pk).state == "pending"


def test_documents_of_others_and_files_that_never_change(people: People):
    wanda = people.actor("wanda")
    with pytest.raises(NotFound):
        add_document_source(actor=wanda, document_id=DocumentFactory(workspace=people.rival).pk)
    with pytest.raises(InvalidInput):
        add_document_source(
            actor=wanda, document_id=DocumentFactory(actor=wanda, workspace=people.press, body_markdown="").pk
        )
    text = TextSourceFactory(actor=wanda, workspace=people.press)
    with pytest.raises(Conflict):
        refresh_source(actor=wanda, source_id=text.pk)
    with pytest.raises(Conflict):
        change_source(actor=wanda, source_id=text.pk, refresh_hours=24)
    with pytest.raises(InvalidInput):
        change_source(actor=wanda, source_id=text.pk, refresh_hours=0)


# ---------------------------------------------------------------- pins
def test_a_document_with_pins_is_written_from_them(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    first = TextSourceFactory(actor=wanda, workspace=people.press)
    TextSourceFactory(actor=wanda, workspace=people.press, text="Another text.")

    def asked(**more: object) -> object:
        made = start_generation(
            actor=wanda, workspace=people.press, kind="draft", brief={"topic": "x"}, document_id=document.pk, **more
        )  # type: ignore[arg-type]
        return made.input["source_ids"]

    assert asked() is None
    pin_source(actor=wanda, document_id=document.pk, source_id=first.pk)
    pin_source(actor=wanda, document_id=document.pk, source_id=first.pk)
    assert pinned_ids(document) == [first.pk]
    assert asked() == [str(first.pk)]
    assert asked(source_ids=[]) == []
    unpin_source(actor=wanda, document_id=document.pk, source_id=first.pk)
    assert asked() is None
    with pytest.raises(NotFound):
        pin_source(actor=wanda, document_id=document.pk, source_id=TextSourceFactory(workspace=people.rival).pk)
    with pytest.raises(AppError):
        pin_source(actor=people.actor("eve"), document_id=document.pk, source_id=first.pk)


# ---------------------------------------------------------------- retrieval never crosses permissions
def test_a_search_never_shows_what_belongs_to_others(transactional_db: None, people: People):
    mine = read(
        TextSourceFactory(actor=people.actor("wanda"), workspace=people.press, text="# A\n\nThe code is amber.\n")
    )
    theirs = read(
        TextSourceFactory(actor=people.actor("eve"), workspace=people.rival, text="# B\n\nThe code is violet.\n")
    )
    for name, room, own, foreign in (
        ("wanda", people.press, mine, theirs),
        ("eve", people.rival, theirs, mine),
    ):
        actor = people.actor(name)
        everything = search_sources(actor=actor, workspace=room, query="code amber violet")
        assert {hit.source_id for hit in everything.hits} == {own.pk}
        # Naming a foreign source does not open it.
        assert search_sources(actor=actor, workspace=room, query="code", source_ids=[foreign.pk]).hits == []
        other = people.rival if room == people.press else people.press
        with pytest.raises(NotFound):
            search_sources(actor=actor, workspace=other, query="code")


# ---------------------------------------------------------------- broken files say what to do
def bomb() -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<w>" + b" " * (4 * 2**20))
    return held.getvalue()


def broken_docx() -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document><w:body><w:p>")
    return held.getvalue()[:-40]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("bomb.docx", bomb, "bomb"), ("broken.docx", broken_docx, "broken")],
    ids=["archive bomb", "broken DOCX"],
)
def test_broken_files_fail_with_a_remedy(
    transactional_db: None, people: People, name: str, content: object, reason: str
):
    source = read(file_source(people.press, name, content(), actor=people.actor("wanda")))  # type: ignore[operator]
    assert (source.state, source.error_code) == ("failed", reason)
    assert source.error
    assert source.remedy


def test_an_encrypted_pdf_fails_with_a_remedy(transactional_db: None, people: People, tmp_path: Path):
    content = encrypted_pdf(tmp_path / "locked.pdf", "pw").read_bytes()
    source = read(file_source(people.press, "locked.pdf", content, actor=people.actor("wanda")))
    assert (source.state, source.error_code) == ("failed", "encrypted")
    assert "password" in source.remedy
