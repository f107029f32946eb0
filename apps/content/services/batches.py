"""Batches: a table is read, its rows are checked before anything is written, then it is started, stopped, run again."""

from __future__ import annotations

import io
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.backends.services.inspection import require_clean
from apps.content.markup.markdown import clean_text
from apps.content.models import Batch, BatchRow, ContentType, Source
from apps.content.parsing.rows import MAX_CELL, MAX_COLUMNS, MAX_ROWS, Row, Table, read_table
from apps.content.selectors.batches import get_batch
from apps.content.selectors.documents import as_uuid
from apps.content.selectors.organising import writing_settings
from apps.content.services.batch_values import (
    Reader,
    as_cell,
    check_fixed,
    check_mapping,
    guess_mapping,
    row_of,
    targets_of,
)
from apps.content.services.collections import parent_in
from apps.content.services.content_types import type_in
from apps.content.services.generation import stop
from apps.monitoring.services.usage import ensure_room
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_KEPT = 200
_PIECE = 500
_STATE = BatchRow.State
UNCHANGED: Any = object()


def create_batch(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    content_type_id: uuid.UUID | str,
    data: bytes,
    name: str,
    delimiter: str = "",
    collection_id: uuid.UUID | str | None = None,
    source_ids: Collection[uuid.UUID | str] | None = None,
) -> Batch:
    """Read a CSV for a template. Nothing is written yet: each row is checked and says what is wrong with it.

    Args:
        actor: who brings it.
        workspace: the workspace, its id or its slug.
        content_type_id: the template whose brief each row is.
        data: the file.
        name: of the file.
        delimiter: what parts the columns; told from the first row when empty.
        collection_id: where the documents go.
        source_ids: sources that may be quoted; None means all of the workspace, an empty list none.

    Raises:
        NotFound, PermissionDenied: workspace, template, collection or source are not the actor's.
        InvalidInput, TooLarge, UnsupportedType: the file is no table that can be used.
        Conflict: the template is switched off, or too many batches are kept.
    """
    room, found = _place(actor, workspace, content_type_id)
    require_clean(actor=actor, workspace=room, file=io.BytesIO(data))
    table = read_table(data, delimiter=delimiter)
    return _create(actor, room, found, table, {}, name, collection_id, source_ids)


def create_batch_of_rows(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    content_type_id: uuid.UUID | str,
    rows: Sequence[Mapping[str, Any]],
    name: str = "",
    collection_id: uuid.UUID | str | None = None,
    source_ids: Collection[uuid.UUID | str] | None = None,
) -> Batch:
    """The same from rows that name the fields of the brief themselves.

    Args:
        rows: 1 to 5,000, each field to value.

    Raises:
        As `create_batch`.
    """
    room, found = _place(actor, workspace, content_type_id)
    if not rows or len(rows) > MAX_ROWS:
        raise InvalidInput(f"These are {len(rows):,} rows.", field="rows", remedy=f"Send 1 to {MAX_ROWS:,}.")
    columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(f"These are {len(columns)} fields.", field="rows", remedy=f"Use at most {MAX_COLUMNS}.")
    known = {target.name for target in targets_of(found)}
    if unknown := next((column for column in columns if column not in known), None):
        raise InvalidInput(
            f"{unknown[:60]} is no field of the template.",
            field="rows",
            remedy=f"Known are: {', '.join(sorted(known))}.",
        )
    read = []
    for number, row in enumerate(rows, start=1):
        cells = [as_cell(row.get(column)) for column in columns]
        long = any(len(cell) > MAX_CELL for cell in cells)
        problem = f"A cell has more than {MAX_CELL:,} characters. Shorten it." if long else ""
        read.append(Row(number, [cell[:MAX_CELL] for cell in cells], problem))
    table = Table(columns=columns, rows=read, encoding="", delimiter="")
    same = {column: column for column in columns}
    return _create(actor, room, found, table, same, name or found.name, collection_id, source_ids)


