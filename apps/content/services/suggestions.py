"""Suggestions: proposed by a model or a program, decided by a person, change by change.

Nothing touches the document before somebody accepts. Places are looked up anew each time, because people go on typing;
a change whose place is gone is called stale and never put somewhere else.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.content.markup import anchors
from apps.content.markup.hunks import Hunk, apply, hunks, reworded
from apps.content.markup.markdown import clean_text
from apps.content.models import Document, Suggestion
from apps.content.selectors.documents import get_document
from apps.content.selectors.suggestions import get_suggestion
from apps.content.services.documents import MAX_BODY, lock_document, save_document
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

MAX_EDITS = 200
State = Suggestion.State


# ---------------------------------------------------------------- proposing
def suggest_edits(
    *, actor: Actor, document_id: uuid.UUID | str, edits: Sequence[Mapping[str, Any]], label: str = ""
) -> Suggestion:
    """Propose changes of passages.

    Args:
        actor: who proposes.
        document_id: the document.
        edits: each `{"quote", "replacement", "occurrence", "explanation"}`. The quote stands in the document's Markdown
            word for word; where it stands more than once, `occurrence` counts from 0. An empty quote adds at the end.
        label: what it is about, at most 120 characters.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: a quote is not there, or two passages overlap; the field names the edit.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.suggest", workspace=document.workspace_id)
    if not 0 < len(edits) <= MAX_EDITS:
        raise InvalidInput(f"{len(edits)} edits.", field="edits", remedy=f"Send 1 to {MAX_EDITS}.")
    body = document.body_markdown
    taken: list[tuple[int, int]] = []
    changes: list[tuple[Hunk, str]] = []
    for number, edit in enumerate(edits):
        quote, replacement = str(edit.get("quote", "")), clean_text(str(edit.get("replacement", "")))
        start, quote = place_of(body, quote, int(edit.get("occurrence") or 0), f"edits.{number}.quote")
        end = start + len(quote)
        if any(start < other_end and other_start < end for other_start, other_end in taken):
            raise InvalidInput(
                "The passage overlaps another one of this request.",
                field=f"edits.{number}.quote",
                remedy="Make one edit of both.",
            )
        taken.append((start, end))
        if not quote and body.strip():
            replacement = f"\n\n{replacement.strip()}" if not body.endswith("\n") else f"\n{replacement.strip()}\n"
        found = reworded(quote, replacement)
        explanation = str(edit.get("explanation") or "")[:500]
        changes += [(Hunk(start + hunk.start, hunk.before, hunk.after), explanation) for hunk in found]
    return _propose(actor, document, changes, label=label)


