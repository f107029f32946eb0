"""Files that cannot be read are refused in plain words, and files that want to do harm do none."""

from __future__ import annotations

import gzip
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from apps.content.parsing import guard
from apps.content.parsing.document import Limits
from apps.content.parsing.guard import ParseFailure, ParseItem
from apps.content.parsing.problems import REASONS
from tests.unit.content import parsing_files as files


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    guard.close_idle()


def refused(path: Path, name: str = "", limits: Limits | None = None) -> ParseFailure:
    with pytest.raises(ParseFailure) as caught:
        guard.parse_file(path, filename=name or path.name, limits=limits, scope="guard")
    failure = caught.value
    assert failure.remedy, "the writer is not told what to do"
    assert (name or path.name) in failure.message
    assert str(path.parent) not in str(failure), "a path of the server is shown"
    return failure


def written(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "reason", "status"),
    [
        ("empty.txt", b"", "empty", 400),
        ("blank.txt", b" \n\t\n", "empty", 400),
        ("photo.txt", b"\x89PNG\r\n\x1a\n" + bytes(64), "unsupported", 415),
        ("program.pdf", b"\x7fELF" + bytes(64), "unsupported", 415),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unsupported", 415),
        ("letter.rtf", b"{\\rtf1 Hello}", "unsupported", 415),
        ("broken.docx", b"PK\x03\x04 and then nothing of the kind", "broken", 400),
        ("broken.pdf", b"%PDF-1.7\nthis is not a PDF at all\n", "broken", 400),
        ("cut.txt.gz", gzip.compress(os.urandom(4000))[:2000], "broken", 400),
        ("marks.txt", b"--- *** --- ... !!!", "no_text", 400),
    ],
)
def test_each_reason_has_its_words(tmp_path: Path, name: str, content: bytes, reason: str, status: int) -> None:
    failure = refused(written(tmp_path, name, content))
    assert (failure.reason, failure.status) == (reason, status)
    assert REASONS[reason].message.rstrip(".") in failure.message


def test_a_spreadsheet_is_sent_back_as_csv(tmp_path: Path) -> None:
    failure = refused(files.zip_file(tmp_path / "sums.xlsx", {"xl/workbook.xml": "<x/>"}))
    assert failure.reason == "unsupported"
    assert "CSV" in failure.remedy


def test_a_password_is_named(tmp_path: Path) -> None:
    assert refused(files.encrypted_pdf(tmp_path / "secret.pdf", "pw")).reason == "encrypted"


def test_a_scan_is_named(tmp_path: Path) -> None:
    failure = refused(written(tmp_path, "scan.pdf", files.pdf_bytes([[], []])))
    assert failure.reason == "no_text"
    assert "OCR" in failure.remedy


