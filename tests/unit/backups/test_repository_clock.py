"""A clock that is wrong, and a place that lets nothing be removed: told clearly, and nothing breaks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.backups.models import BackupRun, BackupSet, Destination, Policy
from apps.backups.repository import (
    Control,
    FolderStore,
    ObjectStore,
    clock,
    copy,
    prune,
    rewrap,
    sets,
    verify_cheap,
    writer,
)
from apps.backups.repository.errors import ClockSkew, DeleteRefused
from apps.backups.selectors.status import present_status
from apps.backups.services import backups, retention, schedules
from apps.backups.services.repositories import check_place
from apps.backups.services.stores import S3_VARIABLES, open_named
from apps.backups.services.upkeep import start_upkeep
from apps.backups.services.working import carry_out
from apps.users.models import Notification
from tests.factories.users import SETUP
from tests.fakes.s3 import moto
from tests.lab.repositories import Place, contents, flip

BackUp = Callable[..., BackupSet]
NOW = timedelta(0)


class Turned(datetime):
    """A clock that somebody has turned."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """The wrong time."""
        return datetime.now(tz) + cls.by


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[timedelta], None]]:
    """Turns the clock of the engine."""
    for module in (clock, sets, writer):
        monkeypatch.setattr(module, "datetime", Turned)

    def by(hours: timedelta) -> None:
        Turned.by = hours

    yield by
    Turned.by = timedelta(0)


def test_a_clock_that_stands_before_the_newest_set_writes_and_removes_nothing(
    tmp_path: Path, turn: Callable[[timedelta], None]
) -> None:
    place = Place.make(tmp_path / "repository")
    what = contents(files=2, dump=50_000)
    first, second = place.back_up(what), place.back_up({"other": b"tide"})
    before = {path: path.stat().st_size for path in place.objects()}
    turn(-timedelta(hours=1))
    for work in (lambda: place.back_up(what), lambda: prune(place.server(), drop=[first.id], grace=NOW)):
        with pytest.raises(ClockSkew, match="hours later") as caught:
            work()
        assert caught.value.exit_code == 15
        assert "prune --later-than-now" in caught.value.remedy
    assert {path: path.stat().st_size for path in place.objects()} == before
    assert place.restored(second.id) == {"other": b"tide"}, "reading needs no clock"
    turn(-timedelta(minutes=5))
    place.back_up(what)


@pytest.mark.django_db
def test_a_set_of_tomorrow_is_told_stops_no_schedule_and_is_removed_by_a_command(
    place: Destination,
    policy: Policy,
    turn: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from apps.backups.services.repositories import open_repository

    turn(timedelta(days=1))
    now = dt.datetime.now(UTC)
    with closing(open_repository(place)) as repository, repository.begin(kind="full") as made:
        made.add_bytes("a", b"x")
        name = made.commit({"snapshot_at": (now + dt.timedelta(days=1)).isoformat()}).id
    BackupSet.objects.create(destination=place, name=name, state="verified", created_at=now + dt.timedelta(days=1))
    late = BackupRun.objects.create(destination=place, action="backup", state="succeeded")
    BackupRun.objects.filter(pk=late.pk).update(created_at=now + dt.timedelta(days=1))
    turn(timedelta(0))

    Policy.objects.filter(pk=policy.pk).update(created_at=now - dt.timedelta(days=2))
    policy.refresh_from_db()
    assert schedules.backup_due(policy, now), "a run of tomorrow is no reason to wait until then"
    problems = {problem.key: problem.message for problem in present_status(now).problems}
    assert name in problems["clock"]
    assert "overdue" in problems
    run = backups.start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    done = carry_out("run", run.pk)
    assert (done.state, done.exit_code) == ("failed", 15)
    assert name in done.error

    call_command("prune", "--later-than-now", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {"ok": True, "would_go": [name]}
    assert BackupSet.objects.filter(name=name).exists()
    call_command("prune", "--later-than-now", "--json")
    assert json.loads(capsys.readouterr().out) == {"ok": True, "removed": [name]}
    assert "clock" not in {problem.key for problem in present_status(now).problems}
    with closing(open_repository(place)) as repository, repository.begin(kind="full") as made:
        made.add_bytes("a", b"y")
        made.commit({})


@pytest.mark.django_db
def test_a_database_server_with_another_time_is_told_to_the_operators(
    place: Destination, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    otto, said = people.otto, list[str]()
    progress = type("Progress", (), {"say": lambda _self, text: said.append(text)})()
    backups._compare_clocks(0.4, progress)
    assert said == []
    backups._compare_clocks(-3600.0, progress)
    assert "3,600 s behind" in said[0]
    assert Notification.objects.filter(user=otto, title=said[0]).count() == 1


class Keeping(FolderStore):
    """A folder that takes and never gives away."""

    def put(self, name: str, data: bytes) -> None:
        """Only what is new, as an object store whose client must delete before it can replace."""
        if (self.folder / name).exists():
            raise DeleteRefused(f"{name} may not be removed: Access denied.")
        super().put(name, data)

    def delete(self, name: str) -> None:
        """Refused."""
        if (self.folder / name).exists():
            raise DeleteRefused(f"{name} may not be removed: Access denied.")


def _goes_on(place: Place, store: ObjectStore, second: ObjectStore) -> None:
    """All that a portal does with a place, in one that lets nothing be removed."""
    one, two = contents(1, files=3, dump=60_000), contents(2, files=3, dump=60_000)
    first, other = place.back_up(one, store), place.back_up(two, store)
    with closing(place.server(store)) as repository:
        report = prune(repository, drop=[first.id], grace=NOW)
        assert (report.doomed_sets, report.refused) == ([first.id], "")
        for _ in range(2):
            report = prune(repository, grace=NOW)
            assert "may not be removed" in report.refused
            assert (report.removed_sets, report.removed_packs, report.freed_bytes) == ([], 0, 0)
        assert verify_cheap(repository).ok
        for _ in range(2):
            assert copy(repository, second).ok
    with closing(place.owner(store)) as repository:
        rewrap(repository, recipients=[place.recipient])
    third = place.back_up(one, store)
    assert place.restored(other.id, store) == two
    assert place.restored(third.id, store) == one


def test_a_place_that_lets_nothing_be_removed_goes_on(tmp_path: Path) -> None:
    store = Keeping(tmp_path / "repository")
    place = Place.make(tmp_path / "repository", store)
    _goes_on(place, store, Keeping(tmp_path / "second"))
    # A damaged twin stays: the sound one is read, and the next backup is no worse for it.
    twin = place.objects("twins/sets/")[0]
    flip(twin, 1)
    info = place.back_up({"a": b"tide"}, store)
    assert place.restored(info.id, store) == {"a": b"tide"}


# Without a database, and so once: the engine and a bucket are all that it asks.
def test_a_bucket_whose_credentials_may_not_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto(append_only=True) as server:
        monkeypatch.setenv(S3_VARIABLES["access_key_id"], server.access_key_id)
        monkeypatch.setenv(S3_VARIABLES["secret_access_key"], server.secret_access_key)
        store = open_named(f"s3://{server.bucket}/one?endpoint={server.url}")
        store.put("probe", b"x")
        with pytest.raises(DeleteRefused, match=r"may not be removed: .*AccessDenied"):
            store.delete("probe")
        place = Place.make(tmp_path / "repository", store)
        _goes_on(place, store, open_named(f"s3://{server.bucket}/two?endpoint={server.url}"))


@pytest.mark.django_db
def test_a_clean_up_there_says_so_and_fails_nothing(
    place: Destination, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.backups.services import repositories

    monkeypatch.setattr(repositories, "open_store", lambda row: Keeping(Path(row.folder)))
    for _ in range(2):
        check_place(place)
    with closing(repositories.open_repository(place)) as repository:
        for data in (b"one", b"two"):
            with repository.begin(kind="full") as made:
                made.add_bytes("a", data)
                name = made.commit({}).id
        prune(repository, drop=[repository.sets()[0].id], grace=NOW)
    BackupSet.objects.create(destination=place, name=name, state="verified", created_at=dt.datetime.now(UTC))
    run = start_upkeep(actor=SETUP, destination_id=place.pk, action="prune", wake=False)
    done = carry_out("run", run.pk)
    assert (done.state, done.exit_code) == ("succeeded", 3), done.error
    assert "may not be removed" in done.log
    assert "Nothing is lost, and backups go on" in done.log
    assert BackupRun.objects.get(pk=run.pk).result["refused"]
    applied = retention.apply(policy, repositories.open_repository(place), Control(), _Silent())
    assert applied.refused


class _Silent:
    def say(self, _text: str) -> None:
        """Nobody listens."""

    def phase(self, _name: str, _total: int = 0) -> None:
        """Nobody looks."""
