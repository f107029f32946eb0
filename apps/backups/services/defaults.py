"""What a new portal has: a place for backups, a key that opens them, an hourly schedule."""

from __future__ import annotations

import logging

from aiwriter.core.errors import AppError
from apps.backups.models import Destination
from apps.backups.services.destinations import create_destination
from apps.backups.services.policies import create_policy
from apps.users.selectors.access import Actor

log = logging.getLogger(__name__)
MANAGED = "local"
FOLDER = "backups/repository"


def ensure_backups() -> str:
    """Make the product's own place and schedule where there is no place at all. Safe to repeat.

    Returns:
        what the person at the terminal should know; empty when nothing was made.
    """
    if Destination.objects.exists():
        return ""
    actor = Actor.system_actor("bootstrap")
    try:
        place, _ = create_destination(actor=actor, name="This machine", folder=FOLDER)
    except AppError as error:
        # A portal that cannot back up must start all the same; the health page says what is wrong.
        log.warning("no place for backups could be made: %s", error)
        return ""
    Destination.objects.filter(pk=place.pk).update(managed=MANAGED)
    create_policy(actor=actor, destination_id=place.pk, name="Hourly")
    return (
        "Backups are made every hour, into the data folder itself. Keep a copy on another device and the key elsewhere: "
        "`manage.py keys show` tells it, Console > Backups says the rest."
    )
