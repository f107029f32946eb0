"""Reading batches: the tables, what became of their rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from aiwriter.core.errors import InvalidInput, NotFound
from apps.content.models import Batch, BatchRow
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of

_STATE = BatchRow.State


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rows of a batch are how far."""

    bad: int = 0
    ready: int = 0
    waiting: int = 0
    writing: int = 0
    done: int = 0
    failed: int = 0
    stopped: int = 0

    @property
    def total(self) -> int:
        """All rows."""
        return self.bad + self.ready + self.waiting + self.writing + self.done + self.failed + self.stopped

    @property
    def usable(self) -> int:
        """Rows that can become texts."""
        return self.total - self.bad

    @property
    def ended(self) -> int:
        """Rows that were tried and have ended."""
        return self.done + self.failed + self.stopped

    @property
    def again(self) -> int:
        """Rows that can be run again."""
        return self.failed + self.stopped

    @property
    def percent(self) -> int:
        """Of the usable rows, those that have ended."""
        return self.ended * 100 // self.usable if self.usable else 0


def batches_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Batch]:
    """Batches of the actor's workspaces.

    Raises:
        PermissionDenied: the actor reads nowhere, or not there.
    """
    require(actor, "content.read", workspace=workspace)
    rows = Batch.objects.filter(workspace__in=workspaces_of(actor)).select_related("requested_by")
    return rows.filter(workspace=workspace) if workspace else rows


def get_batch(*, actor: Actor, batch_id: uuid.UUID | str) -> Batch:
    """One batch.

    Raises:
        NotFound: there is none, or it is another workspace's.
        PermissionDenied: known, but not allowed.
    """
    rows = Batch.objects.filter(pk=as_uuid(batch_id), workspace__in=workspaces_of(actor))
    found = rows.select_related("workspace", "content_type", "collection", "requested_by").first()
    if found is None:
        raise NotFound("There is no such batch.", remedy="It may have been removed; look at the list.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def rows_of(*, actor: Actor, batch_id: uuid.UUID | str, state: str = "") -> QuerySet[BatchRow]:
    """Rows of a batch in the order of the table.

    Args:
        actor: who reads.
        batch_id: of which batch.
        state: only those; one of `BatchRow.State`.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to read.
        InvalidInput: there is no such state.
    """
    batch = get_batch(actor=actor, batch_id=batch_id)
    if state and state not in _STATE.values:
        raise InvalidInput(f"“{state[:20]}” is no state.", field="state", remedy=f"Use {', '.join(_STATE.values)}.")
    rows = BatchRow.objects.filter(batch=batch).select_related("document")
    return rows.filter(state=state) if state else rows


def progress_of(batches: Iterable[Batch]) -> Mapping[uuid.UUID, Progress]:
    """How far batches are, in one query."""
    ids = [batch.pk for batch in batches]
    counted = BatchRow.objects.filter(batch__in=ids).order_by().values_list("batch", "state").annotate(n=Count("pk"))
    found: dict[uuid.UUID, dict[str, int]] = {pk: {} for pk in ids}
    for pk, state, n in counted:
        found[pk][state] = n
    return {pk: Progress(**numbers) for pk, numbers in found.items()}
