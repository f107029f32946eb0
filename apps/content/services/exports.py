"""Documents as files: made at once, or by a worker and kept for some days."""

from __future__ import annotations

import datetime as dt
import io
import logging
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.backends.models import StoredFile
from apps.backends.services.filestore import delete_file, put_file
from apps.content.models import Collection, Document, Export
from apps.content.selectors.documents import as_uuid, documents_for, get_document
from apps.content.selectors.organising import get_collection
from apps.content.services.manuscripts import TYPES, ZIP, Exported, known_format, manuscript, rendered, version_of
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor, get_workspace, require, workspaces_of
from apps.users.services.audit import record

__all__ = [
    "TYPES",
    "Exported",
    "delete_export",
    "expire_exports",
    "export_document",
    "export_documents",
    "export_file",
    "exports_for",
    "get_export",
    "make_export",
    "start_export",
]

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=120)
MAX_ATTEMPTS = 4
MAX_DOCUMENTS = 2_000


def export_document(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    format: str,
    version: str = "",
    with_sources: bool = True,
    with_origin: bool = False,
    number: int | None = None,
) -> Exported:
    """Make a file of a document now. Word takes some seconds for 50,000 words, everything else less than one.

    Args:
        actor: who takes it out.
        document_id: which document.
        format: one of `TYPES`.
        version: "current", "published" or a number; the present text when left out.
        with_sources: with the list of sources.
        with_origin: with a note that says whether a model wrote it.
        number: of a version, the same as `version`.

    Raises:
        NotFound, PermissionDenied: document or version are not the actor's.
        InvalidInput: there is no such format.
        Conflict: there is no such version yet.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.read", workspace=document.workspace_id)
    known_format(format)
    which = str(number) if number else version
    chosen = version_of(document, which) if which else None
    record(actor, "document.exported", obj=document, after={"format": format})
    text = manuscript(
        actor=actor, document=document, version=chosen, with_sources=with_sources, with_origin=with_origin
    )
    return rendered(text, format)


def start_export(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    format: str,
    version: str = "current",
    with_sources: bool = True,
    with_origin: bool = False,
) -> Export:
    """Have a worker make the file; the state of the row says when it is there. Arguments as for `export_document`.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: there is no such format.
        Conflict: there is no such version yet.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.read", workspace=document.workspace_id)
    known_format(format)
    chosen = version_of(document, version or "current")
    with transaction.atomic():
        export = Export.objects.create(
            workspace_id=document.workspace_id,
            document=document,
            version=chosen,
            title=chosen.title,
            which=version or "current",
            requested_by=actor.user,
            format=format,
            with_sources=with_sources,
            with_origin=with_origin,
            expires_at=_expiry(),
        )
        record(actor, "document.exported", obj=document, after={"format": format})
        enqueue("content.make_export", export_id=str(export.pk))
    return export


def export_documents(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    document_ids: Sequence[uuid.UUID | str],
    format: str,
    collection_id: uuid.UUID | str | None = None,
    title: str = "",
    version: str = "current",
    with_sources: bool = True,
    with_origin: bool = False,
) -> Export:
    """Have a worker make a zip of several documents of one workspace, one file each.

    Args:
        actor: who takes them out.
        workspace: the workspace, its id or its slug.
        document_ids: 1 to 2,000 documents; all of the workspace when empty.
        format: one of `TYPES`.
        collection_id: all documents of this collection and of those below it, instead of `document_ids`.
        title: what the zip is called; the collection's or the workspace's name when left out.
        version: "current" or "published"; documents that have not been published are left out then.
        with_sources, with_origin: as for `export_document`.

    Raises:
        NotFound, PermissionDenied: the workspace or one of the documents is not the actor's to read.
        InvalidInput: format, version or number of documents cannot be used.
    """
    require(actor, "content.read", workspace=workspace)
    room = get_workspace(actor, workspace)
    known_format(format)
    if version not in ("current", "published"):
        raise InvalidInput(
            f"'{version[:20]}' is no choice for several documents.",
            field="version",
            remedy="Use current or published.",
        )
    wanted = list(dict.fromkeys(as_uuid(each) for each in document_ids))
    rows = documents_for(actor, room)
    if collection_id:
        collection = get_collection(actor=actor, collection_id=collection_id)
        if collection.workspace_id != room.pk or wanted:
            raise InvalidInput(
                "A collection is exported whole, from its own workspace.",
                field="collection_id",
                remedy="Name the collection or the documents, not both.",
            )
        rows, title = rows.filter(collection__in=_with_those_below(collection)), title or collection.name
    found = list((rows.filter(pk__in=wanted) if wanted else rows).order_by("title", "id").values_list("pk", flat=True))
    if wanted and len(found) < len(wanted):
        raise NotFound("One of the documents is not there.", field="document_ids", remedy="Choose them anew.")
    if not 1 <= len(found) <= MAX_DOCUMENTS:
        raise InvalidInput(
            f"These are {len(found):,} documents.",
            field="document_ids",
            remedy=f"Choose 1 to {MAX_DOCUMENTS:,}.",
        )
    with transaction.atomic():
        export = Export.objects.create(
            workspace=room,
            selection=[str(each) for each in found],
            title=(" ".join(title.split()) or room.name)[:300],
            which=version,
            requested_by=actor.user,
            format=format,
            with_sources=with_sources,
            with_origin=with_origin,
            expires_at=_expiry(),
        )
        record(actor, "documents.exported", obj=export, after={"format": format, "documents": len(found)})
        enqueue("content.make_export", export_id=str(export.pk))
    return export


