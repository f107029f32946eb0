"""Generations: asking for text, writing it, stopping it.

`run_generation` is the one place of the product that calls a language model for a writer. It may be ended at any moment,
by a stop, by the end of its process or by kill -9: the text is in the events up to the last commit, and whoever claims
the generation next goes on from there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core import flags
from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound, Unavailable
from aiwriter.core.queue import enqueue
from aiwriter.core.threads import in_thread, to_the_end
from aiwriter_sdk import BackendError
from apps.backends.services.metering import said_all
from apps.backends.services.models import Completed, Delta, ModelCallSpec, open_model
from apps.content.markup.markdown import clean_piece
from apps.content.models import Document, Generation, GenerationPassage, Source
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.generations import get_generation, text_in_events
from apps.content.selectors.pins import pinned_ids
from apps.content.services import claims, events, finishing
from apps.content.services.briefs import check_brief
from apps.content.services.claims import Claim
from apps.content.services.estimating import estimate_note
from apps.content.services.events import Held, Lost, writer
from apps.content.services.finishing import Ending
from apps.content.services.passages import as_event, as_passages, passages_for
from apps.content.services.prompts import MAX_CONTEXT, PURPOSES, build_request
from apps.content.services.runner import Runner, Turn
from apps.content.services.voicing import voice_for_prompt
from apps.monitoring.services.usage import ensure_room
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

# How often a text that a model's own limit cut off is continued: 20,000 words in pieces of 500 tokens, twice over.
MAX_ROUNDS = 100
_LETTERS_A_WORD = 7

logger = logging.getLogger(__name__)
State = Generation.State


# ---------------------------------------------------------------- asking
def start_generation(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    kind: str,
    brief: Mapping[str, Any],
    document_id: uuid.UUID | str | None = None,
    source_ids: Collection[uuid.UUID | str] | None = None,
    idempotency_key: str = "",
    apply: bool = False,
    template: Mapping[str, Any] | None = None,
    pages: Sequence[str] = (),
    follow: str = "",
    follow_with: Mapping[str, str] | None = None,
    plan: Sequence[str] = (),
    collection_id: uuid.UUID | str | None = None,
) -> Generation:
    """Ask for text. Returns at once; the text arrives as events.

    Args:
        actor: who asks.
        workspace: the workspace, its id or its slug.
        kind: one of `Generation.Kind`.
        brief: the wish; see `apps.content.services.briefs`.
        document_id: the document that it is for.
        source_ids: sources that may be quoted; None means all of the workspace, an empty list none.
        idempotency_key: the same key of the same person gives the same generation again, so a repeated request does not
            cost twice.
        apply: take the text over into the document when it is done.
        template: which content type the brief was made by; kept with it.
        pages: addresses that the worker reads first, and gives to the model as passages.
        follow: name of a task that is woken when this ends.
        follow_with: what it is woken with; the document's id when left out.
        plan: headings of the whole text that a section belongs to.
        collection_id: where a document that is made of it goes.

    Raises:
        NotFound, PermissionDenied: workspace, document or source are not the actor's.
        InvalidInput: the brief cannot be used.
        BudgetExceeded: the budget is used up.
        Conflict: the key was used for another wish.
    """
    require(actor, "content.generate", workspace=workspace)
    if apply:
        require(actor, "content.write", workspace=workspace)
    # A row that was loaded for this actor, and let through by `require`, need not be looked up again.
    room = workspace if isinstance(workspace, Workspace) else get_workspace(actor, workspace)
    if kind not in Generation.Kind.values:
        raise InvalidInput(f"'{kind}' is no kind.", field="kind", remedy=f"Use {', '.join(Generation.Kind.values)}.")
    document = _document(actor, room, document_id)
    input_: dict[str, Any] = {
        "brief": check_brief(kind, brief, has_document=document is not None),
        "context": _context(kind, document),
        "source_ids": _source_ids(room, pinned_ids(document) if source_ids is None else source_ids),
        "apply": apply,
    }
    if template:
        input_["template"] = dict(template)
    if pages:
        input_["pages"] = list(pages)
    if follow:
        input_["follow"] = follow
    if follow_with:
        input_["follow_with"] = dict(follow_with)
    if collection_id:
        input_["collection_id"] = str(collection_id)
    if plan:
        input_["context"]["plan"] = list(plan)
    input_["measured"] = _measured(actor, room, kind, document, input_["brief"])
    input_["estimate"] = estimate_note(kind, input_["brief"], input_["context"])
    input_["voice"] = voice_for_prompt(room.pk, document, input_["brief"].get("voice"))
    if len(idempotency_key) > 120:
        raise InvalidInput("The key is longer than 120 characters.", field="Idempotency-Key", remedy="Use a UUID.")
    if known := _known(actor, idempotency_key, kind, input_):
        return known
    ensure_room(workspace_id=room.pk, user_id=actor.user_id, token_id=actor.token_id)
    try:
        with transaction.atomic():
            return _create(actor, room, document, kind, input_, idempotency_key)
    except IntegrityError:
        if known := _known(actor, idempotency_key, kind, input_):
            return known
        raise


def retry_generation(*, actor: Actor, generation_id: uuid.UUID | str) -> Generation:
    """Ask for the same once more, as a new generation with the sources as they are now.

    Raises:
        NotFound, PermissionDenied: the generation is not the actor's.
        Conflict: it is still being written.
        BudgetExceeded: the budget is used up.
    """
    old = get_generation(actor=actor, generation_id=generation_id)
    require(actor, "content.generate", workspace=old.workspace_id)
    if not old.is_final:
        raise Conflict("The text is still being written.", remedy="Wait for it, or stop it first.")
    ensure_room(workspace_id=old.workspace_id, user_id=actor.user_id, token_id=actor.token_id)
    measured = _measured(actor, old.workspace, old.kind, old.document, old.input["brief"])
    input_ = {**old.input, "context": _context(old.kind, old.document), "measured": measured}
    with transaction.atomic():
        return _create(actor, old.workspace, old.document, old.kind, input_, "")


def stop_generation(*, actor: Actor, generation_id: uuid.UUID | str) -> Generation:
    """Stop: the provider is told within about half a second, the text so far is kept. Quiet when it is finished.

    Raises:
        NotFound, PermissionDenied: the generation is not the actor's.
    """
    found = get_generation(actor=actor, generation_id=generation_id)
    require(actor, "content.generate", workspace=found.workspace_id)
    stop(actor, found)
    found.refresh_from_db()
    return found


def stop(actor: Actor, found: Generation) -> None:
    """Stop a generation that the caller may stop."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Generation.objects.filter(pk=found.pk, state=State.QUEUED).update(
            state=State.STOPPED, finish_reason="stopped", stop_requested_at=now, finished_at=now
        )
        if waiting:
            text = text_in_events(found.pk)
            Generation.objects.filter(pk=found.pk).update(output_markdown=text, partial_length=len(text))
            done = {"state": "stopped", "finish_reason": "stopped", "words": len(text.split()), "length": len(text)}
            events.append(found.pk, [("done", done)])
            finishing.wake_follower(found)
        running = Generation.objects.filter(pk=found.pk, state=State.RUNNING).update(
            state=State.STOPPING, stop_requested_at=now
        )
        if waiting or running:
            record(actor, "generation.stopped", obj=found)


