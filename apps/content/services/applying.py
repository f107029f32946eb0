"""Taking generated text over into a document: only when somebody asks for it."""

from __future__ import annotations

import uuid

from django.db import transaction

from aiwriter.core.errors import Conflict, InvalidInput
from apps.content.markup.markdown import word_count
from apps.content.markup.outlines import put_section, with_heading
from apps.content.models import Collection, Document, Generation, Section
from apps.content.selectors.generations import get_generation
from apps.content.services.citing import cite_version, renumber
from apps.content.services.documents import create_document, lock_document, save_document
from apps.content.services.origins import retrace
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

MODES = ("replace", "append", "selection", "title")
_BY_KIND = {"draft": "replace", "outline": "replace", "section": "append", "rewrite": "selection", "title": "title"}


def apply_generation(
    *, actor: Actor, generation_id: uuid.UUID | str, mode: str = "", revision: int | None = None
) -> Document:
    """Take the text of a finished generation over.

    Args:
        actor: who takes it over.
        generation_id: which.
        mode: "replace" the text, "append" to it, replace the "selection" that was rewritten, set the "title"; "" is what
            suits the kind of generation.
        revision: the document's revision that the actor has seen. Without it, replacing is refused when the text has
            changed since the generation was asked for.

    Returns:
        the document; a new one when the generation had none.

    Raises:
        NotFound, PermissionDenied: generation or document are not the actor's.
        Conflict: it is not finished, or the document has changed too much.
    """
    generation = get_generation(actor=actor, generation_id=generation_id)
    require(actor, "content.write", workspace=generation.workspace_id)
    if not generation.is_final:
        raise Conflict("The text is still being written.", remedy="Wait for it, or stop it first.")
    return apply_text(actor=actor, generation=generation, text=generation.output_markdown, mode=mode, revision=revision)


def apply_text(
    *, actor: Actor, generation: Generation, text: str, mode: str = "", revision: int | None = None
) -> Document:
    """The same for a generation that is about to finish; for the worker."""
    require(actor, "content.write", workspace=generation.workspace_id)
    if mode not in ("", *MODES):
        raise InvalidInput(f"'{mode}' is no mode.", field="mode", remedy=f"Use one of {', '.join(MODES)}.")
    if not text.strip():
        raise Conflict("Nothing was written that could be taken over.", remedy="Ask for it again.")
    mode = mode or _BY_KIND[generation.kind]
    with transaction.atomic():
        # Two workers, or two clicks, that take the same text over: the second waits here and finds it done.
        row = Generation.objects.select_for_update(of=("self",)).select_related("applied_version").get(pk=generation.pk)
        if row.document_id is None:
            document = _new_document(actor, row, text)
        elif row.applied_version is not None and not revision:
            return Document.objects.get(pk=row.applied_version.document_id)
        else:
            document = _change(actor, row, text, mode, revision)
        Generation.objects.filter(pk=row.pk).update(document=document, applied_version=document.current_version)
        record(actor, "generation.applied", obj=document, after={"generation": str(row.pk), "mode": mode})
    return document


def _new_document(actor: Actor, row: Generation, text: str) -> Document:
    brief = row.input["brief"]
    first, _, rest = text.lstrip().partition("\n")
    title = brief.get("title") or brief.get("topic") or ""
    if first.startswith("# ") and rest.strip():
        # The heading is the title now; left in the text as well, every page and export would show it twice.
        title, text = first.lstrip("#").strip(), rest.lstrip("\n")
    return create_document(
        actor=actor,
        workspace=row.workspace_id,
        title=title[:300],
        body_markdown=text,
        kind=row.input.get("template", {}).get("slug", "article"),
        language=str(brief.get("language") or "en")[:12],
        brief=brief,
        reason="ai",
        generation=row,
        collection_id=_collection(row),
    )


def _collection(row: Generation) -> uuid.UUID | None:
    """Where it was to go, if that is still there: a text that is written must not be lost over a folder."""
    wanted = row.input.get("collection_id")
    found = Collection.objects.filter(pk=wanted, workspace_id=row.workspace_id) if wanted else Collection.objects.none()
    return found.values_list("pk", flat=True).first()


def _change(actor: Actor, row: Generation, text: str, mode: str, revision: int | None) -> Document:
    assert row.document_id is not None  # noqa: S101
    document = lock_document(row.document_id, revision)
    if mode == "title":
        return save_document(
            actor=actor,
            document_id=document.pk,
            revision=document.revision,
            title=text,
            reason="ai",
            generation_id=row.pk,
        )
    renamed: dict[str, str] = {}
    if mode != "replace":
        text, renamed = renumber(text, row, document)
    section = Section.objects.filter(generation=row).first() if mode == "append" else None
    if section is not None:
        body = _with_section(document, section, text)
    else:
        body = _body(document, row, text, mode, revision)
    before = document.current_version_id
    saved = save_document(
        actor=actor,
        document_id=document.pk,
        revision=document.revision,
        body_markdown=body,
        reason="ai",
        # With renamed markers the citations are added below instead.
        generation_id=None if renamed else row.pk,
    )
    version = saved.current_version
    if renamed and version is not None and version.pk != before:
        version.generation = row
        version.save(update_fields=["generation"])
        cite_version(version, row, renamed)
        retrace(version, row)
    return saved


def _with_section(document: Document, section: Section, text: str) -> str:
    """The body with a section of the outline at its place; the section remembers what was put in."""
    text = with_heading(text, section.heading)
    earlier = document.sections.filter(position__lt=section.position).order_by("-position")
    body = put_section(
        document.body_markdown,
        text,
        old=section.text,
        heading=section.heading,
        before=list(earlier.values_list("text", "heading")),
    )
    section.text, section.words, section.state = text, word_count(text), Section.State.WRITTEN
    section.error = section.remedy = ""
    section.save(update_fields=["text", "words", "state", "error", "remedy"])
    return body


def _body(document: Document, row: Generation, text: str, mode: str, revision: int | None) -> str:
    if mode == "append":
        return f"{document.body_markdown.rstrip()}\n\n{text.strip()}\n".lstrip()
    if mode == "replace":
        seen = row.input.get("context", {}).get("revision")
        if revision is None and document.body_markdown.strip() and document.revision != seen:
            raise Conflict(
                "The document has changed since the text was asked for.",
                field="revision",
                remedy="Look at it again and take the text over with its present revision, or append it.",
            )
        return text
    return _replaced(document.body_markdown, row.input["brief"], text)


def _replaced(body: str, brief: dict[str, object], text: str) -> str:
    """The body with the rewritten selection in place: where it was, else where it stands once."""
    selection = str(brief.get("text", ""))
    start, end = brief.get("start"), brief.get("end")
    if isinstance(start, int) and isinstance(end, int) and body[start:end] == selection:
        return body[:start] + text.strip("\n") + body[end:]
    if body.count(selection) != 1:
        raise Conflict(
            "The text that was rewritten no longer stands in the document, or stands there more than once.",
            field="text",
            remedy="Copy the new text to its place.",
        )
    return body.replace(selection, text.strip("\n"))
