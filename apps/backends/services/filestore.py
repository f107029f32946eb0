"""The file store: who may put, read and remove files; what a file's bytes are is a matter of `blobs`."""

from __future__ import annotations

import contextlib
import mimetypes
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from aiwriter.core import signing
from aiwriter.core.errors import InvalidInput, NotFound, StorageFull, Unavailable
from aiwriter.core.ids import uuid7
from apps.backends.models import BackendProfile, StoredBlob, StoredFile, StoredFileVersion
from apps.backends.selectors.clearance import clearance_for
from apps.backends.services import blobs
from apps.backends.services.blobs import BlobReader, Readable, Received
from apps.backends.services.clearing import refuse
from apps.backends.services.garbage import collect_garbage
from apps.backends.services.inspection import require_clean
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, can, require, workspaces_of
from apps.users.services.audit import record

# Who may read and who may write files of a purpose.
CAPABILITIES = {
    "source": ("sources.read", "sources.write"),
    "export": ("content.read", "content.read"),
    "attachment": ("content.read", "content.write"),
}
LINK_PURPOSE = "file-link"
LINK_SECONDS = 300
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]+")
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")
_ATTEMPTS = 5


def put_file(
    *,
    actor: Actor,
    workspace: Workspace,
    name: str,
    stream: Readable,
    content_type: str = "",
    purpose: str = "source",
    limit: int | None = None,
) -> StoredFile:
    """Store a file. Equal bytes are kept once, whoever brings them.

    Args:
        actor: needs the writing capability of the purpose in the workspace.
        workspace: whose file it is.
        name: as the person calls it; only for showing, no path is made of it.
        stream: read piece by piece to its end.
        content_type: as announced; guessed from the name when empty. Never believed when the file is served.
        purpose: "source", "export" or "attachment".
        limit: most bytes; AIWRITER_MAX_UPLOAD_MB when left out.

    Raises:
        InvalidInput: it is empty, holds malware, or the purpose is unknown.
        TooLarge: it is larger than the limit.
        StorageFull: no space is left. Nothing was changed.
        Unavailable: there is no storage, or it failed.
        ResidencyRefused: no storage may have files of this workspace.
    """
    _, write = _capabilities(purpose)
    require(actor, write, workspace=workspace)
    shown = clean_name(name)
    with blobs.received(stream, limit=limit) as incoming:
        if purpose != "export":  # the portal made that itself
            require_clean(actor=actor, workspace=workspace, file=incoming.file)
        return _with_blob(
            incoming,
            workspace.pk,
            lambda blob: _create(actor, workspace, shown, content_type or _guess(shown), purpose, blob),
        )


def put_version(*, actor: Actor, file: StoredFile, stream: Readable, limit: int | None = None) -> StoredFile:
    """Give a file new content; the one before stays as a version. Arguments and errors as for `put_file`."""
    _, write = _capabilities(file.purpose)
    require(actor, write, workspace=file.workspace_id)
    with blobs.received(stream, limit=limit) as incoming:
        require_clean(actor=actor, workspace=file.workspace, file=incoming.file)
        return _with_blob(incoming, file.workspace_id, lambda blob: _append(actor, file, blob))


def _create(
    actor: Actor, workspace: Workspace, name: str, content_type: str, purpose: str, blob: StoredBlob
) -> StoredFile:
    file = StoredFile.objects.create(
        workspace=workspace,
        owner=actor.user,
        name=name,
        content_type=content_type if _TYPE.fullmatch(content_type) else "",
        purpose=purpose,
        blob=blob,
    )
    StoredFileVersion.objects.create(file=file, number=1, blob=blob, created_by=actor.user)
    return file


def _append(actor: Actor, file: StoredFile, blob: StoredBlob) -> StoredFile:
    current = StoredFile.objects.select_for_update().get(pk=file.pk)
    if current.blob_id == blob.pk:
        return current
    current.version += 1
    current.blob = blob
    current.save(update_fields=["version", "blob", "updated_at"])
    StoredFileVersion.objects.create(file=current, number=current.version, blob=blob, created_by=actor.user)
    return current