def exports_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Export]:
    """The actor's exports, without those of documents in the bin.

    Args:
        actor: who asked for them.
        workspace: only those of this one.
    """
    found = Export.objects.filter(workspace__in=workspaces_of(actor), requested_by=actor.user)
    found = found.exclude(document__deleted_at__isnull=False).select_related("file__blob")
    return found.filter(workspace=workspace) if workspace else found


def get_export(*, actor: Actor, export_id: uuid.UUID | str) -> Export:
    """One export.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = (
        Export.objects.filter(pk=as_uuid(export_id), workspace__in=workspaces_of(actor))
        .select_related("document", "file", "workspace")
        .first()
    )
    if found is None or found.workspace is None:
        raise NotFound("There is no such export.")
    require(actor, "content.read", workspace=found.workspace)
    return found


def export_file(*, actor: Actor, export_id: uuid.UUID | str) -> StoredFile:
    """The file of a finished export.

    Raises:
        NotFound: there is no such export for this actor.
        Conflict: it is not ready, or has expired.
    """
    export = get_export(actor=actor, export_id=export_id)
    if export.state == Export.State.EXPIRED:
        raise Conflict("The file has expired.", remedy="Export it again.")
    if export.file is None:
        raise Conflict("The file is not ready.", remedy=export.remedy or "Wait a moment and ask again.")
    return export.file


def delete_export(*, actor: Actor, export_id: uuid.UUID | str) -> None:
    """Remove an export with its file before it expires.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to remove.
    """
    export = get_export(actor=actor, export_id=export_id)
    file = export.file
    with transaction.atomic():
        export.delete()
        if file is not None:
            delete_file(actor=actor, file=file)


def expire_exports(limit: int = 200) -> int:
    """Remove the files of exports whose time is over; the rows stay and say so.

    Returns:
        how many.
    """
    over = Export.objects.filter(
        state__in=(Export.State.READY, Export.State.FAILED), expires_at__lt=timezone.now()
    ).select_related("file")
    done = 0
    for export in over.order_by("expires_at")[:limit]:
        with transaction.atomic():
            file = export.file
            changed = Export.objects.filter(pk=export.pk, state=export.state).update(
                state=Export.State.EXPIRED, file=None
            )
            if changed and file is not None:
                delete_file(actor=Actor.system_actor("exports"), file=file)
            done += changed
    return done


def make_export(export_id: uuid.UUID) -> None:
    """Write the file of an export. Quiet when it is done or somebody else is at it."""
    fence = Export.objects.claim(export_id, lease=LEASE, to_state=Export.State.RUNNING)
    if fence is None:
        return
    export = Export.objects.select_related("document", "version", "requested_by", "workspace").get(pk=export_id)
    held = Export.objects.held(export_id, fence=fence)
    fields: dict[str, object] = {"state": Export.State.READY, "error": "", "remedy": ""}
    file = None
    try:
        if export.attempts > MAX_ATTEMPTS:
            raise Conflict(
                f"Writing it has ended the worker {MAX_ATTEMPTS} times.", remedy="Try another format, or fewer at once."
            )
        actor = _on_behalf_of(export.requested_by)
        made = _made(actor, export, fence)
        file = fields["file"] = put_file(
            actor=actor,
            workspace=_room(export),
            name=made.filename,
            stream=BytesIO(made.content),
            content_type=made.content_type,
            purpose="export",
            limit=len(made.content) + 1,
        )
    except AppError as error:
        fields = {"state": Export.State.FAILED, "error": error.message, "remedy": error.remedy}
    except Exception:
        logger.exception("Export %s failed", export_id)
        message = "The file could not be written."
        fields = {"state": Export.State.FAILED, "error": message, "remedy": "Try another format."}
    if not held.update(lease_until=None, finished_at=timezone.now(), **fields) and file is not None:
        # A successor has the row, or it was removed: this file belongs to nobody.
        delete_file(actor=Actor.system_actor("exports"), file=file)


def _made(actor: Actor, export: Export, fence: int) -> Exported:
    if export.document is None:
        return _bundle(actor, export, fence)
    document = get_document(actor=actor, document_id=export.document.pk)
    text = manuscript(
        actor=actor,
        document=document,
        version=export.version,
        with_sources=export.with_sources,
        with_origin=export.with_origin,
    )
    return rendered(text, export.format)


def _bundle(actor: Actor, export: Export, fence: int) -> Exported:
    output = io.BytesIO()
    names: set[str] = set()
    left: list[str] = []
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, document in enumerate(_chosen(actor, export), start=1):
            if not Export.objects.held(export.pk, fence=fence).update(lease_until=timezone.now() + LEASE, done=number):
                raise Conflict("The export was taken over.", remedy="Nothing is to be done.")
            try:
                version = version_of(document, export.which)
                text = manuscript(
                    actor=actor,
                    document=document,
                    version=version,
                    with_sources=export.with_sources,
                    with_origin=export.with_origin,
                )
                made = rendered(text, export.format)
            except AppError as error:
                left.append(f"{document.title}: {error}")
                continue
            _add(archive, made, names)
        if not names:
            raise Conflict("There is nothing to export.", remedy=left[0] if left else "The documents were deleted.")
        if left:
            archive.writestr("NOT-EXPORTED.txt", "\n".join(left) + "\n")
    return Exported(f"{slugify(export.title)[:80] or 'documents'}.zip", ZIP, output.getvalue())


def _chosen(actor: Actor, export: Export) -> Iterator[Document]:
    """The documents that are still there and still the actor's, one at a time: 2,000 long texts fill a memory."""
    for each in export.selection:
        found = documents_for(actor, export.workspace).filter(pk=each).select_related("current_version").first()
        if found is not None:
            yield found


