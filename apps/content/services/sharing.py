"""Share links: made, opened by anybody who has them, revoked.

A link shows what the person who made it may read at that moment: it ends with their membership, with the document, by its
date and by hand. Every reason why one does not work gets the same answer.
"""

from __future__ import annotations

import datetime as dt
import html
import secrets
import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from markdown_it.token import Token

from aiwriter.core.errors import AppError, InvalidInput, NotFound
from aiwriter_sdk import Secret
from apps.backends.models import StoredFile
from apps.content.markup.exports import body_html, without_title
from apps.content.markup.markdown import clean_text, parse
from apps.content.markup.pictures import addresses_in, kept_file_id
from apps.content.models import DocumentVersion, ShareLink
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.services.documents import lock_document
from apps.content.services.lifecycle import pin
from apps.content.services.manuscripts import manuscript, version_of
from apps.content.services.pictures import get_picture
from apps.users.selectors.access import Actor, can, require, require_user, workspaces_of
from apps.users.services.audit import record

DEFAULT_DAYS, MAX_DAYS = 14, 365
_SECRET_BYTES = 32
Which = ShareLink.Which


@dataclass(frozen=True, slots=True)
class Shared:
    """What a reader of a link sees."""

    title: str
    html: str
    language: str
    number: int
    changed_at: dt.datetime
    expires_at: dt.datetime


def create_link(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    which: str = "current",
    days: int = DEFAULT_DAYS,
    label: str = "",
) -> tuple[ShareLink, Secret]:
    """Make a link.

    Args:
        actor: who writes; the link shows what they may read.
        document_id: which document.
        which: "current" (follows the text), "published" (follows what is published), or the number of a version, which
            is pinned.
        days: how long it works, 1 to 365.
        label: for whom it is, at most 120 characters.

    Returns:
        the row and the secret part of the address, which cannot be read again.

    Raises:
        NotFound, PermissionDenied: the document or version is not the actor's.
        InvalidInput: a value cannot be used.
        Conflict: nothing is published.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    person = require_user(actor)
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"A link works 1 to {MAX_DAYS} days.", field="days", remedy="Choose fewer days.")
    named = clean_text(label).strip()
    if len(named) > 120:
        raise InvalidInput("The name is longer than 120 characters.", field="label", remedy="Shorten it.")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        version = version_of(document, which)
        numbered = which not in ("current", "published")
        if numbered:
            pin(version)
        row = ShareLink.objects.create(
            workspace_id=document.workspace_id,
            document=document,
            which=Which.VERSION if numbered else which,
            version=version if numbered else None,
            label=named,
            digest=_digest(secret),
            created_by=person,
            expires_at=timezone.now() + dt.timedelta(days=days),
        )
        after = {"document": str(document.pk), "which": which, "expires_at": row.expires_at}
        record(actor, "share.created", obj=row, after=after)
    return row, Secret(secret)


def revoke_link(*, actor: Actor, link_id: uuid.UUID | str) -> ShareLink:
    """Make a link useless, from the next reader on.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to revoke.
    """
    rows = ShareLink.objects.filter(workspace__in=workspaces_of(actor)).select_related("version", "created_by")
    row = rows.filter(pk=as_uuid(link_id)).first()
    if row is None:
        raise NotFound("There is no such link.")
    require(actor, "content.write", workspace=row.workspace_id)
    with transaction.atomic():
        now = timezone.now()
        if ShareLink.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now):
            row.revoked_at = now
            record(actor, "share.revoked", obj=row, after={"document": str(row.document_id)})
    return row


def links_of(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[ShareLink]:
    """All links of a document, newest first, those that work no more included.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    rows: QuerySet[ShareLink] = document.share_links.select_related("version", "created_by")
    return rows.defer("version__body_markdown").order_by("-created_at", "-id")


def open_link(secret: str) -> Shared:
    """What a link shows now.

    Args:
        secret: of the address.

    Raises:
        NotFound: there is no such link, or it works no more, or there is nothing to show.
    """
    row, version = _opened(secret)
    text = manuscript(actor=Actor.for_user(row.created_by), document=row.document, version=version, with_pictures=False)
    shown = body_html(without_title(text.title, text.body), text.references)
    for address, file_id in _pictures_in(text.body).items():
        # The picture's own address asks for an account; below the link's it is shown as long as the link works.
        there = reverse("content:shared-picture", args=[secret, file_id])
        shown = shown.replace(f'src="{html.escape(address, quote=True)}"', f'src="{there}"')
    _note_opening(row)
    return Shared(
        title=text.title,
        html=shown,
        language=row.document.language,
        number=version.number,
        changed_at=row.document.updated_at if row.which == Which.CURRENT else version.created_at,
        expires_at=row.expires_at,
    )


def open_picture(secret: str, file_id: uuid.UUID) -> tuple[Actor, StoredFile]:
    """A picture of the text that a link shows now.

    Args:
        secret: of the link's address.
        file_id: of the picture.

    Returns:
        the person in whose name the link shows it, and the file.

    Raises:
        NotFound: the link works no more, or its text does not show this picture.
    """
    row, version = _opened(secret)
    if file_id not in _pictures_in(version.body_markdown).values():
        raise _nothing()
    actor = Actor.for_user(row.created_by)
    try:
        return actor, get_picture(actor=actor, file_id=file_id)
    except AppError:
        raise _nothing() from None


def _opened(secret: str) -> tuple[ShareLink, DocumentVersion]:
    row = None
    if 0 < len(secret) < 100:
        rows = ShareLink.objects.live().select_related("document", "version", "created_by")
        row = rows.filter(digest=_digest(secret)).first()
    if row is None or not can(Actor.for_user(row.created_by), "content.read", workspace=row.workspace_id):
        raise _nothing()
    version = _shown(row)
    if version is None:
        raise _nothing()
    return row, version


def _pictures_in(body: str) -> dict[str, uuid.UUID]:
    """The portal's own pictures that a text shows, by address."""
    tokens = (token for token in parse(body) if isinstance(token, Token))
    return {address: found for address in addresses_in(tokens) if (found := kept_file_id(address))}


def _shown(row: ShareLink) -> DocumentVersion | None:
    if row.which == Which.VERSION:
        return row.version
    return row.document.published_version if row.which == Which.PUBLISHED else row.document.current_version


def _note_opening(row: ShareLink) -> None:
    # To the hour, so that reading does not write each time.
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    if row.last_opened_at != hour:
        ShareLink.objects.filter(pk=row.pk).update(last_opened_at=hour)


def _nothing() -> NotFound:
    return NotFound("This link does not work.", remedy="It may be over. Ask whoever gave it to you for a new one.")


def _digest(secret: str) -> str:
    # The pepper is derived from the secret key for this one purpose, so a stolen database alone opens nothing.
    return salted_hmac("apps.content.sharing.pepper", secret, algorithm="sha256").hexdigest()
