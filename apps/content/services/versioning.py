"""Versions of documents as they are written: for the services that change a text, under the lock of its row."""

from __future__ import annotations

import datetime as dt
import hashlib

from django.db.models import Max
from django.utils import timezone

from apps.content.markup.markdown import word_count
from apps.content.models import Document, DocumentVersion, Generation
from apps.content.services.citing import cite_version
from apps.content.services.origins import keep_origins, origins_of
from apps.users.selectors.access import Actor

BURST = dt.timedelta(minutes=5)


def add_version(
    document: Document, *, actor: Actor, reason: str, label: str, generation: Generation | None
) -> DocumentVersion:
    """Keep the present text of a locked document: as a version of its own, or grown into the last automatic one.

    Args:
        document: locked, with its new text.
        actor: who writes.
        reason: one of `DocumentVersion.Reason`.
        label: a name, "" for none.
        generation: the one whose text it is.
    """
    last = document.current_version
    before, spans = (last.body_markdown if last else ""), origins_of(last)
    if reason == "autosave" and last and _same_burst(last, actor):
        last.title, last.body_markdown, last.sha256 = _named(document)
        last.word_count = document.word_count
        last.save(update_fields=["title", "body_markdown", "sha256", "word_count"])
        keep_origins(last, before=before, spans=spans, generation=generation)
        return last
    version = new_version(
        document,
        title=document.title,
        body=document.body_markdown,
        actor=actor,
        reason=reason,
        label=label,
        generation=generation,
    )
    document.current_version = version
    document.save(update_fields=["current_version"])
    keep_origins(version, before=before, spans=spans, generation=generation)
    if generation is not None:
        cite_version(version, generation)
    return version


def new_version(
    document: Document,
    *,
    title: str,
    body: str,
    actor: Actor,
    reason: str,
    label: str,
    generation: Generation | None,
) -> DocumentVersion:
    """Add a version to a locked document without making it the present one. Arguments as for `add_version`."""
    highest = document.versions.aggregate(highest=Max("number"))["highest"] or 0
    return DocumentVersion.objects.create(
        document=document,
        number=highest + 1,
        title=title,
        body_markdown=body,
        sha256=digest(title, body),
        word_count=word_count(body),
        author=actor.user,
        reason=reason,
        label=label[:120],
        generation=generation,
    )


def digest(title: str, body: str) -> str:
    """Names a text."""
    return hashlib.sha256(f"{title}\0{body}".encode()).hexdigest()


def _named(document: Document) -> tuple[str, str, str]:
    return document.title, document.body_markdown, digest(document.title, document.body_markdown)


def _same_burst(version: DocumentVersion, actor: Actor) -> bool:
    return (
        version.reason == "autosave"
        and version.author_id == actor.user_id
        and not version.label
        and not version.pinned
        and timezone.now() - version.created_at < BURST
    )
