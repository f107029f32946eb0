"""What kind of file is it? Judged by what is inside; the name only decides between kinds of text."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from apps.content.parsing.problems import Problem


class Found(NamedTuple):
    """A kind that a parser exists for, and its media type."""

    kind: str
    mime: str


_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file", "Save it as DOCX."),
    (b"{\\rtf", "an RTF file", "Save it as DOCX."),
    (b"\x89PNG", "a picture", "Run text recognition (OCR) on it, or write its text down."),
    (b"\xff\xd8\xff", "a picture", "Run text recognition (OCR) on it, or write its text down."),
    (b"GIF8", "a picture", "Run text recognition (OCR) on it, or write its text down."),
    (b"II*\0", "a picture", "Run text recognition (OCR) on it, or write its text down."),
    (b"MM\0*", "a picture", "Run text recognition (OCR) on it, or write its text down."),
    (b"RIFF", "a media file", "Upload its transcript as text."),
    (b"ID3", "a sound file", "Upload its transcript as text."),
    (b"OggS", "a media file", "Upload its transcript as text."),
    (b"\x7fELF", "a program", ""),
    (b"MZ", "a program", ""),
    (b"7z\xbc\xaf\x27\x1c", "an archive", "Unpack it and upload the files inside."),
    (b"Rar!", "an archive", "Unpack it and upload the files inside."),
    (b"BZh", "an archive", "Unpack it and upload the files inside."),
    (b"\xfd7zXZ", "an archive", "Unpack it and upload the files inside."),
    (b"\x28\xb5\x2f\xfd", "an archive", "Unpack it and upload the files inside."),
    (b"SQLite format 3", "a database", "Export the table as CSV."),
    (b"%!PS", "a PostScript file", "Convert it to PDF."),
)
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_HTML_PIECES = re.compile(rb"<(p|div|h[1-6]|span|table|ul|ol|pre|article|section)[\s>]", re.IGNORECASE)
_MARKDOWN = re.compile(r"^#{1,6} \S|^(?:```|~~~)|^[-*+] \[[ xX]\] |^\|.+\|$|\]\(\S+\)|\*\*\S", re.MULTILINE)
_ASCIIDOC = re.compile(r"^={1,6} \S|^:[\w-]+:|^\[[\w,=\"]+\]$", re.MULTILINE)
_OOXML = "application/vnd.openxmlformats-officedocument."


def sniff(path: Path, filename: str, content_type: str, head: bytes) -> Found:
    """The kind of a file.

    Args:
        path: where it lies.
        filename: as the writer named it, ".gz" already taken off.
        content_type: what the browser claimed; used only to tell CSV and Markdown from plain text.
        head: its first bytes, 64 KiB are plenty.

    Raises:
        Problem: "empty" or "unsupported".
    """
    if not head.strip(b"\0 \t\r\n"):
        raise Problem("empty")
    if head[:1024].lstrip().startswith(b"%PDF-") or b"%PDF-" in head[:1024]:
        return Found("pdf", "application/pdf")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _packed(path)
    for signature, what, remedy in _SIGNATURES:
        if head.startswith(signature) and _is_binary(head):
            raise Problem("unsupported", what, remedy=remedy)
    if head.startswith(b"{\\rtf"):
        raise Problem("unsupported", "an RTF file", remedy="Save it as DOCX.")
    if head[257:262] == b"ustar":
        raise Problem("unsupported", "an archive", remedy="Unpack it and upload the files inside.")
    if _is_binary(head):
        raise Problem("unsupported", "binary data")
    return _written(head, PurePosixPath(filename.lower()).suffix, content_type.lower())


def _is_binary(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    sample = head[:8192]
    # Backspace, escape and form feed stand in manual pages and RFCs.
    odd = sum(byte < 32 and byte not in b"\t\n\r\x0c\x08\x1b" for byte in sample)
    return b"\0" in sample or odd > max(4, len(sample) * 0.02)


def _packed(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:20_000])
            declared = archive.read("mimetype")[:80] if "mimetype" in names and _small(archive, "mimetype") else b""
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError) as error:
        raise Problem("broken", "its directory cannot be read") from error
    if "word/document.xml" in names:
        return Found("docx", _OOXML + "wordprocessingml.document")
    if declared.startswith(b"application/epub+zip"):
        return Found("epub", "application/epub+zip")
    if declared.startswith(b"application/vnd.oasis.opendocument.text"):
        return Found("odt", "application/vnd.oasis.opendocument.text")
    if "xl/workbook.xml" in names or declared.startswith(b"application/vnd.oasis.opendocument.spreadsheet"):
        raise Problem("unsupported", "a spreadsheet", remedy="Save the sheet as CSV.")
    if "ppt/presentation.xml" in names or declared.startswith(b"application/vnd.oasis.opendocument.presentation"):
        raise Problem("unsupported", "a presentation", remedy="Save it as PDF.")
    if not names:
        raise Problem("empty", "an archive without files")
    raise Problem("unsupported", "an archive", remedy="Unpack it and upload the files inside.")


def _small(archive: zipfile.ZipFile, name: str) -> bool:
    return archive.getinfo(name).file_size <= 4096


def _written(head: bytes, suffix: str, content_type: str) -> Found:
    start = head[:2048].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<") and (_HTML.search(head[:8192]) or len(_HTML_PIECES.findall(head)) >= 3):
        return Found("html", "text/html")
    text = head.decode("utf-8", "replace")
    if (suffix in {".csv", ".tsv", ".tab"} or "csv" in content_type or "tab-separated" in content_type) and (
        delimiter_of(text) is not None
    ):
        return Found("csv", "text/csv")
    if suffix in {".md", ".markdown", ".mdown", ".mkd"} or "markdown" in content_type:
        return Found("markdown", "text/markdown")
    if suffix in {"", ".txt"} and _looks_like_markdown(text[:20_000]):
        return Found("markdown", "text/markdown")
    if suffix in {".html", ".htm", ".xhtml"} and _HTML_PIECES.search(head):
        return Found("html", "text/html")
    return Found("text", "text/plain")


def _looks_like_markdown(text: str) -> bool:
    """Headings with # and one more mark of Markdown, and none of AsciiDoc or of typewriter pages."""
    marks = {mark[:1] for mark in _MARKDOWN.findall(text)}
    return "#" in marks and len(marks) >= 2 and "\f" not in text and not _ASCIIDOC.search(text)


def delimiter_of(text: str) -> str | None:
    """The character that parts the columns of a table in text, when nine rows of ten have the same number of them."""
    sample = text[:65536]
    lines = sample.splitlines()
    if len(sample) == 65536:
        lines = lines[:-1]
    best: tuple[int, str] | None = None
    for candidate in ",;\t|":
        try:
            widths = [len(row) for row in csv.reader(lines[:200], delimiter=candidate) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        if usual >= 2 and widths.count(usual) >= 0.9 * len(widths) and (best is None or usual > best[0]):
            best = (usual, candidate)
    return best[1] if best else None
