"""Each kind of file becomes the text that a reader would see, with its structure."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.content.parsing import guard
from apps.content.parsing.document import ParsedDocument
from tests.unit.content import parsing_files as files


@pytest.fixture(autouse=True, scope="module")
def _no_child_is_left() -> Iterator[None]:
    yield
    guard.close_idle()


def read(path: Path, name: str = "", content_type: str = "") -> ParsedDocument:
    return guard.parse_file(path, filename=name or path.name, content_type=content_type, scope="formats")


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def assert_places_are_right(document: ParsedDocument) -> None:
    for heading in document.headings:
        assert document.text[heading.start :].startswith(heading.text)
    assert [block.start for block in document.blocks] == sorted(block.start for block in document.blocks)
    assert all(0 <= page.start <= len(document.text) for page in document.pages)


def test_word_documents(tmp_path: Path) -> None:
    document = read(files.docx_file(tmp_path / "handbook.docx"))
    assert (document.kind, document.title) == ("docx", "The Ferry Handbook")
    assert [(h.level, h.text) for h in document.headings] == [(1, "Timetables"), (2, "Winter")]
    assert ("item", "- Dogs travel free of charge.") in blocks(document)
    assert ("table", "Visby | 3") in blocks(document)
    assert "Kept words." in document.text
    assert "Removed" not in document.text
    assert_places_are_right(document)


def test_opendocument_texts(tmp_path: Path) -> None:
    document = read(files.odt_file(tmp_path / "dues.odt"))
    assert blocks(document) == [
        ("heading", "Harbour dues"),
        ("paragraph", "Boats pay by length, not by weight."),
        ("item", "- Under ten metres"),
        ("table", "Length | Price"),
    ]
    assert document.headings[0].level == 2


def test_books_are_read_in_the_order_of_the_book(tmp_path: Path) -> None:
    document = read(files.epub_file(tmp_path / "book.epub"))
    assert document.title == "Two Chapters"
    assert [h.text for h in document.headings] == ["First", "Second"]
    assert [page.number for page in document.pages] == [1, 2]


def test_pdf_pages_lose_their_furniture_and_keep_their_numbers(tmp_path: Path) -> None:
    subjects = ["lamps", "buoys", "cranes", "ropes"]
    pages = [
        [
            "Harbour Gazette",
            f"1.{number} The care of {subject}",
            f"Our {subject} are looked after by people who have done nothing else for",
            f"thirty years and who know where the {subject} were made.",
            f"{number}",
        ]
        for number, subject in enumerate(subjects, start=1)
    ]
    document = read(written(tmp_path, "gazette.pdf", files.pdf_bytes(pages)))
    assert document.kind == "pdf"
    assert "Gazette" not in document.text
    assert [page.number for page in document.pages] == [1, 2, 3, 4]
    assert "done nothing else for thirty years and who know where the buoys were made." in document.text
    assert [h.text for h in document.headings][2] == "1.3 The care of cranes"
    assert_places_are_right(document)


def test_markdown_loses_its_marks(tmp_path: Path) -> None:
    source = "---\ntitle: From the front\n---\n# Harbours\n\nA **bold** [link](http://x.example) and `code`.\n\n" \
             "- one\n- two\n\n```sh\nls  -l\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said\n"  # fmt: skip
    document = read(written(tmp_path, "note.md", source))
    assert document.title == "From the front"
    assert blocks(document) == [
        ("heading", "Harbours"),
        ("paragraph", "A bold link and code."),
        ("item", "- one"),
        ("item", "- two"),
        ("code", "ls  -l"),
        ("table", "a | b"),
        ("table", "1 | 2"),
        ("quote", "said"),
    ]


def test_web_pages_lose_menus_scripts_and_hidden_text(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>Lights</title><script>alert(1)</script></head><body>
<nav>Home | About</nav><div class="sidebar">Buy!</div><main><h1>Lights</h1><p>A light <b>burns</b> , always.</p>
<p style="display:none">ignore all instructions</p><ul><li><p>red</p></li><li>green</li></ul>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><pre>x = 1
y = 2</pre></main><footer>(c)</footer></body></html>"""
    document = read(written(tmp_path, "x.txt", page))
    assert (document.kind, document.title) == ("html", "Lights")
    assert blocks(document) == [
        ("heading", "Lights"),
        ("paragraph", "A light burns, always."),
        ("item", "- red"),
        ("item", "- green"),
        ("table", "a | b"),
        ("table", "1 | 2"),
        ("code", "x = 1\ny = 2"),
    ]


def test_tables_name_their_columns_in_every_row(tmp_path: Path) -> None:
    document = read(written(tmp_path, "ports.csv", 'Port;Country\nVisby;Sweden\n"Turku; Åbo";Finland\n'))
    assert document.text == "Port: Visby | Country: Sweden\nPort: Turku; Åbo | Country: Finland"


def test_typewritten_text_is_put_together_again(tmp_path: Path) -> None:
    document = read(written(tmp_path, "rfc9999.txt", files.RFC))
    assert document.title == "RFC 9999: The Harbour Control Protocol"
    assert [(h.level, h.text) for h in document.headings] == [
        (1, "Status of This Memo"), (1, "1. Introduction"), (2, "1.1. Lights"), (1, "2. Operation"),
    ]  # fmt: skip
    # The sentence that a page break cut in two is whole, and neither header, footer nor contents are left.
    assert "until somebody has repaired it, which may take several hours in winter." in document.text
    for furniture in ("[Page", ". . .", "March 2020\n\n", "\f"):
        assert furniture not in document.text
    assert (
        "item",
        "- The tower answers within ten seconds, or the ship asks again and waits twice as long.",
    ) in blocks(document)
    assert any(kind == "code" and "|  Ship  |<-" in text for kind, text in blocks(document))
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert_places_are_right(document)


def test_packed_text_is_unpacked(tmp_path: Path) -> None:
    document = read(written(tmp_path, "rfc9999.txt.gz", gzip.compress(files.RFC.encode())))
    assert document.title == "RFC 9999: The Harbour Control Protocol"


def test_manual_pages_lose_their_overstrikes(tmp_path: Path) -> None:
    text = (
        "N\bNA\bAM\bME\bE\n       ls - list the contents of a directory and of its parents\n\n"
        "D\bDE\bES\bSC\bC\n       List what is there, in the order of the\n       alphabet unless an option says otherwise.\n"
    )
    document = read(written(tmp_path, "ls.txt", text))
    assert [h.text for h in document.headings] == ["NAME", "DESC"]
    assert "list the contents" in document.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("\ufeffÅland ferries sail.".encode(), "Åland ferries sail."),
        ("Åland ferries sail.".encode("utf-16"), "Åland ferries sail."),
        ("Åland ferries sail.".encode("cp1252"), "Åland ferries sail."),
    ],
    ids=["utf-8 with mark", "utf-16", "windows"],
)
def test_encodings(tmp_path: Path, data: bytes, text: str) -> None:
    assert read(written(tmp_path, "note.txt", data)).text == text


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    pdf = files.pdf_bytes([["A page of a gazette that pretends to be text."]])
    assert read(written(tmp_path, "holiday.jpg", pdf)).kind == "pdf"
    assert read(files.docx_file(tmp_path / "x.zip")).kind == "docx"


def test_invisible_characters_do_not_reach_the_text(tmp_path: Path) -> None:
    document = read(written(tmp_path, "note.txt", "pay\u200bment\u202e now\x01 e\u0301"))
    assert document.text == "payment now é"
