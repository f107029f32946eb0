"""Who may do what: the first line of every service asks here.

Every answer is read from the database at that moment. A role that was taken away, a membership that ended, a token that
was revoked counts from the next call on, in every process, without a cache to empty.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.db.models import Q, QuerySet

from aiwriter.core import context
from aiwriter.core.errors import NotAuthenticated, NotFound, PermissionDenied, ProofRequired
from apps.users.models import ApiToken, Membership, RoleGrant, User, Workspace
from apps.users.models.capabilities import (
    CAPABILITIES,
    SYSTEM_ROLES,
    WORKSPACE_ROLES,
    system_roles_with,
    workspace_roles_with,
)
from apps.users.models.expiry import not_expired

WorkspaceKey = Workspace | uuid.UUID | str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, a person through a token, or a part of the portal itself.

    Args:
        user: the person; None for the portal itself and for anonymous visitors.
        token: the token in use.
        system: name of the part of the portal, "sweeper", "bootstrap".
        proven: False for a person whose browser session has not shown lately who sits there; see `require_proof`.
    """

    user: User | None = None
    token: ApiToken | None = field(default=None, repr=False)
    system: str = ""
    proven: bool = field(default=True, repr=False, compare=False)

    @classmethod
    def for_user(cls, user: User, *, proven: bool = True) -> Actor:
        """A signed-in person."""
        return cls(user=user, proven=proven)

    @classmethod
    def for_token(cls, token: ApiToken) -> Actor:
        """A program with a token of a person."""
        return cls(user=token.user, token=token)

    @classmethod
    def system_actor(cls, name: str) -> Actor:
        """A part of the portal, which may do everything its code does."""
        return cls(system=name)

    @classmethod
    def anonymous(cls) -> Actor:
        """Nobody; may do nothing."""
        return cls()

    @property
    def is_system(self) -> bool:
        """Whether the portal itself acts."""
        return bool(self.system) and self.user is None

    @property
    def user_id(self) -> uuid.UUID | None:
        """The person's id."""
        return self.user.pk if self.user else None

    @property
    def token_id(self) -> uuid.UUID | None:
        """The token's id."""
        return self.token.pk if self.token else None

    @property
    def id(self) -> str:
        """For the audit record and logs: "user:…", "system:…" or "anonymous"."""
        if self.user:
            return f"user:{self.user.pk}"
        return f"system:{self.system}" if self.system else "anonymous"

    @property
    def label(self) -> str:
        """For people: the e-mail address or the part's name."""
        return self.user.email if self.user else self.system or "anonymous"


def workspaces_of(actor: Actor) -> QuerySet[Workspace]:
    """Workspaces whose content the actor may see; every selector filters by it."""
    if actor.is_system:
        return Workspace.objects.all()
    if actor.user is None or not actor.user.is_active:
        return Workspace.objects.none()
    return Workspace.objects.filter(pk__in=_memberships(actor).values("workspace_id"))


def _memberships(actor: Actor, *which: Q, **more: Any) -> QuerySet[Membership]:
    """Live memberships of a person; through a token that is bound to one workspace, the one in it alone."""
    if actor.token and actor.token.workspace_id:
        more["workspace"] = actor.token.workspace_id
    return Membership.objects.filter(not_expired(), *which, user=actor.user_id, **more)


def _is_covered(actor: Actor, capability: str) -> bool:
    """Whether the account is active and its token, if there is one, was made for this."""
    if actor.user is None or not actor.user.is_active:
        return False
    return actor.token is None or capability in actor.token.scopes


def rooms_where(actor: Actor, capability: str) -> list[uuid.UUID]:
    """Ids of the workspaces in which the actor may do it, by one query: `require` and `workspaces_of` together.

    Args:
        actor: who.
        capability: one of `CAPABILITIES`.

    Raises:
        NotAuthenticated: nobody acts.
        PermissionDenied: the actor may do it nowhere.
        KeyError: no such capability.
    """
    CAPABILITIES[capability]
    if actor.is_system:
        return list(Workspace.objects.order_by().values_list("pk", flat=True))
    rooms: list[uuid.UUID] = []
    if _is_covered(actor, capability):
        rows = _memberships(actor, role__in=workspace_roles_with(capability))
        rooms = list(rows.order_by().values_list("workspace_id", flat=True))
    if not rooms:
        # A role in the portal may allow it to one who is in no workspace; else this says why not.
        require(actor, capability)
    return rooms


def can(actor: Actor, capability: str, *, workspace: WorkspaceKey | None = None) -> bool:
    """Whether the actor may do it now.

    Args:
        actor: who.
        capability: one of `CAPABILITIES`.
        workspace: the workspace, its id or its slug. Without one the question is "anywhere at all".

    Raises:
        KeyError: no such capability.
    """
    CAPABILITIES[capability]
    if actor.is_system:
        return True
    if not _is_covered(actor, capability):
        return False
    if roles := workspace_roles_with(capability):
        here = _of_workspace(_workspace_key(workspace))
        if _memberships(actor, here, role__in=roles).exists():
            return True
    if actor.token and actor.token.workspace_id:
        # A token that is bound to one workspace reaches nothing beyond it, whatever system role its person holds.
        return False
    roles = system_roles_with(capability)
    return bool(roles) and RoleGrant.objects.live().filter(user=actor.user, role__in=roles).exists()


