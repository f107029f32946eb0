"""The console's pages of keys and of other tools' backups."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from django.test import Client
from django.utils import timezone

from aiwriter.core import secretrefs
from apps.backups.models import BackupRun, Delegate, Destination, Drill
from apps.backups.repository import make_identity
from apps.backups.services.destinations import create_destination
from tests.factories.users import SETUP

Portal = Callable[..., Client]


def test_keys_are_exchanged_and_everything_is_encrypted_anew(portal: Portal, db: None, tmp_path: Path) -> None:
    place, _ = create_destination(actor=SETUP, name="Shelf", folder=str(tmp_path / "repository"))
    alma, page = portal("alma"), f"/admin/backups/destination/{place.pk}/keys/"
    text = alma.get(page).content.decode()
    assert place.recipients[0] in text
    assert "not yet" in text
    refused = alma.post(page, {"do": "recipients", "new-recipients": "age1nonsense"}).content.decode()
    assert "no age recipient" in refused
    assert "age1nonsense" in refused
    identity, recipient = make_identity()
    given = {"do": "recipients", "new-recipients": f"{recipient}\n{place.recipients[0]}"}
    assert alma.post(page, given).status_code == 302
    assert Destination.objects.get().recipients == [recipient, place.recipients[0]]
    assert "Make a backup first" in alma.post(page, {"do": "test", "test-identity": identity}).content.decode()

    wrong = alma.post(page, {"do": "reencrypt", "anew-identity": make_identity()[0]}).content.decode()
    assert "does not open" in wrong
    answer = alma.post(page, {"do": "reencrypt", "anew-identity": identity})
    run = BackupRun.objects.get(action="reencrypt")
    assert answer["Location"].endswith(f"/backuprun/{run.pk}/change/")
    assert secretrefs.resolve(run.identity_ref).reveal() == identity
    assert identity not in str(BackupRun.objects.values())
    assert "being encrypted anew" in alma.get(page).content.decode()
    alma.post(f"/admin/backups/backuprun/{run.pk}/stop/")
    run.refresh_from_db()
    assert (run.state, run.identity_ref) == ("stopped", "")

    seen = portal("otto").get(page).content.decode()
    assert recipient in seen
    assert "Exchange the keys" not in seen


def test_backups_of_another_tool_are_set_up_looked_at_and_stand_beside_ours(
    portal: Portal, db: None, tmp_path: Path
) -> None:
    path = tmp_path / "backups.json"
    done = {"phase": "completed", "stoppedAt": timezone.now().isoformat(), "method": "volumeSnapshot"}
    item = {"metadata": {"name": "nightly-1"}, "spec": {"cluster": {"name": "main"}}, "status": done}
    path.write_text(json.dumps({"items": [item]}))
    form = {
        "name": "Cluster",
        "tool": "cnpg",
        "source": "main",
        "role": "postgres",
        "max_age_hours": 26,
        "drill_days": 0,
    }
    alma = portal("alma")
    assert "is missing" in alma.post("/admin/backups/delegate/add/", form).content.decode()
    given = {**form, "config": str(path), "enabled": "on", "gate": "on"}
    assert alma.post("/admin/backups/delegate/add/", given).status_code == 302
    row = Delegate.objects.get()
    page = alma.get(f"/admin/backups/delegate/{row.pk}/change/").content.decode()
    assert "nightly-1" in page
    assert "In order" in page
    assert "Start a drill" not in page  # only pgBackRest can be drilled
    path.unlink()
    otto = portal("otto")
    otto.post(f"/admin/backups/delegate/{row.pk}/look/")
    first = otto.get("/admin/backups/backupset/").content.decode()
    assert "Backups of other tools" in first
    assert "cannot be read" in first
    refused = otto.post(f"/admin/backups/delegate/{row.pk}/drill/", follow=True).content.decode()
    assert "cannot be drilled from here" in refused
    assert not Drill.objects.exists()