def _create(
    actor: Actor, room: Workspace, document: Document | None, kind: str, input_: dict[str, Any], key: str
) -> Generation:
    generation = Generation.objects.create(
        workspace=room,
        document=document,
        requested_by=actor.user,
        token_id=actor.token_id,
        kind=kind,
        input=input_,
        idempotency_key=key,
        last_seq=1,
    )
    events.append(
        generation.pk, [("status", {"state": "queued", "phase": "", "message": "Waiting for a worker."})], seq=0
    )
    record(actor, "generation.started", obj=generation, after={"kind": kind})
    enqueue("content.run_generation", generation_id=str(generation.pk))
    return generation


def _measured(
    actor: Actor, room: Workspace, kind: str, document: Document | None, brief: Mapping[str, Any]
) -> dict[str, Any]:
    """What flags answered, and a digest of the wish: who wishes the same again was not content with the first text."""
    wish = json.dumps([kind, str(document.pk) if document else "", brief], sort_keys=True, default=str)
    return {"flags": flags.measured(actor.user, room.pk), "wish": hashlib.sha256(wish.encode()).hexdigest()[:16]}


def _document(actor: Actor, room: Workspace, document_id: uuid.UUID | str | None) -> Document | None:
    if not document_id:
        return None
    document = get_document(actor=actor, document_id=document_id)
    if document.workspace_id != room.pk:
        raise NotFound("There is no such document in this workspace.", field="document_id")
    return document


