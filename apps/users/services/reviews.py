"""Access reviews: begun by people or the schedule, decided item by item, ended with a signed file."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core import ledger
from aiwriter.core.errors import AppError, Conflict, Detail, InvalidInput, PermissionDenied
from apps.users.models import AccessReview, GroupMember, LedgerHead, Membership, ReviewItem, RoleGrant, Workspace
from apps.users.models.reviews import LONGEST_DAYS, RECURRENCE_DAYS
from apps.users.selectors.access import Actor, can, require, require_proof
from apps.users.selectors.reviews import decidable_by
from apps.users.selectors.shrinking import Grant, find_grant, used_of
from apps.users.services import audit, groups, roles, shrinking, workspaces
from apps.users.services.keys import installed_key
from apps.users.services.notifications import notify, tell_editors, tell_roles

log = logging.getLogger(__name__)
SCHEDULE = Actor.system_actor("access reviews")
KIND = "aiwriter-access-review"
DESK = "/access/"


def start_review(
    *,
    actor: Actor,
    name: str,
    scope: str = AccessReview.Scope.PRIVILEGED,
    workspace: Workspace | None = None,
    due_days: int = 14,
    recurrence_days: int | None = None,
    on_overdue: str = AccessReview.OnOverdue.ESCALATE,
    previous: AccessReview | None = None,
) -> AccessReview:
    """Begin a campaign: every grant in its scope is frozen with what was used of it.

    Args:
        actor: needs "access.review".
        name: for people.
        scope: "privileged", "all" or "workspace".
        workspace: for the last.
        due_days: how long there is to decide.
        recurrence_days: after how many days it begins again; None: never.
        on_overdue: "revoke" or "escalate".
        previous: of the schedule: the campaign that this one follows.

    Raises:
        InvalidInput: one detail for every wrong field, or there is nothing in its scope.
    """
    require(actor, "access.review")
    _check(name, scope, workspace, due_days, recurrence_days, on_overdue)
    grants = _in_scope(scope, workspace)
    if not grants:
        raise InvalidInput("There is nothing to review.", field="scope", remedy="Choose another scope.")
    with transaction.atomic():
        review = AccessReview.objects.create(
            name=name.strip()[:80],
            scope=scope,
            workspace=workspace,
            due_days=due_days,
            due_at=timezone.now() + dt.timedelta(days=due_days),
            recurrence_days=recurrence_days,
            on_overdue=on_overdue,
            previous=previous,
            created_by=actor.user,
        )
        ReviewItem.objects.bulk_create(_items(review, grants))
        after = {"scope": scope, "items": len(grants), "due_at": review.due_at, "on_overdue": on_overdue}
        audit.record(actor, "access_review.started", obj=review, workspace=workspace, after=after)
        _tell_reviewers(review, f"An access review waits for you: {review.name}", f"{len(grants)} grants")
    return review


def decide_items(
    *, actor: Actor, items: Iterable[ReviewItem], decision: str, comment: str = "", keep: Sequence[str] | None = None
) -> list[ReviewItem]:
    """Decide about some grants; what is taken away is gone with it.

    Args:
        actor: who manages accounts, of memberships also who manages the workspace's members; never about oneself.
        items: of open campaigns.
        decision: "keep", "reduce" or "revoke".
        comment: why. Keeping what was not used in 90 days needs one.
        keep: what a reduction leaves; None: what 90 days needed.

    Raises:
        PermissionDenied: one of them is not the actor's to decide.
        InvalidInput: no such decision, a comment is missing, or nothing would be left.
        Conflict: one is decided, the campaign is closed, or the change itself is refused; then nothing is decided.
    """
    require_proof(actor)
    if decision not in ("keep", "reduce", "revoke"):
        raise InvalidInput(f"'{decision[:20]}' is no decision.", field="decision", remedy="Use keep, reduce or revoke.")
    rows = list(items)
    if not rows:
        raise InvalidInput("Nothing was chosen.", field="items", remedy="Choose what you decide about.")
    mine = decidable_by(actor, rows)
    for item in rows:
        if item.pk not in mine:
            raise PermissionDenied(f"{item}: this is not yours to decide.", remedy="Nobody decides about themselves.")
        if decision == "keep" and not item.facts["uses"] and not comment.strip():
            raise InvalidInput(
                f"{item} was not used in 90 days.", field="comment", remedy="Say why it is to be kept, or take it away."
            )
    with transaction.atomic():
        for item in rows:
            _decide(actor, item, decision, comment, keep)
        for review in AccessReview.objects.filter(pk__in={item.review_id for item in rows}):
            _close_if_done(review)
    return rows


def sweep_reviews() -> int:
    """The schedule: begin campaigns that are due again, and deal with what was not decided in time.

    Each item is a transaction of its own and decided by a conditional write, so that a sweep which is killed, or two at
    once, leave nothing half done and do nothing twice. Returns how many things were done.
    """
    done = 0
    for review in AccessReview.objects.filter(state="closed", recurrence_days__isnull=False, following=None):
        if review.created_at + dt.timedelta(days=review.recurrence_days or 0) <= timezone.now():
            done += _begin_again(review)
    for review in AccessReview.objects.filter(state="open", due_at__lte=Now()):
        done += _overdue(review)
    return done


def _check(
    name: str, scope: str, workspace: Workspace | None, due_days: int, recurrence: int | None, on_overdue: str
) -> None:
    wrong = []
    if not name.strip():
        wrong.append(Detail("name", "A review needs a name."))
    if scope not in AccessReview.Scope.values:
        wrong.append(Detail("scope", "There is no such scope.", f"Use {', '.join(AccessReview.Scope.values)}."))
    if (scope == AccessReview.Scope.WORKSPACE) != (workspace is not None):
        wrong.append(Detail("workspace", "A workspace belongs to the scope 'workspace', and to it alone."))
    if not 1 <= due_days <= LONGEST_DAYS:
        wrong.append(Detail("due_days", f"There are 1 to {LONGEST_DAYS} days to decide."))
    if recurrence is not None and not due_days <= recurrence <= LONGEST_DAYS:
        issue = f"It begins again after at most {LONGEST_DAYS} days, and not before it was due."
        wrong.append(
            Detail("recurrence_days", issue, f"Usual are {RECURRENCE_DAYS['privileged']} and {RECURRENCE_DAYS['all']}.")
        )
    if on_overdue not in AccessReview.OnOverdue.values:
        wrong.append(Detail("on_overdue", "There is no such way.", "Use revoke or escalate."))
    if wrong:
        raise InvalidInput("The review cannot be begun like this.", details=wrong)


def _in_scope(scope: str, workspace: Workspace | None) -> list[Grant]:
    """Lasting grants; what was lent ends by itself and was agreed to one by one."""
    found: list[Grant] = []
    if scope != AccessReview.Scope.WORKSPACE:
        grants = RoleGrant.objects.live().filter(elevation=None)
        found += grants.select_related("user", "granted_by", "group").order_by("role", "user__email")
    if scope != AccessReview.Scope.PRIVILEGED:
        members = Membership.objects.live().filter(elevation=None)
        if workspace is not None:
            members = members.filter(workspace=workspace)
        related = members.select_related("user", "granted_by", "group", "workspace")
        found += related.order_by("workspace__name", "user__email")
    return found


def _items(review: AccessReview, grants: list[Grant]) -> list[ReviewItem]:
    used = used_of(grants)
    peers: dict[tuple[Any, str], int] = {}
    for grant in grants:
        key = (getattr(grant, "workspace_id", None), grant.role)
        peers[key] = peers.get(key, 0) + 1
    rows = []
    for grant in grants:
        room = getattr(grant, "workspace_id", None)
        mine = used[grant.pk]
        snapshot = {
            "id": str(grant.pk),
            "role": grant.role,
            "reduced_to": grant.only,
            "source": grant.source,
            "group": str(grant.group or ""),
            # An id and no name: the file is signed, and no erasure could take a name out of it.
            "given_by": str(grant.granted_by_id or ""),
            "reason": grant.reason,
            "since": grant.created_at.isoformat(),
            "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        }
        facts = {
            "uses": mine.total,
            "last_use": mine.last.isoformat() if mine.last else None,
            "needed": sorted(mine.counts),
            "peers": peers[room, grant.role] - 1,
            "last_seen": grant.user.last_seen_day.isoformat() if grant.user.last_seen_day else None,
            "status": grant.user.status,
        }
        rows.append(
            ReviewItem(
                review=review,
                user=grant.user,
                workspace_id=room,
                role_grant=grant if isinstance(grant, RoleGrant) else None,
                membership=grant if isinstance(grant, Membership) else None,
                role=grant.role,
                snapshot=snapshot,
                facts=facts,
            )
        )
    return rows


def _decide(actor: Actor, item: ReviewItem, decision: str, comment: str, keep: Sequence[str] | None) -> None:
    row: ReviewItem = ReviewItem.objects.select_for_update().get(pk=item.pk)
    if row.decision or not AccessReview.objects.filter(pk=row.review_id, state="open").exists():
        raise Conflict(f"{item}: this was decided already.", remedy="Load the page again.")
    grant = _grant_of(row)
    kept: list[str] | None = None
    if grant is None:
        decision = ReviewItem.Decision.GONE
    elif decision == "reduce":
        kept = sorted(keep) if keep is not None else row.facts["needed"]
        # Who decides may be an editor, who manages members and no rights: the decision itself was permitted above.
        shrinking.reduce_grant(actor=_acting(actor, row), grant=grant, keep=kept, reason=f"Review: {comment}".strip())
    elif decision == "revoke":
        _take_away(_acting(actor, row), grant, f"Review: {comment}".strip())
    changed = ReviewItem.objects.filter(pk=row.pk, decision="").update(
        decision=decision,
        kept=kept,
        comment=comment.strip()[:300],
        decided_by=actor.user,
        decided_at=Now(),
        problem="",
    )
    if not changed:
        raise Conflict(f"{item}: this was decided already.", remedy="Load the page again.")
    after = {"user": row.user.email, "role": row.role, "decision": str(decision), "kept": kept}
    audit.record(actor, "access_review.decided", obj=row, workspace=row.workspace_id, reason=comment, after=after)
    item.refresh_from_db()


def _acting(actor: Actor, item: ReviewItem) -> Actor:
    """Who makes the change: the reviewer, or for an editor's decision about a membership the review itself."""
    return actor if can(actor, "users.manage") else Actor.system_actor(f"access review, by {actor.label}")


