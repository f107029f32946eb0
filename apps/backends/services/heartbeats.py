"""Signs of life of the calls that this process makes: one statement every few seconds for all of them together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.db.models import Case, PositiveIntegerField, Value, When
from django.utils import timezone

from aiwriter.core.threads import in_thread
from apps.backends.models import ModelCall

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
_ROWS = 200


@dataclass(slots=True)
class Pulse:
    """How far a call is; the attempt counts in it, the beat reads it."""

    output_chars: int = 0


_live: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[uuid.UUID, Pulse]] = WeakKeyDictionary()
_beating: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


@contextlib.contextmanager
def beating(call_id: uuid.UUID) -> Iterator[Pulse]:
    """While inside, the call's row shows that it lives and how many characters it has given."""
    loop = asyncio.get_running_loop()
    calls = _live.setdefault(loop, {})
    pulse = calls[call_id] = Pulse()
    task = _beating.get(loop)
    if task is None or task.done():
        _beating[loop] = loop.create_task(_beat(calls), name="model-call-heartbeats")
    try:
        yield pulse
    finally:
        calls.pop(call_id, None)


async def _beat(calls: dict[uuid.UUID, Pulse]) -> None:
    """Until there is no call left; the next call starts it anew."""
    while calls:
        await asyncio.sleep(INTERVAL_SECONDS)
        if not calls:
            return
        try:
            await in_thread(_write, {key: pulse.output_chars for key, pulse in calls.items()})
        except Exception:
            # A beat that is missed is made up by the next; the calls themselves must not end because of it.
            log.warning("the signs of life of %d model calls could not be written", len(calls), exc_info=True)


def _write(progress: dict[uuid.UUID, int]) -> None:
    ids = list(progress)
    for at in range(0, len(ids), _ROWS):
        part = ids[at : at + _ROWS]
        characters = Case(
            *(When(pk=key, then=Value(progress[key])) for key in part), output_field=PositiveIntegerField()
        )
        ModelCall.objects.running().filter(pk__in=part).update(heartbeat_at=timezone.now(), output_chars=characters)
