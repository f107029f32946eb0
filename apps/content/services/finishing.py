"""The end of a generation: citations checked, usage counted, the row made final in one transaction with its last events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from aiwriter.core.errors import AppError
from aiwriter.core.queue import enqueue
from aiwriter.core.threads import in_thread
from apps.backends.models import ModelCall
from apps.content.markup.markdown import word_count
from apps.content.models import Citation, Generation, GenerationPassage
from apps.content.services import citing, suggestions
from apps.content.services.applying import apply_text
from apps.content.services.claims import Claim
from apps.content.services.deliveries import emit
from apps.content.services.events import Held, writer
from apps.users.selectors.access import Actor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a generation ends.

    Args:
        state: "succeeded", "stopped" or "failed".
        reason: why the text ends: the model's "stop", "length" or "filter", or "stopped" or "failed".
        error: what went wrong.
    """

    state: str
    reason: str
    error: AppError | None = None


def subject_of(claim: Claim) -> str:
    """What model calls for this generation are booked under."""
    return f"generation:{claim.row.pk}"


async def finish(claim: Claim, held: Held, passages: Sequence[GenerationPassage], ending: Ending) -> None:
    """End a generation. What was written is kept, however it ended.

    Raises:
        Lost: another worker has it.
    """
    text = tidy(claim.row.kind, claim.written)
    if text != claim.written:
        writer.event(held, "text", {"text": text})
    citations = await in_thread(citing.check, text, passages)
    for citation in citations:
        writer.event(held, "citation", citing.as_event(citation))
    if usage := await in_thread(_usage, claim):
        writer.event(held, "usage", usage)
    if ending.state == Generation.State.SUCCEEDED and claim.row.input.get("apply"):
        writer.event(held, "applied", await in_thread(_apply, claim, text))
    if claim.row.kind == Generation.Kind.REWRITE:
        succeeded = ending.state == Generation.State.SUCCEEDED
        await in_thread(suggestions.complete, claim.row.pk, text=text, succeeded=succeeded)
    error = ending.error
    if error is not None:
        writer.event(held, "error", {"code": error.code, "message": error.message, "remedy": error.remedy})
    done = {"state": ending.state, "finish_reason": ending.reason, "words": word_count(text), "length": len(text)}
    writer.event(held, "done", done)

    def close() -> None:
        row = Generation.objects.held(claim.row.pk, fence=claim.fence)
        ended = row.update(
            state=ending.state,
            finish_reason=ending.reason,
            output_markdown=text,
            partial_length=len(text),
            models_used=claim.spans,
            error_code=error.code if error else "",
            error=error.message if error else "",
            remedy=error.remedy if error else "",
            lease_until=None,
            finished_at=timezone.now(),
        )
        if ended:
            facts = {"generation_id": str(claim.row.pk), "kind": claim.row.kind, "state": ending.state}
            facts["document_id"] = str(claim.row.document_id) if claim.row.document_id else ""
            emit(claim.row.workspace_id, "generation.finished", facts)
            wake_follower(claim.row)
        # Citations have fresh ids each time this runs, so a repeated transaction adds none twice.
        Citation.objects.filter(generation_id=claim.row.pk, version=None).delete()
        for citation in citations:
            citation.generation_id = claim.row.pk
        Citation.objects.bulk_create(citations)

    await asyncio.wrap_future(writer.commit(held, close, last=True))


def wake_follower(row: Generation) -> None:
    """Tell whoever waits for this generation that it has ended; a sweeper tells it again if the message is lost."""
    with_what = row.input.get("follow_with") or ({"document_id": str(row.document_id)} if row.document_id else {})
    if row.input.get("follow") and with_what:
        enqueue(row.input["follow"], **with_what)


def tidy(kind: str, text: str) -> str:
    """The text as it is kept: a title is one line without quotation marks and heading marks."""
    if kind != Generation.Kind.TITLE:
        return text
    line = next((line for line in text.strip().splitlines() if line.strip()), "")
    return line.strip().lstrip("#").strip().strip('"“”*').strip()[:300]


def _usage(claim: Claim) -> dict[str, Any]:
    """What all attempts together used; the cost is None as soon as one price is not known."""
    calls = ModelCall.objects.of_subject(subject_of(claim))
    rows = list(calls.values_list("model", "currency", "input_tokens", "output_tokens", "cost"))
    if not rows:
        return {}
    models, currencies, inputs, outputs, costs = zip(*rows, strict=True)
    cost: Decimal | None = None if None in costs else sum(costs, Decimal(0))
    return {
        "model": models[-1],
        "input_tokens": sum(inputs),
        "output_tokens": sum(outputs),
        "cost": None if cost is None else str(cost.normalize()) if cost else "0",
        "currency": currencies[-1],
    }


def _apply(claim: Claim, text: str) -> dict[str, Any]:
    """Take the text over into the document, as the person who asked for it; a refusal is told, not raised."""
    row = claim.row
    if row.requested_by is None:
        return {"error": "The account that asked for it is gone."}
    try:
        document = apply_text(actor=Actor.for_user(row.requested_by), generation=row, text=text)
    except AppError as error:
        return {"error": error.message, "remedy": error.remedy}
    version = document.current_version
    return {
        "document_id": str(document.pk),
        "version": version.number if version else None,
        "revision": document.revision,
    }