def require(actor: Actor, capability: str, *, workspace: WorkspaceKey | None = None) -> None:
    """Let the actor pass or raise.

    Args:
        actor: who.
        capability: one of `CAPABILITIES`.
        workspace: the workspace, its id or its slug.

    Raises:
        NotAuthenticated: nobody acts.
        NotFound: the actor may not know that this workspace exists.
        PermissionDenied: known, but not allowed.
        KeyError: no such capability.
    """
    if workspace is not None and (key := _workspace_key(workspace)):
        context.workspace_id.set(str(key))
    if not can(actor, capability, workspace=workspace):
        _refuse(actor, capability, workspace)


def require_sight(actor: Actor) -> None:
    """Let those pass who may see accounts and how people sign in: who manages them, and who audits.

    Raises:
        NotAuthenticated, PermissionDenied: as for `require`.
    """
    if not can(actor, "audit.read"):
        require(actor, "users.manage")


def _refuse(actor: Actor, capability: str, workspace: WorkspaceKey | None) -> NoReturn:
    if actor.user is None:
        raise NotAuthenticated("Nobody is signed in.", remedy="Sign in, or send an API token.")
    key = _workspace_key(workspace)
    if key and not workspaces_of(actor).filter(Q(slug=key) if isinstance(key, str) else Q(pk=key)).exists():
        raise NotFound("There is no such workspace.")
    what = CAPABILITIES[capability].lower()
    if actor.token and capability not in actor.token.scopes:
        raise PermissionDenied(f"This token may not: {what}.", remedy=f"Use a token with the scope '{capability}'.")
    raise PermissionDenied(
        f"You may not: {what}.", remedy="Ask an editor of the workspace or an administrator of the portal."
    )


def require_proof(actor: Actor) -> None:
    """Let the actor do something grave, or have a person show once more that it is them.

    Asked after `require`. A browser that was left open, or a session that was stolen, must not hand out keys and roles. A
    token is let through: it was made for what it may do, by somebody who had shown who they are.

    Raises:
        ProofRequired: the person's session last showed it more than `settings.PROOF_SECONDS` ago.
    """
    if actor.user is not None and actor.token is None and not actor.proven:
        raise ProofRequired


def require_user(actor: Actor) -> User:
    """The account that acts.

    Raises:
        NotAuthenticated: nobody does, or a part of the portal.
    """
    if actor.user is None or not actor.user.is_active:
        raise NotAuthenticated("Nobody is signed in.", remedy="Sign in, or send an API token.")
    return actor.user


def require_person(actor: Actor) -> User:
    """Let a person pass who sees to their own affairs: profile, notifications.

    Raises:
        NotAuthenticated: nobody acts.
        PermissionDenied: it is a token that was bound to one workspace.
    """
    user = require_user(actor)
    if actor.token and actor.token.workspace_id:
        raise PermissionDenied(
            "This token is bound to one workspace.", remedy="Sign in, or use a token without a workspace."
        )
    return user


def get_workspace(actor: Actor, requested: WorkspaceKey) -> Workspace:
    """A workspace that the actor may see.

    Raises:
        NotFound: there is none of that id or slug, or it is somebody else's.
    """
    key = _workspace_key(requested)
    found = workspaces_of(actor).filter(Q(slug=key) if isinstance(key, str) else Q(pk=key)).first()
    if found is None:
        raise NotFound("There is no such workspace.", field="workspace", remedy="Choose one of your workspaces.")
    return found


def current_workspace(actor: Actor, requested: str | None = None) -> Workspace:
    """The workspace that a request is about: the requested one, else the token's, else the actor's first.

    Args:
        actor: who.
        requested: id or slug, as it stands in a query or a form.

    Raises:
        NotFound: the requested one is not the actor's, or the actor is in none.
    """
    if requested:
        return get_workspace(actor, requested)
    first = workspaces_of(actor).order_by("created_at", "id").first()
    if first is None:
        raise NotFound("You are not a member of a workspace.", remedy="Ask an administrator to add you to one.")
    return first


def role_in(actor: Actor, workspace: Workspace | uuid.UUID) -> str:
    """The actor's role in a workspace, or ""."""
    if actor.user is None:
        return ""
    key = workspace.pk if isinstance(workspace, Workspace) else workspace
    memberships = Membership.objects.live().filter(user_id=actor.user.pk, workspace_id=key)
    return memberships.values_list("role", flat=True).first() or ""


def capabilities_of(actor: Actor, *, workspace: Workspace | None = None) -> frozenset[str]:
    """Everything the actor may do, in two queries, for menus and answers; services ask `require`."""
    if actor.is_system:
        return frozenset(CAPABILITIES)
    if actor.user is None or not actor.user.is_active:
        return frozenset()
    memberships = _memberships(actor, _of_workspace(_workspace_key(workspace)))
    bound = actor.token.workspace_id if actor.token else None
    held = {c for role in memberships.values_list("role", flat=True) for c in WORKSPACE_ROLES[role]}
    if not bound:
        grants = RoleGrant.objects.live().filter(user_id=actor.user.pk)
        held |= {c for role in grants.values_list("role", flat=True) for c in SYSTEM_ROLES[role]}
    return frozenset(held & set(actor.token.scopes) if actor.token else held)


def _workspace_key(workspace: WorkspaceKey | None) -> uuid.UUID | str | None:
    if isinstance(workspace, Workspace):
        return uuid.UUID(str(workspace.pk))
    if isinstance(workspace, str):
        try:
            return uuid.UUID(workspace)
        except ValueError:
            return workspace
    return workspace


def _of_workspace(key: uuid.UUID | str | None) -> Q:
    if key is None:
        return Q()
    return Q(workspace__slug=key) if isinstance(key, str) else Q(workspace_id=key)
