"""Tells people things, inside the portal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.models import Membership, Notification, RoleGrant, User
from apps.users.selectors.access import Actor, require_person


def notify(user: User, kind: str, title: str, body: str = "", link: str = "") -> Notification:
    """Leave a message for a person. Called by other services, which have asked for permission already.

    Args:
        user: whom.
        kind: what it is about, "generation.finished".
        title: one line.
        body: plain text.
        link: a path within the portal.

    Raises:
        InvalidInput: the link leads out of the portal.
    """
    if link and (not link.startswith("/") or link.startswith(("//", "/\\"))):
        raise InvalidInput("A notification links within the portal only.", field="link")
    return Notification.objects.create(user=user, kind=kind, title=title[:200], body=body, link=link)


def tell_operators(kind: str, title: str, body: str = "", link: str = "/admin/") -> int:
    """Leave a message for every operator and administrator. As `tell_roles`."""
    return tell_roles(("operator", "admin"), kind, title, body, link)


def tell_auditors(kind: str, title: str, body: str = "", link: str = "/admin/users/auditevent/ledger/") -> int:
    """Leave a message for every auditor and administrator. As `tell_roles`."""
    return tell_roles(("auditor", "admin"), kind, title, body, link)


def tell_roles(
    roles: Sequence[str], kind: str, title: str, body: str = "", link: str = "", *, but: User | None = None
) -> int:
    """Leave a message for everybody who holds one of some system roles.

    Args:
        roles: "operator", "auditor", "admin".
        kind: as for `notify`.
        title: one line.
        body: what is wrong and what to do.
        link: the page that says more.
        but: one who is not told.

    Returns:
        how many people were told.
    """
    grants = RoleGrant.objects.live().filter(role__in=roles).exclude(user=but)
    people = User.objects.filter(pk__in=grants.values("user_id"), status=User.Status.ACTIVE)
    return len([notify(person, kind, title, body, link) for person in people])


def tell_editors(
    workspace_id: uuid.UUID, kind: str, title: str, body: str = "", link: str = "", *, but: User | None = None
) -> int:
    """Leave a message for every editor who stays in a workspace; one to whom the role was lent is not told. As `tell_roles`."""
    editors = Membership.objects.live().filter(workspace_id=workspace_id, role="editor", elevation=None)
    people = User.objects.filter(pk__in=editors.exclude(user=but).values("user_id"), status=User.Status.ACTIVE)
    return len([notify(person, kind, title, body, link) for person in people])


def mark_read(*, actor: Actor, notification_id: uuid.UUID | str) -> Notification:
    """Note that the actor has seen one of their own messages.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotFound: it is not theirs.
    """
    person = require_person(actor)
    found = Notification.objects.filter(user=person, pk=notification_id).first()
    if found is None:
        raise NotFound("There is no such notification.")
    if found.read_at is None:
        found.read_at = timezone.now()
        found.save(update_fields=["read_at"])
    return found


def mark_all_read(*, actor: Actor) -> int:
    """Note that the actor has seen all of theirs. Returns how many were unread.

    Raises:
        NotAuthenticated: nobody is signed in.
    """
    person = require_person(actor)
    return Notification.objects.filter(user=person, read_at=None).update(read_at=timezone.now())
