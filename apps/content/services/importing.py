"""Texts from elsewhere as documents: Markdown, HTML, Word, a page of the web, a zip of Markdown."""

from __future__ import annotations

import asyncio
import datetime as dt
import html
import logging
import re
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.egress import GuardedClient, outgoing_networks
from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound, TooLarge, Unavailable, UnsupportedType
from aiwriter.core.queue import enqueue
from aiwriter.core.threads import in_thread
from aiwriter_sdk import BackendError
from apps.backends.services.filestore import clean_name, local_copy, put_file
from apps.content.markup.markdown import clean_text, normalise, to_markdown
from apps.content.models import Import
from apps.content.parsing.document import Limits
from apps.content.parsing.guard import parse_file
from apps.content.selectors.documents import as_uuid
from apps.content.services.deliveries import emit
from apps.content.services.documents import create_document
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require, workspaces_of
from apps.users.services.audit import record

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=300)
PATIENCE = dt.timedelta(seconds=15)
MAX_ATTEMPTS = 3
MAX_ENTRIES, MAX_ENTRY, MAX_EXPANDED = 500, 5 * 2**20, 50 * 2**20
MAX_PAGE, _REDIRECTS, FETCH_SECONDS = 10 * 2**20, 5, 30.0
ENDINGS = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".txt"), "md"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".docx": "docx",
    ".zip": "zip",
}
_TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/plain": ".md",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_DOCX_LIMITS = Limits(file_bytes=50 * 2**20, expanded_bytes=64 * 2**20, entries=5_000, text_chars=5_000_000)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r"<(article|main)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_FURNITURE = re.compile(r"<(nav|header|footer|aside|form|noscript)\b[^>]*>.*?</\1>", re.IGNORECASE | re.DOTALL)
_LOST_TAGS = {"iframe": "embedded pages", "video": "videos", "audio": "sounds", "svg": "drawings", "form": "forms"}
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"<img\b[^>]*\bsrc\s*=\s*[\"']?data:", re.IGNORECASE)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LOCAL_PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:|/|<https?:)[^)]+\)")


@dataclass(slots=True)
class _Text:
    """One document to be made."""

    title: str
    body: str
    notes: list[str] = field(default_factory=list)


def import_file(
    *, actor: Actor, workspace: Workspace | uuid.UUID | str, name: str, stream: BinaryIO, content_type: str = ""
) -> Import:
    """Take a file in; a worker makes documents of it. The original is kept.

    Args:
        actor: who imports; becomes the owner.
        workspace: the workspace, its id or its slug.
        name: file name, with its ending: .md, .txt, .html, .docx or .zip.
        stream: the bytes.
        content_type: as the browser said.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        UnsupportedType: files of this kind cannot become documents.
        InvalidInput, TooLarge, StorageFull: the file cannot be taken.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    shown = clean_name(name)
    if PurePosixPath(shown).suffix.lower() not in ENDINGS:
        raise UnsupportedType(
            f"“{shown[:80]}” cannot become a document.",
            field="file",
            remedy="Use Markdown, HTML, Word (.docx) or a zip of Markdown; add other files as sources.",
        )
    file = put_file(
        actor=actor, workspace=room, name=shown, stream=stream, content_type=content_type, purpose="attachment"
    )
    with transaction.atomic():
        row = Import.objects.create(workspace=room, requested_by=actor.user, name=shown[:300], file=file)
        record(actor, "import.started", obj=row, after={"bytes": file.blob.size})
        enqueue("content.run_import", import_id=str(row.pk))
    return row


def import_url(*, actor: Actor, workspace: Workspace | uuid.UUID | str, url: str) -> Import:
    """Take a page of the web in; a worker fetches it through the guarded way out.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput: it is no address of the web.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    address = url.strip()
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        fine = False
    if not fine or len(address) > 2000:
        raise InvalidInput(
            "This is not an address of the web.", field="url", remedy="Enter one such as https://example.org/page."
        )
    with transaction.atomic():
        row = Import.objects.create(workspace=room, requested_by=actor.user, name=address[:300], url=address)
        record(actor, "import.started", obj=row, after={"host": parts.hostname})
        enqueue("content.run_import", import_id=str(row.pk))
    return row


def imports_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Import]:
    """The actor's imports with their documents, those in the bin included."""
    rows = Import.objects.filter(workspace__in=workspaces_of(actor), requested_by=actor.user)
    return rows.filter(workspace=workspace) if workspace else rows


