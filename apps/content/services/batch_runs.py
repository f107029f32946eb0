"""Writing a batch: a few rows at a time, each asked for once, until none is left or nothing helps."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from aiwriter.core.errors import AppError, InvalidInput
from aiwriter.core.queue import enqueue
from apps.content.models import Batch, BatchRow, Generation
from apps.content.selectors.batches import progress_of
from apps.content.services.applying import apply_generation
from apps.content.services.batches import reader_of
from apps.content.services.content_types import start_from_type
from apps.content.services.deliveries import emit
from apps.users.models import ApiToken
from apps.users.selectors.access import Actor
from apps.users.services.notifications import notify

# Texts of one batch at a time: others use the workers too, and a stop ends no more than these.
AT_ONCE = 5
# So many in a row have another reason than their rows.
MAX_FAILURES = 10
PATIENCE = dt.timedelta(seconds=10)
_STATE = BatchRow.State


def advance_batch(batch_id: uuid.UUID | str) -> None:
    """Note what has ended and ask for the next rows. Safe to call at any time, any number of times.

    One transaction: the rows and the generations that were asked for are kept together or not at all.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update(of=("self",)).select_related("workspace").filter(pk=batch_id).first()
        if batch is None or not batch.is_busy:
            return
        writing = list(batch.rows.filter(state=_STATE.WRITING).select_related("generation__applied_version"))
        ended = [row for row in writing if row.generation is None or row.generation.is_final]
        for row in sorted(ended, key=_ended_at):
            _settle(batch, row)
        if batch.state == Batch.State.RUNNING:
            _feed(batch, AT_ONCE - (len(writing) - len(ended)))
        states = set(batch.rows.filter(state__in=(_STATE.WAITING, _STATE.WRITING)).values_list("state", flat=True))
        if not states:
            _end(batch)
        elif _STATE.WRITING not in states:
            # Every row of this step was done or refused at once: nobody else will wake the next one.
            enqueue("content.advance_batch", batch_id=str(batch.pk))
        batch.save()