def _with_blob(incoming: Received, workspace_id: uuid.UUID, refer: Callable[[StoredBlob], StoredFile]) -> StoredFile:
    """Find or store the bytes and refer to them in the same transaction, so that the collector cannot come between.

    An existing row is locked while the reference is written. The collector deletes rows under the same lock and only
    without references, so it either comes first, and the bytes are stored anew, or finds the reference and stays away.
    """
    profile = default_storage_profile(workspace_id)
    place = blobs.open_storage(profile)
    saved: StoredBlob | None = None
    try:
        for _ in range(_ATTEMPTS):
            with transaction.atomic():
                found = StoredBlob.objects.select_for_update().filter(profile=profile, sha256=incoming.sha256).first()
                if found is not None and found.damaged_at is None:
                    if found.condemned_at is not None:
                        StoredBlob.objects.filter(pk=found.pk).update(condemned_at=None)
                    return refer(found)
            row = saved = saved or blobs.save(place, incoming)
            if found is not None:
                _mend(found, row)
                saved = None
                continue
            try:
                with transaction.atomic():
                    row.save(force_insert=True)
                    result = refer(row)
                saved = None
                return result
            except IntegrityError:
                row.pk = uuid7()  # somebody stored the same bytes meanwhile: theirs are used
    finally:
        if saved is not None:
            with contextlib.suppress(Unavailable, StorageFull):
                blobs.discard(place, saved.storage_name)
    raise Unavailable("The file could not be stored.", remedy="Try again.")


def _mend(damaged: StoredBlob, whole: StoredBlob) -> None:
    """The same bytes have come in again: let the damaged blob have them, and with it all files that name it."""
    StoredBlob.objects.filter(pk=damaged.pk).update(
        storage_name=whole.storage_name, encrypted=whole.encrypted, key_id=whole.key_id, damaged_at=None
    )


def default_storage_profile(workspace_id: uuid.UUID | None = None) -> BackendProfile:
    """Where new files go: the enabled storage that an operator set up last, else the built-in folder; of those that the
    rules of residency allow.

    Args:
        workspace_id: whose files; None for those of the portal itself.

    Raises:
        Unavailable: no storage is enabled.
        ResidencyRefused: none of them may have files of this workspace.
    """
    enabled = list(BackendProfile.objects.enabled().of_kind("storage").order_by("managed", "-created_at"))
    clearance = clearance_for(workspace_id)
    chosen = next((profile for profile in enabled if clearance.refusal(profile) is None), None)
    if chosen is None and enabled and (refusal := clearance.refusal(enabled[0])):
        if workspace_id is None:
            raise refusal.error()  # a health check asks this all the time; the record is not for that
        refuse(refusal, backend=enabled[0].pk, workspace_id=workspace_id)
    if chosen is None:
        raise Unavailable(
            "No file storage is enabled.", remedy="An operator enables one in the console under Backends."
        )
    return chosen


def get_file(actor: Actor, file_id: uuid.UUID | str) -> StoredFile:
    """A file that the actor may read.

    Raises:
        NotFound: there is none, or it is in a workspace that the actor may not know.
        PermissionDenied: it is in the actor's workspace but not theirs to read.
    """
    file = _visible(actor).filter(pk=_key(file_id)).select_related("blob__profile").first()
    if file is None:
        raise NotFound("There is no such file.", remedy="It may have been removed.")
    require(actor, _capabilities(file.purpose)[0], workspace=file.workspace_id)
    return file


def _visible(actor: Actor) -> QuerySet[StoredFile]:
    return StoredFile.objects.filter(workspace__in=workspaces_of(actor))


def open_file(*, actor: Actor, file: StoredFile, version: int | None = None) -> BlobReader:
    """Read a file; permission is asked at every opening.

    Args:
        actor: needs the reading capability of the file's purpose.
        file: which.
        version: an older content; the newest when left out.

    Returns:
        a reader that raises `Unavailable` at the end when the checksum is wrong.

    Raises:
        NotFound: there is no such version.
    """
    require(actor, _capabilities(file.purpose)[0], workspace=file.workspace_id)
    return BlobReader(_blob(file, version))


