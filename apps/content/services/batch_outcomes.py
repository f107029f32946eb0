"""What a batch is likely to cost, and what became of it as a table."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from aiwriter.core.errors import InvalidInput
from apps.content.models import Batch, BatchRow, ContentType
from apps.content.selectors.batches import get_batch, rows_of
from apps.content.services.batch_values import targets_of
from apps.content.services.batches import reader_of
from apps.content.services.estimating import WishEstimate, estimate_wishes
from apps.users.selectors.access import Actor, require

# Rows that are looked at for an estimate, evenly through the table.
SAMPLE = 30
# Names that no field of a template has: the table can be brought again.
ADDED = tuple(f"outcome {name}" for name in ("row", "state", "problem", "remedy", "document", "address", "words"))
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What the rows that are ready are likely to use together.

    Args:
        rows: how many there are.
        sampled: so many were looked at.
        wish: the sum.
    """

    rows: int
    sampled: int
    wish: WishEstimate


def estimate_batch(*, actor: Actor, batch_id: uuid.UUID | str) -> BatchEstimate | None:
    """What starting a batch is likely to use and to cost. Calls nobody, books nothing.

    Returns:
        None when no row is ready.

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's.
    """
    batch = get_batch(actor=actor, batch_id=batch_id)
    require(actor, "content.generate", workspace=batch.workspace_id)
    ready = batch.rows.filter(state=BatchRow.State.READY).order_by("number")
    ids = list(ready.values_list("pk", flat=True))
    if not ids or batch.content_type is None:
        return None
    chosen = ids[:: max(1, -(-len(ids) // SAMPLE))]
    reader = reader_of(batch, batch.content_type)
    briefs = []
    for cells in ready.filter(pk__in=chosen).values_list("cells", flat=True):
        try:
            briefs.append(reader.brief(cells))
        except InvalidInput:
            continue  # the template has changed since; the start tells it
    if not briefs:
        return None
    wish = estimate_wishes(
        actor=actor,
        workspace=batch.workspace,
        kind=batch.content_type.writes,
        briefs=briefs,
        count=len(ids),
        source_ids=batch.source_ids,
    )
    return BatchEstimate(rows=len(ids), sampled=len(briefs), wish=wish)


def outcome_csv(*, actor: Actor, batch_id: uuid.UUID | str, state: str = "", base: str = "") -> Iterator[str]:
    """The table with what became of each row, as pieces of a CSV. It can be corrected and brought again.

    Args:
        actor: who reads.
        batch_id: which batch.
        state: only rows of this state; "again" for all that can be corrected: bad, failed and stopped ones.
        base: what is put before the path of a document, "https://portal.example".

    Raises:
        NotFound, PermissionDenied: the batch is not the actor's to read.
        InvalidInput: there is no such state.
    """
    batch = get_batch(actor=actor, batch_id=batch_id)
    rows = rows_of(actor=actor, batch_id=batch_id, state="" if state == "again" else state)
    if state == "again":
        rows = rows.filter(state__in=(BatchRow.State.BAD, *BatchRow.AGAIN))
    return _lines(batch, rows.iterator(500), base)


def empty_table(content_type: ContentType) -> str:
    """A CSV with the columns of a template and, where the template gives examples, a row that shows how to fill it."""
    targets = targets_of(content_type)
    example = [str((target.schema.get("examples") or [""])[0]) for target in targets]
    return "\ufeff" + _written([[target.title for target in targets], *([example] if any(example) else [])])


def _lines(batch: Batch, rows: Iterator[BatchRow], base: str) -> Iterator[str]:
    # The mark tells spreadsheets that it is UTF-8.
    yield "\ufeff" + _written([[*batch.columns, *ADDED]])
    for row in rows:
        found = row.document
        said = [(each["issue"], each["remedy"]) for each in row.problems] or [(row.error, row.remedy)]
        cells = [*row.cells, "", *[""] * len(batch.columns)][: len(batch.columns)]
        more = [
            row.number,
            row.state,
            " ".join(issue for issue, _ in said if issue),
            " ".join(dict.fromkeys(remedy for _, remedy in said if remedy)),
            found.title if found else "",
            f"{base}/documents/{found.pk}/" if found and found.deleted_at is None else "",
            found.word_count if found else "",
        ]
        yield _written([[*cells, *more]])


def _written(rows: list[list[object]] | list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    """A spreadsheet takes a text that begins like this for a formula; `read_table` takes the mark off again."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