def sweep_batches(limit: int = 50, *, patience: dt.timedelta = PATIENCE) -> int:
    """Wake batches whose message was lost.

    Returns:
        how many.
    """
    due = Batch.objects.filter(state__in=Batch.BUSY, updated_at__lte=timezone.now() - patience)
    ids = list(due.order_by("updated_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.advance_batch", batch_id=str(each))
    return len(ids)


def _feed(batch: Batch, room: int) -> None:
    """Ask for rows until so many are being written."""
    waiting = batch.rows.filter(state=_STATE.WAITING).select_related("generation__applied_version")
    if batch.failures >= MAX_FAILURES and waiting.exists():
        _halt(
            batch,
            gettext("%(n)s rows in a row failed.") % {"n": batch.failures},
            gettext("Look at what they say, mend it, and run the failed again."),
        )
        return
    for row in waiting[: max(0, room)]:
        try:
            _ask(batch, row)
        except InvalidInput as error:
            # The template was changed since the rows were checked.
            _fail(batch, row, _STATE.FAILED, error.message, error.remedy)
        except AppError as error:
            # What stopped this one, a budget or a permission, stops the next one too.
            _halt(batch, error.message, error.remedy)
            return


def _ask(batch: Batch, row: BatchRow) -> None:
    """Have a row written, or take over what was written for it already."""
    actor = _asker(batch)
    before = row.generation
    if before is not None and before.applied_version is not None:
        _done(batch, row, before.applied_version.document_id)
        return
    if before is not None and before.state == Generation.State.SUCCEEDED and before.output_markdown.strip():
        try:
            document = apply_generation(actor=actor, generation_id=before.pk)
        except AppError as error:
            _fail(batch, row, _STATE.FAILED, error.message, error.remedy)
        else:
            _done(batch, row, document.pk)
        return
    if before is not None:
        row.attempt += 1
    if batch.content_type is None:
        raise AppError(
            gettext("The template of this batch was removed."), remedy=gettext("Bring the table for another one.")
        )
    row.generation = start_from_type(
        actor=actor,
        workspace=batch.workspace,
        content_type_id=batch.content_type.pk,
        values=reader_of(batch, batch.content_type).values(row.cells),
        source_ids=batch.source_ids,
        idempotency_key=f"batch-row:{row.pk}:{row.attempt}",
        collection_id=batch.collection_id,
        follow="content.advance_batch",
        follow_with={"batch_id": str(batch.pk)},
    )
    row.state = _STATE.WRITING
    row.save(update_fields=["state", "generation", "attempt"])


def _settle(batch: Batch, row: BatchRow) -> None:
    """A row whose generation has ended."""
    found = row.generation
    if found is not None and found.applied_version is not None:
        _done(batch, row, found.applied_version.document_id)
    elif found is None:
        _fail(batch, row, _STATE.FAILED, gettext("The text was removed."), gettext("Run it again."))
    elif found.state == Generation.State.STOPPED:
        _fail(batch, row, _STATE.STOPPED, gettext("It was stopped."), gettext("Run it again."))
    elif found.state == Generation.State.FAILED:
        _fail(batch, row, _STATE.FAILED, found.error, found.remedy)
    else:
        said = found.events.filter(type="applied").values_list("data", flat=True).first() or {}
        why = said.get("error") or gettext("The text is written, but could not become a document.")
        _fail(batch, row, _STATE.FAILED, why, gettext("Run it again: the text is kept, and is not paid twice."))


def _done(batch: Batch, row: BatchRow, document_id: uuid.UUID) -> None:
    row.state, row.document_id, row.error, row.remedy = _STATE.DONE, document_id, "", ""
    row.save(update_fields=["state", "document", "error", "remedy"])
    batch.failures = 0


def _fail(batch: Batch, row: BatchRow, state: str, error: str, remedy: str) -> None:
    row.state, row.error, row.remedy = state, error, remedy
    row.save(update_fields=["state", "error", "remedy"])
    if state == _STATE.FAILED:
        batch.failures += 1


def _halt(batch: Batch, error: str, remedy: str) -> None:
    """Stop asking for more; what is being written goes on to its end."""
    batch.rows.filter(state=_STATE.WAITING).update(state=_STATE.READY)
    batch.state, batch.error, batch.remedy = Batch.State.STOPPING, error, remedy


def _end(batch: Batch) -> None:
    batch.state = Batch.State.DONE if batch.state == Batch.State.RUNNING else Batch.State.STOPPED
    batch.finished_at = timezone.now()
    progress = progress_of([batch])[batch.pk]
    facts = {"batch_id": str(batch.pk), "state": batch.state, "done": progress.done, "failed": progress.failed}
    emit(batch.workspace_id, "batch.finished", facts)
    if batch.requested_by is None:
        return
    said = ngettext("“%(name)s”: %(n)s text is written", "“%(name)s”: %(n)s texts are written", progress.done)
    title = said % {"name": batch.name[:120], "n": progress.done}
    if progress.failed:
        title += gettext(", %(n)s failed") % {"n": progress.failed}
    link = reverse("content:batch", args=[batch.pk])
    notify(batch.requested_by, "batch.finished", title, f"{batch.error} {batch.remedy}".strip(), link)


def _asker(batch: Batch) -> Actor:
    """Who started it, with the token that they used: its budget pays for every row."""
    if batch.requested_by is None:
        raise AppError(
            gettext("The account that started it is gone."), remedy=gettext("Somebody else can go on with it.")
        )
    token = ApiToken.objects.filter(pk=batch.token_id).first() if batch.token_id else None
    return Actor(user=batch.requested_by, token=token)


def _ended_at(row: BatchRow) -> dt.datetime:
    found = row.generation
    return (found.finished_at if found else None) or timezone.now()
