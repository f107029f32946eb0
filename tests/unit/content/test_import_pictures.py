"""Pictures that come in with a text: in Word files, inside web pages, beside the texts of a zip."""

from __future__ import annotations

import base64
import io
from io import BytesIO

import docx
import pytest
from docx.oxml.ns import qn

from apps.backends.models import StoredFile
from apps.backends.services.filestore import open_file
from apps.content.markup.docx import docx_file
from apps.content.markup.pictures import Picture, named_in
from apps.content.models import Document, Import
from apps.content.services import import_pictures, importing
from apps.content.services.import_pictures import Box
from apps.content.services.pictures import drop_unused, pictures_named_by
from tests.people import People
from tests.unit.content.test_exports_kinds import PNG
from tests.unit.content.test_importing import take, zipped

pytestmark = pytest.mark.usefixtures("files")
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def data(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def kept(people: People, document: Document) -> list[bytes]:
    """The bytes of the pictures that a text names, in its order, read as wanda."""
    found = []
    for address in sorted(named_in(document.body_markdown), key=document.body_markdown.index):
        file = StoredFile.objects.get(pk=address.rpartition("/")[2])
        assert (file.purpose, file.workspace) == ("attachment", people.press)
        with open_file(actor=people.actor("wanda"), file=file) as reader:
            found.append(reader.read())
    return found


def test_a_word_file_brings_its_pictures_with_what_they_show(people: People):
    made = docx.Document()
    made.add_paragraph("Before.")
    made.add_picture(BytesIO(GIF))
    made.element.body.find(f".//{qn('wp:docPr')}").set("descr", 'A "chart" of [tides]')
    made.add_table(1, 1).cell(0, 0).paragraphs[0].add_run().add_picture(BytesIO(PNG))
    output = BytesIO()
    made.save(output)
    row = take(people, "my-text.docx", output.getvalue())
    document = row.documents.get()
    assert row.notes == []
    assert 'A "chart" of' in document.body_markdown
    assert kept(people, document) == [GIF, PNG]
    assert document.body_html.count("<img") == 2
    assert pictures_named_by(document) == {StoredFile.objects.get(blob__size=len(each)).pk for each in (GIF, PNG)}


def test_what_goes_out_in_word_comes_in_again(people: People):
    picture = Picture(PNG, "image/png", "tide.png")
    content = docx_file("Tides", "Look:\n\n![The tide](/x.png)\n", [], pictures={"/x.png": picture})
    document = take(people, "t.docx", content).documents.get()
    assert kept(people, document) == [PNG]
    assert "![The tide](/pictures/" in document.body_markdown


def test_a_page_brings_pictures_that_stand_inside_it(people: People):
    page = f"""<h1>Tides</h1><p>One <img alt="A > b" class=x src="{data(PNG)}"> two
    <img src='data:image/svg+xml,%3Csvg onload="alert(1)"%3E' alt='Drawn'> three
    <img src="{data(SVG)}" alt="Lie"> <img src="beside.png" alt="Beside"> <img src="https://x.org/far.png" alt="Far">
    <img src="data:image/png;base64,!!!" alt="Torn"></p>"""
    row = take(people, "page.html", page.encode())
    document = row.documents.get()
    assert kept(people, document) == [PNG]
    assert "![A > b](/pictures/" in document.body_markdown
    assert "![Far](https://x.org/far.png)" in document.body_markdown
    for said in ("Drawn", "Lie", "Beside", "Torn"):
        assert said in document.body_markdown
    assert "data:" not in document.body_markdown + document.body_html
    assert row.notes == [
        "Not taken over: pictures that lie beside the page (1); their descriptions are kept.",
        "Not taken over: pictures that are no PNG, JPEG, GIF or WebP (3).",
    ]


def test_pictures_beside_the_texts_of_a_zip(people: People):
    texts = {
        "book/one.md": b'# One\n\n![A tide](img/a%20b.png "Title")\n\n![Again](./img/../img/a b.png)\n\n'
        b"![Out](../../etc/passwd)\n\n`![code](img/c.gif)`\n\n```\n![code](img/c.gif)\n```\n",
        "book/two.html": b'<h1>Two</h1><img src="img/c.gif" alt="C"><img src="img/d.svg" alt="D">',
        "book/img/a b.png": PNG,
        "book/img/c.gif": GIF,
        "book/img/d.svg": SVG,
        "book/img/unused.png": PNG + b"unused",
    }
    row = take(people, "book.zip", zipped(**texts))
    one, two = row.documents.order_by("title")
    assert kept(people, one) == [PNG]
    assert one.body_markdown.count("/pictures/") == 2
    assert one.body_markdown.count("![code](img/c.gif)") == 2
    assert "Out" in one.body_markdown
    assert kept(people, two) == [GIF]
    assert StoredFile.objects.filter(content_type__startswith="image/").count() == 2
    assert row.notes == [
        "One: Not taken over: pictures that lie beside the text (1); their descriptions are kept.",
        "Two: 1 files of the zip are neither Markdown nor HTML and were left out.",
        "Two: Not taken over: pictures that are no PNG, JPEG, GIF or WebP (1).",
    ]


def test_limits_are_counted_and_told(monkeypatch):
    monkeypatch.setattr(import_pictures, "MAX_PICTURE", 200)
    monkeypatch.setattr(import_pictures, "MAX_PICTURES_BYTES", 3 * len(PNG) + 2)
    box = Box(most=4)
    assert box.take(PNG, "folder/a.PNG") == box.take(PNG, "the same.png") != ""
    assert next(iter(box.waiting.values())).name == "a.png"
    assert [bool(box.take(PNG + bytes([n]), "")) for n in range(3)] == [True, True, False]
    assert not box.take(PNG + bytes(500), "large.png")
    assert len(box.notes()) == 2
    assert not Box(most=0).take(PNG, "a.png")


def test_a_worker_that_died_has_kept_nothing_twice(people: People, monkeypatch):
    text = f'<p>One <img src="{data(PNG)}" alt="A"> two <img src="{data(GIF)}" alt="B"></p>'.encode()
    row = importing.import_file(
        actor=people.actor("wanda"), workspace=people.press, name="a.html", stream=io.BytesIO(text)
    )

    class Killed(BaseException):
        """Ends the worker at once."""

    def die(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_make", die)
        with pytest.raises(Killed):
            importing.run_import(row.pk)
    assert (Document.objects.count(), StoredFile.objects.filter(content_type__startswith="image/").count()) == (0, 2)
    Import.objects.filter(pk=row.pk).update(lease_until=row.created_at)
    importing.run_import(row.pk)
    assert kept(people, row.documents.get()) == [PNG, GIF]
    assert StoredFile.objects.filter(content_type__startswith="image/").count() == 2


def test_what_a_failed_import_kept_is_removed(people: People, monkeypatch):
    row = importing.import_file(
        actor=people.actor("wanda"),
        workspace=people.press,
        name="a.html",
        stream=io.BytesIO(f'<p>One <img src="{data(PNG)}" alt="A"></p>'.encode()),
    )

    def refuse(*args: object) -> None:
        raise ValueError("no disk")

    monkeypatch.setattr(importing, "_make", refuse)
    importing.run_import(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert not StoredFile.objects.filter(content_type__startswith="image/").exists()


def test_pictures_go_with_the_last_text_that_shows_them(people: People):
    document = take(people, "page.html", f'<p>One <img src="{data(PNG)}" alt="A"></p>'.encode()).documents.get()
    names = pictures_named_by(document)
    assert drop_unused(people.press.pk, names) == 0
