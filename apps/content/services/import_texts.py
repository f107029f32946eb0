"""Files from elsewhere as texts: Markdown, HTML, Word, a zip of them; with the pictures that lie in them."""

from __future__ import annotations

import html
import logging
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from aiwriter.core.errors import InvalidInput, TooLarge, UnsupportedType
from apps.backends.models import StoredFile
from apps.backends.services.filestore import local_copy
from apps.content.markup.markdown import clean_text, normalise, to_markdown
from apps.content.parsing.document import Limits
from apps.content.parsing.guard import parse_file
from apps.content.services.import_pictures import Box, of_data_address
from apps.content.services.pictures import MAX_PICTURE

logger = logging.getLogger(__name__)

MAX_ENTRIES, MAX_ENTRY, MAX_EXPANDED = 500, 5 * 2**20, 50 * 2**20
ENDINGS = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".txt"), "md"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".docx": "docx",
    ".zip": "zip",
}
_DOCX_LIMITS = Limits(file_bytes=50 * 2**20, expanded_bytes=64 * 2**20, entries=5_000, text_chars=5_000_000)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r"<(article|main)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_FURNITURE = re.compile(r"<(nav|header|footer|aside|form|noscript)\b[^>]*>.*?</\1>", re.IGNORECASE | re.DOTALL)
_LOST_TAGS = {"iframe": "embedded pages", "video": "videos", "audio": "sounds", "svg": "drawings", "form": "forms"}
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
# A picture that lies neither on the web nor in the portal; what stands in code is matched first, and left alone.
_PICTURE = re.compile(
    r"(?P<code>^(?:```|~~~).*?^(?:```|~~~)[^\n]*$|`[^`\n]+`)"
    r"|!\[(?P<alt>[^\]]*)\]\(\s*<?(?P<address>(?!https?:|/)[^)>]*?)>?(?:\s+[\"'][^)]*)?\s*\)",
    re.MULTILINE | re.DOTALL,
)
# Attributes may hold ">"; the possessive marks keep a tag without end from costing more than one look.
_IMG = re.compile(r"<img\b(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\b(src|alt)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))", re.IGNORECASE)


@dataclass(slots=True)
class Text:
    """One document to be made."""

    title: str
    body: str
    notes: list[str] = field(default_factory=list)


# Gives the bytes behind an address of a picture; None: they did not come along.
Finder = Callable[[str], bytes | None]


def texts_of(file: StoredFile, box: Box) -> Iterator[Text]:
    """The texts of a file, one after the other.

    Args:
        file: the original.
        box: takes the pictures in; the texts name them by the addresses that it gives.

    Raises:
        InvalidInput, TooLarge, UnsupportedType: it cannot be read.
    """
    kind = ENDINGS.get(PurePosixPath(file.name).suffix.lower(), "")
    with local_copy(file) as path:
        if kind == "docx":
            yield _word(path, file.name, box)
        elif kind == "zip":
            yield from _zip(path, box)
        else:
            content = path.read_bytes()
            text = page_text(content, file.name, box) if kind == "html" else markdown_text(content, file.name, box)
            text.notes.extend(box.notes())
            yield text


def _word(path: Path, name: str, box: Box) -> Text:
    # The guarded child looks at it first: bombs, broken and encrypted files end there with a clear error.
    parse_file(path, filename=name, limits=_DOCX_LIMITS, scope="imports")
    from apps.content.markup.from_docx import docx_to_html  # here: python-docx takes 0.15 s and 10 MB of every process

    try:
        title, page, notes = docx_to_html(path, box.take)
    except Exception:
        logger.exception("A Word file that the parser could read could not be converted")
        raise InvalidInput(
            "The Word file is damaged.", field="file", remedy="Open it in Word and save it again."
        ) from None
    return Text(title or _stem(name), to_markdown(page), [*notes, *box.notes()])


def page_text(content: bytes, name: str, box: Box, find: Finder | None = None) -> Text:
    """An HTML page.

    Args:
        content: as it came.
        name: of the file.
        box: takes pictures in that stand inside the page.
        find: finds those that lie beside it.
    """
    source = _decoded(content)
    found = _TITLE.search(source)
    notes = [f"Not taken over: {what}." for tag, what in _LOST_TAGS.items() if re.search(rf"<{tag}\b", source, re.I)]
    if _SCRIPT.search(source):
        notes.append("Scripts were removed.")
    lost: list[str] = []

    def taken(match: re.Match[str]) -> str:
        said = {each[1].lower(): html.unescape(each[2] or each[3] or each[4] or "") for each in _attributes(match[0])}
        address, alt = said.get("src", "").strip(), html.escape(said.get("alt", ""))
        if re.match(r"https?:|/", address, re.IGNORECASE):
            return match[0]
        kept = _kept(address, said.get("alt", ""), box, find, lost)
        return f'<img src="{kept}" alt="{alt}">' if kept else alt

    inner = max((match[2] for match in _BODY.finditer(source)), key=len, default="") or _FURNITURE.sub(" ", source)
    body = to_markdown(_IMG.sub(taken, inner))
    title = " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""
    if lost:
        notes.append(f"Not taken over: pictures that lie beside the page ({len(lost)}); their descriptions are kept.")
    return Text(title or _first_heading(body) or _stem(name), body, notes)


