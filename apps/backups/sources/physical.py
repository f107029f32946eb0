"""The server as files: the base that captured changes of PostgreSQL are put over."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from apps.backups.models import BackupSet, Destination
from apps.backups.services import capture_state
from apps.backups.services.postgres_taking import newest_full, take_base
from apps.backups.services.sources import Collecting

# A restore replays what was logged since the base: a day of it is minutes.
EVERY = dt.timedelta(hours=24)


def physical(collecting: Collecting) -> None:
    """Put a base into the set, once a day and after each new beginning of the capture. Only where changes are captured."""
    wanted = capture_state.wanted()
    if collecting.snapshot.engine != "postgresql" or wanted is None:
        return
    before = capture_state.seal_now(patience=30.0)
    if before is None:
        collecting.progress.say("No base was taken: the process that captures changes does not answer.")
        return
    since = timezone.now() - EVERY
    lost = Destination.objects.filter(pk=wanted["destination"]).values_list("segments_lost_at", flat=True).first()
    if lost is not None:
        # Moments behind the gap are reached from a base that was taken after it was noticed.
        since = max(since, lost)
    recent = BackupSet.objects.filter(
        destination_id=wanted["destination"], capture__line=before.line, created_at__gt=since
    )
    if recent.restorable().exists():
        return
    full = newest_full(wanted["destination"], before.line)
    facts = take_base(collecting.writer, collecting.progress, line=before.line, full=full)
    after = capture_state.seal_now(patience=30.0)
    if after is None or after.line != before.line:
        collecting.progress.say("The base is of no use: the capture began anew meanwhile.")
        return
    collecting.facts["capture"] = {
        "line": before.line,
        "first": before.number + 1,
        "last": after.number,
        "from": after.until,
        "base": facts,
    }
