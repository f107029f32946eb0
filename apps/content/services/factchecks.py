"""Checking the claims of a draft against the writer's own sources."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.content.markup.claims import Claim, claims_in, judge
from apps.content.models import CheckedClaim, ClaimCheck, Source
from apps.content.retrieval.hybrid import Hit
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.pins import pinned_ids
from apps.content.services.sources import search_sources
from apps.users.selectors.access import Actor, require, workspaces_of
from apps.users.services.audit import record

logger = logging.getLogger(__name__)
LEASE = dt.timedelta(seconds=60)
PATIENCE = dt.timedelta(seconds=30)
MAX_ATTEMPTS = 4
MAX_CLAIMS = 400
PASSAGES = 6
KEPT = 20


def start_check(*, actor: Actor, document_id: uuid.UUID | str) -> ClaimCheck:
    """Have each statement of a document's present text looked up in its sources.

    Its pinned sources are asked, or all of the workspace when none is pinned.

    Args:
        actor: who asks.
        document_id: the document.

    Returns:
        the check; one that is under way for the same text is returned instead of a second.

    Raises:
        NotFound, PermissionDenied: the document or the sources are not the actor's.
        InvalidInput: there is no statement in it.
        Conflict: there is no source to ask.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.suggest", workspace=document.workspace_id)
    require(actor, "sources.read", workspace=document.workspace_id)
    version = document.current_version
    if version is None or not claims_in(version.body_markdown, most=1):
        raise InvalidInput(
            "There is no statement to check.", field="document", remedy="Write some sentences and save them first."
        )
    if not Source.objects.filter(workspace_id=document.workspace_id, state=Source.State.READY).exists():
        raise Conflict("There is no source to check against.", remedy="Add a source and wait until it is ready.")
    with transaction.atomic():
        going = ClaimCheck.objects.filter(document=document, version=version, state__in=("queued", "running")).first()
        if going is not None:
            return going
        made = ClaimCheck.objects.create(document=document, version=version, requested_by=actor.user)
        old = ClaimCheck.objects.filter(document=document).order_by("-created_at").values_list("pk", flat=True)[KEPT:]
        ClaimCheck.objects.filter(pk__in=list(old)).delete()
        record(actor, "document.claims_checked", obj=document, after={"version": version.number})
        enqueue("content.run_claim_check", check_id=str(made.pk))
    return made


def stop_check(*, actor: Actor, check_id: uuid.UUID | str) -> ClaimCheck:
    """Stop a check; what is judged stays.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to stop.
    """
    found = get_check(actor=actor, check_id=check_id)
    require(actor, "content.suggest", workspace=found.document.workspace_id)
    ClaimCheck.objects.filter(pk=found.pk, state__in=("queued", "running")).update(
        state=ClaimCheck.State.STOPPED, finished_at=timezone.now(), lease_until=None
    )
    found.refresh_from_db()
    return found


def checks_of(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[ClaimCheck]:
    """The checks of a document, newest first, with counts of the verdicts.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
    """
    document = get_document(actor=actor, document_id=document_id)
    counts = {
        name: Count("claims", filter=Q(claims__verdict=name)) for name in ("supported", "contradicted", "not_found")
    }
    return ClaimCheck.objects.filter(document=document).annotate(**counts).select_related("version")


def get_check(*, actor: Actor, check_id: uuid.UUID | str) -> ClaimCheck:
    """One check.

    Raises:
        NotFound: there is none, or its document is not the actor's.
    """
    found = (
        ClaimCheck.objects.filter(pk=as_uuid(check_id), document__workspace__in=workspaces_of(actor))
        .select_related("document", "version")
        .first()
    )
    if found is None:
        raise NotFound("There is no such check.")
    get_document(actor=actor, document_id=found.document_id)
    return found


def run_check(check_id: uuid.UUID) -> None:
    """Judge the claims of a check, from where the last worker stopped. Quiet when somebody else is at it."""
    fence = ClaimCheck.objects.claim(check_id, lease=LEASE, to_state=ClaimCheck.State.RUNNING)
    if fence is None:
        return
    check = ClaimCheck.objects.select_related("document", "version", "requested_by").get(pk=check_id)
    try:
        if check.attempts > MAX_ATTEMPTS:
            raise Conflict(f"It has ended the worker {MAX_ATTEMPTS} times.", remedy="Check a shorter document.")
        if not _judge_all(check, fence):
            return
        fields: dict[str, object] = {"state": ClaimCheck.State.READY, "error": "", "remedy": ""}
    except AppError as error:
        fields = {"state": ClaimCheck.State.FAILED, "error": error.message, "remedy": error.remedy}
    except Exception:
        logger.exception("Claim check %s failed", check_id)
        fields = {
            "state": ClaimCheck.State.FAILED,
            "error": "The claims could not be checked.",
            "remedy": "Start the check again.",
        }
    ClaimCheck.objects.held(check_id, fence=fence).update(lease_until=None, finished_at=timezone.now(), **fields)


def wake_checks(limit: int = 50) -> int:
    """Send the messages of checks again whose message or worker was lost. Returns how many."""
    overdue = ClaimCheck.objects.claimable().filter(queued_at__lt=timezone.now() - PATIENCE)
    ids = list(overdue.order_by("queued_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.run_claim_check", check_id=str(each))
    return len(ids)


def _judge_all(check: ClaimCheck, fence: int) -> bool:
    """False: the check was stopped or taken over."""
    claims = claims_in(check.version.body_markdown, most=MAX_CLAIMS)
    actor = Actor.for_user(check.requested_by) if check.requested_by else Actor.system_actor("claims")
    own = list(Source.objects.filter(document=check.document).values_list("pk", flat=True))
    sources = _asked(check, own)
    note = f"Only the first {MAX_CLAIMS} statements were checked." if len(claims) == MAX_CLAIMS else ""
    judged = check.claims.count()
    for ordinal, claim in enumerate(claims[judged:], start=judged):
        found = search_sources(
            actor=actor,
            workspace=check.document.workspace_id,
            query=claim.text[:2000],
            source_ids=sources,
            limit=PASSAGES,
        )
        note = note or found.note[:300]
        row = _row(check, ordinal, claim, found.hits)
        with transaction.atomic():
            held = ClaimCheck.objects.held(check.pk, fence=fence).update(
                lease_until=timezone.now() + LEASE, total=len(claims), done=ordinal + 1, note=note
            )
            if not held:
                return False
            row.save()
    return True


def _asked(check: ClaimCheck, own: Sequence[uuid.UUID]) -> list[uuid.UUID] | None:
    """The sources to ask. A document is no evidence for itself: where it is a source, it is left out."""
    chosen = pinned_ids(check.document)
    if chosen is None and own:
        chosen = list(Source.objects.filter(workspace_id=check.document.workspace_id).values_list("pk", flat=True))
    return None if chosen is None else [each for each in chosen if each not in own]


def _row(check: ClaimCheck, ordinal: int, claim: Claim, hits: Sequence[Hit]) -> CheckedClaim:
    evidence = judge(claim.text, [hit.text for hit in hits])
    row = CheckedClaim(
        claim_check=check,
        ordinal=ordinal,
        text=claim.text,
        start=claim.start,
        end=claim.end,
        verdict=evidence.verdict,
        reason=evidence.reason[:300],
        score=evidence.score,
    )
    if evidence.passage >= 0:
        hit = hits[evidence.passage]
        row.quote = hit.text[evidence.start : evidence.end]
        row.chunk_id, row.source_id = hit.chunk_id, hit.source_id
        row.source_title, row.locator = hit.title[:300], hit.locator[:500]
    return row
