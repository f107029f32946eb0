"""Who may do what: the first line of every service asks here.

Every answer is read from the database at that moment. A role that was taken away, a membership that ended, a token that
was revoked counts from the next call on, in every process, without a cache to empty.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.db.models import Q, QuerySet

from aiwriter.core import context
from aiwriter.core.errors import NotAuthenticated, NotFound, PermissionDenied, ProofRequired
from apps.users.models import ApiToken, Membership, RoleGrant, User, Workspace
from apps.users.models.capabilities import (
    CAPABILITIES,
    GRAVE,
    SYSTEM_ROLES,
    WORKSPACE_ROLES,
    system_roles_with,
    workspace_roles_with,
)
from apps.users.models.expiry import not_expired
from apps.users.models.grants import contents, held_by, withheld
from apps.users.selectors import uses

ALL_ROLES = {**WORKSPACE_ROLES, **SYSTEM_ROLES}
WorkspaceKey = Workspace | uuid.UUID | str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, a person through a token, or a part of the portal itself.

    Args:
        user: the person; None for the portal itself and for anonymous visitors.
        token: the token in use.
        system: name of the part of the portal, "sweeper", "bootstrap".
        proven: False for a person whose browser session has not shown lately who sits there; see `require_proof`.
        proof_age: seconds since the session has shown it; None: it is no session's.
        elevations: ids of those without which the actor would not have been let pass; the audit record names them.
    """

    user: User | None = None
    token: ApiToken | None = field(default=None, repr=False)
    system: str = ""
    proven: bool = field(default=True, repr=False, compare=False)
    proof_age: float | None = field(default=None, repr=False, compare=False)
    elevations: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def for_user(cls, user: User, *, proven: bool = True, proof_age: float | None = None) -> Actor:
        """A signed-in person."""
        return cls(user=user, proven=proven, proof_age=proof_age)

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
    if actor.token:
        # What was lent was lent to a person who showed who they are, not to every program that they once made a key for.
        more["elevation"] = None
        if actor.token.workspace_id:
            more["workspace"] = actor.token.workspace_id
    return Membership.objects.filter(not_expired(), *which, user=actor.user_id, **more)


def _system_grants(actor: Actor, *which: Q) -> QuerySet[RoleGrant]:
    """Live system roles of a person; through a token nothing that was lent."""
    grants = RoleGrant.objects.live().filter(*which, user=actor.user_id)
    return grants.filter(elevation=None) if actor.token else grants


def _passes(actor: Actor, capability: str, rows: Iterable[tuple[str, list[str] | None, uuid.UUID | None]]) -> bool:
    """Whether one of some grants (role, only, elevation) allows it; notes an elevation that was needed."""
    allowing = [lent for role, only, lent in rows if capability in contents(role, only, ALL_ROLES)]
    if allowing and None not in allowing:
        actor.elevations.add(str(allowing[0]))
    return bool(allowing)


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
        rows = _memberships(actor, role__in=workspace_roles_with(capability)).order_by()
        held = rows.values_list("workspace_id", "role", "only", "elevation_id")
        rooms = list(dict.fromkeys(room for room, *row in held if _passes(actor, capability, [row])))  # type: ignore[list-item]
    if rooms:
        uses.note(actor, capability, None, allowed=True)
    else:
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
    if _held_in_workspace(actor, capability, _of_workspace(_workspace_key(workspace))):
        return True
    if actor.token and actor.token.workspace_id:
        # A token that is bound to one workspace reaches nothing beyond it, whatever system role its person holds.
        return False
    return _held_in_portal(actor, capability)


def is_let_in(actor: Actor, capability: str, workspace_id: uuid.UUID) -> bool:
    """Whether the actor sees a workspace and may do it there, by one query; notes the use where it is so.

    Args:
        actor: who.
        capability: one of `CAPABILITIES`.
        workspace_id: where.

    Returns:
        False without saying why: `workspaces_of` and `require` know that, and roles beyond the workspace.
    """
    covered = _is_covered(actor, capability)
    if not covered or not _held_in_workspace(actor, capability, Q(workspace_id=workspace_id)):
        return False
    context.workspace_id.set(str(workspace_id))
    uses.note(actor, capability, workspace_id, allowed=True)
    return True


