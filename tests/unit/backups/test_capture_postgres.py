"""The capture of a PostgreSQL server: followed from a slot, put over a base, and what stands against it."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from aiwriter.core import direct
from aiwriter.core.errors import Unavailable
from apps.backups.models import BackupSet, Destination
from apps.backups.repository import FolderStore, Repository, SetInfo, make_identity
from apps.backups.repository.segments import read_line
from apps.backups.services import capture_postgres, capture_state, moments, postgres, postgres_base, postgres_taking
from apps.backups.services.capture_chain import Chain
from apps.backups.services.capture_postgres import PostgresCapture, as_lsn, file_name, receiver_problem
from apps.backups.services.capture_state import CaptureState
from apps.backups.services.moments import Choice
from apps.backups.services.postgres_taking import Full, Manifest, newest_full
from apps.backups.services.progress import Quiet
from tests.servers.postgres import Postgres

SERVER = pytest.mark.skipif(connection.vendor != "postgresql", reason="follows the log of a PostgreSQL server")


def test_names_of_files_and_positions() -> None:
    assert as_lsn("1/2A000028") == 0x12A000028
    assert file_name(1, 0x12A000028, 16 * 2**20) == "00000001000000010000002A"
    assert file_name(3, 0x2A000000, 64 * 2**20) == "00000003000000000000000A"


def test_refusals_of_the_server_come_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "parameters", lambda database="": {"user": "portal", "dbname": "x"})
    assert "pg_hba.conf: host replication portal" in receiver_problem("no pg_hba.conf entry for replication").remedy
    assert "ALTER ROLE portal REPLICATION" in receiver_problem("permission denied to start WAL sender").remedy
    assert "max_wal_senders" in receiver_problem("number of requested standby: max_wal_senders").remedy


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One with nothing on it: a base of the run's server holds every worker's database and is laid out five times."""
    with Postgres(initdb=("--wal-segsize=1",)) as made:
        yield made


