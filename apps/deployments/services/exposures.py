"""The log of exposures: each person once for an experiment, when a variant is really given."""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction

from apps.deployments.models import Exposure

_MOST_KNOWN = 50_000
_known: set[tuple[str, str]] = set()
log = logging.getLogger(__name__)


def expose(experiment_id: str, user_id: str, variant: str) -> None:
    """Note it, when the act that asked is done: what is undone exposed nobody. A process that has noted it asks nothing."""
    key = (experiment_id, user_id)
    if key not in _known:
        transaction.on_commit(lambda: _note(key, variant), robust=True)


def _note(key: tuple[str, str], variant: str) -> None:
    if key in _known:
        return
    try:
        with transaction.atomic():
            row = Exposure(experiment_id=key[0], user_id=key[1], variant=variant)
            Exposure.objects.bulk_create([row], ignore_conflicts=True)
    except DatabaseError:
        # The person or the experiment is gone, or the database is away: the next answer notes it.
        log.warning("An exposure could not be noted", exc_info=True)
        return
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known.add(key)


def forget() -> None:
    """Ask the table again."""
    _known.clear()