def change_batch(
    *,
    actor: Actor,
    batch_id: uuid.UUID | str,
    name: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    collection_id: uuid.UUID | str | None = UNCHANGED,
    source_ids: Collection[uuid.UUID | str] | None = UNCHANGED,
) -> Batch:
    """Change what a batch will do, while it has not been started; its rows are checked anew.

    Args:
        actor: who changes it.
        batch_id: which.
        name: what it is called.
        mapping: field of the brief to the column that fills it.
        fixed: field to the value that is the same for all rows, where the row's own cell is empty or there is no column.
        collection_id: where the documents go; None: into the workspace's usual one.
        source_ids: sources that may be quoted; None means all of the workspace, an empty list none.

    Raises:
        NotFound, PermissionDenied: batch, collection or source are not the actor's.
        InvalidInput: a field, a column or a value is not known.
        Conflict: it was started already.
    """
    found = _writable(actor, batch_id)
    with transaction.atomic():
        batch = _locked(found)
        if batch.state != Batch.State.DRAFT:
            raise Conflict("The batch was started.", remedy="Bring the table again to write it in another way.")
        content_type = _template(actor, batch)
        if name is not None:
            batch.name = _name(name) or batch.name
        if mapping is not None:
            batch.mapping = check_mapping(content_type, batch.columns, mapping)
        if fixed is not None:
            batch.fixed = check_fixed(content_type, fixed)
        if collection_id is not UNCHANGED:
            batch.collection = parent_in(batch.workspace_id, collection_id)
        if source_ids is not UNCHANGED:
            batch.source_ids = _sources(batch.workspace, source_ids)
        rows = [row_of(row) for row in batch.rows.all()]
        batch.save()
        _write_rows(batch, content_type, rows)
        record(actor, "batch.changed", obj=batch)
    return batch


def start_batch(*, actor: Actor, batch_id: uuid.UUID | str, skip_bad: bool = False) -> Batch:
    """Have the rows written that are ready; also goes on with a batch that was stopped.

    Args:
        actor: who asks: the texts become theirs, their budget pays.
        batch_id: which.
        skip_bad: leave rows out that cannot be used.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to start.
        Conflict: it is running, rows cannot be used, or none is left to write.
        BudgetExceeded: the budget is used up.
    """
    with _about_to_write(actor, batch_id) as batch:
        bad = batch.rows.filter(state=_STATE.BAD).count()
        if bad and not skip_bad:
            raise Conflict(
                f"{bad} of {batch.rows.count()} rows cannot be used.",
                field="skip_bad",
                remedy="Correct them in the table and bring it again, or start without them.",
            )
        if not batch.rows.filter(state=_STATE.READY).update(state=_STATE.WAITING):
            raise Conflict("No row is left to write.", remedy="Run the failed again, or bring another table.")
        _run(actor, batch, "batch.started")
    return batch


def retry_batch(*, actor: Actor, batch_id: uuid.UUID | str) -> Batch:
    """Run the rows again that failed or were stopped. A text that was written and could only not become a document is
    taken over as it is: it is not written and not paid twice.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to start.
        Conflict: it is running, or no row has failed.
        BudgetExceeded: the budget is used up.
    """
    with _about_to_write(actor, batch_id) as batch:
        if not batch.rows.filter(state__in=BatchRow.AGAIN).update(state=_STATE.WAITING, error="", remedy=""):
            raise Conflict("No row has failed.", remedy="There is nothing to run again.")
        _run(actor, batch, "batch.retried")
    return batch


def stop_batch(*, actor: Actor, batch_id: uuid.UUID | str) -> Batch:
    """Stop: texts that are being written end where they are, rows in line become ready again. Quiet when it rests.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to stop.
    """
    found = _writable(actor, batch_id)
    with transaction.atomic():
        batch = _locked(found)
        if batch.state != Batch.State.RUNNING:
            return batch
        batch.rows.filter(state=_STATE.WAITING).update(state=_STATE.READY)
        for row in batch.rows.filter(state=_STATE.WRITING).select_related("generation"):
            if row.generation is not None and not row.generation.is_final:
                stop(actor, row.generation)
        batch.state = Batch.State.STOPPING
        batch.save()
        record(actor, "batch.stopped", obj=batch)
        enqueue("content.advance_batch", batch_id=str(batch.pk))
    return batch


def delete_batch(*, actor: Actor, batch_id: uuid.UUID | str) -> None:
    """Remove a batch with its table. The documents that it made stay.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to remove.
        Conflict: it is running.
    """
    found = _writable(actor, batch_id)
    with transaction.atomic():
        batch = _locked(found)
        _must_rest(batch)
        record(actor, "batch.deleted", obj=batch, before={"name": batch.name[:120]})
        batch.delete()


def reader_of(batch: Batch, content_type: ContentType) -> Reader:
    """What reads the rows of a batch as briefs."""
    return Reader(
        content_type=content_type,
        columns=batch.columns,
        mapping=batch.mapping,
        fixed=batch.fixed,
        language=writing_settings(batch.workspace).language,
    )


