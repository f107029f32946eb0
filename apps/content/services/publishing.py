"""Documents on their way to places outside, once each, however often something breaks on the way."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from aiwriter_sdk import BackendError, Publishable, PublishImage, RateLimited
from apps.backends.models import BackendProfile
from apps.backends.services import clearing
from apps.backends.services import publishing as places
from apps.content.markup.exports import body_html, without_title
from apps.content.markup.markdown import clean_text
from apps.content.models import Publication
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.services.deliveries import document_facts, emit
from apps.content.services.documents import lock_document
from apps.content.services.lifecycle import mark_published, pin, require_cleared
from apps.content.services.manuscripts import manuscript, version_of
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of
from apps.users.services.audit import record
from apps.users.services.notifications import notify

logger = logging.getLogger(__name__)

# Above what a call may take, so that no second worker begins while the first one still writes there.
LEASE = dt.timedelta(seconds=places.PUBLISH_SECONDS + 60)
PATIENCE = dt.timedelta(seconds=10)
# 10 s, 40 s, 160 s … at most three hours apart, about a day in all.
_FIRST_PAUSE, _LONGEST_PAUSE, MAX_ATTEMPTS = 10.0, 3 * 3600.0, 14
_WORDS, _WORD_LENGTH = 30, 100
MAX_PLACES = 20


def publish_document(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    target_id: uuid.UUID | str,
    version: str = "current",
    wish: str = "publish",
    publish_at: dt.datetime | None = None,
    categories: Iterable[str] = (),
    tags: Iterable[str] = (),
    with_sources: bool = True,
) -> Publication:
    """Have a worker take a document to a place, or bring the one there up to date.

    Args:
        actor: who publishes.
        document_id: which document.
        target_id: where; see `apps.backends.services.publishing.targets`.
        version: "current", "approved", "published" or a number. What is published stays that version until somebody
            publishes again.
        wish: "publish", "schedule" or "draft"; only a draft may be sent without the approval that the workspace asks for.
        publish_at: for "schedule": with a time zone, in the future.
        categories, tags: names, at most 30 of each.
        with_sources: with the list of sources at the end.

    Raises:
        NotFound, PermissionDenied: document, version or place are not the actor's.
        InvalidInput: a value cannot be used.
        ResidencyRefused: the rules of the workspace do not let it go there.
        Conflict: the version is not approved, or it is on its way there at this moment.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    place = places.get_target(target_id)
    clearing.require_cleared(place, workspace_id=found.workspace_id, user_id=actor.user_id)
    _check_wish(place, wish, publish_at)
    values: dict[str, Any] = {
        "wish": wish,
        "publish_at": publish_at if wish == "schedule" else None,
        "categories": _names("categories", categories),
        "tags": _names("tags", tags),
        "with_sources": with_sources,
        "requested_by": actor.user,
    }
    with transaction.atomic():
        document = lock_document(found.pk, None)
        chosen = values["version"] = version_of(document, version)
        if wish != Publication.Wish.DRAFT:
            require_cleared(document, chosen)
        pin(chosen)
        row, made = Publication.objects.get_or_create(
            document=document, target=place, defaults={"workspace_id": document.workspace_id, **values}
        )
        if not made:
            _queue(row, **values)
        if wish == Publication.Wish.PUBLISH:
            mark_published(document, chosen, actor=actor)
        record(actor, "document.sent", obj=document, after={"place": place.name, "version": chosen.number})
        enqueue("content.run_publication", publication_id=str(row.pk))
    return get_publication(actor=actor, publication_id=row.pk)


def withdraw(*, actor: Actor, publication_id: uuid.UUID | str) -> Publication:
    """Have a document taken down at a place; the row stays and can be published again.

    Raises:
        NotFound, PermissionDenied: it is not the actor's.
        Conflict: it is on its way at this moment.
    """
    row = get_publication(actor=actor, publication_id=publication_id)
    require(actor, "content.write", workspace=row.workspace_id)
    with transaction.atomic():
        _queue(row, wish=Publication.Wish.WITHDRAW, requested_by=actor.user)
        record(actor, "document.withdrawn", obj=row.document, after={"place": row.target.name})
        enqueue("content.run_publication", publication_id=str(row.pk))
    row.refresh_from_db()
    return row


def retry(*, actor: Actor, publication_id: uuid.UUID | str) -> Publication:
    """Try what failed, or waits to be tried again, at once.

    Raises:
        NotFound, PermissionDenied: it is not the actor's.
        Conflict: there is nothing to try again, or the text is not approved any more.
    """
    row = get_publication(actor=actor, publication_id=publication_id)
    require(actor, "content.write", workspace=row.workspace_id)
    if row.state not in (Publication.State.FAILED, Publication.State.QUEUED):
        raise Conflict("There is nothing to try again.", remedy="Publish the document anew to send another text.")
    with transaction.atomic():
        document = lock_document(row.document_id, None)
        if row.wish in (Publication.Wish.PUBLISH, Publication.Wish.SCHEDULE):
            # The approval may have been taken back since.
            require_cleared(document, row.version)
        _queue(row, requested_by=actor.user)
        record(actor, "document.sent", obj=row.document, after={"place": row.target.name})
        enqueue("content.run_publication", publication_id=str(row.pk))
    row.refresh_from_db()
    return row


