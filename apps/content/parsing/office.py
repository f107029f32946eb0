"""DOCX and ODT as plain text with their structure, read from their XML directly.

The document is walked as a stream of events and each paragraph is let go once it is read, so a long file needs little
memory. The XML parser resolves no entity and opens no other file.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from apps.content.parsing.archives import open_archive, read_entry
from apps.content.parsing.builder import TextBuilder
from apps.content.parsing.document import Limits
from apps.content.parsing.problems import Problem

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_HEADING_NAME = re.compile(r"^heading (\d)$", re.IGNORECASE)


def events(data: bytes, *kinds: str, tags: tuple[str, ...]) -> Iterator[tuple[str, etree._Element]]:
    """Parse events of an XML part.

    Raises:
        Problem: "broken" for XML that is not well formed, "bomb" for entities.
        MemoryError: it needs more than the process may have.
    """
    if b"<!ENTITY" in data[:65536]:
        raise Problem("bomb", "it declares entities")
    try:
        yield from etree.iterparse(
            io.BytesIO(data), events=kinds, tag=tags, resolve_entities=False, no_network=True, huge_tree=False
        )
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:  # the parser's own allocations fail by its own kind of error
            raise MemoryError from error
        raise Problem("broken", "a part of it is not valid XML") from error


def core_title(archive: zipfile.ZipFile, name: str, limits: Limits) -> str:
    """The title in the file's own data, or an empty text."""
    try:
        data = read_entry(archive, name, limits)
    except KeyError:
        return ""
    return next(((element.text or "") for _, element in events(data, "end", tags=(_DC_TITLE,))), "")


def read_docx(path: Path, builder: TextBuilder, limits: Limits) -> None:
    """Add the blocks of a Word document to `builder`.

    Raises:
        Problem: see `archives.open_archive` and `events`.
    """
    with open_archive(path, limits) as archive:
        names = set(archive.namelist())
        builder.title = core_title(archive, "docProps/core.xml", limits)
        if "word/vbaProject.bin" in names:
            builder.warn("The document contains macros; they were not read.")
        levels = _docx_levels(archive, names, limits)
        _walk_docx(read_entry(archive, "word/document.xml", limits), builder, levels)
        for part, what in (("word/footnotes.xml", "footnotes"), ("word/endnotes.xml", "endnotes")):
            if part in names:
                notes = _docx_notes(read_entry(archive, part, limits))
                if notes:
                    builder.heading(1, what.capitalize())
                    for note in notes:
                        builder.item(note)


def _docx_levels(archive: zipfile.ZipFile, names: set[str], limits: Limits) -> dict[str, int]:
    """Heading level by style id: by outline level, or by the built-in style names."""
    levels: dict[str, int] = {}
    if "word/styles.xml" not in names:
        return levels
    for _, style in events(read_entry(archive, "word/styles.xml", limits), "end", tags=(f"{_W}style",)):
        identifier = style.get(f"{_W}styleId", "")
        name = style.find(f"{_W}name")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        label = name.get(f"{_W}val", "") if name is not None else ""
        if match := _HEADING_NAME.match(label):
            levels[identifier] = int(match[1])
        elif label.lower() == "title":
            levels[identifier] = 1
        elif outline is not None and outline.get(f"{_W}val", "9").isdigit() and int(outline.get(f"{_W}val", "9")) < 9:
            levels[identifier] = int(outline.get(f"{_W}val", "9")) + 1
        style.clear()
    return levels


def _walk_docx(data: bytes, builder: TextBuilder, levels: dict[str, int]) -> None:
    depth = 0
    cells: list[str] = []
    tags = tuple(_W + tag for tag in ("p", "tbl", "tr", "tc"))
    for event, element in events(data, "start", "end", tags=tags):
        tag = element.tag.removeprefix(_W)
        if event == "start":
            depth += tag == "tbl"
            if tag == "tr" and depth == 1:
                cells = []
            elif tag == "tc" and depth == 1:
                cells.append("")
            continue
        if tag == "p":
            text = _docx_text(element)
            if depth and cells:
                cells[-1] = f"{cells[-1]} {text}".strip()
            elif not depth:
                _docx_paragraph(element, text, builder, levels)
            element.clear()
        elif tag == "tr" and depth == 1:
            builder.row(cells)
            element.clear()
        elif tag == "tbl":
            depth -= 1


