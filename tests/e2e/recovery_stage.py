"""Backups for the pictures: sets, a copy, runs, a drill, a restore and its plan, another tool's backups, a staging copy."""

from __future__ import annotations

import datetime as dt
import json

from tests.lab.portal import Portal

_PROGRAM = """
import datetime as dt
from django.utils import timezone
from apps.backups.models import BackupRun, BackupSet, Destination, Drill, PlaceSize, Policy, StagingCopy
from apps.backups.services import backups, delegates, destinations, drills, restores, upkeep
from apps.backups.services.policies import update_policy
from apps.backups.services.staging.copies import start_staging
from apps.backups.services.working import carry_out
from apps.content.models import Document
from apps.users.selectors.access import Actor

setup = Actor.system_actor("stage")
now = timezone.now()
place = Destination.objects.get(mirror_of=None)
policy = Policy.objects.get()
update_policy(actor=setup, policy_id=policy.pk, every="day", bandwidth_mb=40, cpu_percent=50)
for _ in range(2):
    carry_out("run", backups.start_backup(actor=setup, destination_id=place.pk, policy=policy, wake=False).pk)
mirror, _key = destinations.create_destination(actor=setup, name="Cellar", folder="backups/cellar", mirror_of=str(place.pk))
carry_out("run", upkeep.start_upkeep(actor=setup, destination_id=mirror.pk, action="copy", wake=False).pk)
carry_out("run", upkeep.start_upkeep(actor=setup, destination_id=place.pk, action="deep", wake=False).pk)
carry_out("drill", drills.start_drill(actor=setup, destination_id=place.pk, policy=policy, wake=False).pk)
drill = Drill.objects.get(state="succeeded")
for days in range(1, 12):
    at = now - dt.timedelta(days=days)
    row = Drill.objects.create(destination=place, policy=policy, set_name=f"{{at:%Y%m%dT021500Z}}-{{days:08x}}", state="succeeded", trigger="schedule",
        phases=drill.phases, findings=drill.findings, rpo_seconds=600 + days * 211 % 900, rto_seconds=drill.rto_seconds * (1 + days % 4 / 10))
    Drill.objects.filter(pk=row.pk).update(created_at=at, started_at=at, finished_at=at)
for days in range(40):
    PlaceSize.objects.update_or_create(destination=place, day=(now - dt.timedelta(days=days)).date(), defaults={{"bytes": 48_000_000_000 - days * 310_000_000}})
failed = BackupRun.objects.create(action="backup", destination=place, policy=policy, trigger="schedule", state="failed", exit_code=13,
    error="No space is left for packs/3f/3f0c…", remedy="Free space or enlarge the place, then run it again; earlier sets are untouched.")
BackupRun.objects.filter(pk=failed.pk).update(created_at=now - dt.timedelta(days=3), started_at=now - dt.timedelta(days=3), finished_at=now - dt.timedelta(days=3))
newest = BackupSet.objects.order_by("-created_at").first()
row = Document.objects.order_by("created_at").first()
plan = restores.plan_restore(actor=setup, scope="system", set_id=newest.pk)
done = restores.plan_restore(actor=setup, scope="document", set_id=newest.pk, subject=str(row.pk))
other = delegates.create_delegate(actor=setup, name="Cluster in Hamburg", tool="cnpg", source="portal", config="{listed}")
delegates.look(other)
copy = start_staging(actor=setup, set_id=newest.pk, folder="staging", wake=False)
carry_out("staging", copy.pk)
answer = {{"plan": str(plan.pk), "staging": str(copy.pk), "place": str(place.pk), "policy": str(policy.pk)}}
"""


def add_recovery(portal: Portal) -> dict[str, str]:
    """Put them there. Returns the ids of what has pages of its own."""
    now = dt.datetime.now(dt.UTC)
    items = [
        {
            "metadata": {"name": f"portal-{(now - dt.timedelta(hours=hours)):%Y%m%d%H%M%S}"},
            "spec": {"cluster": {"name": "portal"}},
            "status": {
                "phase": "completed",
                "method": "volumeSnapshot",
                "stoppedAt": f"{now - dt.timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}",
            },
        }
        for hours in (2, 26, 50)
    ]
    listed = portal.folder / "cnpg.json"
    listed.write_text(json.dumps({"kind": "BackupList", "items": items}))
    made: dict[str, str] = portal.shell(_PROGRAM.format(listed=listed))
    return made
