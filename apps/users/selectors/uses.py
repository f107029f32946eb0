"""Counts which capabilities are used, in memory; `apps.users.services.uses` writes the counts down about once a minute.

`require` is asked several times in a request, so a count may cost no query: it is an addition in a dictionary.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from apps.users.models import Workspace

if TYPE_CHECKING:
    from apps.users.selectors.access import Actor

NOWHERE = uuid.UUID(int=0)
# Beyond so many different counts they are due whatever the clock says; each is about 300 bytes.
MOST = 2000


class Key(NamedTuple):
    """What is counted together."""

    user_id: uuid.UUID
    token_id: uuid.UUID
    capability: str
    workspace_id: uuid.UUID
    day: dt.date


_lock = threading.Lock()
_counts: dict[Key, list[int]] = {}
_since = time.monotonic()


def note(actor: Actor, capability: str, workspace: Workspace | uuid.UUID | str | None, *, allowed: bool) -> None:
    """Count one decision about a person.

    Args:
        actor: who; what the portal itself does is not counted.
        capability: asked for.
        workspace: where; a slug is as good as none, for callers that have not looked it up.
        allowed: how it was decided.
    """
    if actor.user is None:
        return
    room = workspace.pk if isinstance(workspace, Workspace) else workspace
    if isinstance(room, str):
        try:
            room = uuid.UUID(room)
        except ValueError:
            room = None
    key = Key(actor.user.pk, actor.token_id or NOWHERE, capability, room or NOWHERE, timezone.now().date())
    with _lock:
        _counts.setdefault(key, [0, 0])[0 if allowed else 1] += 1


def is_due(every: float) -> bool:
    """Whether counts wait that are older than so many seconds, or many of them."""
    return bool(_counts) and (time.monotonic() - _since > every or len(_counts) > MOST)


def take() -> dict[Key, list[int]]:
    """All counts, which begin anew."""
    global _counts, _since
    with _lock:
        taken, _counts, _since = _counts, {}, time.monotonic()
    return taken


def give_back(counts: dict[Key, list[int]]) -> None:
    """Put counts back that could not be written."""
    with _lock:
        for key, (allowed, denied) in counts.items():
            kept = _counts.setdefault(key, [0, 0])
            kept[0] += allowed
            kept[1] += denied
