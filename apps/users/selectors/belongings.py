"""Reads about workspaces, members, tokens and notifications."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from aiwriter.core.errors import InvalidInput
from apps.users.models import ApiToken, Membership, Notification, User, Workspace
from apps.users.models.expiry import not_expired
from apps.users.selectors.access import Actor, require, require_person, require_user, workspaces_of


def workspaces_with_counts(*, actor: Actor) -> QuerySet[Workspace]:
    """The actor's workspaces with `member_count`."""
    return workspaces_of(actor).annotate(
        member_count=Count("memberships__user", filter=not_expired("memberships__"), distinct=True)
    )


def members_of(*, actor: Actor, workspace: Workspace) -> QuerySet[Membership]:
    """Present members of one of the actor's workspaces; every member sees who else is in it.

    Raises:
        NotFound: it is not the actor's.
    """
    if not workspaces_of(actor).filter(pk=workspace.pk).exists():
        require(actor, "members.manage", workspace=workspace)
    return Membership.objects.live().filter(workspace=workspace).select_related("user")


def tokens_of(*, actor: Actor) -> QuerySet[ApiToken]:
    """The actor's own tokens, revoked and expired ones included. Needs "tokens.manage"."""
    require(actor, "tokens.manage")
    tokens: QuerySet[ApiToken] = ApiToken.objects.filter(user=require_user(actor)).select_related("workspace")
    if actor.token and actor.token.workspace_id:
        tokens = tokens.filter(workspace_id=actor.token.workspace_id)
    return tokens


def notifications_of(*, actor: Actor, unread: bool = False) -> QuerySet[Notification]:
    """The actor's own notifications, newest first.

    Args:
        actor: a person.
        unread: only those not seen yet.
    """
    found = Notification.objects.filter(user=require_person(actor))
    return found.filter(read_at=None) if unread else found


def find_active_user(*, actor: Actor, workspace: Workspace, email: str) -> User:
    """The account of somebody whom the actor wants to let in.

    Args:
        actor: needs "members.manage" in the workspace.
        workspace: where to.
        email: any case.

    Raises:
        InvalidInput: nobody has an account with this address.
    """
    require(actor, "members.manage", workspace=workspace)
    user = User.objects.filter(email=email.strip().lower(), status=User.Status.ACTIVE).first()
    if user is None:
        raise InvalidInput(
            "Nobody has an account with this address.",
            field="email",
            remedy="Ask an administrator of the portal to make one.",
        )
    return user


def memberships_of(*, actor: Actor) -> QuerySet[Membership]:
    """The actor's own memberships that hold now."""
    return Membership.objects.live().filter(user=require_user(actor)).select_related("workspace")
