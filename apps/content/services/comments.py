"""Comments: said about a passage, answered, resolved. Whoever is named with @ is told."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.markup import anchors
from apps.content.markup.markdown import clean_text
from apps.content.models import Comment, CommentThread, Document
from apps.content.selectors.comments import get_thread
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.services.documents import lock_document
from apps.users.models import User
from apps.users.selectors.access import Actor, can, require
from apps.users.selectors.belongings import members_of
from apps.users.services.audit import record
from apps.users.services.notifications import notify

MAX_COMMENT = 5000
MAX_QUOTE = 20_000
_MOST_MENTIONS = 50


def comment(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    body: str,
    quote: str = "",
    occurrence: int = 0,
    mentions: Iterable[str] = (),
) -> CommentThread:
    """Begin a thread.

    Args:
        actor: who comments.
        document_id: which document.
        body: plain text; `@` before a member's name, address or the part before its @ tells them.
        quote: the passage, as Markdown or as the words that a reader sees; "" for the whole document.
        occurrence: which one, from 0, where the passage stands more than once.
        mentions: ids of members to tell besides.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to comment on.
        InvalidInput: nothing is said, it is too long, or the passage is not there.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.comment", workspace=found.workspace_id)
    said = _said(body)
    if len(quote) > MAX_QUOTE:
        raise InvalidInput("The passage is too long.", field="quote", remedy="Choose a shorter one.")
    with transaction.atomic():
        # Locked, so that the passage is looked up in the text that the next save starts from.
        document = lock_document(found.pk, None)
        text = document.body_markdown
        start, end = 0, 0
        if quote.strip():
            place = anchors.find_passage(text, quote, occurrence)
            if place is None:
                raise InvalidInput(
                    "This passage does not stand in the document.",
                    field="quote",
                    remedy="Save the text, choose the passage again, or comment on the whole document.",
                )
            start, end = place
        prefix, suffix = anchors.context(text, start, end) if end else ("", "")
        thread = CommentThread.objects.create(
            workspace_id=document.workspace_id,
            document=document,
            version=document.current_version,
            quote=text[start:end],
            prefix=prefix,
            suffix=suffix,
            start=start,
            created_by=actor.user,
        )
        _add(actor, document, thread, said, mentions)
        record(actor, "comment.created", obj=thread, after={"document": str(document.pk)})
    return get_thread(actor=actor, document_id=document.pk, thread_id=thread.pk)


def reply(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    thread_id: uuid.UUID | str,
    body: str,
    mentions: Iterable[str] = (),
) -> CommentThread:
    """Answer in a thread; one that was resolved is open again.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to comment on.
        InvalidInput: nothing is said, or it is too long.
    """
    thread = get_thread(actor=actor, document_id=document_id, thread_id=thread_id)
    require(actor, "content.comment", workspace=thread.workspace_id)
    said = _said(body)
    with transaction.atomic():
        document = lock_document(thread.document_id, None)
        _add(actor, document, thread, said, mentions)
        thread.resolved_at, thread.resolved_by = None, None
        thread.save(update_fields=["resolved_at", "resolved_by", "updated_at"])
        record(actor, "comment.created", obj=thread, after={"document": str(document.pk)})
    return get_thread(actor=actor, document_id=document_id, thread_id=thread_id)


def resolve(
    *, actor: Actor, document_id: uuid.UUID | str, thread_id: uuid.UUID | str, resolved: bool = True
) -> CommentThread:
    """Mark a thread as settled, or open it again.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to comment on.
        Conflict: it is so already.
    """
    thread = get_thread(actor=actor, document_id=document_id, thread_id=thread_id)
    require(actor, "content.comment", workspace=thread.workspace_id)
    with transaction.atomic():
        rows = CommentThread.objects.filter(pk=thread.pk, resolved_at__isnull=resolved)
        now = timezone.now()
        if not rows.update(
            resolved_at=now if resolved else None, resolved_by=actor.user if resolved else None, updated_at=now
        ):
            raise Conflict("Somebody else was faster.", remedy="Load the comments again.")
        action = "comment.resolved" if resolved else "comment.reopened"
        record(actor, action, obj=thread, after={"document": str(thread.document_id)})
    return get_thread(actor=actor, document_id=document_id, thread_id=thread_id)


def edit_comment(
    *, actor: Actor, document_id: uuid.UUID | str, thread_id: uuid.UUID | str, comment_id: uuid.UUID | str, body: str
) -> CommentThread:
    """Change one's own words; who is named in them for the first time is told.

    Raises:
        NotFound, PermissionDenied: there is no such comment, or it is somebody else's.
        InvalidInput: nothing is said, or it is too long.
    """
    thread, row = _comment(actor, document_id, thread_id, comment_id)
    require(actor, "content.comment", workspace=thread.workspace_id)
    if row.author_id != actor.user_id:
        raise PermissionDenied("These are somebody else's words.", remedy="Answer them instead.")
    said = _said(body)
    with transaction.atomic():
        told = set(row.mentions)
        named = _mentioned(actor, thread.document, said, ())
        row.body, row.mentions, row.edited_at = said, sorted(str(each) for each in named), timezone.now()
        row.save(update_fields=["body", "mentions", "edited_at"])
        record(actor, "comment.edited", obj=thread, after={"document": str(thread.document_id)})
        for person in named.values():
            if str(person.pk) not in told and person.pk != actor.user_id:
                _tell(person, "comment.mention", thread, actor, said)
    return get_thread(actor=actor, document_id=document_id, thread_id=thread_id)


