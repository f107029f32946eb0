"""Accounts, for those who manage or audit them."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import ApiToken, Invitation, RoleGrant, User
from apps.users.selectors.access import Actor, require_sight


def people(*, actor: Actor, words: str = "", status: str = "") -> QuerySet[User]:
    """All accounts.

    Args:
        actor: needs "users.manage" or "audit.read".
        words: part of a name or address.
        status: "active" or "suspended".
    """
    require_sight(actor)
    found = User.objects.get_queryset()
    if words:
        found = found.filter(Q(email__icontains=words) | Q(full_name__icontains=words))
    return found.filter(status=status) if status else found


def get_person(*, actor: Actor, user_id: uuid.UUID | str) -> User:
    """One account.

    Raises:
        NotFound: there is none.
    """
    require_sight(actor)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound("There is no such account.")
    return user


def role_grants(*, actor: Actor, user_id: uuid.UUID | None = None) -> QuerySet[RoleGrant]:
    """System roles that hold now, whatever gives them.

    Args:
        actor: needs "users.manage" or "audit.read".
        user_id: only those of one account.
    """
    require_sight(actor)
    found: QuerySet[RoleGrant] = RoleGrant.objects.live().select_related("user", "granted_by")
    return found.filter(user=user_id) if user_id else found


def get_role_grant(*, actor: Actor, grant_id: uuid.UUID | str) -> RoleGrant:
    """One system role of one account.

    Raises:
        NotFound: there is none.
    """
    found = role_grants(actor=actor).filter(pk=grant_id).first()
    if found is None:
        raise NotFound("There is no such grant.")
    return found


def tokens_of_account(*, actor: Actor, user: User) -> QuerySet[ApiToken]:
    """Somebody's API keys, revoked and expired ones included. The actor needs "users.manage" or "audit.read"."""
    require_sight(actor)
    found: QuerySet[ApiToken] = ApiToken.objects.filter(user=user).select_related("workspace")
    return found


def get_token_of_account(*, actor: Actor, user: User, token_id: uuid.UUID | str) -> ApiToken:
    """One of somebody's API keys.

    Raises:
        NotFound: they have no such key.
    """
    found = tokens_of_account(actor=actor, user=user).filter(pk=token_id).first()
    if found is None:
        raise NotFound("This account has no such key.")
    return found


def invitations(*, actor: Actor) -> QuerySet[Invitation]:
    """All invitations, newest first. Needs "users.manage" or "audit.read"."""
    require_sight(actor)
    return Invitation.objects.select_related("workspace", "invited_by")


def get_invitation(*, actor: Actor, invitation_id: uuid.UUID | str) -> Invitation:
    """One invitation.

    Raises:
        NotFound: there is none.
    """
    found = invitations(actor=actor).filter(pk=invitation_id).first()
    if found is None:
        raise NotFound("There is no such invitation.")
    return found
