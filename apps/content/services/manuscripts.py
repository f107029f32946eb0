"""A document as it leaves: the text of the chosen version with its sources, its pictures and where it came from."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.utils.text import slugify
from markdown_it.token import Token

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from apps.backends.models import StoredFile
from apps.backends.services.filestore import clean_name, open_file
from apps.content.markup.exports import Reference, html_file, markdown_file
from apps.content.markup.markdown import parse, to_html, word_count
from apps.content.markup.pdf import pdf_file
from apps.content.markup.pictures import ENDINGS, Picture, addresses_in, alts_in, kept_file_id, kind_of
from apps.content.markup.plain import text_file
from apps.content.models import Document, DocumentVersion
from apps.content.selectors.documents import citations_in
from apps.users.selectors.access import Actor

TYPES = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
}
ZIP = "application/zip"
MAX_PICTURE = 20 * 1024 * 1024
MAX_PICTURES_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exported:
    """A file to send."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Manuscript:
    """Everything of a document that leaves the portal.

    Args:
        document: the row.
        number: of the version; 0 when the document has none.
        title: of that version.
        body: Markdown of that version.
        references: its sources.
        pictures: by the address that the text names.
        note: how the text came to be; empty when nobody asked.
        alts: what the pictures show, by address.
    """

    document: Document
    number: int
    title: str
    body: str
    references: Sequence[Reference] = ()
    pictures: dict[str, Picture] = field(default_factory=dict)
    note: str = ""
    alts: dict[str, str] = field(default_factory=dict)


def version_of(document: Document, which: str) -> DocumentVersion:
    """The version that somebody chose.

    Args:
        document: of the actor.
        which: "current", "approved", "published" or the number of a version.

    Raises:
        NotFound: there is no such version.
        Conflict: the document has not been approved or published, or has no version.
        InvalidInput: it is none of these.
    """
    if which == "current":
        if document.current_version is None:
            raise Conflict("The document has no version yet.", remedy="Save it first.")
        return document.current_version
    if which in ("approved", "published"):
        found = document.approved_version if which == "approved" else document.published_version
        if found is None:
            raise Conflict(
                f"The document has not been {which}.", field="version", remedy="Choose the present text instead."
            )
        return found
    if not (which.isascii() and which.isdigit() and 0 < len(which) < 8):
        raise InvalidInput(
            f"'{which[:20]}' is no version.", field="version", remedy="Use current, approved, published or a number."
        )
    numbered = document.versions.filter(number=int(which)).first()
    if numbered is None:
        raise NotFound(f"The document has no version {which}.", field="version", remedy="Look at its versions.")
    return numbered


def manuscript(
    *,
    actor: Actor,
    document: Document,
    version: DocumentVersion | None,
    with_sources: bool = True,
    with_origin: bool = False,
    with_pictures: bool = True,
) -> Manuscript:
    """Gather what leaves. The caller has asked for permission to read the document.

    Args:
        actor: who takes it out; pictures are opened in their name.
        document: the row.
        version: which text; the present one when None.
        with_sources: with the list of sources.
        with_origin: with a note that says which parts a model wrote.
        with_pictures: with the bytes of its pictures.
    """
    title = version.title if version else document.title
    body = version.body_markdown if version else document.body_markdown
    references = [
        Reference(view.marker, view.source_title, view.locator, view.quote, view.verified)
        for view in (citations_in(document, body) if with_sources else ())
    ]
    return Manuscript(
        document=document,
        number=version.number if version else 0,
        title=title,
        body=body,
        references=references,
        pictures=pictures_of(actor, document, body) if with_pictures else {},
        note=origin_note(document, version) if with_origin else "",
        alts=alts_in(token for token in parse(body) if isinstance(token, Token)),
    )