def _add(archive: zipfile.ZipFile, made: Exported, names: set[str]) -> None:
    stem, _, ending = made.filename.rpartition(".")
    name, count = made.filename, 1
    while name in names:
        count += 1
        name = f"{stem}-{count}.{ending}"
    names.add(name)
    if made.content_type != ZIP:
        archive.writestr(name, made.content)
        return
    # Markdown with pictures: a folder of its own instead of a zip inside the zip.
    with zipfile.ZipFile(io.BytesIO(made.content)) as inner:
        for entry in inner.namelist():
            archive.writestr(f"{name.removesuffix('.zip')}/{entry}", inner.read(entry))


def _with_those_below(collection: Collection) -> list[uuid.UUID]:
    found, layer = [collection.pk], [collection.pk]
    while layer:
        layer = list(Collection.objects.filter(parent__in=layer).exclude(pk__in=found).values_list("pk", flat=True))
        found += layer
    return found


def _room(export: Export) -> Workspace:
    if export.workspace is None:
        raise NotFound("The workspace is gone.")
    return export.workspace


def _expiry() -> dt.datetime:
    return timezone.now() + dt.timedelta(days=settings.EXPORT_DAYS)


def _on_behalf_of(user: User | None) -> Actor:
    return Actor.for_user(user) if user else Actor.system_actor("exports")