def _docx_paragraph(element: etree._Element, text: str, builder: TextBuilder, levels: dict[str, int]) -> None:
    style = element.find(f"{_W}pPr/{_W}pStyle")
    identifier = style.get(f"{_W}val", "") if style is not None else ""
    outline = element.find(f"{_W}pPr/{_W}outlineLvl")
    level = levels.get(identifier, 0)
    if outline is not None and outline.get(f"{_W}val", "9").isdigit() and int(outline.get(f"{_W}val", "9")) < 9:
        level = int(outline.get(f"{_W}val", "9")) + 1
    if level:
        builder.heading(level, text)
    elif element.find(f"{_W}pPr/{_W}numPr") is not None or identifier.lower().startswith("list"):
        builder.item(text)
    elif identifier.lower() in {"quote", "intensequote"}:
        builder.quote(text)
    else:
        builder.paragraph(text)


def _docx_text(element: etree._Element) -> str:
    """Text of a paragraph as it reads with all changes accepted; deleted text stands in another element."""
    parts: list[str] = []
    for node in element.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr", f"{_W}noBreakHyphen"):
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        else:
            parts.append("-" if node.tag == f"{_W}noBreakHyphen" else " ")
    return "".join(parts)


def _docx_notes(data: bytes) -> list[str]:
    notes: list[str] = []
    for _, element in events(data, "end", tags=(f"{_W}footnote", f"{_W}endnote")):
        text = " ".join(_docx_text(paragraph) for paragraph in element.iter(f"{_W}p")).strip()
        if text:
            notes.append(text)
        element.clear()
    return notes


def read_odt(path: Path, builder: TextBuilder, limits: Limits) -> None:
    """Add the blocks of an OpenDocument text to `builder`.

    Raises:
        Problem: see `archives.open_archive` and `events`.
    """
    with open_archive(path, limits) as archive:
        if "content.xml" not in archive.namelist():
            raise Problem("broken", "its text is missing")
        if b"encryption-data" in _manifest(archive, limits):
            raise Problem("encrypted")
        builder.title = core_title(archive, "meta.xml", limits)
        _walk_odt(read_entry(archive, "content.xml", limits), builder)


def _manifest(archive: zipfile.ZipFile, limits: Limits) -> bytes:
    try:
        return read_entry(archive, "META-INF/manifest.xml", limits)
    except KeyError:
        return b""


def _walk_odt(data: bytes, builder: TextBuilder) -> None:
    lists = tables = skipped = 0
    cells: list[str] = []
    tags = (
        *(_TEXT + tag for tag in ("h", "p", "list", "tracked-changes", "table-of-content")),
        *(_TABLE + tag for tag in ("table", "table-row", "table-cell")),
        f"{_OFFICE}annotation",
    )
    hidden = {f"{_TEXT}tracked-changes", f"{_TEXT}table-of-content", f"{_OFFICE}annotation"}
    for event, element in events(data, "start", "end", tags=tags):
        tag = element.tag
        step = 1 if event == "start" else -1
        skipped += step * (tag in hidden)
        lists += step * (tag == f"{_TEXT}list")
        tables += step * (tag == f"{_TABLE}table")
        if tag == f"{_TABLE}table-row" and tables == 1:
            if event == "end":
                builder.row(cells)
            cells = []
        elif tag == f"{_TABLE}table-cell" and event == "start" and tables == 1:
            cells.append("")
        if event == "start" or tag not in {f"{_TEXT}h", f"{_TEXT}p"} or skipped:
            continue
        text = _odt_text(element)
        if tables and cells:
            cells[-1] = f"{cells[-1]} {text}".strip()
        elif tag == f"{_TEXT}h":
            builder.heading(int(element.get(f"{_TEXT}outline-level", "1") or 1), text)
        elif lists:
            builder.item(text)
        else:
            builder.paragraph(text)


def _odt_text(element: etree._Element) -> str:
    parts: list[str] = [element.text or ""]
    for node in element:
        if node.tag in {f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"}:
            parts.append(" ")
        elif node.tag not in {f"{_OFFICE}annotation", f"{_TEXT}note"}:
            parts.append(_odt_text(node))
        parts.append(node.tail or "")
    return "".join(parts)