def _grant_of(item: ReviewItem) -> Grant | None:
    key = item.role_grant_id or item.membership_id
    if key is None:
        return None
    try:
        return find_grant("role" if item.role_grant_id else "membership", key)
    except AppError:
        return None


def _take_away(actor: Actor, grant: Grant, reason: str) -> None:
    if grant.group_id:
        member = (
            GroupMember.objects.filter(group=grant.group_id, user=grant.user_id).select_related("user", "group").get()
        )
        groups.remove_from_group(actor=actor, member=member, reason=reason)
    elif isinstance(grant, RoleGrant):
        roles.revoke_role(actor=actor, grant=grant, reason=reason)
    else:
        workspaces.remove_member(actor=actor, membership=grant)


def _close_if_done(review: AccessReview) -> None:
    if review.items.filter(decision="").exists():
        return
    review.closed_at = timezone.now()
    review.evidence = _signed(review)
    closed = AccessReview.objects.filter(pk=review.pk, state="open")
    if closed.update(state="closed", closed_at=review.closed_at, evidence=review.evidence):
        counts = {each: review.items.filter(decision=each).count() for each in ReviewItem.Decision.values}
        audit.record(SCHEDULE, "access_review.closed", obj=review, workspace=review.workspace_id, after=counts)


def _signed(review: AccessReview) -> str:
    key = installed_key("checkpoint")
    head = LedgerHead.objects.filter(pk=1).values("seq", "hash", "root").first()
    items = [
        {
            "person": str(item.user_id),
            "workspace": item.workspace.name if item.workspace else None,
            "role": item.role,
            "grant": item.snapshot,
            "facts": item.facts,
            "decision": item.decision,
            "kept": item.kept,
            "comment": item.comment,
            "decided_by": str(item.decided_by_id or "the schedule"),
            "decided_at": item.decided_at.isoformat() if item.decided_at else None,
        }
        for item in review.items.select_related("workspace")
    ]
    document = {
        "kind": KIND,
        "form": 1,
        "id": str(review.pk),
        "name": review.name,
        "scope": review.scope,
        "workspace": review.workspace.name if review.workspace else None,
        "begun_at": review.created_at.isoformat(),
        "begun_by": str(review.created_by_id or "the schedule"),
        "due_at": review.due_at.isoformat(),
        "closed_at": review.closed_at.isoformat() if review.closed_at else None,
        "record": head,
        "items": items,
        "key_id": key.id,
        "public_key": ledger.public_key(key.material),
    }
    whole = {"document": document, "signature": ledger.sign_document(key.material, document)}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def _begin_again(review: AccessReview) -> int:
    try:
        with transaction.atomic():
            start_review(
                actor=SCHEDULE,
                name=review.name,
                scope=review.scope,
                workspace=review.workspace,
                due_days=review.due_days,
                recurrence_days=review.recurrence_days,
                on_overdue=review.on_overdue,
                previous=review,
            )
    except (IntegrityError, InvalidInput) as error:
        # Another sweep was faster, or there is nothing to review now.
        log.info("The access review %s does not begin again now: %s", review.pk, error)
        return 0
    return 1


