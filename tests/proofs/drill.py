"""A scheduled drill restores a filled portal's newest set, uses it, and stores RPO and RTO; a set that lost something fails it.

The portal is filled, the schedule makes the backup and the drill by itself: worker, scheduler and children are those of
`make run`. The drill's counts are compared with the portal's own. Then the repository's newest set loses a pack, and the
next drill must fail, say so, and leave nothing behind.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.lab.portal import Portal
from tests.lab.shelf import fill
from tests.proofs import expect

WAIT_SECONDS = float(os.environ.get("WAIT_SECONDS", "420"))
_STATE = (
    "from apps.backups.models import Drill, BackupRun\n"
    "row = Drill.objects.order_by('-created_at').first()\n"
    "answer = None if row is None else {'state': row.state, 'trigger': row.trigger, 'log': row.log, 'error': row.error,"
    " 'findings': row.findings, 'phases': row.phases, 'rpo': row.rpo_seconds, 'rto': row.rto_seconds, 'set': row.set_name}"
)
# The schedule's first backup comes after three minutes and the first drill after ten: the clock is put forward.
_HURRY = (
    "import datetime as dt\nfrom apps.backups.models import Policy\nfrom django.utils import timezone\n"
    "answer = Policy.objects.update(created_at=timezone.now() - dt.timedelta(days=1))"
)


def _wait(portal: Portal) -> dict[str, Any]:
    begun = time.monotonic()
    while time.monotonic() - begun < WAIT_SECONDS:
        found: dict[str, Any] | None = portal.shell(_STATE)
        if found and found["state"] in ("succeeded", "failed", "stopped"):
            return found
        time.sleep(3)
    raise AssertionError(f"no drill ended within {WAIT_SECONDS:.0f} s\n{portal.logs()}")


def prove() -> str:
    """Fill, let the schedule work, look; damage, drill, look."""
    with Portal(within=300) as portal:
        documents = fill(portal)
        portal.shell(_HURRY)
        drill = _wait(portal)
        expect(drill["state"] == "succeeded", f"the drill failed: {drill['error']}\n{drill['log']}")
        expect(drill["trigger"] == "schedule", f"it was started by {drill['trigger']}")
        expect(len(drill["findings"]) >= 7, f"too little was looked at: {drill['findings']}")
        expect(all(each["ok"] for each in drill["findings"]), f"findings: {drill['findings']}")
        said = {each["what"]: each["detail"] for each in drill["findings"]}
        expect("20 opened" in said["Opening documents"], f"documents: {said['Opening documents']}")
        expect("found by" in said["Searching documents"], f"search: {said['Searching documents']}")
        expect(drill["rto"] > 0 and drill["rpo"] is not None, f"no figures: {drill}")
        state = portal.shell(
            "from apps.backups.models import BackupSet\nanswer = list(BackupSet.objects.values_list('state', flat=True))"
        )
        expect("drilled" in state, f"the set is {state}")
        left = list((portal.folder / "backups" / "scratch").iterdir())
        expect(not left, f"left behind: {left}")
        _damaged(portal, drill["set"])
        return (
            f"{len(documents)} documents; RTO {drill['rto']:.1f} s "
            f"({', '.join(f'{name} {seconds:.2f}' for name, seconds in drill['phases'].items())}), RPO {drill['rpo']:.0f} s; "
            "a set that lost a pack failed its drill"
        )


def _damaged(portal: Portal, name: str) -> None:
    packs = [path for path in (portal.folder / "backups/repository/packs").rglob("*") if path.is_file()]
    largest: Path = max(packs, key=lambda path: path.stat().st_size)
    largest.unlink()
    done = portal.manage("drill", "--set", name, "--json", check=False)
    expect(done.returncode in (1, 14), f"a drill of a damaged set ended with {done.returncode}: {done.stdout}")
    found = json.loads(done.stdout.splitlines()[-1])
    expect(not found["ok"] and found["error"], f"it said {found}")
    left = list((portal.folder / "backups" / "scratch").iterdir())
    expect(not left, f"left behind: {left}")
