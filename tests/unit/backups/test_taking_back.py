"""Removed sets, taken back while their bytes are there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from aiwriter.core.errors import Conflict, NotFound
from apps.backups.models import BackupSet, Destination
from apps.backups.repository.pruning import prune
from apps.backups.services.destinations import create_destination
from apps.backups.services.repositories import open_repository
from apps.backups.services.taking_back import PIN, removed_sets, take_back
from apps.backups.services.upkeep import start_upkeep
from apps.backups.services.working import carry_out
from apps.users.models import AuditEvent
from tests.factories.users import SETUP

BackUp = Callable[..., BackupSet]
SEEN = pytest.mark.django_db(transaction=connection.vendor == "postgresql")


@SEEN
def test_a_removed_set_is_taken_back_and_pinned(
    place: Destination,
    back_up: BackUp,
    portal: Callable[..., Client],
    api: Callable[..., APIClient],
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = back_up().name
    back_up()
    assert removed_sets(actor=SETUP, destination_id=place.pk) == []
    prune(open_repository(place), drop=[name])
    BackupSet.objects.filter(name=name).delete()
    address = f"/api/v1/backups/destinations/{place.pk}/removed"
    assert [each["name"] for each in api("otto").get(address).json()["sets"]] == [name]
    page = portal("alma").get(f"/admin/backups/destination/{place.pk}/change/").content.decode()
    assert name in page
    assert "Take back" in page
    assert api("ada").post(address, {"set": name}).status_code == 403
    assert api("otto").post(address, {"set": name}).json() == {"sets": []}
    row = BackupSet.objects.get(name=name)
    assert row.pin == PIN
    assert AuditEvent.objects.filter(action="backup.taken_back").exists()
    assert name in {info.id for info in open_repository(place).sets()}
    with pytest.raises(NotFound):
        take_back(actor=SETUP, destination_id=place.pk, name=name)
    capsys.readouterr()
    call_command("prune", "--removed", "--json")
    assert json.loads(capsys.readouterr().out) == {"ok": True, "sets": []}


@SEEN
def test_nothing_is_taken_back_in_a_copy(place: Destination, back_up: BackUp, tmp_path: Path) -> None:
    name = back_up().name
    back_up()
    mirror, _ = create_destination(actor=SETUP, name="Copy", folder=str(tmp_path / "copy"), mirror_of=place.pk)
    carry_out("run", start_upkeep(actor=SETUP, destination_id=mirror.pk, action="copy", wake=False).pk)
    prune(open_repository(mirror), drop=[name])
    assert removed_sets(actor=SETUP, destination_id=mirror.pk) == []
    with pytest.raises(Conflict):
        take_back(actor=SETUP, destination_id=mirror.pk, name=name)
    assert not BackupSet.objects.filter(destination=mirror).exists()