def publications_for(
    actor: Actor, workspace: Workspace | None = None, *, document_id: uuid.UUID | str | None = None, state: str = ""
) -> QuerySet[Publication]:
    """Where documents stand that the actor may read.

    Args:
        actor: who asks.
        workspace: only of this one.
        document_id: only of this one.
        state: only in this state.
    """
    rows = Publication.objects.filter(workspace__in=workspaces_of(actor), document__deleted_at__isnull=True)
    rows = rows.select_related("document", "target", "version", "sent_version")
    if workspace is not None:
        rows = rows.filter(workspace=workspace)
    if document_id is not None:
        rows = rows.filter(document_id=as_uuid(document_id))
    if state:
        rows = rows.filter(state=state)
    return rows


def get_publication(*, actor: Actor, publication_id: uuid.UUID | str) -> Publication:
    """One publication.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found: Publication | None = publications_for(actor).filter(pk=as_uuid(publication_id)).first()
    if found is None:
        raise NotFound("There is no such publication.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def sweep_publications(limit: int = 50) -> int:
    """Wake what is due: its message or worker was lost, or its pause is over.

    Returns:
        how many.
    """
    now = timezone.now()
    due = Publication.objects.claimable().filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now))
    ids = list(due.filter(queued_at__lt=now - PATIENCE).order_by("queued_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.run_publication", publication_id=str(each))
    return len(ids)


def run_publication(publication_id: uuid.UUID) -> None:
    """Take the document there. Quiet when it is done, not due, or somebody else is at it."""
    due = Publication.objects.filter(pk=publication_id).filter(
        Q(next_try_at__isnull=True) | Q(next_try_at__lte=timezone.now())
    )
    if not due.exists():
        return
    fence = Publication.objects.claim(publication_id, lease=LEASE, to_state=Publication.State.RUNNING)
    if fence is None:
        return
    row = Publication.objects.select_related("document", "target", "version", "requested_by").get(pk=publication_id)
    try:
        fields = _withdrawn(row) if row.wish == Publication.Wish.WITHDRAW else _sent(row)
    except (BackendError, AppError) as error:
        fields = _after_error(row, error)
    except Exception:
        logger.exception("Publication %s failed", publication_id)
        fields = _failure(_("Something went wrong on the server."), _("Try it again, or tell the operator."))
    held = Publication.objects.held(publication_id, fence=fence)
    if held.update(lease_until=None, updated_at=timezone.now(), **fields):
        _tell(row, fields)


def _sent(row: Publication) -> dict[str, Any]:
    item = _item(row)
    digest = _digest(item)
    done = {"state": Publication.State.PUBLISHED, "finished_at": timezone.now(), "error": "", "remedy": ""}
    if row.remote_id and row.sent_hash == digest:
        return {**done, "sent_version": row.version, "next_try_at": None}
    answer = places.publish(row.target, item, workspace_id=row.workspace_id, remote_id=row.remote_id)
    return {
        **done,
        "remote_id": answer.remote_id[:200],
        "remote_url": answer.url[:2000] if answer.url.startswith(("http://", "https://")) else "",
        "sent_hash": digest,
        "sent_version": row.version,
        "sent_at": timezone.now(),
        "next_try_at": None,
    }


def _withdrawn(row: Publication) -> dict[str, Any]:
    if row.remote_id:
        places.unpublish(row.target, row.remote_id)
    return {
        "state": Publication.State.WITHDRAWN,
        "finished_at": timezone.now(),
        "sent_hash": "",
        "error": "",
        "remedy": "",
        "next_try_at": None,
    }


def _item(row: Publication) -> Publishable:
    document = row.document
    actor = Actor.for_user(row.requested_by) if row.requested_by else Actor.system_actor("publishing")
    require(actor, "content.write", workspace=row.workspace_id)
    text = manuscript(actor=actor, document=document, version=row.version, with_sources=row.with_sources)
    body = without_title(text.title, text.body)
    seo = {key: value for key, value in document.seo.items() if isinstance(value, str) and value}
    metadata = {"seo_title": seo.get("title", ""), "meta_description": seo.get("description", "")}
    return Publishable(
        document_id=str(document.pk),
        title=text.title,
        markdown=body,
        html=body_html(body, text.references),
        slug=seo.get("slug") or slugify(text.title)[:120],
        language=document.language,
        excerpt=seo.get("description", ""),
        tags=tuple(row.tags),
        categories=tuple(row.categories),
        metadata={name: value for name, value in metadata.items() if value},
        status="draft" if row.wish == "draft" else "schedule" if row.wish == "schedule" else "publish",
        publish_at=row.publish_at,
        key=row.key,
        images=tuple(
            PublishImage(
                address=address,
                name=picture.name,
                content_type=picture.content_type,
                content=picture.content,
                alt=text.alts.get(address, ""),
            )
            for address, picture in text.pictures.items()
        ),
    )


def _digest(item: Publishable) -> str:
    images = [hashlib.sha256(image.content).hexdigest() + image.alt for image in item.images]
    parts = [
        *(item.title, item.html, item.slug, item.language, item.excerpt, item.status),
        *(list(item.tags), list(item.categories), dict(item.metadata), images),
        item.publish_at.isoformat() if item.publish_at else "",
    ]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _after_error(row: Publication, error: BackendError | AppError) -> dict[str, Any]:
    if not (isinstance(error, BackendError) and error.retryable) or row.attempts >= MAX_ATTEMPTS:
        return _failure(error.message, error.remedy)
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 4 ** (row.attempts - 1))
    if isinstance(error, RateLimited) and error.retry_after:
        pause = max(pause, min(error.retry_after, _LONGEST_PAUSE))
    return {
        "state": Publication.State.QUEUED,
        "next_try_at": timezone.now() + dt.timedelta(seconds=pause),
        "error": error.message,
        "remedy": error.remedy,
    }


def _failure(message: str, remedy: str) -> dict[str, Any]:
    return {
        "state": Publication.State.FAILED,
        "finished_at": timezone.now(),
        "next_try_at": None,
        "error": message,
        "remedy": remedy,
    }


def _tell(row: Publication, fields: dict[str, Any]) -> None:
    """Programs hear how it ended, a person of a failure that nobody will try again."""
    if fields["state"] != Publication.State.QUEUED:
        facts = {
            **document_facts(row.document),
            "publication_id": str(row.pk),
            "place": row.target.name,
            "state": str(fields["state"]),
            "remote_url": fields.get("remote_url", row.remote_url),
        }
        failed = fields["state"] == Publication.State.FAILED
        emit(row.workspace_id, "publication.failed" if failed else "publication.finished", facts)
    if fields["state"] == Publication.State.FAILED and row.requested_by is not None:
        title = _("“%(title)s” could not be published to %(place)s.")
        notify(
            row.requested_by,
            "publication.failed",
            title % {"title": row.document.title[:80], "place": row.target.name},
            f"{fields['error']} {fields['remedy']}".strip(),
            reverse("content:publications"),
        )


def _queue(row: Publication, **values: Any) -> None:
    """Put the row back into the queue unless a worker is at it: two at once could both make a new post."""
    free = ~Q(state=Publication.State.RUNNING) | Q(lease_until__lt=timezone.now())
    changed = (
        Publication.objects.filter(pk=row.pk)
        .filter(free)
        .update(
            state=Publication.State.QUEUED,
            attempts=0,
            next_try_at=None,
            queued_at=timezone.now(),
            error="",
            remedy="",
            updated_at=timezone.now(),
            **values,
        )
    )
    if not changed:
        raise Conflict("It is on its way there at this moment.", remedy="Wait until it has arrived, then try again.")


def _check_wish(place: BackendProfile, wish: str, publish_at: dt.datetime | None) -> None:
    if wish not in ("publish", "schedule", "draft"):
        raise InvalidInput(f"'{wish[:20]}' is no wish.", field="wish", remedy="Use publish, schedule or draft.")
    known = next((t.capabilities for t in places.targets() if t.id == place.pk), frozenset())
    if wish != "publish" and wish not in known:
        raise InvalidInput(f"{place.name} does not know '{wish}'.", field="wish", remedy="Publish it there at once.")
    if wish == "schedule" and (publish_at is None or publish_at <= timezone.now()):
        raise InvalidInput(
            "The time is missing or over.",
            field="publish_at",
            remedy="Choose a time in the future, or publish at once.",
        )


def checked_places(places_wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Places that a text is to be taken to later, as they can be kept and given to `publish_document`.

    Raises:
        NotFound: there is no such place.
        InvalidInput: a value cannot be used.
    """
    wanted = {str(each.get("target_id", "")): each for each in places_wanted}
    if len(wanted) > MAX_PLACES:
        raise InvalidInput(f"{len(wanted)} places.", field="places", remedy=f"Name at most {MAX_PLACES}.")
    return [
        {
            "target_id": str(places.get_target(key).pk),
            "categories": _names("categories", each.get("categories") or ()),
            "tags": _names("tags", each.get("tags") or ()),
            "with_sources": bool(each.get("with_sources", True)),
        }
        for key, each in wanted.items()
    ]


def _names(field: str, given: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(name for each in given if (name := " ".join(clean_text(str(each)).split()))))
    if len(names) > _WORDS or any(len(name) > _WORD_LENGTH for name in names):
        raise InvalidInput(
            f"These are too many {field}, or one of them is too long.",
            field=field,
            remedy=f"Use at most {_WORDS}, each of at most {_WORD_LENGTH} characters.",
        )
    return names
