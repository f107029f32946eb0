"""A second person agrees before a restore takes the portal's place."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, PermissionDenied
from apps.backups.models import Restore
from apps.backups.selectors.sets import get_restore
from apps.users.models import User
from apps.users.selectors.access import Actor, can, require, require_proof
from apps.users.services.audit import record

# What replaces everything that people see; one document that comes back replaces nothing.
SCOPES = (Restore.Scope.SYSTEM, Restore.Scope.DATABASE)


def wanted() -> bool:
    """Whether a second person has to agree: as `AIWRITER_RESTORE_APPROVAL` says, else when there is a second one."""
    if settings.RESTORE_APPROVAL != "auto":
        return bool(settings.RESTORE_APPROVAL == "always")
    able = 0
    for person in User.objects.filter(status=User.Status.ACTIVE, role_grants__isnull=False).distinct():
        able += can(Actor.for_user(person), "backups.restore")
        if able > 1:
            return True
    return False


def approve_restore(*, actor: Actor, restore_id: uuid.UUID | str) -> Restore:
    """Agree to a restore that somebody else has planned.

    Args:
        actor: needs "backups.restore", and is not who planned it.
        restore_id: of the plan.

    Raises:
        PermissionDenied: the actor planned it.
        Conflict: it needs no approval, has one, or was started.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    restore = get_restore(actor=actor, restore_id=restore_id)
    if restore.state != Restore.State.PLANNED or not restore.plan.get("approval") or restore.approved_at:
        raise Conflict("There is nothing to agree to.", remedy="Look at the restore's page.")
    if actor.user is None or actor.user.pk == restore.requested_by_id:
        raise PermissionDenied("Who planned a restore cannot agree to it.", remedy="Ask another administrator.")
    with transaction.atomic():
        Restore.objects.filter(pk=restore.pk).update(approved_by=actor.user, approved_at=timezone.now())
        record(actor, "backup.restore_approved", obj=restore, after={"scope": restore.scope, "set": restore.set_name})
    restore.refresh_from_db()
    return restore


def require_approval(actor: Actor, restore: Restore) -> None:
    """Refuse to start what nobody has agreed to. A command needs none: whoever runs it holds the machine.

    Raises:
        Conflict: a second person has to agree first.
    """
    if actor.user is None or not restore.plan.get("approval") or restore.approved_at:
        return
    raise Conflict(
        "A second person has to agree to this restore.",
        remedy="Ask another administrator to open its page and agree. AIWRITER_RESTORE_APPROVAL=never turns this off.",
    )
