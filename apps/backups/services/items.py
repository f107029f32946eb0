"""One workspace, document or file brought back: what a set has of it and the portal has not."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connections, models, transaction
from django.db.utils import load_backend
from django.utils.module_loading import import_string

from aiwriter.core import direct
from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.leases import LeasedJob
from apps.backends.models import StoredBlob, StoredFile
from apps.backends.services import blobs
from apps.backends.services.filestore import default_storage_profile
from apps.backups.models import Restore
from apps.backups.services import restoring, workspace_copies
from apps.backups.services.backups import scratch_folder
from apps.backups.services.contents import file_entry
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import told
from apps.backups.services.restoring import Placed, Target
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

Rows = dict[type[models.Model], dict[Any, models.Model]]
_PICTURE = re.compile(r"/pictures/([0-9a-f]{8}-[0-9a-f-]{27})")
_BATCH = 200


def as_key(subject: str) -> uuid.UUID:
    """The id of a workspace, a document or a file, as people copy it from an address.

    Raises:
        InvalidInput: there is no id in it.
    """
    found = re.search(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", subject.lower())
    if found is None:
        raise InvalidInput(
            "That is no id of a workspace, a document or a file.",
            field="subject",
            remedy="Copy it from the address of the page, it looks like 01890a5d-ac96-774b-bcce-b302099a8057.",
        )
    return uuid.UUID(found[0])


def bring_back(restore: Restore, reader: Any, progress: Progress) -> dict[str, Any]:
    """Put a workspace, a document or a file of a set back, under its own id, with everything that belongs to it.

    Returns:
        what was put back.

    Raises:
        NotFound: the set does not have it.
        Conflict: it is there, whole, or its workspace is gone.
    """
    model: Any = apps.get_model(settings.BACKUP_ITEMS[restore.scope])
    key = as_key(restore.subject)
    extra = reader.info.extra
    with scratch_folder(restore.pk) as scratch:
        target = restoring.restore_database(reader, extra, scratch, f"item_{restore.pk.hex[-8:]}", progress)
        try:
            bring_up_to_date(target, extra, scratch, progress)
            with opened(target) as alias:
                progress.phase("looking")
                root = model._base_manager.using(alias).filter(pk=key).first()
                if root is None:
                    raise NotFound(
                        "The set does not have it.", field="subject", remedy="Try an older or a younger set."
                    )
                rows = _belonging(root, alias)
                if restore.scope == Restore.Scope.COPY:
                    rows = workspace_copies.renamed(restore, root, rows)
                found = _put(restore, root, rows, reader, progress)
        finally:
            target.drop()
    progress.say(f"Put back: {found['rows']:,} rows and {found['files']:,} contents of files.")
    return found


def bring_up_to_date(target: Target, extra: Any, scratch: Path, progress: Progress) -> None:
    """Migrate the copy when it is older than this version of the portal, so that its rows fit the tables of today."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        present = {tuple(row) for row in cursor.fetchall()}
    there = {tuple(row) for row in target.rows("SELECT app, name FROM django_migrations")}
    if there != present:
        progress.phase("migrating")
        data_dir = scratch / "data"
        data_dir.mkdir(exist_ok=True, mode=0o700)
        restoring.in_child(target, data_dir, "migrate")


@contextlib.contextmanager
def opened(target: Target) -> Iterator[str]:
    """The restored database as a second database of the models, for the time of the block."""
    alias = f"restored-{uuid.uuid4().hex[:8]}"
    wanted = direct.beside(connections["default"].settings_dict)
    wanted["NAME"] = target.place
    wanted["CONN_MAX_AGE"] = 0
    # Known to this thread only: no other one, and no later check of all databases, ever meets it.
    connections[alias] = load_backend(wanted["ENGINE"]).DatabaseWrapper(wanted, alias)
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]


def _belonging(root: models.Model, alias: str) -> Rows:
    """The row, what would be deleted with it, and the files that these rows name."""
    found: Rows = {type(root): {root.pk: root}}
    waiting: list[models.Model] = [root]
    while waiting:
        batch, waiting = waiting, []
        by_model: dict[type[models.Model], list[models.Model]] = {}
        for row in batch:
            by_model.setdefault(type(row), []).append(row)
        for model, rows in by_model.items():
            fresh = [*_below(model, rows, alias), *_named(model, rows, alias)]
            for row in fresh:
                known = found.setdefault(type(row), {})
                if row.pk not in known:
                    known[row.pk] = row
                    waiting.append(row)
    return found


def _below(model: type[models.Model], rows: list[models.Model], alias: str) -> Iterator[models.Model]:
    """Rows that go when these go."""
    if model is StoredBlob:
        return
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and not relation.concrete and (relation.one_to_many or relation.one_to_one)):
            continue
        if relation.on_delete is not models.CASCADE:  # type: ignore[union-attr]
            continue
        other: Any = relation.related_model
        if other._meta.label in settings.BACKUP_ITEMS_LEFT:
            continue
        name = relation.field.name  # type: ignore[union-attr]
        for start in range(0, len(rows), _BATCH):
            yield from other._base_manager.using(alias).filter(**{f"{name}__in": rows[start : start + _BATCH]})


