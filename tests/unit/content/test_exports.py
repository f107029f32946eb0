"""Documents as files: readable by other programs, with their sources."""

from __future__ import annotations

import time
from io import BytesIO

import docx
import pytest

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile
from apps.backends.services.filestore import open_file
from apps.content.markup.docx import docx_file
from apps.content.markup.exports import Reference, html_file, markdown_file
from apps.content.models import Citation
from apps.content.services.exports import export_document, export_file, make_export, start_export
from tests.factories.content import DocumentFactory
from tests.people import People

BODY = """# Bridges

A fact.[1] With **bold**, *italic*, `code` and a [link](https://example.org/).

1. first
2. second
   - nested

Between.

1. first again

> quoted

```python
x = 1
```

| a | b |
| --- | --- |
| c | d |
"""
SOURCES = [Reference("1", "Notes <on> bridges", "p. 4", "A & B"), Reference("2", "Other", verified=False)]


def test_markdown_has_its_sources():
    text = markdown_file("Bridges", BODY, SOURCES)
    assert text.startswith("# Bridges\n")
    assert "- [1] Notes <on> bridges, p. 4 — “A & B”\n- [2] Other (not verified)\n" in text
    assert markdown_file("Another", "Text.\n", []) == "# Another\n\nText.\n"


def test_html_is_one_safe_page():
    page = html_file('T"<script>', BODY + "<script>alert(1)</script>", SOURCES, language="de")
    assert page.startswith('<!doctype html>\n<html lang="de">')
    assert "<script>" not in page
    assert "Notes &lt;on&gt; bridges, p. 4" in page
    assert "<table>" in page


def test_word_has_real_headings_lists_tables_and_links():
    document = docx.Document(BytesIO(docx_file("Bridges", BODY, SOURCES)))
    styles = [(p.style.name, p.text) for p in document.paragraphs]
    assert ("Heading 1", "Bridges") in styles
    assert ("List Number", "first") in styles
    assert ("List Bullet 2", "nested") in styles
    assert ("Quote", "quoted") in styles
    assert ("Code", "x = 1") in styles
    assert [[c.text for c in row.cells] for row in document.tables[0].rows] == [["a", "b"], ["c", "d"]]
    fact = next(p for p in document.paragraphs if p.text.startswith("A fact."))
    assert [run.text for run in fact.runs if run.font.superscript] == ["[1]"]
    assert [link.address for link in fact.hyperlinks] == ["https://example.org/"]
    assert "bold" in [run.text for run in fact.runs if run.bold]
    assert ("Heading 1", "Sources") in styles
    numbers = [
        p._p.pPr.numPr.numId.val for p in document.paragraphs if p.style.name == "List Number" and p._p.pPr is not None
    ]
    # The second list counts from one again.
    assert len(set(numbers)) == 2
    assert document.core_properties.title == "Bridges"


def seconds_for(paragraphs: int) -> float:
    begun = time.process_time()
    docx_file("Long", "\n\n".join(["Some *words* of a long text. " * 10] * paragraphs), [])
    return time.process_time() - begun


def test_long_documents_take_time_in_proportion():
    seconds_for(10)
    small = min(seconds_for(80) for _ in range(2))
    assert seconds_for(800) < small * 25


def test_export_takes_citations_and_versions(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Bridges", body_markdown="A fact.[1]\n")
    Citation.objects.create(
        version=document.current_version, marker="1", source_title="Notes", quote="A fact", verified=True
    )
    made = export_document(actor=wanda, document_id=document.pk, format="md")
    assert (made.filename, made.content_type) == ("bridges.md", "text/markdown; charset=utf-8")
    assert "- [1] Notes" in made.content.decode()
    assert export_document(actor=wanda, document_id=document.pk, format="docx", number=1).content[:2] == b"PK"
    with pytest.raises(InvalidInput):
        export_document(actor=wanda, document_id=document.pk, format="odt")
    with pytest.raises(NotFound):
        export_document(actor=people.actor("eve"), document_id=document.pk, format="md")


def test_a_worker_makes_the_file(people: People, files: BackendProfile, run_jobs):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    export = start_export(actor=wanda, document_id=document.pk, format="docx")
    with pytest.raises(Conflict):
        export_file(actor=wanda, export_id=export.pk)
    assert run_jobs() == ["content.make_export"]
    file = export_file(actor=wanda, export_id=export.pk)
    with open_file(actor=wanda, file=file) as reader:
        assert reader.read()[:2] == b"PK"
    make_export(export.pk)
    with pytest.raises(NotFound):
        export_file(actor=people.actor("eve"), export_id=export.pk)