def get_import(*, actor: Actor, import_id: uuid.UUID | str) -> Import:
    """One import.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found: Import | None = imports_for(actor).filter(pk=as_uuid(import_id)).first()
    if found is None:
        raise NotFound("There is no such import.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def sweep_imports(limit: int = 50) -> int:
    """Wake imports whose message or worker was lost.

    Returns:
        how many.
    """
    due = Import.objects.claimable().filter(queued_at__lt=timezone.now() - PATIENCE)
    ids = list(due.order_by("queued_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.run_import", import_id=str(each))
    return len(ids)


def run_import(import_id: uuid.UUID) -> None:
    """Make the documents. Quiet when it is done or somebody else is at it."""
    fence = Import.objects.claim(import_id, lease=LEASE, to_state=Import.State.RUNNING)
    if fence is None:
        return
    row = Import.objects.select_related("workspace", "requested_by", "file__blob").get(pk=import_id)
    held = Import.objects.held(import_id, fence=fence)
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise Conflict(f"Reading it has ended the worker {MAX_ATTEMPTS} times.", remedy="Try another format.")
        if row.requested_by is None:
            raise Conflict("The account that asked for it is gone.")
        actor = Actor.for_user(row.requested_by)
        if row.url and row.file is None:
            _fetch(actor, row, held)
        texts = list(_texts(row))
        if not texts:
            raise InvalidInput("There is no text in it.", remedy="Check that it is the right file.")
        _make(actor, row, held, texts)
    except (AppError, BackendError) as error:
        _fail(held, error.message, error.remedy)
    except Exception:
        logger.exception("Import %s failed", import_id)
        _fail(held, "Something went wrong on the server.", "Try another format, or tell the operator.")


def _make(actor: Actor, row: Import, held: QuerySet[Import], texts: list[_Text]) -> None:
    """All documents and the end of the job in one transaction: a worker that dies has made none, or all."""
    notes = [f"{text.title}: {note}" if len(texts) > 1 else note for text in texts for note in text.notes]
    with transaction.atomic():
        fields = {"state": Import.State.DONE, "lease_until": None, "finished_at": timezone.now(), "notes": notes[:100]}
        if not held.update(**fields, error="", remedy=""):
            return
        made = [
            create_document(
                actor=actor,
                workspace=row.workspace,
                title=text.title[:300],
                body_markdown=text.body,
                reason="import",
            )
            for text in texts
        ]
        row.documents.set(made)
        emit(row.workspace_id, "import.finished", {"import_id": str(row.pk), "documents": [str(d.pk) for d in made]})


def _fail(held: QuerySet[Import], message: str, remedy: str) -> None:
    held.update(state=Import.State.FAILED, lease_until=None, finished_at=timezone.now(), error=message, remedy=remedy)


def _texts(row: Import) -> Iterator[_Text]:
    if row.file is None:
        raise NotFound("The file is gone.", remedy="Import it again.")
    kind = ENDINGS.get(PurePosixPath(row.file.name).suffix.lower(), "")
    with local_copy(row.file) as path:
        if kind == "docx":
            yield _word(path, row.file.name)
        elif kind == "zip":
            yield from _zip(path)
        else:
            content = path.read_bytes()
            yield _page(content, row.file.name) if kind == "html" else _markdown(content, row.file.name)


def _word(path: Path, name: str) -> _Text:
    # The guarded child looks at it first: bombs, broken and encrypted files end there with a clear error.
    parse_file(path, filename=name, limits=_DOCX_LIMITS, scope="imports")
    from apps.content.markup.from_docx import docx_to_html  # here: python-docx takes 0.15 s and 10 MB of every process

    try:
        title, page, notes = docx_to_html(path)
    except Exception:
        logger.exception("A Word file that the parser could read could not be converted")
        raise InvalidInput(
            "The Word file is damaged.", field="file", remedy="Open it in Word and save it again."
        ) from None
    return _Text(title or _stem(name), to_markdown(page), notes)


def _page(content: bytes, name: str) -> _Text:
    source = _decoded(content)
    found = _TITLE.search(source)
    notes = [f"Not taken over: {what}." for tag, what in _LOST_TAGS.items() if re.search(rf"<{tag}\b", source, re.I)]
    if _SCRIPT.search(source):
        notes.append("Scripts were removed.")
    if _DATA_IMAGE.search(source):
        notes.append("Not taken over: pictures that stand inside the page.")
    inner = max((match[2] for match in _BODY.finditer(source)), key=len, default="") or _FURNITURE.sub(" ", source)
    body = to_markdown(inner)
    title = " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""
    return _Text(title or _first_heading(body) or _stem(name), body, notes)


def _markdown(content: bytes, name: str) -> _Text:
    text = clean_text(_decoded(content))
    notes = []
    title = ""
    if front := _FRONT_MATTER.match(text):
        named = re.search(r"^title:\s*(.+)$", front[1], re.MULTILINE)
        title = named[1].strip().strip("\"'") if named else ""
        text = text[front.end() :]
        notes.append("The front matter was read for the title and left out.")
    if lost := len(_LOCAL_PICTURE.findall(text)):
        notes.append(f"Not taken over: pictures that lie beside the text ({lost}); their descriptions are kept.")
    if re.search(r"<[a-z][^>]*>", re.sub(r"`[^`]*`", "", text), re.IGNORECASE):
        notes.append("HTML within the Markdown stands as text.")
    return _Text(title or _first_heading(text) or _stem(name), normalise(text), notes)


def _zip(path: Path) -> Iterator[_Text]:
    """The texts of a zip. Sizes are counted while reading: what a zip says about itself may be a lie."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        raise InvalidInput("The zip is damaged.", field="file", remedy="Pack it again.") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_ENTRIES:
            raise TooLarge(f"The zip holds {len(entries):,} files.", remedy=f"Import at most {MAX_ENTRIES} at a time.")
        total, skipped = 0, 0
        last: _Text | None = None
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
            last = _page(content, inner.name) if kind == "html" else _markdown(content, inner.name)
        if last is not None:
            if skipped:
                last.notes.append(f"{skipped} files of the zip are neither Markdown nor HTML and were left out.")
            yield last


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.flag_bits & 0x1:
        raise InvalidInput("The zip is encrypted.", field="file", remedy="Pack it without a password.")
    try:
        with archive.open(entry) as stream:
            content = stream.read(MAX_ENTRY + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError):
        # RuntimeError: zipfile does not know the method of packing.
        raise InvalidInput("The zip is damaged.", field="file", remedy="Pack it again.") from None
    if len(content) > MAX_ENTRY:
        raise TooLarge(
            f"“{entry.filename[:80]}” in the zip is larger than {MAX_ENTRY // 2**20} MiB.", remedy="Leave it out."
        )
    return content


