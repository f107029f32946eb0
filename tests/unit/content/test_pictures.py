"""Pictures of documents: judged by their bytes, shown to who may read, taken along, gone with the last text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import docx
import pypdf
import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from aiwriter.core.errors import InvalidInput, NotFound, TooLarge
from apps.backends.models import BackendProfile, StoredFile
from apps.content.markup.markdown import normalise, to_html, to_markdown
from apps.content.models import Document
from apps.content.services import pictures
from apps.content.services.documents import delete_document, duplicate_document, save_document
from apps.content.services.exports import export_document
from apps.content.services.trash import purge_document
from tests.factories.content import DocumentFactory
from tests.people import People
from tests.unit.content.test_exports_kinds import PNG

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def document(people: People, files: BackendProfile) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press)


def add(people: People, document: Document, content: bytes = PNG, name: str = "Tide chart.PNG") -> StoredFile:
    return pictures.add_picture(
        actor=people.actor("wanda"), document_id=document.pk, name=name, stream=BytesIO(content)
    )


def bytes_of(answer: Any) -> bytes:
    """The bytes of an answer that is streamed."""

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()


def show(people: People, document: Document, file: StoredFile, alt: str = "The *tide* at [noon]") -> Document:
    body = to_markdown(f'<p>Look: <img src="{pictures.address_of(file.pk)}" alt="{alt}"></p>')
    return save_document(
        actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown=f"# Tides\n\n{body}"
    )


@pytest.mark.parametrize(
    ("name", "content"), [("a.svg", SVG), ("a.png", SVG), ("a.png", b"no picture"), ("a.png", b""), ("a.exe", b"MZ12")]
)
def test_what_is_no_picture_is_refused_by_its_bytes(people: People, document: Document, name, content):
    with pytest.raises(InvalidInput) as caught:
        add(people, document, content, name)
    assert caught.value.field == "file"
    assert "PNG" in caught.value.remedy
    assert not StoredFile.objects.exists()


def test_a_large_one_is_refused(people: People, document: Document, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PICTURE", 40)
    with pytest.raises(TooLarge):
        add(people, document, PNG + bytes(100))


def test_who_may_see_it(client, people: People, document: Document):
    file = add(people, document)
    assert (file.name, file.content_type, file.purpose) == ("Tide chart.png", "image/png", "attachment")
    address = pictures.address_of(file.pk)
    assert client.get(address).status_code == 302
    client.force_login(people.eddie)
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert bytes_of(answer) == PNG
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "private, no-cache"
    assert client.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    client.force_login(people.eve)
    assert client.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 404
    with pytest.raises(NotFound):
        pictures.add_picture(actor=people.actor("eve"), document_id=document.pk, name="a.png", stream=BytesIO(PNG))


def test_its_description_survives_the_round_trip(people: People, document: Document):
    body = show(people, document, add(people, document)).body_markdown
    assert to_markdown(to_html(body)) == body == normalise(body)
    assert 'alt="The *tide* at [noon]"' in to_html(body)


def test_it_is_taken_along_in_every_format(people: People, document: Document):
    document, wanda = show(people, document, add(people, document)), people.actor("wanda")

    def file(format: str) -> bytes:
        return export_document(actor=wanda, document_id=document.pk, format=format).content

    with zipfile.ZipFile(io.BytesIO(file("md"))) as archive:
        assert any(name.startswith("images/tide-chart-") for name in archive.namelist())
    assert b"data:image/png;base64," in file("html")
    word = docx.Document(io.BytesIO(file("docx")))
    assert len(word.inline_shapes) == 1
    assert "The *tide* at [noon]" in word.element.xml
    assert len(pypdf.PdfReader(io.BytesIO(file("pdf"))).pages[0].images) == 1


def test_it_goes_with_the_last_text_that_shows_it(people: People, document: Document):
    wanda, file, left = people.actor("wanda"), add(people, document), add(people, document, PNG + b"x")
    show(people, document, file)
    show(people, document, left)
    copy = duplicate_document(actor=wanda, document_id=document.pk)
    for each, remaining in ((document, {left.pk}), (copy, set())):
        delete_document(actor=wanda, document_id=each.pk)
        purge_document(actor=wanda, document_id=each.pk)
        assert set(StoredFile.objects.values_list("pk", flat=True)) == remaining


def test_the_editor_and_programs_send_it(client, api: Callable[..., APIClient], people: People, document: Document):
    client.force_login(people.wanda)
    where = f"/documents/{document.pk}/pictures"
    sent = client.post(where, {"file": SimpleUploadedFile("chart.png", PNG)})
    assert sent.status_code == 201
    assert client.get(sent.json()["address"]).status_code == 200
    wrong = client.post(where, {"file": SimpleUploadedFile("chart.svg", SVG)})
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["field"]) == (400, "file")
    assert client.post(where).status_code == 400
    made = api("wanda").post(
        f"/api/v1/content/{document.pk}/pictures", {"file": SimpleUploadedFile("chart.png", PNG)}, format="multipart"
    )
    assert made.status_code == 201, made.json()
    assert made.json()["address"] == f"/pictures/{made.json()['id']}"
    content = api("wanda").get(f"/api/v1/files/{made.json()['id']}/content")
    assert bytes_of(content) == PNG
