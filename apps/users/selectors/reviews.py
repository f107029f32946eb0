"""Reads about access reviews."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import AccessReview, Membership, ReviewItem, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor, can, require, require_sight, require_user, workspaces_of


def reviews(*, actor: Actor) -> QuerySet[AccessReview]:
    """Campaigns with `item_count` and `open_count`: all for those who run them, else those of workspaces that the actor edits.

    Raises:
        NotAuthenticated: nobody acts.
    """
    rows = AccessReview.objects.select_related("workspace", "created_by").annotate(
        item_count=Count("items"), open_count=Count("items", filter=Q(items__decision=""))
    )
    if can(actor, "access.review"):
        return rows
    user = require_user(actor)
    if actor.token is not None and "members.manage" not in actor.token.scopes:
        require(actor, "access.review")
    edited = Membership.objects.live().filter(user=user, role="editor", elevation=None)
    if actor.token is not None and actor.token.workspace_id:
        edited = edited.filter(workspace=actor.token.workspace_id)
    # One who was reduced to less decides all the same, while the members are theirs to manage.
    held = edited.order_by().values_list("workspace_id", "only")
    rooms = [room for room, only in held if only is None or "members.manage" in only]
    return rows.filter(scope=AccessReview.Scope.WORKSPACE, workspace__in=rooms)


def get_review(*, actor: Actor, review_id: uuid.UUID | str) -> AccessReview:
    """One campaign.

    Raises:
        NotFound: there is none that the actor may know of.
        PermissionDenied: it is about a workspace in which the actor works and does not manage members.
    """
    found = reviews(actor=actor).filter(pk=review_id).first()
    if found is None:
        about = AccessReview.objects.filter(pk=review_id, workspace__in=workspaces_of(actor)).first()
        if about is not None:
            require(actor, "members.manage", workspace=about.workspace_id)
        raise NotFound("There is no such review.")
    return found


def items_of(*, actor: Actor, review: AccessReview, undecided: bool = False) -> QuerySet[ReviewItem]:
    """What is to be decided in a campaign that the actor may see."""
    get_review(actor=actor, review_id=review.pk)
    rows = review.items.select_related(
        "user", "workspace", "decided_by", "role_grant__granted_by", "membership__granted_by"
    )
    return rows.filter(decision="") if undecided else rows


def get_item(*, actor: Actor, review: AccessReview, item_id: uuid.UUID | str) -> ReviewItem:
    """One thing to decide.

    Raises:
        NotFound: the campaign has none of that id.
    """
    found = items_of(actor=actor, review=review).filter(pk=item_id).first()
    if found is None:
        raise NotFound("There is nothing like that in this review.")
    return found


def decidable_by(actor: Actor, items: Iterable[ReviewItem]) -> set[uuid.UUID]:
    """Ids of those grants about which an actor's word counts: of who manages accounts, and about memberships also of who
    manages the members there; never about oneself."""
    others = [item for item in items if item.user_id != actor.user_id]
    if can(actor, "users.manage"):
        return {item.pk for item in others}
    rooms = {item.workspace_id for item in others if item.workspace_id is not None}
    managed = {room for room in rooms if can(actor, "members.manage", workspace=room)}
    return {item.pk for item in others if item.workspace_id in managed}


def sheet_of(*, actor: Actor, review: AccessReview) -> list[tuple[ReviewItem, bool]]:
    """Everything in a campaign, and what of it waits for the actor's decision; by the same few queries for any number."""
    items = list(items_of(actor=actor, review=review))
    mine = decidable_by(actor, items)
    return [(item, not item.decision and item.pk in mine) for item in items]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one person holds in one column of the matrix."""

    role: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who holds what: people down, the portal and workspaces across."""

    columns: list[str]
    rows: list[tuple[User, list[Cell | None]]]
    more: int


def matrix(*, actor: Actor, most_people: int = 200, most_rooms: int = 12) -> Matrix:
    """People and what they hold now.

    Args:
        actor: needs "users.manage" or "audit.read".
        most_people, most_rooms: how much of it; rooms with most members first.
    """
    require_sight(actor)
    grants = RoleGrant.objects.live().order_by().values_list("user_id", "role", "source", "only")
    members = Membership.objects.live().order_by().values_list("user_id", "workspace_id", "role", "source", "only")
    held: dict[uuid.UUID, dict[Any, list[tuple[str, str, Any]]]] = {}
    for user_id, role, source, only in grants:
        held.setdefault(user_id, {}).setdefault("portal", []).append((role or "lent", source, only))
    sizes: dict[uuid.UUID, int] = {}
    for user_id, room, role, source, only in members:
        sizes[room] = sizes.get(room, 0) + 1
        held.setdefault(user_id, {}).setdefault(room, []).append((role, source, only))
    wanted = sorted(sizes, key=lambda room: -sizes[room])[:most_rooms]
    names = {room.pk: room.name for room in Workspace.objects.filter(pk__in=wanted)}
    # Whoever holds something for the whole portal stands first.
    order = sorted(held, key=lambda user_id: "portal" not in held[user_id])
    users = {user.pk: user for user in User.objects.filter(pk__in=order[:most_people])}
    people = sorted(users.values(), key=lambda user: ("portal" not in held[user.pk], user.email))
    rows = [(user, [_cell(held[user.pk].get(key)) for key in ("portal", *wanted)]) for user in people]
    return Matrix([names[room] for room in wanted], rows, max(0, len(held) - len(rows)))


def _cell(found: list[tuple[str, str, Any]] | None) -> Cell | None:
    if not found:
        return None
    marks = {source for _, source, _ in found if source != "person"}
    if any(only is not None and role != "lent" for role, _, only in found):
        marks.add("reduced")
    return Cell(" + ".join(sorted({role for role, _, _ in found})), tuple(sorted(marks)))