def _fetch(actor: Actor, row: Import, held: QuerySet[Import]) -> None:
    """Fetch the page and keep it as the import's file, so that a second worker reads the same."""
    address, kind, content = asyncio.run(_get(row.url))
    ending = _TYPES.get(kind, "")
    if not ending:
        raise UnsupportedType(
            f"The address leads to {kind[:60] or 'something unknown'}, not to a text.",
            field="url",
            remedy="Download it and add it as a source.",
        )
    stem = re.sub(r"[^\w-]+", "-", urlsplit(address).path.rstrip("/").rpartition("/")[2].partition(".")[0]).strip("-")
    row.file = put_file(
        actor=actor,
        workspace=row.workspace,
        name=f"{stem[:80] or urlsplit(address).hostname or 'page'}{ending}",
        stream=BytesIO(content),
        content_type=kind,
        purpose="attachment",
    )
    held.update(file=row.file)


async def read_page(url: str) -> tuple[str, str]:
    """Title and Markdown of a page of the web, fetched through the guarded way out; nothing is kept.

    Raises:
        Unavailable: it does not answer.
        UnsupportedType: it is no text.
        BackendError: the address may not be asked, or does not answer.
    """
    address, kind, content = await _get(url)
    ending = _TYPES.get(kind, "")
    if ending not in (".html", ".md"):
        raise UnsupportedType(
            f"The address leads to {kind[:60] or 'something unknown'}, not to a text.",
            field="url",
            remedy="Download it and add it as a source.",
        )
    name = f"{urlsplit(address).hostname or 'page'}{ending}"
    read = await in_thread(_page if ending == ".html" else _markdown, content, name)
    return read.title, read.body


async def _get(url: str) -> tuple[str, str, bytes]:
    client = GuardedClient(allowed=outgoing_networks(), max_bytes=MAX_PAGE)
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            for _ in range(_REDIRECTS):
                async with client.stream("GET", url, headers={"Accept": "text/html, text/markdown, */*;q=0.5"}) as got:
                    if got.status_code in (301, 302, 303, 307, 308) and got.headers.get("location"):
                        # Each step is judged anew: a public page may lead to a private address.
                        url = urljoin(url, got.headers["location"])
                        continue
                    if got.status_code != 200:
                        raise Unavailable(f"The address answers {got.status_code}.", remedy="Check it in a browser.")
                    kind = got.headers.get("content-type", "").partition(";")[0].strip().lower()
                    return url, kind, await got.aread()
            raise Unavailable("The address leads from one redirect to the next.", remedy="Enter the last one.")
    except TimeoutError:
        raise Unavailable(f"The page did not come within {FETCH_SECONDS:g} seconds.", remedy="Try again.") from None
    finally:
        await client.aclose()


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


__all__ = ["get_import", "import_file", "import_url", "imports_for", "read_page", "run_import", "sweep_imports"]
