"""The first start: the first administrator and the first workspace."""

from __future__ import annotations

import secrets

from django.db import transaction

from aiwriter_sdk import Secret
from apps.users.models import Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import audit
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member, create_workspace

DEFAULT_EMAIL = "admin@localhost"


def generate_password() -> Secret:
    """A password that can be typed: four groups of five characters without look-alikes, 100 bits."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return Secret("-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4)))


def bootstrap_first_admin(*, email: str = DEFAULT_EMAIL) -> tuple[User, Secret] | None:
    """Make the first administrator, who is also editor of the first workspace.

    Args:
        email: the address to sign in with.

    Returns:
        the account and its password, which is kept nowhere else; None when the portal has an administrator.
    """
    actor = Actor.system_actor("bootstrap")
    with transaction.atomic():
        if RoleGrant.objects.filter(role=RoleGrant.Role.ADMIN).exists():
            return None
        password = generate_password()
        user = create_user(actor=actor, email=email, full_name="Administrator", password=password.reveal())
        grant_role(actor=actor, user=user, role=RoleGrant.Role.ADMIN, reason="First start of the portal")
        workspace = Workspace.objects.order_by("created_at").first() or create_workspace(
            actor=actor, name="First workspace", slug="first"
        )
        add_member(actor=actor, workspace=workspace, user=user, role=Membership.Role.EDITOR)
        audit.record(actor, "portal.bootstrapped", obj=workspace, after={"admin": str(user.pk)})
    return user, password