def test_a_missing_file_is_not_the_writers_fault(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.txt").status == 500


def test_a_file_beyond_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as stream:
        stream.truncate(2**30)
    begun = time.monotonic()
    failure = refused(path)
    assert (failure.reason, failure.status) == ("too_large", 413)
    assert "1,024 MB" in failure.message
    assert time.monotonic() - begun < 2


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    million = b"\0" * 2**20
    grows = files.zip_file(tmp_path / "grows.docx", {"word/document.xml": million * 4})
    failure = refused(grows)
    assert (failure.reason, "one part grows" in failure.message) == ("bomb", True)
    document = tmp_path / "bomb.docx"
    with (
        zipfile.ZipFile(document, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        for _ in range(201):
            part.write(million)
    failure = refused(document)
    assert (failure.reason, "201 MB unpacked" in failure.message) == ("bomb", True)
    many = tmp_path / "many.docx"
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
        for number in range(10_000):
            archive.writestr(f"{number}", "")
    failure = refused(many)
    assert (failure.reason, "10,001 files inside" in failure.message) == ("bomb", True)
    assert refused(written(tmp_path, "bomb.txt.gz", gzip.compress(million * 40))).reason == "bomb"


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><w:document>&b;</w:document>'
    assert refused(files.zip_file(tmp_path / "laughs.docx", {"word/document.xml": laughs})).reason == "bomb"
    secret = written(tmp_path, "secret.txt", b"launch code 0000")
    spaces = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    padding = " " * 70_000
    thief = (
        f'<?xml version="1.0"?><!--{padding}--><!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]>'
        f"<w:document {spaces}><w:body><w:p><w:r><w:t>Harmless words &a;</w:t></w:r></w:p></w:body></w:document>"
    )
    path = files.zip_file(tmp_path / "thief.docx", {"word/document.xml": thief})
    try:
        text = guard.parse_file(path, filename="thief.docx", scope="guard").text
    except ParseFailure:
        return
    assert "launch" not in text


def test_memory_ends_the_child_and_not_the_portal(tmp_path: Path) -> None:
    # 80 MB that cannot be packed, so that it is no bomb.
    rows = "".join(f"<w:p><w:r><w:t>{os.urandom(50_000).hex()}</w:t></w:r></w:p>" for _ in range(800))
    body = f'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">{rows}</w:document>'
    path = tmp_path / "big.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", body)
    before = psutil.Process().memory_info().rss
    failure = refused(path, limits=Limits(memory_bytes=110 * 2**20))
    path.unlink()  # pytest keeps the folders of three runs
    assert failure.reason == "out_of_memory", "a file that is too much is not a damaged one"
    assert psutil.Process().memory_info().rss - before < 60 * 2**20


def test_processor_time_ends_the_child(tmp_path: Path) -> None:
    path = written(tmp_path, "slow.txt", ("word " * 20 + "\n").encode() * 60_000)
    begun = time.monotonic()
    assert refused(path, limits=Limits(wall_seconds=0)).reason == "timed_out"
    assert time.monotonic() - begun < 5


def test_text_without_end_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "long.txt", b"A sentence of some words.\n\n" * 1000)
    assert refused(path, limits=Limits(text_chars=10_000)).reason == "too_large"


def test_the_portal_goes_on_after_a_failure(tmp_path: Path) -> None:
    refused(written(tmp_path, "bad.docx", b"PK\x03\x04 nonsense"))
    good = written(tmp_path, "good.txt", b"Ferries leave at noon.")
    assert guard.parse_file(good, filename="good.txt", scope="guard").text == "Ferries leave at noon."


def test_many_files_share_a_child_and_one_bad_file_costs_only_itself(tmp_path: Path) -> None:
    items = [
        ParseItem(str(n), written(tmp_path, f"{n}.txt", f"Ferry number {n} sails.".encode()), f"{n}.txt")
        for n in range(12)
    ]
    items.insert(6, ParseItem("bad", written(tmp_path, "bad.pdf", b"%PDF-1.7 nonsense"), "bad.pdf"))
    guard.close_idle()
    done = list(guard.parse_files(items, scope="batch"))
    assert [item.key for item, result in done if isinstance(result, ParseFailure)] == ["bad"]
    assert len(done) == 13
    children = [child for child in guard._idle if child.scope == "batch"]
    assert [child.used for child in children] == [13], "the files did not share one child"


def test_a_child_is_never_shared_between_scopes(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", b"Ferries leave at noon.")
    for scope in ("one", "two", "one"):
        guard.parse_file(path, filename="a.txt", scope=scope)
    used = {child.scope: child.used for child in guard._idle}
    assert used == {"one": 2, "two": 1}


def test_a_child_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIWRITER_SECRET_KEY", "quokka-secret")
    guard.parse_file(written(tmp_path, "a.txt", b"Ferries leave at noon."), filename="a.txt", scope="secret")
    child = next(child for child in guard._idle if child.scope == "secret")
    environment = psutil.Process(child.process.pid).environ()
    assert "quokka-secret" not in "".join(environment.values())


def test_a_child_writes_no_file_and_ends_with_its_parent(tmp_path: Path) -> None:
    guard.parse_file(written(tmp_path, "a.txt", b"Ferries leave at noon."), filename="a.txt", scope="limits")
    child = next(child for child in guard._idle if child.scope == "limits")
    process = psutil.Process(child.process.pid)
    assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_AS)[1] == Limits().memory_bytes
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert process.wait(timeout=5) == 0


def test_text_of_the_portal_goes_the_same_way() -> None:
    document = guard.parse_text("# Title\n\nSome *words*.", filename="note.md", scope="text")
    assert (document.title, document.text) == ("Title", "Title\n\nSome words.")


def test_a_book_whose_kind_cannot_be_unpacked_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
    content = bytearray(path.read_bytes())
    content[38:44] = b"\xff" * 6
    path.write_bytes(bytes(content))
    assert refused(path).code == "file_broken"
