"""PDF, text, JSON, pictures, sets of documents and the end of a file's life."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import re
import zipfile
from io import BytesIO

import docx
import pypdf
import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile, StoredFile
from apps.backends.services.filestore import open_file, put_file
from apps.content.markup.exports import Reference
from apps.content.markup.pdf import pdf_file
from apps.content.markup.plain import text_file
from apps.content.models import Citation, Document, Export
from apps.content.services.collections import create_collection
from apps.content.services.exports import (
    expire_exports,
    export_document,
    export_documents,
    export_file,
    make_export,
    start_export,
)
from tests.factories.content import DocumentFactory
from tests.people import People

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BODY = """# Bridges

A fact.[1] With **bold**, `code`, a [link](https://example.org/) and [another](/documents/).

- one
  1. deep
     - deeper
- two

> quoted

```python
#panic("typst")
```

| a | b |
| --- | --- |
| c | d |

Ελλάδα Привет 漢字 العربية हिन्दी עברית
"""
SOURCES = [Reference("1", "Notes", "p. 4", 'says "so" #eval("1")')]


def pages(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(content)).pages)


def test_pdf_has_bookmarks_tags_pages_and_many_scripts():
    made = pdf_file("Bridges", BODY + "\n## Arches\n\nText.\n" * 3, SOURCES, language="de-AT", note="By people.")
    reader = pypdf.PdfReader(BytesIO(made))
    assert reader.metadata
    assert reader.metadata.title == "Bridges"
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].lower() == "de-at"
    names = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert names == ["Bridges"]
    assert [e.title for e in reader.outline[1]] == ["Arches", "Arches", "Arches", "Sources"]
    text = pages(made)
    for words in ("A fact.", "[1]", "deeper", "quoted", '#panic("typst")', "Ελλάδα", "Привет", "漢字", "By people."):
        assert words in text, words
    assert 'says "so" #eval("1")' in text
    fonts = {str(f["/BaseFont"]) for page in reader.pages for f in map(_object, page["/Resources"]["/Font"].values())}
    assert {n for n in ("Arabic", "Devanagari", "CJK") if any(n in f for f in fonts)} == {
        *("Arabic", "Devanagari", "CJK")
    }


def _object(reference: pypdf.generic.IndirectObject) -> pypdf.generic.DictionaryObject:
    return reference.get_object()


@pytest.mark.parametrize(
    "body",
    ["", "- " * 200 + "deep\n", "> " * 300 + "deep\n", "#### Four first\n\n## Two\n", "|a|\n|-|\n||\n", "***\n" * 50],
    ids=["empty", "nested list", "nested quote", "skipped headings", "empty cell", "rules"],
)
def test_pdf_of_odd_texts(body: str):
    assert pdf_file("T", body, []).startswith(b"%PDF-")


def test_plain_text_reads_well():
    text = text_file("Bridges", BODY, SOURCES)
    assert text.startswith("Bridges\n=======\n")
    assert "- one\n  1. deep\n     - deeper\n- two\n" in text
    assert "link (https://example.org/)" in text
    assert "> quoted" in text
    assert "a | b\n--+--\nc | d\n" in text
    assert '[1] Notes, p. 4 – “says "so" #eval("1")”' in text


@pytest.fixture
def illustrated(people: People, files: BackendProfile):
    wanda = people.actor("wanda")
    picture = put_file(
        actor=wanda, workspace=people.press, name="Chart 1.png", stream=BytesIO(PNG), purpose="attachment"
    )
    body = f"# Tides\n\nA fact.[1]\n\n![A chart](/files/{picture.pk}/chart.png)\n\n![Away](https://example.org/x.png)\n"
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Tides", body_markdown=body)
    Citation.objects.create(
        version=document.current_version,
        marker="1",
        source_title="Notes",
        locator="p. 2",
        quote="A fact",
        verified=True,
    )
    return document


def test_pictures_come_along(people: People, illustrated):
    wanda = people.actor("wanda")

    def made(format: str) -> bytes:
        return export_document(actor=wanda, document_id=illustrated.pk, format=format).content

    page = made("html").decode()
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in page
    assert '<sup class="cite"><a href="#source-1">[1]</a></sup>' in page
    assert '<li value="1" id="source-1">Notes, p. 2' in page
    with zipfile.ZipFile(io.BytesIO(made("md"))) as archive:
        names = archive.namelist()
        assert [n for n in names if n.startswith("images/")]
        assert "tides.md" in names
        written = archive.read("tides.md").decode()
        assert f"![A chart]({names[1]})" in written
        assert archive.read(names[1]) == PNG
    document = docx.Document(io.BytesIO(made("docx")))
    assert len(document.inline_shapes) == 1
    assert document.inline_shapes[0]._inline.docPr.get("descr") == "A chart"
    assert any("[Away]" in p.text for p in document.paragraphs)
    assert len(re.findall(rb"/Subtype\s*/Image", made("pdf"))) >= 1
    data = json.loads(made("json"))
    assert data["citations"] == [
        {"marker": "1", "source": "Notes", "locator": "p. 2", "quote": "A fact", "verified": True}
    ]
    assert data["images"][0]["content"].startswith("data:image/png;base64,")
    assert data["body_markdown"] == illustrated.body_markdown


def test_a_picture_of_another_workspace_stays_there(people: People, illustrated):
    eve = people.actor("eve")
    stolen = DocumentFactory(actor=eve, workspace=people.rival, body_markdown=illustrated.body_markdown)
    page = export_document(actor=eve, document_id=stolen.pk, format="html").content.decode()
    assert "data:image" not in page


def test_a_damaged_picture_does_not_stop_the_file(people: People, files: BackendProfile):
    wanda = people.actor("wanda")
    broken = put_file(actor=wanda, workspace=people.press, name="b.png", stream=BytesIO(PNG[:30]), purpose="attachment")
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown=f"![B](/files/{broken.pk})\n")
    for format in ("docx", "pdf", "html"):
        assert export_document(actor=wanda, document_id=document.pk, format=format).content


def test_choice_of_version_and_of_what_comes_along(people: People):
    from apps.content.services.documents import save_document

    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Old", body_markdown="Old text.\n")
    save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="New text.\n", reason="ai")

    def made(**more: object) -> str:
        return export_document(actor=wanda, document_id=document.pk, format="txt", **more).content.decode()

    assert "New text." in made()
    assert "Old text." in made(version="1")
    assert "with the help of a language model" in made(with_origin=True)
    assert "written by people." in made(with_origin=True, version="1")
    with pytest.raises(NotFound, match="no version 7"):
        made(version="7")
    with pytest.raises(InvalidInput, match="no version"):
        made(version="newest")


def test_several_documents_become_a_zip(people: People, files: BackendProfile, run_jobs, illustrated):
    wanda = people.actor("wanda")
    for _ in range(2):
        DocumentFactory(actor=wanda, workspace=people.press, title="Same", body_markdown="Text.\n")
    DocumentFactory(actor=people.actor("eve"), workspace=people.rival, title="Foreign")
    export = export_documents(actor=wanda, workspace=people.press, document_ids=[], format="md")
    assert run_jobs() == ["content.make_export"]
    export.refresh_from_db()
    assert (export.state, export.done) == ("ready", 3)
    with open_file(actor=wanda, file=export_file(actor=wanda, export_id=export.pk)) as reader:
        names = zipfile.ZipFile(io.BytesIO(reader.read())).namelist()
    assert sorted(n for n in names if n.endswith(".md")) == ["same-2.md", "same.md", "tides/tides.md"]
    with pytest.raises(NotFound):
        export_documents(actor=people.actor("eve"), workspace=people.rival, document_ids=[illustrated.pk], format="md")
    with pytest.raises(InvalidInput):
        export_documents(actor=wanda, workspace=people.press, document_ids=[], format="md", version="3")


def test_a_collection_becomes_a_zip_with_those_below(people: People, files: BackendProfile, run_jobs, api):
    eddie = people.actor("eddie")
    upper = create_collection(actor=eddie, workspace=people.press, name="Sea")
    lower = create_collection(actor=eddie, workspace=people.press, name="Tides", parent_id=upper.pk)
    for name, collection in (("A", upper), ("B", lower), ("C", None)):
        made = DocumentFactory(actor=eddie, workspace=people.press, title=name)
        Document.objects.filter(pk=made.pk).update(collection=collection)
    body = {"collection_id": str(upper.pk), "format": "txt"}
    answer = api("eddie").post("/api/v1/exports", body, format="json")
    assert (answer.status_code, answer.json()["title"]) == (202, "Sea")
    run_jobs()
    with open_file(actor=eddie, file=export_file(actor=eddie, export_id=answer.json()["id"])) as reader:
        assert zipfile.ZipFile(io.BytesIO(reader.read())).namelist() == ["a.txt", "b.txt"]


def test_files_expire(people: People, files: BackendProfile, run_jobs):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    kept, over = (start_export(actor=wanda, document_id=document.pk, format="txt") for _ in range(2))
    run_jobs()
    Export.objects.filter(pk=over.pk).update(expires_at=timezone.now() - dt.timedelta(minutes=1))
    assert expire_exports() == 1
    assert StoredFile.objects.filter(purpose="export").count() == 1
    with pytest.raises(Conflict, match="expired"):
        export_file(actor=wanda, export_id=over.pk)
    assert export_file(actor=wanda, export_id=kept.pk)
    assert expire_exports() == 0


def test_a_job_that_ends_workers_is_given_up(people: People, files: BackendProfile):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    export = start_export(actor=wanda, document_id=document.pk, format="txt")
    Export.objects.filter(pk=export.pk).update(attempts=4)
    make_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.file) == ("failed", None)
    assert "ended the worker" in export.error


def test_pages_and_api(people: People, files: BackendProfile, run_jobs, portal, api):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Tides")
    browser = portal("wanda")
    assert browser.get(f"/documents/{document.pk}/exports").status_code == 200
    answer = browser.post(f"/documents/{document.pk}/exports", {"format": "pdf", "version": "1", "sources": "1"})
    assert answer.status_code == 302
    run_jobs()
    page = browser.get("/exports/").content.decode()
    assert "Tides" in page
    assert "Download" in page
    caller = api("wanda")
    listed = caller.get("/api/v1/exports").json()["data"]
    assert [(row["format"], row["state"]) for row in listed] == [("pdf", "ready")]
    made = caller.post("/api/v1/exports", {"format": "json", "document_ids": [str(document.pk)]}, format="json")
    assert made.status_code == 202
    run_jobs()
    state = caller.get(made.headers["Location"]).json()
    assert state["state"] == "ready"
    assert state["download_url"].startswith("/files/")
    assert caller.delete(made.headers["Location"]).status_code == 204
    assert caller.get(made.headers["Location"]).status_code == 404
    assert caller.get(f"/api/v1/content/{document.pk}/export?format=txt&version=99").status_code == 404
    assert caller.get(f"/api/v1/content/{document.pk}/export?format=txt&sources=maybe").status_code == 400
