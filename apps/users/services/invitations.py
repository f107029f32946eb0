"""Invitations: sent, accepted, withdrawn."""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from aiwriter.core import signing
from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.users.models import Invitation, Membership, RoleGrant, User, Workspace
from apps.users.models.invitations import DAYS, MAX_DAYS
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit
from apps.users.services.people import clean_email, create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member

PURPOSE = "invitation"


def invite(
    *,
    actor: Actor,
    email: str,
    workspace: Workspace | None = None,
    workspace_role: str = "",
    system_role: str = "",
    days: int = DAYS,
) -> Invitation:
    """Let somebody make an account. The link is mailed, and can be read with `link_of`.

    Args:
        actor: needs "users.manage".
        email: whose; the account gets this address.
        workspace: where they will work; None: nowhere yet.
        workspace_role: "writer" or "editor"; needs a workspace.
        system_role: "operator", "auditor" or "admin", or "".
        days: how long the link works.

    Raises:
        InvalidInput: a value cannot be used.
        Conflict: the address has an account, or an open invitation.
    """
    require(actor, "users.manage")
    require_proof(actor)
    email = clean_email(email)
    if workspace is not None and workspace_role not in Membership.Role.values:
        raise InvalidInput("Say as what they will work there.", field="workspace_role", remedy="Use writer or editor.")
    if workspace is None and workspace_role:
        raise InvalidInput("A writer or editor works in a workspace.", field="workspace", remedy="Choose one.")
    if system_role and system_role not in RoleGrant.Role.values:
        raise InvalidInput(
            f"'{system_role}' is not a system role.", field="system_role", remedy="Use operator, auditor or admin."
        )
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"An invitation works 1 to {MAX_DAYS} days.", field="days")
    if User.objects.filter(email=email).exists():
        raise Conflict(f"{email} has an account already.", field="email", remedy="Give that account the role.")
    try:
        with transaction.atomic():
            # What has run out does not stand in the way of a new one.
            Invitation.objects.filter(
                email=email, accepted_at=None, revoked_at=None, expires_at__lte=timezone.now()
            ).update(revoked_at=timezone.now())
            invitation = Invitation.objects.create(
                email=email,
                workspace=workspace,
                workspace_role=workspace_role,
                system_role=system_role,
                invited_by=actor.user,
                expires_at=timezone.now() + dt.timedelta(days=days),
            )
            after = {
                "email": email,
                "workspace": str(workspace) if workspace else "",
                "roles": [role for role in (workspace_role, system_role) if role],
                "expires_at": invitation.expires_at,
            }
            audit.record(actor, "invitation.sent", obj=invitation, after=after)
            enqueue("users.mail_invitation", invitation_id=str(invitation.pk))
    except IntegrityError as error:
        raise Conflict(
            f"{email} has an open invitation.", field="email", remedy="Withdraw it first, or show its link again."
        ) from error
    return invitation


def revoke_invitation(*, actor: Actor, invitation: Invitation) -> None:
    """Make an invitation's link useless. The actor needs "users.manage".

    Raises:
        Conflict: it has been accepted, or was withdrawn before.
    """
    require(actor, "users.manage")
    with transaction.atomic():
        open_one = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
        if not open_one.update(revoked_at=timezone.now()):
            raise Conflict(
                "This invitation is not open any more.", remedy="Suspend the account instead, if there is one."
            )
        audit.record(actor, "invitation.revoked", obj=invitation)


def link_of(*, actor: Actor, invitation: Invitation) -> str:
    """The address at which an open invitation is accepted, to hand on by another way than mail.

    Raises:
        Conflict: it is not open.
    """
    require(actor, "users.manage")
    if invitation.state != "open":
        raise Conflict("This invitation is not open any more.", remedy="Send a new one.")
    return _link(invitation)


def mail_invitation(*, invitation_id: uuid.UUID | str) -> bool:
    """Send the link by mail; called by the task. Returns whether one was sent."""
    invitation = Invitation.objects.open().select_related("workspace", "invited_by").filter(pk=invitation_id).first()
    if invitation is None or invitation.mailed_at:
        return False
    context = {"invitation": invitation, "link": _link(invitation), "portal": settings.PUBLIC_URL}
    EmailMessage(
        subject="Your invitation to AI-Writer",
        body=render_to_string("users/mail/invitation.txt", context),
        to=[invitation.email],
    ).send()
    Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    return True


def sweep_invitations() -> int:
    """Send again what could not be mailed, or whose message was lost. Returns how many are tried."""
    late = timezone.now() - dt.timedelta(minutes=2)
    waiting = Invitation.objects.open().filter(mailed_at=None, created_at__lt=late).values_list("pk", flat=True)[:50]
    for invitation_id in waiting:
        enqueue("users.mail_invitation", invitation_id=str(invitation_id))
    return len(waiting)


def open_invitation(*, token: str) -> Invitation:
    """The invitation of a link, for whoever has it.

    Raises:
        NotFound: the link was changed, or its invitation is not open any more.
    """
    try:
        found = signing.unsign(PURPOSE, token)
        return Invitation.objects.open().select_related("workspace", "invited_by").get(pk=found["id"])
    except (AppError, Invitation.DoesNotExist, KeyError) as error:
        raise NotFound(
            "This invitation does not work.",
            remedy="It may have been used, withdrawn or have run out: ask for a new one.",
        ) from error


def accept_invitation(*, token: str, full_name: str, password: str) -> User:
    """Make the account that an invitation is for.

    It is made with the rights of the one who invited, as they are now: who has lost the right to manage accounts has let
    nobody in who had not come yet.

    Args:
        token: of the link.
        full_name: as the person writes it.
        password: the new one.

    Raises:
        NotFound: the link does not work.
        InvalidInput: the password is too weak.
        PermissionDenied: who invited may not any more.
    """
    invitation = open_invitation(token=token)
    host = Actor.for_user(invitation.invited_by) if invitation.invited_by else Actor.system_actor("invitation")
    with transaction.atomic():
        if not Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=timezone.now()):
            raise NotFound("This invitation does not work.", remedy="It was used a moment ago. Sign in.")
        user = create_user(actor=host, email=invitation.email, full_name=full_name, password=password)
        if invitation.workspace:
            add_member(actor=host, workspace=invitation.workspace, user=user, role=invitation.workspace_role)
        if invitation.system_role:
            grant_role(actor=host, user=user, role=invitation.system_role, reason="Stated in the invitation")
        Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
        audit.record(Actor.for_user(user), "invitation.accepted", obj=invitation)
    return user


def _link(invitation: Invitation) -> str:
    seconds = max(1, int((invitation.expires_at - timezone.now()).total_seconds()))
    return f"{settings.PUBLIC_URL}/invitations/{signing.sign(PURPOSE, {'id': str(invitation.pk)}, seconds=seconds)}/"