@pytest.fixture
def followed(
    tmp_path: Path, settings: Any, server: Postgres, db: None
) -> Iterator[tuple[PostgresCapture, Repository, Repository]]:
    """That server, followed into a repository in a folder."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATABASE_DIRECT = direct.read(server.url)
    identity, recipient = make_identity()
    store = FolderStore(tmp_path / "captured")
    secret = Repository.create(store, recipients=[recipient]).writer_secret
    writing = Repository.open(store, cache=tmp_path / "cache", writer_secret=secret)
    capture = PostgresCapture(Chain(CaptureState(destination="x"), writing), seconds=0.5)
    capture.start(lambda line: read_line(writing, line))
    yield capture, writing, Repository.open(store, identity=identity)
    capture.close()
    with capture_postgres.connect() as opened:
        opened.execute("SELECT pg_drop_replication_slot(%s)", [capture_postgres.slot_name()])


def ship(writing: Repository) -> None:
    """What the shipper does, without a destination."""
    for folder in sorted(capture_state.spool_folder().iterdir()):
        for path in sorted(folder.iterdir()):
            name = f"lines/{folder.name}" if path.name == "line" else f"segments/{folder.name}/{path.name}"
            writing.records.put(name, path.read_bytes())
            path.unlink()


def laid_out(choice: Choice, reading: Repository, reader: Any, folder: Path) -> Path:
    """A data directory for an administrator."""
    postgres_base.hand_over(reading, choice, reader, folder, Quiet(lambda _text: None))
    return folder / "data"


def based(capture: PostgresCapture, writing: Repository, full: Full | None = None) -> SetInfo:
    """A set with a base, as the source of the backups makes it."""
    state = capture._chain.state
    capture.step(asked=True)
    facts: dict[str, Any] = {"line": state.line, "first": state.number + 1}
    with writing.begin(kind="full") as writer:
        facts["base"] = postgres_taking.take_base(writer, Quiet(lambda _text: None), line=state.line, full=full)
        capture.step(asked=True)
        facts |= {"last": state.number, "from": state.until}
        return writer.commit({"capture": facts})


@SERVER
@pytest.mark.parametrize("increment", [False, True])
def test_a_moment_comes_back_from_base_and_log(
    followed: tuple[PostgresCapture, Repository, Repository], tmp_path: Path, place: Destination, increment: bool
) -> None:
    capture, writing, reading = followed
    state = capture._chain.state
    with capture_postgres.connect() as opened:
        opened.execute("CREATE TABLE followed (n int)")
        try:
            if increment:
                opened.execute("ALTER SYSTEM SET summarize_wal = on")
                opened.execute("SELECT pg_reload_conf()")
                whole = based(capture, writing)
                assert newest_full(place.pk, state.line) is None
                BackupSet.objects.create(destination=place, name=whole.id)
                assert newest_full(place.pk, "another") is None
                full = newest_full(place.pk, state.line)
                assert full is not None
                opened.execute("CREATE TABLE followed_later AS SELECT generate_series(1, 1000) AS n")
                info = based(capture, writing, full)
                base = info.extra["capture"]["base"]
                assert base["increment_of"] == whole.id
                assert base["bytes"] < whole.extra["capture"]["base"]["bytes"] / 2
            else:
                info = based(capture, writing)
            opened.execute("INSERT INTO followed VALUES (1)")
            time.sleep(0.3)
            wanted = dt.datetime.now(dt.UTC)
            time.sleep(0.3)
            opened.execute("INSERT INTO followed VALUES (2)")
            capture.step(asked=True)
            ship(writing)
        finally:
            opened.execute("DROP TABLE IF EXISTS followed, followed_later")
            opened.execute("ALTER SYSTEM RESET summarize_wal")
            opened.execute("SELECT pg_reload_conf()")
    assert state.gaps == []
    choice = moments.choose(reading, wanted)
    reader = reading.reader(info.id)
    if not increment:
        data = laid_out(choice, reading, reader, tmp_path / "server")
        assert (data / "recovery.signal").is_file()
        assert f"{wanted:%Y-%m-%d %H:%M:%S}" in (data / "postgresql.auto.conf").read_text()
        shutil.rmtree(tmp_path / "server")
    with postgres_base.recovered(reading, choice, reader, Quiet(lambda _text: None)) as dump:
        text = b"".join(iter(lambda: dump.read(1 << 20), b"")).decode()
    rows = text.partition("COPY public.followed (n) FROM stdin;\n")[2].partition("\\.")[0].split()
    assert rows == ["1"]
    assert ("followed_later" in text) is increment


@pytest.mark.parametrize("name", ["../out", "base/../../out", "/out", "link"])
def test_a_base_lays_out_nothing_but_its_own_files_and_folders(name: str, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../out"
        archive.addfile(member)
    reader = SimpleNamespace(open=lambda _path: io.BytesIO(made.getvalue()))
    (tmp_path / "data").mkdir()
    with pytest.raises(tarfile.ExtractError, match=name):
        postgres_taking.unpack(reader, tmp_path / "data", Quiet(lambda _text: None))
    assert [path.name for path in tmp_path.rglob("*")] == ["data"]


def test_a_servers_manifest_is_picked_out_of_a_tar_in_pieces_of_any_size() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in (("base/1", b"x" * 1500), ("empty", b""), ("backup_manifest", b"{" * 700)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    for step in (1, 511, 4096):
        manifest = Manifest()
        for at in range(0, len(made.getvalue()), step):
            manifest.feed(made.getvalue()[at : at + step])
        assert manifest.content == b"{" * 700


@SERVER
def test_a_change_after_a_quiet_time_is_not_as_old_as_the_quiet(
    followed: tuple[PostgresCapture, Repository, Repository],
) -> None:
    capture, _, _ = followed
    state = capture._chain.state
    capture.step(asked=True)
    state.shipped, state.shipped_until = state.number, state.until - 500_000
    with capture_postgres.connect() as opened:
        opened.execute("SELECT pg_logical_emit_message(false, 'test', 'a change')")
    capture.step(asked=True)
    assert state.shipped < state.number
    assert 0.0 < state.lag < 60.0
    state.shipped, state.shipped_until = state.number, state.until
    capture._looked = 0.0
    capture.step(asked=False)
    assert state.lag < 5.0


@SERVER
def test_a_slot_that_is_gone_is_a_gap(followed: tuple[PostgresCapture, Repository, Repository]) -> None:
    capture, writing, _ = followed
    capture.step(asked=True)
    state = capture._chain.state
    line = state.line
    capture.close()
    with capture_postgres.connect() as opened:
        opened.execute("SELECT pg_drop_replication_slot(%s)", [capture_postgres.slot_name()])
    ship(writing)
    capture.__init__(Chain(state, writing), seconds=0.5)  # type: ignore[misc]
    capture.start(lambda known: read_line(writing, known))
    assert state.line != line
    assert "no slot" in state.gaps[-1]["why"]


@SERVER
@pytest.mark.django_db
def test_a_role_without_replication_is_told_what_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_postgres.connect() as opened:
        opened.execute("DROP ROLE IF EXISTS plain_role")
        opened.execute("CREATE ROLE plain_role LOGIN")
        own = postgres.parameters()
        monkeypatch.setattr(postgres, "parameters", lambda database="": {**own, "user": "plain_role"})
        try:
            with (
                psycopg.connect(**postgres.parameters(), autocommit=True) as plain,
                pytest.raises(Unavailable, match="may not follow") as refused,
            ):
                capture_postgres.look_at_server(plain)
        finally:
            opened.execute("DROP ROLE plain_role")
    assert "ALTER ROLE plain_role REPLICATION" in refused.value.remedy
