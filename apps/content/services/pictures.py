"""Pictures of documents: taken in, shown to those who may read the text, deleted with the last text that shows them.

A picture is a file of the file store, and the text names it by `/pictures/<id>`: exports and publishing take it along, and
everybody who asks for it is asked for permission anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Protocol

from django.db.models import Q

from aiwriter.core.errors import InvalidInput, NotFound
from apps.backends.models import StoredFile
from apps.backends.services.filestore import delete_file, get_file, put_file
from apps.content.markup.pictures import ENDINGS, kept_file_id, kind_of, named_in
from apps.content.models import Document, DocumentVersion
from apps.content.selectors.documents import get_document
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

PURPOSE = "attachment"
MAX_PICTURE = 10 * 1024 * 1024
_HEAD = 16


class Seekable(Protocol):
    """What an upload is."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    def seek(self, position: int, /) -> int:
        """Go to a place."""


def address_of(file_id: uuid.UUID | str) -> str:
    """What a text writes to show the picture."""
    return f"/pictures/{file_id}"


def add_picture(*, actor: Actor, document_id: uuid.UUID | str, name: str, stream: Seekable) -> StoredFile:
    """Keep a picture for a document. The text does not change: whoever asked puts the address in.

    Args:
        actor: who brings it.
        document_id: the document.
        name: as the person calls it.
        stream: the bytes, from their beginning.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        InvalidInput: it is no PNG, JPEG, GIF or WebP.
        TooLarge: it has more than 10 MB.
        StorageFull, Unavailable: it could not be stored.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    # Judged by its bytes: a name or an announced type proves nothing, and an SVG may hold a script.
    kind = kind_of(stream.read(_HEAD))
    if not kind:
        raise InvalidInput(
            f"“{name[:100]}” is no picture that can be shown.",
            field="file",
            remedy="Send a PNG, JPEG, GIF or WebP picture.",
        )
    stream.seek(0)
    stem = name.rpartition(".")[0] or name or "picture"
    file = put_file(
        actor=actor,
        workspace=document.workspace,
        name=f"{stem}.{ENDINGS[kind]}",
        stream=stream,
        content_type=kind,
        purpose=PURPOSE,
        limit=MAX_PICTURE,
    )
    record(actor, "picture.added", obj=document, after={"file": str(file.pk)})
    return file


def get_picture(*, actor: Actor, file_id: uuid.UUID | str) -> StoredFile:
    """A picture that the actor may see: whoever may read the texts of its workspace.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    file = get_file(actor, file_id)
    if file.purpose != PURPOSE or file.content_type not in ENDINGS:
        raise NotFound("There is no such picture.", remedy="It may have been removed with its text.")
    return file


def pictures_named_by(document: Document) -> set[uuid.UUID]:
    """The ids of the portal's own pictures that any version of a document shows."""
    bodies: Iterable[str] = DocumentVersion.objects.filter(
        document=document, body_markdown__contains="/pictures/"
    ).values_list("body_markdown", flat=True)
    found = {kept_file_id(address) for body in bodies for address in named_in(body)}
    return {each for each in found if each}


def drop_unused(workspace_id: uuid.UUID, file_ids: Iterable[uuid.UUID]) -> int:
    """Delete the pictures that no text of the workspace shows any more, in any version.

    Returns:
        how many.
    """
    system, count = Actor.system_actor("trash"), 0
    for file in StoredFile.objects.filter(workspace_id=workspace_id, purpose=PURPOSE, pk__in=list(file_ids)):
        address = address_of(file.pk)
        shown = Q(body_markdown__contains=address)
        if Document.objects.filter(shown, workspace_id=workspace_id).exists():
            continue
        if DocumentVersion.objects.filter(shown, document__workspace_id=workspace_id).exists():
            continue
        delete_file(actor=system, file=file)
        count += 1
    return count