def _place(
    actor: Actor, workspace: Workspace | uuid.UUID | str, content_type_id: uuid.UUID | str
) -> tuple[Workspace, ContentType]:
    require(actor, "content.generate", workspace=workspace)
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    if Batch.objects.filter(workspace=room).count() >= MAX_KEPT:
        raise Conflict(f"The workspace keeps {MAX_KEPT} batches.", remedy="Remove old ones first; their texts stay.")
    return room, type_in(actor, room, content_type_id)


def _create(
    actor: Actor,
    room: Workspace,
    content_type: ContentType,
    table: Table,
    mapping: dict[str, str],
    name: str,
    collection_id: uuid.UUID | str | None,
    source_ids: Collection[uuid.UUID | str] | None,
) -> Batch:
    with transaction.atomic():
        batch = Batch.objects.create(
            workspace=room,
            requested_by=actor.user,
            token_id=actor.token_id,
            content_type=content_type,
            template_name=content_type.name,
            name=_name(name) or content_type.name,
            encoding=table.encoding,
            delimiter=table.delimiter,
            columns=table.columns,
            mapping=mapping or guess_mapping(content_type, table.columns),
            collection=parent_in(room.pk, collection_id),
            source_ids=_sources(room, source_ids),
        )
        _write_rows(batch, content_type, table.rows)
        record(actor, "batch.created", obj=batch, after={"rows": len(table.rows), "template": content_type.slug})
    return batch


def _write_rows(batch: Batch, content_type: ContentType, rows: Sequence[Row]) -> None:
    """The rows anew, each with what is wrong with it. Only of a batch that was never started: no text names them yet."""
    reader = reader_of(batch, content_type)
    batch.rows.all().delete()
    made = []
    for row in rows:
        problems = reader.problems(row)
        made.append(
            BatchRow(
                batch=batch,
                number=row.number,
                cells=[clean_text(cell) for cell in row.cells],
                unread=row.problem[:300],
                state=_STATE.BAD if problems else _STATE.READY,
                problems=problems,
            )
        )
    BatchRow.objects.bulk_create(made, batch_size=_PIECE)


def _run(actor: Actor, batch: Batch, action: str) -> None:
    batch.state, batch.failures = Batch.State.RUNNING, 0
    batch.requested_by, batch.token_id = actor.user, actor.token_id
    batch.error = batch.remedy = ""
    batch.started_at, batch.finished_at = batch.started_at or timezone.now(), None
    batch.save()
    waiting = batch.rows.filter(state=_STATE.WAITING).count()
    record(actor, action, obj=batch, after={"rows": waiting})
    enqueue("content.advance_batch", batch_id=str(batch.pk))


def _writable(actor: Actor, batch_id: uuid.UUID | str) -> Batch:
    found = get_batch(actor=actor, batch_id=batch_id)
    require(actor, "content.generate", workspace=found.workspace_id)
    require(actor, "content.write", workspace=found.workspace_id)
    return found


@contextmanager
def _about_to_write(actor: Actor, batch_id: uuid.UUID | str) -> Iterator[Batch]:
    """A batch that rests, has its template, and whose actor has budget left; locked for the time of the block."""
    found = _writable(actor, batch_id)
    ensure_room(workspace_id=found.workspace_id, user_id=actor.user_id, token_id=actor.token_id)
    with transaction.atomic():
        batch = _locked(found)
        _must_rest(batch)
        _template(actor, batch)
        yield batch


def _locked(found: Batch) -> Batch:
    batch = Batch.objects.select_for_update(of=("self",)).select_related("workspace").filter(pk=found.pk).first()
    if batch is None:
        raise NotFound("There is no such batch.", remedy="It may have been removed; look at the list.")
    return batch


def _template(actor: Actor, batch: Batch) -> ContentType:
    if batch.content_type_id is None:
        raise Conflict("The template of this batch was removed.", remedy="Bring the table again for another template.")
    return type_in(actor, batch.workspace, batch.content_type_id)


def _must_rest(batch: Batch) -> None:
    if batch.is_busy:
        raise Conflict("The batch is running.", remedy="Wait for it, or stop it first.")


def _sources(room: Workspace, source_ids: Collection[uuid.UUID | str] | None) -> list[str] | None:
    if source_ids is None:
        return None
    ids = {as_uuid(each) for each in source_ids}
    if Source.objects.filter(workspace=room, pk__in=ids).count() != len(ids):
        raise NotFound("One of the sources does not exist.", field="source_ids", remedy="Choose from your sources.")
    return sorted(str(each) for each in ids)


def _name(name: str) -> str:
    return " ".join(clean_text(name).split())[:300]
