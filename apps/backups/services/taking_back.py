"""Sets that were removed, and can be taken back until their bytes go."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db import transaction

from aiwriter.core.errors import Conflict, NotFound
from apps.backups.models import BackupSet
from apps.backups.repository.clock import later_sets
from apps.backups.repository.errors import NoSuchSet
from apps.backups.repository.pruning import prune, undrop
from apps.backups.selectors.destinations import get_destination
from apps.backups.services import catalogue
from apps.backups.services.repositories import RepositoryProblem, open_repository, told
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

PIN = "taken back"


@dataclass(frozen=True, slots=True)
class Removed:
    """A set that is out of the list, and whose bytes are still there.

    Args:
        name: as the repository calls it.
        until: when its bytes may go.
    """

    name: str
    until: dt.datetime


def removed_sets(*, actor: Actor, destination_id: uuid.UUID | str) -> list[Removed]:
    """Sets of a place that can be taken back, those that go first at the top. Of a copy none: it follows its source.

    Raises:
        NotFound, PermissionDenied: the place is not the actor's to see.
        AppError: the place cannot be reached.
    """
    require(actor, "backups.read")
    place = get_destination(actor=actor, destination_id=destination_id)
    if place.mirror_of_id:
        return []
    repository = open_repository(place)
    with told():
        found = [Removed(name, doom.after) for doom in repository.marks.dooms() for name in doom.sets]
    return sorted(found, key=lambda each: (each.until, each.name))


def take_back(*, actor: Actor, destination_id: uuid.UUID | str, name: str) -> BackupSet:
    """Take a removed set back. It is pinned, because the policy that let it go would do so again.

    Args:
        actor: needs "backups.run".
        destination_id: of which place.
        name: of the set.

    Raises:
        NotFound: no such set waits for its removal.
        Conflict: the place is a copy, which lets go again what its source does not have.
        Busy: the repository is being cleaned up.
    """
    require(actor, "backups.run")
    place = get_destination(actor=actor, destination_id=destination_id)
    if place.mirror_of_id:
        raise Conflict("A copy follows the place that it is a copy of.", remedy="Take the set back there.")
    repository = open_repository(place)
    try:
        with told():
            undrop(repository, name.strip())
            info = next(each for each in repository.sets() if each.id == name.strip())
    except RepositoryProblem as error:
        if isinstance(error.__cause__, NoSuchSet):
            raise _gone(name) from error
        raise
    with transaction.atomic():
        row = catalogue.remember(place, info)
        row.pin = PIN
        row.save(update_fields=["pin"])
        record(actor, "backup.taken_back", obj=row, after={"set": row.name})
    return row


def _gone(name: str) -> NotFound:
    return NotFound(
        f"No set {name[:60]} can be taken back.", field="set", remedy="See the list: `manage.py prune --removed`."
    )


def remove_later_sets(*, actor: Actor, destination_id: uuid.UUID | str, only_show: bool = False) -> list[str]:
    """Remove the sets of a place that bear a time which has not come yet: a clock was wrong when they were written.

    Two days long they can be taken back, as everything that is removed.

    Args:
        actor: needs "backups.run".
        destination_id: of which place.
        only_show: remove none.

    Returns:
        their names.

    Raises:
        NotFound, PermissionDenied: the place is not the actor's to clean up.
        AppError: the place cannot be reached.
    """
    require(actor, "backups.run")
    place = get_destination(actor=actor, destination_id=destination_id)
    repository = open_repository(place)
    with told():
        names = later_sets(repository)
        if only_show or not names:
            return names
        prune(repository, drop=names)
    with transaction.atomic():
        BackupSet.objects.filter(destination=place, name__in=names).delete()
        record(actor, "backup.pruned", obj=place, reason="a clock was wrong", after={"sets": names[:50]})
    return names
