"""What operators do with generations: they see that a job is there, never what is written in it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, NotFound
from aiwriter.core.queue import enqueue
from apps.content.models import Generation
from apps.content.selectors.documents import as_uuid
from apps.content.services.generation import stop
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


def stop_as_operator(*, actor: Actor, generation_id: uuid.UUID | str) -> None:
    """Stop a generation; its text so far is kept for its writer.

    Raises:
        NotFound: there is no such generation.
        PermissionDenied: the actor does not manage jobs.
    """
    require(actor, "jobs.manage")
    stop(actor, _any_generation(generation_id))


def requeue_as_operator(*, actor: Actor, generation_id: uuid.UUID | str) -> None:
    """Take a generation from its worker and give it to whoever is free; the text so far stays.

    Raises:
        NotFound: there is no such generation.
        PermissionDenied: the actor does not manage jobs.
        Conflict: it is finished.
    """
    require(actor, "jobs.manage")
    found = _any_generation(generation_id)
    with transaction.atomic():
        changed = Generation.objects.filter(pk=found.pk, state__in=Generation.HELD_STATES).update(
            lease_until=timezone.now()
        )
        if not changed and found.is_final:
            raise Conflict("It is finished.", remedy="Its writer can ask for it again.")
        record(actor, "generation.requeued", workspace=found.workspace_id, after={"generation": str(found.pk)})
        enqueue("content.run_generation", generation_id=str(found.pk))


def _any_generation(generation_id: uuid.UUID | str) -> Generation:
    found = Generation.objects.filter(pk=as_uuid(generation_id)).first()
    if found is None:
        raise NotFound("There is no such generation.")
    return found