def _overdue(review: AccessReview) -> int:
    done = 0
    if review.on_overdue == AccessReview.OnOverdue.REVOKE:
        for item in review.items.filter(decision="", problem="").select_related("user", "review"):
            done += _revoke_overdue(item)
        with transaction.atomic():
            _close_if_done(review)
    left = review.items.filter(decision="").count()
    if left and AccessReview.objects.filter(pk=review.pk, escalated_at=None).update(escalated_at=Now()):
        title = f"The access review {review.name} is overdue: {left} undecided"
        tell_roles(("admin", "auditor"), "access_review.overdue", title, "", _page(review))
        audit.record(SCHEDULE, "access_review.escalated", obj=review, after={"undecided": left})
        done += 1
    return done


def _revoke_overdue(item: ReviewItem) -> int:
    try:
        if item.user.is_emergency:
            raise Conflict("An emergency account is only decided about by people.")
        with transaction.atomic():
            _decide(SCHEDULE, item, "revoke", "Nobody had decided when it was due.", None)
            notify(item.user, "access_review.revoked", f"Taken away in a review: {item.role}", item.review.name, DESK)
    except AppError as error:
        # The last administrator, say: it stays, is named, and is not tried again with each sweep.
        ReviewItem.objects.filter(pk=item.pk, decision="").update(problem=str(error)[:300])
    return 1


def _tell_reviewers(review: AccessReview, title: str, body: str) -> None:
    if review.workspace_id:
        tell_editors(review.workspace_id, "access_review.started", title, body, f"/access/reviews/{review.pk}/")
    else:
        tell_roles(("admin",), "access_review.started", title, body, _page(review))


def _page(review: AccessReview) -> str:
    return f"/admin/users/accessreview/{review.pk}/change/"