def _context(kind: str, document: Document | None) -> dict[str, Any]:
    if document is None:
        return {}
    body = document.body_markdown[-MAX_CONTEXT:] if kind in ("section", "title") else ""
    return {"title": document.title, "body": body, "revision": document.revision}


def _source_ids(room: Workspace, source_ids: Collection[uuid.UUID | str] | None) -> list[str] | None:
    if source_ids is None:
        return None
    ids = {as_uuid(each) for each in source_ids}
    known = set(Source.objects.filter(workspace=room, pk__in=ids).values_list("pk", flat=True))
    if ids - known:
        raise NotFound("One of the sources does not exist.", field="source_ids", remedy="Choose from your sources.")
    return sorted(str(each) for each in ids)


def _known(actor: Actor, key: str, kind: str, input_: dict[str, Any]) -> Generation | None:
    if not key or actor.user is None:
        return None
    known = Generation.objects.filter(requested_by=actor.user, idempotency_key=key).first()
    if known and (known.kind, known.input["brief"]) != (kind, input_["brief"]):
        raise Conflict(
            "This key was used for another wish.", field="Idempotency-Key", remedy="Use a new key for a new wish."
        )
    return known


# ---------------------------------------------------------------- writing
async def run_generation(generation_id: uuid.UUID) -> None:
    """Write one generation from wherever it stands to its end, or hand it back when this task is cancelled.

    Does nothing when it is finished or somebody else has it.
    """
    turn = await Turn.take()
    try:
        claim = await in_thread(claims.take, generation_id)
        if claim is not None:
            await _Work(claim, turn).run()
    finally:
        turn.give_back()