def _blob(file: StoredFile, version: int | None) -> StoredBlob:
    if version is None:
        return StoredBlob.objects.select_related("profile").get(pk=file.blob_id)
    found = file.versions.filter(number=version).select_related("blob__profile").first()
    if found is None:
        raise NotFound(f"The file has no version {version}.", field="version")
    return found.blob


@contextlib.contextmanager
def local_copy(file: StoredFile) -> Iterator[Path]:
    """The file as a path on this machine, verified whole, for programs that need one; it goes away at the end.

    For the portal's own work on files that it was allowed to take in; it asks for no permission.

    Raises:
        Unavailable: the file is damaged or cannot be reached.
        StorageFull: the temporary folder has no space.
    """
    path = blobs.temporary_folder() / f"{uuid.uuid4().hex}{_suffix(file.name)}"
    try:
        blobs.copy_to(_blob(file, None), path)
        yield path
    finally:
        path.unlink(missing_ok=True)


def signed_link(*, actor: Actor, file: StoredFile, seconds: int = LINK_SECONDS) -> str:
    """A path that lets this person, signed in, download this file for a while.

    It is of no use to anybody else, and the permission is asked again when it is opened.
    """
    require(actor, _capabilities(file.purpose)[0], workspace=file.workspace_id)
    payload = {"file": str(file.pk), "user": str(actor.user_id or "")}
    return f"/files/{signing.sign(LINK_PURPOSE, payload, seconds=seconds)}"


def file_of_link(actor: Actor, token: str) -> StoredFile:
    """The file that a link leads to.

    Raises:
        InvalidInput: it was changed.
        PermissionDenied: it has expired, or the person may not read the file any more.
        NotFound: it was made for somebody else, or the file is gone.
    """
    payload = signing.unsign(LINK_PURPOSE, token)
    if payload.get("user") != str(actor.user_id or "") or actor.user_id is None:
        raise NotFound("This link is not yours.", remedy="Open the page that shows the file to get one of your own.")
    return get_file(actor, payload["file"])


def delete_file(*, actor: Actor, file: StoredFile) -> None:
    """Remove a file with its versions. Bytes that nobody else refers to are collected later."""
    _, write = _capabilities(file.purpose)
    require(actor, write, workspace=file.workspace_id)
    with transaction.atomic():
        record(actor, "file.deleted", obj=file, before={"purpose": file.purpose, "version": file.version})
        file.delete()


def readable(actor: Actor, file: StoredFile) -> bool:
    """Whether the actor may read a file, for lists."""
    return can(actor, _capabilities(file.purpose)[0], workspace=file.workspace_id)


def clean_name(name: str) -> str:
    """A name for showing: its last part, without control characters, at most 255 characters, ending kept.

    Args:
        name: as a browser or a program gave it, path and all.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    last = _UNSAFE.sub(" ", last).strip(" .") or "file"
    if len(last) <= 255:
        return last
    suffix = _suffix(last)
    return last[: 255 - len(suffix)] + suffix


def _suffix(name: str) -> str:
    suffix = Path(name).suffix
    return suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", suffix) else ""


def _guess(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _capabilities(purpose: str) -> tuple[str, str]:
    if purpose not in CAPABILITIES:
        raise InvalidInput(f"'{purpose}' is no purpose of files.", remedy=f"Use one of {', '.join(CAPABILITIES)}.")
    return CAPABILITIES[purpose]


def _key(file_id: uuid.UUID | str) -> uuid.UUID:
    try:
        return uuid.UUID(str(file_id))
    except ValueError:
        raise NotFound("There is no such file.") from None


__all__ = [
    "clean_name",
    "collect_garbage",
    "delete_file",
    "file_of_link",
    "get_file",
    "local_copy",
    "open_file",
    "put_file",
    "put_version",
    "readable",
    "signed_link",
]
