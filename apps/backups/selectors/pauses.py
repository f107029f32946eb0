"""What is paused, and what waits to go outside."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string

from aiwriter.core.pauses import Pauses
from apps.backups.models import Pause
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True)
class Waiting:
    """Things of one kind that wait to go outside.

    Args:
        kind: "publications".
        title: in words.
        count: how many.
        examples: some of them, for people.
    """

    kind: str
    title: str
    count: int
    examples: tuple[str, ...] = ()


def state() -> Pauses:
    """For `aiwriter.core.pauses`: read by every process each two seconds."""
    row = Pause.objects.filter(pk=1).values_list("maintenance", "message", "outside").first()
    return Pauses(*row) if row else Pauses()


def pause_for(actor: Actor) -> Pause:
    """The row, for those who may see backups."""
    require(actor, "backups.read")
    return Pause.objects.filter(pk=1).first() or Pause()


def waiting_for(actor: Actor) -> list[Waiting]:
    """What waits to go outside, by kind."""
    require(actor, "backups.read")
    return [Waiting(**each) for path in settings.WAITING_OUTSIDE for each in import_string(path)()]
