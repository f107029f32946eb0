"""Workspaces and their members."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.users.models import Membership, User, Workspace
from apps.users.selectors.access import Actor, require, require_proof, workspaces_of
from apps.users.services import audit
from apps.users.services.roles import check_end, refuse_derived


def create_workspace(*, actor: Actor, name: str, slug: str = "", personal_of: User | None = None) -> Workspace:
    """Make a workspace.

    Args:
        actor: needs "users.manage".
        name: as people know it.
        slug: for addresses; made from the name when empty.
        personal_of: the one person whose private workspace it is; becomes its editor.

    Raises:
        InvalidInput: the name is empty.
        Conflict: the slug is taken.
    """
    require(actor, "users.manage")
    name = name.strip()
    if not name:
        raise InvalidInput("A workspace needs a name.", field="name")
    wanted = slug or slugify(name)[:50] or "workspace"
    if not slug and Workspace.objects.filter(slug=wanted).exists():
        wanted = f"{wanted}-{secrets.token_hex(3)}"
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(name=name, slug=wanted, personal_of=personal_of)
            audit.record(actor, "workspace.created", obj=workspace, after={"name": name, "slug": wanted})
            if personal_of:
                _add(actor, workspace, personal_of, Membership.Role.EDITOR, None)
    except IntegrityError as error:
        raise Conflict(f"A workspace '{wanted}' exists already.", field="slug", remedy="Choose another.") from error
    return workspace


def rename_workspace(*, actor: Actor, workspace: Workspace, name: str) -> Workspace:
    """Change the name of a workspace. The actor needs "members.manage" in it.

    Raises:
        InvalidInput: the name is empty.
    """
    require(actor, "members.manage", workspace=workspace)
    name = name.strip()
    if not name:
        raise InvalidInput("A workspace needs a name.", field="name")
    before = workspace.name
    workspace.name = name
    with transaction.atomic():
        workspace.save(update_fields=["name", "updated_at"])
        audit.record(actor, "workspace.updated", obj=workspace, before={"name": before}, after={"name": name})
    return workspace


def add_member(
    *,
    actor: Actor,
    workspace: Workspace,
    user: User,
    role: str = Membership.Role.WRITER,
    expires_at: dt.datetime | None = None,
    source: str = Membership.Source.PERSON,
    reason: str = "",
) -> Membership:
    """Let a person into a workspace.

    Args:
        actor: needs "members.manage" there.
        workspace: where.
        user: whom.
        role: "writer" or "editor".
        expires_at: when it ends by itself; None: not.
        source: "provider" for one that comes from a group there and goes with it.
        reason: why, for those who review it later.

    Raises:
        InvalidInput: no such role, or the end lies in the past.
        Conflict: they are a member already.
    """
    require(actor, "members.manage", workspace=workspace)
    require_proof(actor)
    _check(role, expires_at)
    try:
        with transaction.atomic():
            # What has ended does not stand in the way of a new beginning.
            own = Membership.objects.filter(workspace=workspace, user=user, group=None, elevation=None)
            own.filter(expires_at__lte=timezone.now()).delete()
            return _add(actor, workspace, user, role, expires_at, source, reason)
    except IntegrityError as error:
        raise Conflict(
            f"{user} is a member of {workspace} already.", field="user", remedy="Change the role instead."
        ) from error


def change_member(
    *, actor: Actor, membership: Membership, role: str, expires_at: dt.datetime | None = None
) -> Membership:
    """Give a member another role or end. The actor needs "members.manage" there.

    Raises:
        InvalidInput: no such role, or the end lies in the past.
        Conflict: the workspace would be without an editor.
    """
    require(actor, "members.manage", workspace=membership.workspace_id)
    require_proof(actor)
    refuse_derived(membership)
    _check(role, expires_at)
    before = {"role": membership.role, "expires_at": membership.expires_at}
    with transaction.atomic():
        if role != Membership.Role.EDITOR:
            refuse_losing_last_editor(membership)
        # From here on it is a person's decision; a group at a provider does not undo it.
        if role != membership.role:
            # What was left of the one role says nothing about another.
            membership.only = None
        membership.role, membership.expires_at, membership.source = role, expires_at, Membership.Source.PERSON
        membership.save(update_fields=["role", "expires_at", "source", "only"])
        after = {"role": role, "expires_at": expires_at}
        audit.record(actor, "member.changed", obj=membership, before=before, after=after)
    return membership


def remove_member(*, actor: Actor, membership: Membership) -> None:
    """Take a person out of a workspace; what they wrote stays. The actor needs "members.manage" there.

    Raises:
        Conflict: the workspace would be without an editor, or it comes from a group or an elevation.
    """
    require(actor, "members.manage", workspace=membership.workspace_id)
    refuse_derived(membership)
    with transaction.atomic():
        refuse_losing_last_editor(membership)
        audit.record(actor, "member.removed", obj=membership, before={"role": membership.role})
        membership.delete()


def find_member(*, actor: Actor, membership_id: uuid.UUID | str, workspace_id: uuid.UUID | None = None) -> Membership:
    """A membership that the actor may manage.

    Args:
        actor: needs "members.manage" in its workspace.
        membership_id: which.
        workspace_id: where it must be; None: in any of the actor's workspaces.

    Raises:
        NotFound: there is none in the actor's workspaces.
    """
    rooms = workspaces_of(actor).filter(pk=workspace_id) if workspace_id else workspaces_of(actor)
    found: Membership | None = (
        Membership.objects.filter(pk=membership_id, workspace__in=rooms).select_related("user", "workspace").first()
    )
    if found is None:
        raise NotFound("There is no such member.")
    require(actor, "members.manage", workspace=found.workspace)
    return found


def _add(
    actor: Actor,
    workspace: Workspace,
    user: User,
    role: str,
    expires_at: dt.datetime | None,
    source: str = Membership.Source.PERSON,
    reason: str = "",
) -> Membership:
    membership = Membership.objects.create(
        workspace=workspace,
        user=user,
        role=role,
        expires_at=expires_at,
        source=source,
        granted_by=actor.user,
        reason=reason.strip()[:300],
    )
    after = {"user": user.email, "role": role, "expires_at": expires_at}
    audit.record(actor, "member.added", obj=membership, reason=reason, after=after)
    return membership


def _check(role: str, expires_at: dt.datetime | None) -> None:
    if role not in Membership.Role.values:
        raise InvalidInput(f"'{role}' is not a role.", field="role", remedy="Use writer or editor.")
    check_end(expires_at)


def refuse_losing_last_editor(membership: Membership) -> None:
    """Keep a workspace from losing the last one who can let others in. Call it inside the transaction that takes one away.

    Raises:
        Conflict: it is this membership, and there is no other.
    """
    # One to whom the role was lent leaves again, and one who has only a part of it left may let nobody in.
    editors = (
        Membership.objects.live()
        .select_for_update()
        .filter(workspace_id=membership.workspace_id, role=Membership.Role.EDITOR, elevation=None)
    )
    able = {pk for pk, only in editors.values_list("pk", "only") if only is None or "members.manage" in only}
    if able == {membership.pk}:
        raise Conflict(
            f"{membership.user} is the last editor of {membership.workspace}.",
            remedy="Make somebody else an editor first.",
        )