def pictures_of(actor: Actor, document: Document, body: str) -> dict[str, Picture]:
    """The pictures of a text that lie in the file store of its workspace, by address."""
    addresses = dict.fromkeys(addresses_in(token for token in parse(body) if isinstance(token, Token)))
    ids = {address: found for address in addresses if (found := kept_file_id(address))}
    if not ids:
        return {}
    files = StoredFile.objects.filter(workspace_id=document.workspace_id, pk__in=ids.values()).select_related("blob")
    by_id = {file.pk: file for file in files}
    pictures: dict[str, Picture] = {}
    total = 0
    for address, file_id in ids.items():
        file = by_id.get(file_id)
        if file is None or file.blob.size > MAX_PICTURE or total + file.blob.size > MAX_PICTURES_BYTES:
            continue
        try:
            with open_file(actor=actor, file=file) as reader:
                content = reader.read()
        except (AppError, OSError):
            continue  # a picture that cannot be read is named in the text, which is worth more than the picture
        kind = kind_of(content)
        if kind:
            total += len(content)
            stem = clean_name(file.name).rpartition(".")[0] or "picture"
            name = f"{slugify(stem)[:60] or 'picture'}-{str(file.pk)[-6:]}.{ENDINGS[kind]}"
            pictures[address] = Picture(content, kind, name)
    return pictures


def origin_note(document: Document, version: DocumentVersion | None) -> str:
    """One sentence about who wrote the text: people, a model, or both; from the versions up to this one."""
    rows = document.versions.all()
    if version is not None:
        rows = rows.filter(number__lte=version.number)
    reasons = set(rows.values_list("reason", flat=True))
    if "ai" not in reasons:
        return "According to its history this text was written by people."
    if reasons <= {"ai", "restore"}:
        return "According to its history this text was written by a language model."
    return "According to its history this text was written by people with the help of a language model."


def rendered(text: Manuscript, format: str) -> Exported:
    """A file of one format. Markdown with pictures becomes a zip that holds both.

    Raises:
        InvalidInput: there is no such format, or the text cannot be set in it.
    """
    known_format(format)
    name = slugify(text.title)[:80] or "document"
    language = text.document.language
    if format == "md" and text.pictures:
        return Exported(f"{name}.zip", ZIP, zipped(_markdown_with_pictures(text, name)))
    common: dict[str, Any] = {"language": language, "pictures": text.pictures, "note": text.note}
    makers: dict[str, Callable[[], bytes]] = {
        "md": lambda: markdown_file(text.title, text.body, text.references, note=text.note).encode(),
        "html": lambda: html_file(text.title, text.body, text.references, **common).encode(),
        "docx": lambda: _docx(text, common),
        "pdf": lambda: pdf_file(text.title, text.body, text.references, **common),
        "txt": lambda: text_file(text.title, text.body, text.references, note=text.note).encode(),
        "json": lambda: orjson.dumps(as_json(text), option=orjson.OPT_INDENT_2),
    }
    return Exported(f"{name}.{format}", TYPES[format], makers[format]())


def _docx(text: Manuscript, common: dict[str, Any]) -> bytes:
    from apps.content.markup.docx import docx_file  # here: python-docx takes 0.15 s and 10 MB of every process

    return docx_file(text.title, text.body, text.references, **common)


def _markdown_with_pictures(text: Manuscript, name: str) -> dict[str, bytes]:
    names = {address: f"images/{picture.name}" for address, picture in text.pictures.items()}
    written = markdown_file(text.title, text.body, text.references, note=text.note, names=names)
    return {f"{name}.md": written.encode()} | {
        names[address]: picture.content for address, picture in text.pictures.items()
    }


def as_json(text: Manuscript) -> dict[str, Any]:
    """The document as data, complete enough to be taken in elsewhere."""
    document = text.document
    return {
        "format": "aiwriter.document/1",
        "id": str(document.pk),
        "title": text.title,
        "slug": document.slug,
        "kind": document.kind,
        "language": document.language,
        "status": document.status,
        "version": text.number,
        "word_count": word_count(text.body),
        "brief": document.brief,
        "body_markdown": text.body,
        "body_html": to_html(text.body),
        "citations": [
            {
                "marker": entry.marker,
                "source": entry.title,
                "locator": entry.locator,
                "quote": entry.quote,
                "verified": entry.verified,
            }
            for entry in text.references
        ],
        "images": [
            {"address": address, "name": picture.name, "content": picture.data_address}
            for address, picture in text.pictures.items()
        ],
        "origin": text.note,
        "created_at": document.created_at.isoformat(),
        "updated_at": document.updated_at.isoformat(),
    }


def zipped(files: dict[str, bytes]) -> bytes:
    """Files as a zip."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return output.getvalue()


def known_format(format: str) -> None:
    """Refuse a format that there is not.

    Raises:
        InvalidInput: with the formats that there are.
    """
    if format not in TYPES:
        raise InvalidInput(f"'{format[:20]}' is no format.", field="format", remedy=f"Use one of {', '.join(TYPES)}.")