class _Work:
    """One claim of one generation."""

    def __init__(self, claim: Claim, turn: Turn) -> None:
        self.claim = claim
        self.turn = turn
        self.loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self.task = task
        self.ending = False
        self.stopped = claim.row.stop_requested_at is not None
        self.lost = False
        self.passages: list[GenerationPassage] = []
        self.held: Held = writer.hold(
            generation_id=claim.row.pk,
            fence=claim.fence,
            seq=claim.seq,
            length=len(claim.written),
            on_stop=lambda: self._interrupt("stopped"),
            on_lost=lambda: self._interrupt("lost"),
        )

    def _interrupt(self, flag: str) -> None:
        """In the writer's thread: cancel the task, unless it is ending already."""

        def cancel() -> None:
            setattr(self, flag, True)
            if not self.ending:
                self.task.cancel()

        self.loop.call_soon_threadsafe(cancel)

    async def run(self) -> None:
        try:
            ending = await self._write()
        except asyncio.CancelledError:
            if self.lost:
                return
            if not self.stopped:
                await to_the_end(self._hand_back())
                raise
            self.task.uncancel()
            ending = Ending(State.STOPPED, "stopped")
        except Lost:
            return
        except AppError as error:
            ending = Ending(State.FAILED, "failed", error)
        except BackendError as error:
            ending = Ending(State.FAILED, "failed", Unavailable(str(error), remedy=error.remedy))
        except Exception:
            logger.exception("Generation %s failed", self.claim.row.pk)
            message = "Something went wrong on the server."
            ending = Ending(State.FAILED, "failed", AppError(message, remedy="Try again; the text so far is kept."))
        self.ending = True
        try:
            await to_the_end(finishing.finish(self.claim, self.held, self.passages, ending))
        except Lost:
            logger.warning("Generation %s was taken over before it could be ended", self.claim.row.pk)
        finally:
            writer.release(self.held)

    async def _write(self) -> Ending:
        claim = self.claim
        if self.stopped:
            return Ending(State.STOPPED, "stopped")
        if claim.row.stalls >= claims.MAX_STALLS:
            raise Unavailable(
                f"The worker ended {claim.row.stalls} times while it worked on this.",
                remedy="Ask for it again; if that fails too, show the operator the worker's log.",
            )
        finished = claim.finished
        if claim.attempts and not finished:
            finished = await in_thread(said_all, finishing.subject_of(claim), claim.written)
        if finished:
            # The worker before us had the whole text and died over the citations, or just before.
            self.passages = await passages_for(claim)
            return Ending(State.SUCCEEDED, finished)
        if claim.row.input.get("pages") and not claim.row.retrieved:
            self._status("retrieving", "Reading the page.")
        else:
            self._status("retrieving", "Looking through the sources." if not claim.written else "Going on.")
        self.passages = await passages_for(claim)
        if not claim.has_passages:
            writer.event(self.held, "passages", {"items": [as_event(row) for row in self.passages]})
        self._status("writing", "", passages=len(self.passages))
        reason = await self._stream()
        self._status("checking", "Checking the citations.", finish_reason=reason)
        await asyncio.wrap_future(writer.commit(self.held))
        return Ending(State.SUCCEEDED, reason)

    async def _stream(self) -> str:
        """Have it written. Returns why the model stopped."""
        claim, row = self.claim, self.claim.row
        spec = ModelCallSpec(
            purpose=PURPOSES[row.kind],
            workspace_id=row.workspace_id,
            user_id=row.requested_by_id,
            token_id=row.token_id,
            subject=finishing.subject_of(claim),
            request=build_request(
                kind=row.kind,
                brief=row.input["brief"],
                context=row.input.get("context", {}),
                voice=row.input.get("voice"),
                passages=as_passages(self.passages),
                rules=row.input.get("measured", {}).get("flags", {}).get(flags.PROMPT.key, ""),
            ),
            written=claim.written,
            first_attempt_number=claim.attempts + 1,
            untried=row.attempts <= 1,
            continue_on_length=0 if row.kind == Generation.Kind.TITLE else MAX_ROUNDS,
            enough=_enough(row),
            keep=lambda: asyncio.wrap_future(writer.commit(self.held)),
        )
        pieces, length, spans = [claim.written], len(claim.written), claim.spans
        reason = "stop"
        try:
            async with aclosing(open_model(spec)) as stream:
                async for item in stream:
                    if isinstance(item, Delta):
                        piece = clean_piece(item.text)
                        if piece:
                            pieces.append(piece)
                            length += len(piece)
                            writer.text(self.held, piece)
                        continue
                    self.turn.give_back()
                    if spans:
                        spans[-1]["end"] = length
                    if isinstance(item, Completed):
                        reason = item.finish_reason
                    else:
                        data = claims.attempt_event(item, spans)
                        claims.follow_attempt(spans, data, length)
                        writer.event(self.held, "attempt", data)
        finally:
            if spans:
                spans[-1]["end"] = length
            claim.written = "".join(pieces)
        return reason

    async def _hand_back(self) -> None:
        """Put it back into the queue; the text so far goes into the database first."""
        self.ending = True
        self._status("", "The worker is restarting; another one goes on.", state="queued")
        try:
            done = writer.commit(self.held, lambda: claims.give_back(self.claim), last=True)
            await asyncio.wrap_future(done)
            await in_thread(_wake, self.claim.row.pk)
        except Lost:
            pass
        finally:
            writer.release(self.held)

    def _status(self, phase: str, message: str, state: str = "running", **more: Any) -> None:
        writer.event(self.held, "status", {"state": state, "phase": phase, "message": message, **more})


def _enough(row: Generation) -> int:
    """Characters after which a text that has no end is let end: far beyond what was asked for."""
    brief = row.input["brief"]
    if row.kind == Generation.Kind.REWRITE:
        return len(str(brief.get("text") or "")) * 4 + 20_000
    words = brief.get("length") or 20_000
    return int(words) * _LETTERS_A_WORD * 3 + 2_000


def _wake(generation_id: uuid.UUID) -> None:
    enqueue("content.run_generation", generation_id=str(generation_id))


runner = Runner(run_generation)
