"""Texts from elsewhere: what is kept, what is listed as lost, and what malicious files come to."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import docx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from docx.oxml import OxmlElement

from aiwriter.core.errors import InvalidInput, NotFound, UnsupportedType
from apps.backends.services.filestore import open_file
from apps.content.markup.docx import docx_file
from apps.content.models import Document, Import
from apps.content.services.importing import MAX_ATTEMPTS, import_file, import_url, run_import, sweep_imports
from tests.people import People

pytestmark = pytest.mark.usefixtures("files")


def take(people: People, name: str, content: bytes) -> Import:
    row = import_file(actor=people.actor("wanda"), workspace=people.press, name=name, stream=BytesIO(content))
    run_import(row.pk)
    row.refresh_from_db()
    return row


def zipped(**files: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return output.getvalue()


def test_markdown_with_front_matter(people: People):
    row = take(people, "tides.md", b'---\ntitle: "High tides"\n---\n# Tides\n\nText.\n\n![Chart](chart.png)\n')
    document = row.documents.get()
    assert (row.state, document.title) == ("done", "High tides")
    assert document.body_markdown.startswith("# Tides\n\nText.")
    assert any("pictures that lie beside the text (1)" in note for note in row.notes)
    assert document.current_version.reason == "import"
    with open_file(actor=people.actor("wanda"), file=row.file) as reader:
        assert reader.read().startswith(b"---")


def test_html_loses_its_scripts_and_keeps_its_text(people: People):
    page = b"""<html><head><title>Tides &amp; moon</title><script>alert(1)</script></head><body><nav>Menu</nav>
    <article><h1>Tides</h1><p onclick="x()">A <b>bold</b> word and <a href="javascript:x()">a trap</a>.</p>
    <ul><li>one<ol><li>deep</li></ol></li></ul><iframe src="https://example.org/"></iframe></article></body></html>"""
    row = take(people, "page.html", page)
    document = row.documents.get()
    assert document.title == "Tides & moon"
    assert "**bold**" in document.body_markdown
    assert "- one\n  1. deep" in document.body_markdown
    for trap in ("alert", "javascript", "onclick", "Menu"):
        assert trap not in document.body_markdown + document.body_html
    assert "Scripts were removed." in row.notes
    assert "Not taken over: embedded pages." in row.notes


def test_word_goes_out_and_comes_in_again(people: People):
    body = (
        "## Head\n\nText **bold** and *it* and [l](https://x.org/).\n\n- a\n  - b\n- c\n\n1. one\n2. two\n\n> q\n\n"
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    )
    row = take(people, "t.docx", docx_file("Tides", body, []))
    document = row.documents.get()
    assert document.title == "Tides"
    assert document.body_markdown == f"# Tides\n\n{body}"
    assert row.notes == []


def test_what_word_holds_beyond_text_is_listed(people: People):
    made = docx.Document()
    run = made.add_paragraph("Text.").add_run()
    run._r.append(OxmlElement("w:drawing"))
    run._r.append(OxmlElement("w:footnoteReference"))
    output = BytesIO()
    made.save(output)
    row = take(people, "my-text.docx", output.getvalue())
    assert row.documents.get().title == "my text"
    assert row.notes == ["Not taken over: drawings and charts (1).", "Not taken over: footnotes (1)."]


def test_a_zip_becomes_several(people: People):
    row = take(people, "all.zip", zipped(**{"a.md": b"# A\n\nOne.\n", "deep/b.html": b"<h1>B</h1>", "c.png": b"x"}))
    assert sorted(row.documents.values_list("title", flat=True)) == ["A", "B"]
    assert row.notes == ["B: 1 files of the zip are neither Markdown nor HTML and were left out."]


def _bomb() -> bytes:
    return zipped(**{"bomb.md": b"0" * (6 * 2**20)})


def _docx_bomb() -> bytes:
    good = io.BytesIO(docx_file("T", "Text.\n", []))
    output = io.BytesIO()
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("word/big.xml", b"0" * (4 * 2**20))
    return output.getvalue()


def _damaged(method: int = zipfile.ZIP_DEFLATED, *, flags: int = 0, spoil: bool = False) -> bytes:
    """A zip of one text whose entry says another method or other flags, or whose packed bytes are no stream."""
    text = b"# A\n\n" + bytes(range(32, 127)) * 20
    content = bytearray(zipped(**{"a.md": text}))
    central = content.index(b"PK\x01\x02")
    for header, at in ((0, 6), (central, 8)):
        content[header + at] |= flags
        content[header + at + 2 : header + at + 4] = method.to_bytes(2, "little")
    if spoil:
        content[34:40] = b"\xff" * 6
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.docx", lambda: b"PK\x03\x04 not really", ""),
        ("not.docx", lambda: b"just text", ""),
        ("bomb.docx", _docx_bomb, ""),
        ("bomb.zip", _bomb, "larger than 5 MiB"),
        ("many.zip", lambda: zipped(**{f"{n}.md": b"x" for n in range(501)}), "501 files"),
        ("broken.zip", lambda: b"PK\x03\x04", "damaged"),
        ("stream.zip", lambda: _damaged(spoil=True), "damaged"),
        ("method.zip", lambda: _damaged(97), "damaged"),
        ("locked.zip", lambda: _damaged(flags=1), "encrypted"),
        ("nothing.zip", lambda: zipped(**{"a.png": b"x"}), "no text"),
        ("binary.md", lambda: b"\x00\x01\xff" * 100, "not a text"),
    ],
)
def test_bad_files_end_with_a_clear_error_and_no_document(people: People, name: str, content, words: str):
    row = take(people, name, content())
    assert (row.state, Document.objects.count()) == ("failed", 0)
    assert words in row.error
    assert row.error
    assert row.remedy
    assert "went wrong on the server" not in row.error


def test_one_bad_file_of_a_zip_makes_none(people: People):
    content = zipped(**{"a.md": b"# A\n\nOne.\n", "b.md": b"0" * (6 * 2**20)})
    assert take(people, "two.zip", content).state == "failed"
    assert Document.objects.count() == 0


def test_other_files_are_refused_at_once(people: People):
    with pytest.raises(UnsupportedType):
        take(people, "sheet.xlsx", b"x")
    with pytest.raises(NotFound):
        import_file(actor=people.actor("eve"), workspace=people.press, name="a.md", stream=BytesIO(b"x"))


@pytest.fixture
def web() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body, more = {
                "/page": (200, "text/html; charset=utf-8", b"<title>Page</title><main><p>From the web.</p></main>", {}),
                "/moved": (302, "text/html", b"", {"Location": "/page"}),
                "/inside": (302, "text/html", b"", {"Location": "http://169.254.169.254/latest"}),
                "/loop": (302, "text/html", b"", {"Location": "/loop"}),
                "/picture": (200, "image/png", b"x", {}),
            }.get(self.path, (404, "text/plain", b"no", {}))
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def fetch(people: People, url: str) -> Import:
    row = import_url(actor=people.actor("wanda"), workspace=people.press, url=url)
    run_import(row.pk)
    row.refresh_from_db()
    return row


def test_pages_of_the_web(people: People, web: str, settings):
    refused = fetch(people, f"{web}/page")
    assert (refused.state, "is refused" in refused.error) == ("failed", True)
    settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]
    row = fetch(people, f"{web}/moved")
    assert (row.state, row.documents.get().body_markdown) == ("done", "From the web.\n")
    assert row.file.name == "page.html"
    for path, words in (("inside", "169.254"), ("loop", "redirect"), ("picture", "image/png"), ("gone", "404")):
        bad = fetch(people, f"{web}/{path}")
        assert (bad.state, words in bad.error) == ("failed", True), bad.error
    for url in ("ftp://example.org/", "https://user@example.org/", "nothing"):
        with pytest.raises(InvalidInput):
            fetch(people, url)


def test_a_lost_import_is_woken_and_given_up_in_the_end(people: People):
    row = import_file(actor=people.actor("wanda"), workspace=people.press, name="a.md", stream=BytesIO(b"Text.\n"))
    assert sweep_imports() == 0
    Import.objects.filter(pk=row.pk).update(queued_at=timezone.now() - timezone.timedelta(minutes=1))
    assert sweep_imports() == 1
    Import.objects.filter(pk=row.pk).update(attempts=MAX_ATTEMPTS)
    run_import(row.pk)
    row.refresh_from_db()
    assert (row.state, Document.objects.count()) == ("failed", 0)
    run_import(row.pk)
    assert Document.objects.count() == 0


def test_pages_and_api(people: People, portal, api, run_jobs):
    browser = portal("wanda")
    files = [SimpleUploadedFile("a.md", b"# Hello\n\nText.\n"), SimpleUploadedFile("b.exe", b"x")]
    assert browser.post("/imports/", {"files": files}).status_code == 302
    run_jobs()
    page = browser.get("/imports/").content.decode()
    assert "Hello" in page
    assert "cannot become a document" in page
    caller = api("wanda")
    sent = caller.post("/api/v1/imports", {"file": SimpleUploadedFile("c.md", b"# C\n")}, format="multipart")
    assert sent.status_code == 202
    run_jobs()
    done = caller.get(sent.headers["Location"]).json()
    assert (done["state"], len(done["document_ids"])) == ("done", 1)
    assert len(caller.get("/api/v1/imports").json()["data"]) == 2
    assert caller.post("/api/v1/imports", {}, format="json").status_code == 400
    assert api("eve").get(sent.headers["Location"]).status_code == 404
