"""Reads of proof packs."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import ProofPack
from apps.users.selectors.access import Actor, require

# A pack shows what each of these shows alone: one of them is not enough.
NEEDED = ("audit.read", "access.review", "keys.read", "backups.read")


def require_reader(actor: Actor) -> None:
    """Refuse whoever lacks one of the capabilities that its parts need.

    Raises:
        PermissionDenied: which one.
    """
    for each in NEEDED:
        require(actor, each)


def packs_for(actor: Actor) -> QuerySet[ProofPack]:
    """All packs, newest first, without their bytes. Needs all of `NEEDED`."""
    require_reader(actor)
    return ProofPack.objects.select_related("requested_by").defer("content")


def get_pack(*, actor: Actor, pack_id: uuid.UUID | str) -> ProofPack:
    """One pack.

    Raises:
        NotFound: there is none.
    """
    try:
        found: ProofPack | None = packs_for(actor).filter(pk=uuid.UUID(str(pack_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no such proof pack.")
    return found