def _named(model: type[models.Model], rows: list[models.Model], alias: str) -> Iterator[models.Model]:
    """Files and contents that these rows refer to, by a key or as a picture in a text."""
    for field in model._meta.concrete_fields:
        if field.is_relation and field.related_model in (StoredFile, StoredBlob):
            wanted = {getattr(row, field.attname) for row in rows} - {None}
            if wanted:
                yield from field.related_model._base_manager.using(alias).filter(pk__in=wanted)
        elif isinstance(field, models.TextField):
            ids = {found for row in rows for found in _PICTURE.findall(getattr(row, field.attname) or "")}
            if ids:
                yield from StoredFile._base_manager.using(alias).filter(pk__in=ids)


def _put(restore: Restore, root: models.Model, rows: Rows, reader: Any, progress: Progress) -> dict[str, Any]:
    """Write what is missing, in one transaction; contents of files go first."""
    model: Any = type(root)
    workspaces: Any = apps.get_model("users.Workspace")
    workspace_id = root.pk if model is workspaces else getattr(root, "workspace_id", None)
    if workspace_id and model is not workspaces and not workspaces.objects.filter(pk=workspace_id).exists():
        raise Conflict("The workspace that it belonged to is gone.", remedy="Restore the database as a whole.")
    progress.phase("files")
    # A copy's contents go where those of the original may: its own rule is not there yet.
    whose = as_key(restore.subject) if restore.scope == Restore.Scope.COPY else workspace_id
    contents = _contents(rows.get(StoredBlob, {}).values(), reader, progress, whose)
    progress.phase("writing")
    written: dict[str, int] = {}
    with transaction.atomic():
        present = model._base_manager.filter(pk=root.pk).first()
        if present is not None and restore.scope == Restore.Scope.COPY:
            # Killed after it was written and before it was noted.
            return {"rows": 0, "files": 0, "workspace": str(root.pk), "tables": {}}
        for each in _ordered(rows):
            if each is StoredBlob:
                continue
            written[each._meta.label] = _insert(each, rows[each], rows, contents)
        revived = _revive(present) + _revive_below(rows)
        if restore.scope == Restore.Scope.COPY:
            for path in settings.AFTER_COPY:
                import_string(path)(workspace_id=root.pk)
        if written.get("content.SourceChunk"):
            # Passages came back that no vector index has.
            for path in settings.AFTER_RESTORE:
                import_string(path)()
        count = sum(written.values())
        if present is not None and not revived and not count and not contents.changed:
            raise Conflict(
                "It is there, and nothing of it is missing.", remedy="Open it; older texts are its versions."
            )
        record(
            Actor.system_actor("restore"),
            "backup.restored",
            obj=restore,
            workspace=workspace_id,
            after={"scope": restore.scope, "subject": restore.subject, "rows": count, "set": restore.set_name},
        )
    made = {"workspace": str(root.pk)} if restore.scope == Restore.Scope.COPY else {}
    return {**made, "rows": count, "files": contents.changed, "tables": {k: v for k, v in sorted(written.items()) if v}}


def _revive(present: Any) -> bool:
    """Take it out of the bin."""
    if present is None or getattr(present, "deleted_at", None) is None:
        return False
    type(present)._base_manager.filter(pk=present.pk).update(deleted_at=None)
    return True


def _revive_below(rows: Rows) -> int:
    """Take out of the bin what was not in it when the set was made."""
    revived = 0
    for model, found in rows.items():
        ids = [key for key, row in found.items() if getattr(row, "deleted_at", row) is None]
        for start in range(0, len(ids), _BATCH):
            binned = model._base_manager.filter(pk__in=ids[start : start + _BATCH], deleted_at__isnull=False)
            revived += binned.update(deleted_at=None)
    return revived


class _Contents:
    """Where the contents of a set stand in the portal now: by the blob's id in the set."""

    def __init__(self) -> None:
        self.present: dict[Any, Any] = {}
        self.changed = 0


def _contents(wanted: Iterable[Any], reader: Any, progress: Progress, workspace_id: uuid.UUID | None) -> _Contents:
    """Make sure that the portal has these contents, each once."""
    found = _Contents()
    for blob in wanted:
        progress.check()
        there = (
            StoredBlob.objects.filter(sha256=blob.sha256, profile_id=blob.profile_id).select_related("profile").first()
        )
        if there is None:
            there = StoredBlob.objects.filter(sha256=blob.sha256).select_related("profile").first()
        if there is not None and there.damaged_at is None and _stands(there):
            found.present[blob.pk] = there.pk
            continue
        with told():
            content = reader.open(file_entry(blob.sha256))
        found.present[blob.pk] = _store(blob, there, content, workspace_id)
        found.changed += 1
    return found