def _held_in_workspace(actor: Actor, capability: str, where: Q) -> bool:
    roles = workspace_roles_with(capability)
    if not roles:
        return False
    rows = _memberships(actor, where, role__in=roles).order_by().values_list("role", "only", "elevation_id")
    return _passes(actor, capability, rows)


def _held_in_portal(actor: Actor, capability: str) -> bool:
    roles = system_roles_with(capability)
    if not roles or actor.user is None:
        return False
    grants = _system_grants(actor, Q(role__in=[*roles, ""])).order_by().values_list("role", "only", "elevation_id")
    rows = list(grants)
    if rows and capability in GRAVE and not actor.user.is_emergency and capability in withheld():
        rows = [row for row in rows if row[2]]
    return _passes(actor, capability, rows)


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
    uses.note(actor, capability, workspace, allowed=True)


def require_sight(actor: Actor) -> None:
    """Let those pass who may see accounts and how people sign in: who manages them, and who audits.

    Raises:
        NotAuthenticated, PermissionDenied: as for `require`.
    """
    if can(actor, "audit.read"):
        uses.note(actor, "audit.read", None, allowed=True)
    else:
        require(actor, "users.manage")


def _refuse(actor: Actor, capability: str, workspace: WorkspaceKey | None) -> NoReturn:
    if actor.user is None:
        raise NotAuthenticated("Nobody is signed in.", remedy="Sign in, or send an API token.")
    key = _workspace_key(workspace)
    if key and not workspaces_of(actor).filter(Q(slug=key) if isinstance(key, str) else Q(pk=key)).exists():
        raise NotFound("There is no such workspace.")
    uses.note(actor, capability, workspace, allowed=False)
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


def require_session(actor: Actor, *, minutes: int | None = None) -> User:
    """Let a person pass who sits at a browser: for acts that nobody's program may do.

    Args:
        actor: who.
        minutes: how old the proof of who they are may be; None: as `require_proof`.

    Raises:
        NotAuthenticated: nobody is signed in.
        PermissionDenied: it is a token.
        ProofRequired: the proof is too old.
    """
    user = require_user(actor)
    if actor.token is not None:
        raise PermissionDenied("An API key cannot do this.", remedy="Sign in with a browser.")
    require_proof(actor)
    if minutes is not None and actor.proof_age is not None and actor.proof_age > 60 * minutes:
        raise ProofRequired
    return user


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
    if actor.is_system or actor.user is None or not actor.user.is_active:
        first = workspaces_of(actor).order_by("created_at", "id").first()
    else:
        # Joined, where `workspaces_of` would ask for two lists within each other.
        memberships = _memberships(actor).select_related("workspace").order_by("workspace__created_at", "workspace_id")
        first = next((membership.workspace for membership in memberships[:1]), None)
    if first is None:
        raise NotFound("You are not a member of a workspace.", remedy="Ask an administrator to add you to one.")
    return first


def role_in(actor: Actor, workspace: Workspace | uuid.UUID) -> str:
    """The actor's role in a workspace, the stronger of two, or ""."""
    if actor.user is None:
        return ""
    key = workspace.pk if isinstance(workspace, Workspace) else workspace
    memberships = Membership.objects.live().filter(user_id=actor.user.pk, workspace_id=key)
    # "editor" stands before "writer".
    return memberships.order_by("role").values_list("role", flat=True).first() or ""


def capabilities_of(
    actor: Actor, *, workspace: Workspace | None = None, in_portal: frozenset[str] | None = None
) -> frozenset[str]:
    """Everything the actor may do, in two queries, for menus and answers; services ask `require`.

    Args:
        actor: who.
        workspace: where; None: anywhere at all.
        in_portal: what the person's system roles allow, where this request has asked already: one query less.
    """
    if actor.is_system:
        return frozenset(CAPABILITIES)
    if actor.user is None or not actor.user.is_active:
        return frozenset()
    memberships = _memberships(actor, _of_workspace(_workspace_key(workspace))).order_by()
    bound = actor.token.workspace_id if actor.token else None
    held = {c for row in memberships.values_list("role", "only") for c in contents(*row, WORKSPACE_ROLES)}
    if not bound:
        held |= held_by(actor.user, _system_grants(actor)) if in_portal is None else in_portal
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