def delete_comment(
    *, actor: Actor, document_id: uuid.UUID | str, thread_id: uuid.UUID | str, comment_id: uuid.UUID | str
) -> None:
    """Take a comment away; with the first one goes its thread.

    Raises:
        NotFound, PermissionDenied: there is no such comment, or it is somebody else's and the actor is no editor.
        Conflict: others have answered to it.
    """
    thread, row = _comment(actor, document_id, thread_id, comment_id)
    require(actor, "content.comment", workspace=thread.workspace_id)
    editor = can(actor, "content.approve", workspace=thread.workspace_id)
    if row.author_id != actor.user_id and not editor:
        raise PermissionDenied("These are somebody else's words.", remedy="Ask an editor to take them away.")
    with transaction.atomic():
        locked = CommentThread.objects.select_for_update(of=("self",)).get(pk=thread.pk)
        others = locked.comments.exclude(pk=row.pk)
        first = not others.filter(created_at__lt=row.created_at).exists()
        if first and others.exclude(author_id=actor.user_id).exists() and not editor:
            raise Conflict("Others have answered to it.", remedy="Resolve the thread instead.")
        record(actor, "comment.deleted", obj=thread, after={"document": str(thread.document_id), "thread": first})
        if first:
            locked.delete()
        else:
            row.delete()


# ---------------------------------------------------------------- inside
def _comment(
    actor: Actor, document_id: uuid.UUID | str, thread_id: uuid.UUID | str, comment_id: uuid.UUID | str
) -> tuple[CommentThread, Comment]:
    thread = get_thread(actor=actor, document_id=document_id, thread_id=thread_id)
    row = thread.comments.filter(pk=as_uuid(comment_id)).first()
    if row is None:
        raise NotFound("There is no such comment.")
    return thread, row


def _add(actor: Actor, document: Document, thread: CommentThread, said: str, mentions: Iterable[str]) -> None:
    named = _mentioned(actor, document, said, mentions)
    Comment.objects.create(thread=thread, author=actor.user, body=said, mentions=sorted(str(each) for each in named))
    for person in named.values():
        if person.pk != actor.user_id:
            _tell(person, "comment.mention", thread, actor, said)
    # Those who are in the conversation, and the owner; each is told once, and not of their own words.
    talking = User.objects.filter(pk__in=thread.comments.values("author_id"))
    members = {row.user_id for row in members_of(actor=actor, workspace=document.workspace)}
    others = {person.pk: person for person in (*talking, document.owner) if person is not None}
    for key, person in others.items():
        if key != actor.user_id and key not in named and key in members:
            _tell(person, "comment.created", thread, actor, said)


def _mentioned(actor: Actor, document: Document, said: str, ids: Iterable[str]) -> dict[uuid.UUID, User]:
    wanted = {str(each).lower() for each in ids}
    if "@" not in said and not wanted:
        return {}
    people = [row.user for row in members_of(actor=actor, workspace=document.workspace)]
    if unknown := wanted - {str(person.pk) for person in people}:
        raise InvalidInput(
            f"'{min(unknown)[:60]}' is no member of the workspace.", field="mentions", remedy="Name members only."
        )
    firsts = [person.get_short_name().lower() for person in people]
    found = {}
    for person in people:
        names = [person.full_name, person.email, person.email.partition("@")[0]]
        # A first name that two people bear names neither.
        if firsts.count(person.get_short_name().lower()) == 1:
            names.append(person.get_short_name())
        named = any(name and re.search(rf"(?<!\w)@{re.escape(name)}(?!\w)", said, re.IGNORECASE) for name in names)
        if named or str(person.pk) in wanted:
            found[person.pk] = person
    return dict(list(found.items())[:_MOST_MENTIONS])


def _tell(person: User, kind: str, thread: CommentThread, actor: Actor, said: str) -> None:
    who, title = str(actor.user) if actor.user else actor.label, thread.document.title[:100]
    if kind == "comment.mention":
        words = _("%(who)s names you in a comment on “%(title)s”.")
    else:
        words = _("%(who)s comments on “%(title)s”.")
    link = f"{reverse('content:document', args=[thread.document_id])}?comment={thread.pk}"
    notify(person, kind, words % {"who": who, "title": title}, said[:300], link)


def _said(body: str) -> str:
    said = clean_text(body).strip()
    if not said:
        raise InvalidInput("Nothing is said.", field="body", remedy="Write a comment.")
    if len(said) > MAX_COMMENT:
        raise InvalidInput(
            f"The comment has {len(said)} characters.", field="body", remedy=f"Use at most {MAX_COMMENT}."
        )
    return said
