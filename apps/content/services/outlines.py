"""Long texts, outline first: planned, put in order, written section by section, each again if need be."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, Detail, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.content.markup.markdown import clean_text
from apps.content.markup.outlines import MAX_SECTIONS, read_outline
from apps.content.models import Document, Generation, Outline, Section
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.services.briefs import check_brief
from apps.content.services.generation import start_generation, stop
from apps.monitoring.services.usage import ensure_room
from apps.users.models import ApiToken
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

WORDS = (20, 5_000)
LENGTH = (100, 100_000)
MAX_INSTRUCTION = 2_000
PATIENCE = dt.timedelta(seconds=10)
_BRIEF = ("topic", "audience", "tone", "language", "instruction", "voice")
_BUSY = (Section.State.QUEUED, Section.State.WRITING)


def outline_of(*, actor: Actor, document_id: uuid.UUID | str) -> tuple[Document, Outline, list[Section]]:
    """A document's outline with its sections in order; an empty one when it has none.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read.
    """
    document = get_document(actor=actor, document_id=document_id)
    outline = Outline.objects.filter(document=document).select_related("plan").first() or Outline(document=document)
    return document, outline, list(document.sections.select_related("generation"))


def set_sections(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    sections: Sequence[Mapping[str, Any]],
    revision: int | None = None,
) -> list[Section]:
    """Write the rows of an outline: their order, headings, instructions and lengths. What was written stays in the text.

    Args:
        actor: who plans.
        document_id: of which document.
        sections: in order, each with "heading" and, if it is one of those that are there, its "id"; "instruction" and
            "target_words" if wanted. A section that is left out is taken from the plan.
        revision: of the outline, as it was read.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        InvalidInput: a row cannot be used, with every problem at once.
        Conflict: somebody else has changed the outline, or a section that is being written was left out.
    """
    document = _writable(actor, document_id, "content.write")
    rows = _checked(sections)
    with transaction.atomic():
        outline = _locked(document)
        if revision is not None and revision != outline.revision:
            raise Conflict(
                "Somebody else has changed the outline.", field="revision", remedy="Reload it and change it again."
            )
        known = {section.pk: section for section in document.sections.all()}
        kept = {row["id"] for row in rows if row["id"]}
        if unknown := kept - known.keys():
            raise NotFound(f"There is no section {next(iter(unknown))} here.", field="sections", remedy="Reload it.")
        for key, section in known.items():
            if key in kept:
                continue
            if section.state in _BUSY:
                raise Conflict(f"“{section.heading}” is being written.", remedy="Stop it before you remove it.")
            section.delete()
        for position, row in enumerate(rows, start=1):
            section = known.get(row["id"]) or Section(document=document)
            section.position, section.heading = position, row["heading"]
            section.instruction, section.target_words = row["instruction"], row["target_words"]
            section.save()
        _touch(outline)
        record(actor, "outline.changed", obj=document, after={"sections": len(rows)})
    return list(document.sections.all())


def plan_sections(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    brief: Mapping[str, Any],
    length: int = 2_000,
    source_ids: Collection[uuid.UUID | str] | None = None,
) -> Outline:
    """Have an outline written; its headings become the sections when it is done.

    Args:
        actor: who plans.
        document_id: for which document.
        brief: "topic" and, if wanted, "audience", "tone", "language", "instruction", "voice"; kept for the sections.
        length: words of the whole text, shared among the sections.
        source_ids: sources that may be quoted, here and in the sections; None means all of the workspace.

    Raises:
        NotFound, PermissionDenied: document or source are not the actor's.
        InvalidInput: the brief cannot be used.
        Conflict: something is being planned or written.
        BudgetExceeded: the budget is used up.
    """
    document = _writable(actor, document_id, "content.generate")
    require(actor, "content.write", workspace=document.workspace_id)
    if isinstance(length, bool) or not isinstance(length, int) or not LENGTH[0] <= length <= LENGTH[1]:
        raise InvalidInput(
            f"The length is not {LENGTH[0]} to {LENGTH[1]:,} words.", field="length", remedy="Change it."
        )
    if unknown := sorted(set(brief) - set(_BRIEF)):
        raise InvalidInput(
            f"{unknown[0][:40]} is not known.", field=unknown[0][:40], remedy=f"Use {', '.join(_BRIEF)}."
        )
    kept = check_brief("outline", brief, has_document=False)
    with transaction.atomic():
        outline = _locked(document)
        _must_be_idle(outline)
        count = max(3, min(MAX_SECTIONS, round(length / 400)))
        wish = {**kept, "length": max(100, count * 25)}
        wish["instruction"] = (
            f"{kept.get('instruction', '')}\nPlan about {count} sections for a text of {length} words.".strip()
        )
        outline.plan = start_generation(
            actor=actor,
            workspace=document.workspace,
            kind="outline",
            brief=wish,
            document_id=document.pk,
            source_ids=source_ids,
            follow="content.advance_outline",
        )
        outline.brief, outline.state = {**kept, "length": length}, Outline.State.PLANNING
        outline.source_ids = outline.plan.input["source_ids"]
        outline.requested_by, outline.token_id = actor.user, actor.token_id
        outline.error = outline.remedy = ""
        _touch(outline)
        record(actor, "outline.planned", obj=document, after={"length": length})
    return outline


def write_sections(
    *, actor: Actor, document_id: uuid.UUID | str, section_ids: Collection[uuid.UUID | str] | None = None
) -> Outline:
    """Have sections written, one after the other, each put into the document when it is done.

    Args:
        actor: who asks; the text is put in as theirs.
        document_id: of which document.
        section_ids: these, also when they are written already; None: all that are not.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: something is being written, or nothing is left to write.
        BudgetExceeded: the budget is used up.
    """
    document = _writable(actor, document_id, "content.generate")
    require(actor, "content.write", workspace=document.workspace_id)
    ensure_room(workspace_id=document.workspace_id, user_id=actor.user_id, token_id=actor.token_id)
    with transaction.atomic():
        outline = _locked(document)
        _must_be_idle(outline)
        rows = document.sections.all()
        if section_ids is not None:
            wanted = {as_uuid(each) for each in section_ids}
            rows = rows.filter(pk__in=wanted)
            if rows.count() != len(wanted):
                raise NotFound("There is no such section in this document.", field="section_ids", remedy="Reload it.")
        else:
            rows = rows.exclude(state=Section.State.WRITTEN)
        if not rows.update(state=Section.State.QUEUED, error="", remedy=""):
            raise Conflict("Nothing is left to write.", remedy="Add a section, or write one of them again.")
        outline.state, outline.run = Outline.State.WRITING, outline.run + 1
        outline.requested_by, outline.token_id = actor.user, actor.token_id
        outline.error = outline.remedy = ""
        _touch(outline)
        record(actor, "outline.written", obj=document, after={"run": outline.run})
        enqueue("content.advance_outline", document_id=str(document.pk))
    return outline


def stop_writing(*, actor: Actor, document_id: uuid.UUID | str) -> Outline:
    """Stop: the section that is being written ends where it is, its text is kept; those in line are planned again.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
    """
    document = _writable(actor, document_id, "content.generate")
    with transaction.atomic():
        outline = _locked(document)
        document.sections.filter(state=Section.State.QUEUED).update(state=Section.State.PLANNED)
        busy = document.sections.filter(state=Section.State.WRITING).select_related("generation").first()
        running = busy.generation if busy else outline.plan if outline.state == Outline.State.PLANNING else None
        if running is not None and not running.is_final:
            stop(actor, running)
        enqueue("content.advance_outline", document_id=str(document.pk))
    outline.refresh_from_db()
    return outline


def advance_outline(document_id: uuid.UUID | str) -> None:
    """Take what has ended into account and ask for the next section. Safe to call at any time, any number of times."""
    with transaction.atomic():
        outline = Outline.objects.select_for_update().filter(document_id=document_id).first()
        if outline is None or outline.state == Outline.State.IDLE:
            return
        if outline.state == Outline.State.PLANNING:
            _take_plan(outline)
            return
        busy = Section.objects.filter(document_id=document_id, state=Section.State.WRITING)
        for section in busy.select_related("generation"):
            if section.generation is None or section.generation.is_final:
                _settle(section)
        if not busy.exists():
            _next(outline)


def sweep_outlines(limit: int = 50) -> int:
    """Wake outlines whose message was lost.

    Returns:
        how many.
    """
    due = Outline.objects.exclude(state=Outline.State.IDLE).filter(updated_at__lt=timezone.now() - PATIENCE)
    ids = list(due.order_by("updated_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.advance_outline", document_id=str(each))
    return len(ids)


def _take_plan(outline: Outline) -> None:
    plan = outline.plan
    if plan is not None and not plan.is_final:
        return
    outline.state = Outline.State.IDLE
    title, planned = read_outline(plan.output_markdown if plan else "")
    if plan is None or plan.state == Generation.State.FAILED:
        outline.error = (plan.error if plan else "") or "The outline could not be written."
        outline.remedy = (plan.remedy if plan else "") or "Plan again, or write the headings yourself."
    elif not planned:
        outline.error, outline.remedy = "No heading was found in the outline.", "Write the headings yourself."
    else:
        words = max(WORDS[0], min(WORDS[1], round(outline.brief.get("length", 2_000) / len(planned))))
        # What was written before stays in the text; the new plan is about what is to come.
        outline.document.sections.all().delete()
        Section.objects.bulk_create(
            Section(
                document_id=outline.pk,
                position=position,
                heading=each.heading,
                instruction=each.instruction,
                target_words=words,
            )
            for position, each in enumerate(planned, start=1)
        )
        if title and "title" not in outline.brief:
            outline.brief = {**outline.brief, "title": title}
    _touch(outline)


def _settle(section: Section) -> None:
    """A section whose generation has ended without its text having been put into the document, or with it."""
    row = section.generation
    if row is not None and row.applied_version_id:
        section.state = Section.State.WRITTEN
    elif row is not None and row.state == Generation.State.STOPPED:
        section.state = Section.State.STOPPED
    else:
        section.state = Section.State.FAILED
        section.error = (row.error if row else "") or "The text could not be put into the document."
        section.remedy = (row.remedy if row else "") or "Write the section again."
    section.save(update_fields=["state", "error", "remedy"])


def _next(outline: Outline) -> None:
    section = Section.objects.filter(document_id=outline.pk, state=Section.State.QUEUED).order_by("position").first()
    document = Document.objects.kept().filter(pk=outline.pk).select_related("workspace").first()
    if section is None or document is None or outline.requested_by is None:
        Section.objects.filter(document_id=outline.pk, state=Section.State.QUEUED).update(state=Section.State.PLANNED)
        outline.state = Outline.State.IDLE
        _touch(outline)
        return
    brief = {name: value for name, value in outline.brief.items() if name in _BRIEF and name != "instruction"}
    wishes = "\n".join(filter(None, (section.instruction, outline.brief.get("instruction", ""))))
    try:
        section.generation = start_generation(
            actor=_asker(outline),
            workspace=document.workspace,
            kind="section",
            brief={**brief, "heading": section.heading, "instruction": wishes, "length": section.target_words},
            document_id=document.pk,
            source_ids=outline.source_ids,
            idempotency_key=f"section:{section.pk}:{outline.run}",
            apply=True,
            follow="content.advance_outline",
            plan=list(document.sections.values_list("heading", flat=True)),
        )
    except AppError as error:
        section.state, section.error, section.remedy = Section.State.FAILED, error.message, error.remedy
        section.save(update_fields=["state", "error", "remedy"])
        # What stopped this one, a budget or a permission, stops the next one too.
        Section.objects.filter(document_id=outline.pk, state=Section.State.QUEUED).update(state=Section.State.PLANNED)
        outline.state, outline.error, outline.remedy = Outline.State.IDLE, error.message, error.remedy
    else:
        section.state = Section.State.WRITING
        section.save(update_fields=["state", "generation"])
    _touch(outline)


def _asker(outline: Outline) -> Actor:
    """Who asked, with the token that they used: its budget pays for every section."""
    token = ApiToken.objects.filter(pk=outline.token_id).first() if outline.token_id else None
    return Actor(user=outline.requested_by, token=token)


def _writable(actor: Actor, document_id: uuid.UUID | str, capability: str) -> Document:
    document = get_document(actor=actor, document_id=document_id)
    require(actor, capability, workspace=document.workspace_id)
    return document


def _locked(document: Document) -> Outline:
    Outline.objects.get_or_create(document=document)
    return Outline.objects.select_for_update(of=("self",)).select_related("plan").get(document=document)


def _touch(outline: Outline) -> None:
    outline.revision += 1
    outline.save()


def _must_be_idle(outline: Outline) -> None:
    if outline.state != Outline.State.IDLE:
        raise Conflict("The document is being written.", remedy="Wait until it is done, or stop it first.")


def _checked(sections: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    problems: list[Detail] = []
    if len(sections) > MAX_SECTIONS:
        problems.append(Detail("sections", f"There are {len(sections)} sections.", f"Use at most {MAX_SECTIONS}."))
    rows = []
    for number, given in enumerate(sections[:MAX_SECTIONS], start=1):
        where = f"sections.{number}"
        heading = " ".join(clean_text(str(given.get("heading") or "")).split()).lstrip("#").strip()
        instruction = clean_text(str(given.get("instruction") or "")).strip()
        words = given.get("target_words", 300)
        if not heading or len(heading) > 300:
            problems.append(Detail(f"{where}.heading", "The heading is empty or too long.", "Use 1 to 300 characters."))
        if len(instruction) > MAX_INSTRUCTION:
            said = f"The instruction has {len(instruction):,} characters."
            problems.append(Detail(f"{where}.instruction", said, f"Use at most {MAX_INSTRUCTION:,}."))
        if isinstance(words, bool) or not isinstance(words, int) or not WORDS[0] <= words <= WORDS[1]:
            remedy = f"Use {WORDS[0]} to {WORDS[1]:,} words."
            problems.append(Detail(f"{where}.target_words", "The length is no fitting number.", remedy))
        key = as_uuid(given["id"]) if given.get("id") else None
        rows.append({"id": key, "heading": heading, "instruction": instruction, "target_words": words})
    keys = [row["id"] for row in rows if row["id"]]
    if len(keys) != len(set(keys)):
        problems.append(Detail("sections", "A section stands there twice.", "Name each once."))
    if problems:
        raise InvalidInput(problems[0].issue, field=problems[0].field, remedy=problems[0].remedy, details=problems)
    return rows