def suggest_text(*, actor: Actor, document_id: uuid.UUID | str, body_markdown: str, label: str = "") -> Suggestion:
    """Propose a whole new text; what differs becomes the changes.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: it is too long, or nothing differs.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.suggest", workspace=document.workspace_id)
    if len(body_markdown) > MAX_BODY:
        raise InvalidInput(
            "The text is too long.", field="body_markdown", remedy=f"Use at most {MAX_BODY:,} characters."
        )
    found = hunks(document.body_markdown, clean_text(body_markdown))
    return _propose(actor, document, [(hunk, "") for hunk in found], label=label)


def complete(generation_id: uuid.UUID, *, text: str, succeeded: bool) -> None:
    """Turn the text of a rewrite into changes; for the worker, before the generation is made final.

    Idempotent: a worker that takes the generation over after another one died may call it again, as long as nobody has
    decided anything. A text that was stopped or that failed is kept, but is no change: it would cut the passage short.
    """
    with transaction.atomic():
        row = Suggestion.objects.select_for_update(of=("self",)).filter(generation_id=generation_id).first()
        if row is None or any(op["state"] != "open" for op in row.ops):
            return
        text = text.strip("\n")
        row.replacement = {"before": f"{text}\n\n{row.quote.strip()}", "after": f"{row.quote.rstrip()}\n\n{text}"}.get(
            row.placement, text
        )
        row.replacement += row.quote[len(row.quote.rstrip("\n")) :]
        body = row.document.body_markdown
        start = row.start
        if body[start : start + len(row.quote)] != row.quote:
            start = body.find(row.quote)
        # Not there any more: the places are looked up again when somebody decides, by the words around them.
        around = body if start >= 0 else row.quote
        start = max(0, start)
        found = reworded(row.quote, row.replacement) if succeeded and text else []
        row.ops = _ops(around, [(Hunk(start + hunk.start, hunk.before, hunk.after), "") for hunk in found])
        row.start = start
        row.state = State.OPEN if row.ops else State.DECIDED if succeeded and text else State.FAILED
        row.save()


# ---------------------------------------------------------------- deciding
def accept(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    suggestion_id: uuid.UUID | str,
    op_ids: Collection[str] | None = None,
    revision: int | None = None,
) -> tuple[Suggestion, Document]:
    """Put changes into the document, as one version.

    Args:
        actor: who decides.
        document_id: the document.
        suggestion_id: the suggestion.
        op_ids: which changes; None for all that are open.
        revision: the document's revision that the actor has seen; None takes it as it is.

    Returns:
        the suggestion, with what became stale marked, and the document as it is now.

    Raises:
        NotFound, PermissionDenied: they are not the actor's.
        StaleRevision: somebody else saved in between.
        Conflict: it is still being written, a change was decided before, or no place of any is left.
    """
    found = get_suggestion(actor=actor, document_id=document_id, suggestion_id=suggestion_id)
    require(actor, "content.write", workspace=found.document.workspace_id)
    with transaction.atomic():
        document = lock_document(found.document_id, revision)
        row = _lock(found)
        chosen = _chosen(row, op_ids)
        body = document.body_markdown
        places = {op["id"]: _find(body, op) for op in row.ops if op["state"] == "open"}
        lost = [op for op in row.ops if op["state"] == "open" and places[op["id"]] is None]
        for op in lost:
            op["state"] = "stale"
        usable = [op for op in chosen if places[op["id"]] is not None]
        if usable:
            changes = {op["id"]: Hunk(places[op["id"]] or 0, op["before"], op["after"]) for op in usable}
            document = save_document(
                actor=actor,
                document_id=document.pk,
                revision=document.revision,
                body_markdown=apply(body, list(changes.values())),
                reason="ai" if row.generation_id else "api",
                generation_id=row.generation_id,
            )
            for op in usable:
                _mark(op, "accepted", actor)
            _move(row, places, changes, document.body_markdown)
            _reject_siblings(row, actor)
            record(
                actor,
                "suggestion.accepted",
                obj=document,
                after={"suggestion": str(row.pk), "changes": [op["id"] for op in usable]},
            )
        _close(row)
    if not usable:
        raise Conflict(
            "The words that this would change are no longer there.",
            field="ids",
            remedy="Ask for the suggestion again on the text as it is now.",
        )
    return row, document


def reject(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    suggestion_id: uuid.UUID | str,
    op_ids: Collection[str] | None = None,
) -> Suggestion:
    """Turn changes down; the document stays as it is.

    Args: as for `accept`.

    Raises:
        NotFound, PermissionDenied: they are not the actor's.
        Conflict: it is still being written, or a change was decided before.
    """
    found = get_suggestion(actor=actor, document_id=document_id, suggestion_id=suggestion_id)
    require(actor, "content.write", workspace=found.document.workspace_id)
    with transaction.atomic():
        row = _lock(found)
        chosen = _chosen(row, op_ids)
        for op in chosen:
            _mark(op, "rejected", actor)
        _close(row)
        record(
            actor,
            "suggestion.rejected",
            obj=row.document,
            after={"suggestion": str(row.pk), "changes": [op["id"] for op in chosen]},
        )
    return row


# ---------------------------------------------------------------- inside
def place_of(body: str, quote: str, occurrence: int, field: str) -> tuple[int, str]:
    """Where a quote stands, and as what; an empty one stands at the end.

    Args:
        body: the document's Markdown.
        quote: word for word; lines may be broken elsewhere.
        occurrence: which one, from 0, where it stands more than once; the last one when there are fewer.
        field: what an error names.

    Raises:
        InvalidInput: it does not stand there.
    """
    if not quote:
        return len(body), ""
    spread = re.compile(r"\s+".join(re.escape(word) for word in quote.split()))
    found = list(islice(spread.finditer(body), occurrence + 1)) if quote.strip() else []
    if quote in body:
        exact = re.compile(re.escape(quote))
        found = list(islice(exact.finditer(body), occurrence + 1))
    if not found:
        raise InvalidInput(
            "This passage does not stand in the document.",
            field=field,
            remedy="Read the document again and quote its Markdown word for word.",
        )
    return found[-1].start(), found[-1][0]


def _propose(actor: Actor, document: Document, changes: Sequence[tuple[Hunk, str]], *, label: str) -> Suggestion:
    if not changes:
        raise InvalidInput("Nothing would change.", field="edits", remedy="Propose a text that differs.")
    with transaction.atomic():
        row = Suggestion.objects.create(
            document=document,
            author=actor.user,
            label=clean_text(label).strip()[:120],
            ops=_ops(document.body_markdown, changes),
            state=State.OPEN,
        )
        record(actor, "suggestion.made", obj=document, after={"suggestion": str(row.pk), "changes": len(changes)})
    return row


def _ops(body: str, changes: Sequence[tuple[Hunk, str]]) -> list[dict[str, Any]]:
    ops = []
    for number, (hunk, explanation) in enumerate(sorted(changes, key=lambda each: each[0].start), start=1):
        prefix, suffix = anchors.context(body, hunk.start, hunk.start + len(hunk.before))
        ops.append(
            {
                "id": str(number),
                "start": hunk.start,
                "before": hunk.before,
                "after": hunk.after,
                "prefix": prefix,
                "suffix": suffix,
                "explanation": explanation,
                "state": "open",
                "decided_by": None,
                "decided_at": None,
            }
        )
    return ops


def _find(body: str, op: Mapping[str, Any]) -> int | None:
    return anchors.locate(body, op["before"], prefix=op["prefix"], suffix=op["suffix"], start=op["start"])


def _lock(found: Suggestion) -> Suggestion:
    row = Suggestion.objects.select_for_update(of=("self",)).filter(pk=found.pk).first()
    if row is None:
        raise NotFound("There is no such suggestion.")
    if row.state == State.WRITING:
        raise Conflict("The suggestion is still being written.", remedy="Wait for it, or stop it first.")
    return row


def _chosen(row: Suggestion, op_ids: Collection[str] | None) -> list[dict[str, Any]]:
    if op_ids is None:
        chosen = [op for op in row.ops if op["state"] == "open"]
        if not chosen:
            raise Conflict("Nothing of this suggestion is open any more.", remedy="Ask for a new one.")
        return chosen
    known = {op["id"]: op for op in row.ops}
    if missing := sorted(set(op_ids) - set(known)):
        raise InvalidInput(f"There is no change {missing[0]}.", field="ids", remedy=f"Known are {', '.join(known)}.")
    chosen = [known[each] for each in op_ids]
    if decided := [op for op in chosen if op["state"] != "open"]:
        raise Conflict(
            f"Change {decided[0]['id']} was {decided[0]['state']} before.",
            field="ids",
            remedy="Read the suggestion again.",
        )
    return chosen


def _mark(op: dict[str, Any], state: str, actor: Actor) -> None:
    op["state"] = state
    op["decided_by"] = str(actor.user_id) if actor.user_id else None
    op["decided_at"] = timezone.now().isoformat()


def _move(row: Suggestion, places: Mapping[str, int | None], changes: Mapping[str, Hunk], body: str) -> None:
    """Where the open changes stand now, and what is around them."""
    for op in row.ops:
        place = places.get(op["id"])
        if op["state"] != "open" or place is None:
            continue
        earlier = [each for each in changes.values() if each.start < place]
        op["start"] = place + sum(len(each.after) - len(each.before) for each in earlier)
        op["prefix"], op["suffix"] = anchors.context(body, op["start"], op["start"] + len(op["before"]))


def _reject_siblings(row: Suggestion, actor: Actor) -> None:
    """One candidate was chosen: the others would now change words that are no longer there."""
    for other in Suggestion.objects.select_for_update(of=("self",)).filter(group=row.group).exclude(pk=row.pk):
        for op in other.ops:
            if op["state"] == "open":
                _mark(op, "rejected", actor)
        if other.state == State.OPEN:
            _close(other)


def _close(row: Suggestion) -> None:
    if all(op["state"] != "open" for op in row.ops):
        row.state = State.DECIDED
    row.save()