def _stands(blob: StoredBlob) -> bool:
    """Whether the bytes of a blob are in its storage."""
    try:
        return blobs.exists(blob)
    except AppError:
        return False


def _store(
    blob: Any, there: StoredBlob | None, content: AbstractContextManager[BinaryIO], workspace_id: uuid.UUID | None
) -> Any:
    """Put a content of the set into the storage that is used now for this workspace, and name it by a row."""
    profile = there.profile if there is not None and there.profile.enabled else default_storage_profile(workspace_id)
    place = blobs.open_storage(profile)
    with (
        told(),
        content as stream,
        blobs.received(stream, limit=int(blob.size) + 1) as incoming,
    ):
        if incoming.sha256 != blob.sha256:
            raise Conflict("A content of the set is not what its name says.", remedy="Use another set.")
        saved = blobs.save(place, incoming)
    if there is not None:
        StoredBlob.objects.filter(pk=there.pk).update(
            storage_name=saved.storage_name,
            profile=profile,
            encrypted=saved.encrypted,
            key_id=saved.key_id,
            damaged_at=None,
            condemned_at=None,
        )
        return there.pk
    saved.save(force_insert=True)
    return saved.pk


def _ordered(rows: Rows) -> list[type[models.Model]]:
    """Tables, those that others refer to first, as far as that is possible."""
    left, done = set(rows), list[type[models.Model]]()
    while left:
        free = [
            model
            for model in left
            if not any(
                field.related_model in left and field.related_model is not model and not field.null
                for field in model._meta.concrete_fields
                if field.is_relation
            )
        ] or [next(iter(left))]
        for model in sorted(free, key=lambda each: each._meta.label):
            done.append(model)
            left.discard(model)
    return done


def _insert(model: Any, rows: dict[Any, Any], all_rows: Rows, contents: _Contents) -> int:
    """Insert the rows that are missing; a reference to what is not there becomes empty, or the row stays away."""
    # Rows that the database counts anew in a copy have no key yet.
    keys, there = [key for key, row in rows.items() if row.pk is not None], set[Any]()
    for start in range(0, len(keys), _BATCH):
        there |= set(model._base_manager.filter(pk__in=keys[start : start + _BATCH]).values_list("pk", flat=True))
    count = 0
    for key in list(rows):
        if key in there:
            continue
        if _inserted(rows[key], all_rows, contents):
            count += 1
        else:
            # What refers to it must not take it for one that is there.
            del rows[key]
    return count


def _inserted(row: Any, all_rows: Rows, contents: _Contents) -> bool:
    # A job that waited or ran at that time is not started a second time.
    if isinstance(row, LeasedJob) and row.state in (*row.WAITING_STATES, *row.HELD_STATES):
        return False
    if not _mended(row, all_rows, contents):
        return False
    row._state.db = None
    row._state.adding = True
    try:
        # Raw: times of making and changing stay what they were.
        with transaction.atomic():
            row.save_base(raw=True, force_insert=True, using="default")
    except IntegrityError:
        # Its name, or its place in a list, has been taken since then.
        return False
    return True


def _mended(row: Any, all_rows: Rows, contents: _Contents) -> bool:
    for field in row._meta.concrete_fields:
        if not field.is_relation:
            continue
        value = getattr(row, field.attname)
        if value is None:
            continue
        if field.related_model is StoredBlob:
            value = contents.present.get(value)
            setattr(row, field.attname, value)
        elif value in all_rows.get(field.related_model, {}):
            continue
        if value is not None and field.related_model._base_manager.filter(pk=value).exists():
            continue
        if not field.null:
            return False
        setattr(row, field.attname, None)
    return True


def fill_storages(reader: Any, progress: Progress) -> Placed:
    """Put back every content that the portal's database names and a storage does not have.

    Contents that are there are left as they are: they never change.
    """
    placed = Placed()
    there = {entry.path for entry in reader.entries("files/")}
    rows = StoredBlob.objects.select_related("profile").order_by("pk")
    total, done = rows.count(), 0
    progress.phase("looking", total)
    wanted: dict[str, list[Any]] = {}
    for blob in rows.iterator(chunk_size=500):
        done += 1
        placed.count += 1
        progress.progress("looking", done, total)
        progress.check()
        if blob.damaged_at is None and _stands(blob):
            continue
        if file_entry(blob.sha256) in there:
            wanted.setdefault(file_entry(blob.sha256), []).append(blob.pk)
        else:
            placed.missing += 1
    progress.phase("files", len(wanted))
    with told(), contextlib.closing(reader.each(wanted)) as streams:
        for name, stream in streams:
            for number, key in enumerate(wanted[name]):
                blob = rows.get(pk=key)
                # A content can lie in two storages.
                _store(blob, blob, reader.open(name) if number else contextlib.nullcontext(stream), None)
                placed.written += 1
            progress.progress("files", placed.written, len(wanted))
            progress.check()
    return placed


__all__ = ["as_key", "bring_back", "bring_up_to_date", "fill_storages", "opened"]
