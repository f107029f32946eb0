"""EPUB as plain text: the chapters in reading order, each through the HTML reader."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote

from apps.content.parsing.archives import open_archive, read_entry
from apps.content.parsing.builder import TextBuilder
from apps.content.parsing.document import Limits
from apps.content.parsing.html import read_html
from apps.content.parsing.office import events
from apps.content.parsing.problems import Problem

_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"


def read_epub(path: Path, builder: TextBuilder, limits: Limits) -> None:
    """Add the chapters of a book to `builder`.

    Raises:
        Problem: "encrypted" for protected books, "broken" when the list of chapters cannot be read.
    """
    with open_archive(path, limits) as archive:
        names = set(archive.namelist())
        if "META-INF/encryption.xml" in names and "META-INF/rights.xml" in names:
            raise Problem("encrypted", "a copy-protected book", remedy="Use a copy without copy protection.")
        if "META-INF/container.xml" not in names:
            raise Problem("broken", "its table of parts is missing")
        container = read_entry(archive, "META-INF/container.xml", limits)
        package = next(
            (element.get("full-path", "") for _, element in events(container, "end", tags=(f"{_CONTAINER}rootfile",))),
            "",
        )
        if package not in names:
            raise Problem("broken", "its list of chapters is missing")
        title, chapters = _spine(read_entry(archive, package, limits), posixpath.dirname(package))
        for number, chapter in enumerate((name for name in chapters if name in names), start=1):
            builder.page(number)
            read_html(read_entry(archive, chapter, limits), builder)
        builder.title = title
        builder.warn("Page numbers count the chapters of the book.")


def _spine(data: bytes, folder: str) -> tuple[str, list[str]]:
    title = ""
    places: dict[str, str] = {}
    order: list[str] = []
    for _, element in events(data, "end", tags=(f"{_DC}title", f"{_OPF}item", f"{_OPF}itemref")):
        if element.tag == f"{_DC}title":
            title = title or (element.text or "")
        elif element.tag == f"{_OPF}item" and "nav" not in element.get("properties", "").split():
            if "html" in element.get("media-type", ""):
                places[element.get("id", "")] = posixpath.normpath(
                    posixpath.join(folder, unquote(element.get("href", "")))
                )
        elif element.tag == f"{_OPF}itemref":
            order.append(element.get("idref", ""))
    return title, [places[identifier] for identifier in order if identifier in places]