def markdown_text(content: bytes, name: str, box: Box, find: Finder | None = None) -> Text:
    """A Markdown text; arguments as for `page_text`."""
    text = clean_text(_decoded(content))
    notes = []
    title = ""
    if front := _FRONT_MATTER.match(text):
        named = re.search(r"^title:\s*(.+)$", front[1], re.MULTILINE)
        title = named[1].strip().strip("\"'") if named else ""
        text = text[front.end() :]
        notes.append("The front matter was read for the title and left out.")
    lost: list[str] = []

    def taken(match: re.Match[str]) -> str:
        if match["code"] or not match["address"]:
            return match[0]
        kept = _kept(match["address"].strip(), match["alt"], box, find, lost)
        return f"![{match['alt']}]({kept})" if kept else match["alt"]

    text = _PICTURE.sub(taken, text)
    if lost:
        notes.append(f"Not taken over: pictures that lie beside the text ({len(lost)}); their descriptions are kept.")
    if re.search(r"<[a-z][^>]*>", re.sub(r"`[^`]*`", "", text), re.IGNORECASE):
        notes.append("HTML within the Markdown stands as text.")
    return Text(title or _first_heading(text) or _stem(name), normalise(text), notes)


def _kept(address: str, alt: str, box: Box, find: Finder | None, lost: list[str]) -> str:
    """Where a picture lies from now on; "" when it did not come along or cannot be kept."""
    if address.lower().startswith("data:"):
        return box.take(of_data_address(address) or b"", alt)
    content = find(address) if find else None
    if content is None:
        lost.append(address)
        return ""
    return box.take(content, unquote(address))


def _attributes(tag: str) -> Iterator[re.Match[str]]:
    return _ATTRIBUTE.finditer(tag)


def _zip(path: Path, box: Box) -> Iterator[Text]:
    """The texts of a zip. Sizes are counted while reading: what a zip says about itself may be a lie."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        raise InvalidInput("The zip is damaged.", field="file", remedy="Pack it again.") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_ENTRIES:
            raise TooLarge(f"The zip holds {len(entries):,} files.", remedy=f"Import at most {MAX_ENTRIES} at a time.")
        by_name = {entry.filename.replace("\\", "/"): entry for entry in entries}
        shown: set[str] = set()
        total, skipped = 0, 0
        last: Text | None = None
        for entry in entries:
            inner = PurePosixPath(entry.filename.replace("\\", "/"))
            kind = ENDINGS.get(inner.suffix.lower(), "")
            if kind not in ("md", "html") or "__MACOSX" in inner.parts or inner.name.startswith("."):
                skipped += 1
                continue
            content = _entry(archive, entry)
            total += len(content)
            if total > MAX_EXPANDED:
                raise TooLarge("The texts of the zip are too large together.", remedy="Import them in several zips.")
            if last is not None:
                yield last
            read = page_text if kind == "html" else markdown_text
            last = read(content, inner.name, box, _beside(archive, by_name, inner, shown))
        if last is not None:
            if skipped > len(shown):
                count = skipped - len(shown)
                last.notes.append(f"{count} files of the zip are neither Markdown nor HTML and were left out.")
            last.notes.extend(box.notes())
            yield last


def _beside(
    archive: zipfile.ZipFile, by_name: dict[str, zipfile.ZipInfo], text: PurePosixPath, shown: set[str]
) -> Finder:
    """Finds pictures by their way from a text, within the zip only."""

    def find(address: str) -> bytes | None:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return None
        name = posixpath.normpath(posixpath.join(str(text.parent), unquote(parts.path).replace("\\", "/")))
        entry = by_name.get(name)
        if entry is None or entry.file_size > MAX_PICTURE:
            return None
        shown.add(name)
        return _entry(archive, entry, MAX_PICTURE)

    return find


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int = MAX_ENTRY) -> bytes:
    if entry.flag_bits & 0x1:
        raise InvalidInput("The zip is encrypted.", field="file", remedy="Pack it without a password.")
    try:
        with archive.open(entry) as stream:
            content = stream.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError):
        # RuntimeError: zipfile does not know the method of packing.
        raise InvalidInput("The zip is damaged.", field="file", remedy="Pack it again.") from None
    if len(content) > most:
        raise TooLarge(
            f"“{entry.filename[:80]}” in the zip is larger than {most // 2**20} MiB.", remedy="Leave it out."
        )
    return content


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    if b"\0" in content[:4096]:
        raise UnsupportedType("This is not a text.", field="file", remedy="Check that it is the right file.")
    return content.decode("cp1252", "replace")


def _first_heading(text: str) -> str:
    found = _HEADING.search(text)
    return re.sub(r"[*_`\\]", "", found[1])[:300] if found else ""


def _stem(name: str) -> str:
    return (PurePosixPath(name).stem.replace("-", " ").replace("_", " ").strip() or "Untitled")[:300]
