"""Reading from a standby: a real primary and a real standby, and the portal's own tables."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.utils import OperationalError, load_backend
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from aiwriter.core import replica
from apps.users.models import User
from tests.servers.postgres import Postgres, Standby

PAIR_SETTINGS = {"synchronous_commit": "on"}


class Pair:
    """Both servers, and the portal's aliases led to them."""

    def __init__(self, primary: Postgres, standby: Standby) -> None:
        self.primary, self.standby = primary, standby
        self.writer = psycopg.connect(primary.url, autocommit=True)
        self.reader = psycopg.connect(standby.url, autocommit=True)
        self.number = 0

    def add(self) -> str:
        """A row, written by somebody else."""
        self.number += 1
        email = f"writer{self.number}@example.org"
        self.writer.execute("INSERT INTO users_user (email) VALUES (%s)", [email])
        return email

    def ask(self, view: Callable[[HttpRequest], Any], method: str = "get") -> tuple[Any, replica._Reading | None]:
        """A request through the middleware; what the view returned and where it read."""
        seen: list[Any] = []

        def inside(request: HttpRequest) -> HttpResponse:
            seen[:] = [view(request), replica._reading.get()]
            return HttpResponse()

        replica.ReplicaMiddleware(inside)(getattr(RequestFactory(), method)("/"))
        return seen[0], seen[1]

    def catch_up(self) -> None:
        """Wait until the standby has everything."""
        position = self.writer.execute("SELECT pg_current_wal_flush_lsn()").fetchone()[0]  # type: ignore[index]
        for _ in range(500):
            if self.reader.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]).fetchone()[0]:  # type: ignore[index]
                return
            time.sleep(0.02)
        raise AssertionError("the standby does not catch up")


@contextmanager
def alias(name: str, url: str) -> Iterator[None]:
    """A database of the models by a name that is in use."""
    port = psycopg.conninfo.conninfo_to_dict(url)["port"]
    wanted = copy.deepcopy(connections["default"].settings_dict)
    wanted |= {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "PASSWORD": ""}
    wanted |= {"HOST": "127.0.0.1", "PORT": port, "OPTIONS": {"connect_timeout": 2}, "CONN_MAX_AGE": 0}
    before = connections[name] if name in connections.settings else None
    connections[name] = load_backend(wanted["ENGINE"]).DatabaseWrapper(wanted, name)
    try:
        yield
    finally:
        connections[name].close()
        if before is not None:
            connections[name] = before
        else:
            del connections[name]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Standby]]:
    with Postgres(PAIR_SETTINGS) as primary:
        with psycopg.connect(primary.url, autocommit=True) as opened:
            opened.execute("CREATE TABLE users_user (id serial PRIMARY KEY, email text)")
        with Standby(primary) as standby:
            yield primary, standby


@pytest.fixture
def pair(servers: tuple[Postgres, Standby], settings: Any, django_db_blocker: Any) -> Iterator[Pair]:
    primary, standby = servers
    settings.DATABASE_ROUTERS = ["aiwriter.core.replica.Router"]
    replica.resting.end()
    with django_db_blocker.unblock(), alias("default", primary.url), alias(replica.ALIAS, standby.url):
        made = Pair(primary, standby)
        try:
            yield made
        finally:
            made.reader.execute("SELECT pg_wal_replay_resume()")
            made.writer.close()
            made.reader.close()
            replica.resting.end()


def _emails(request: HttpRequest) -> set[str]:
    return set(User._base_manager.order_by().values_list("email", flat=True))


def test_nothing_that_was_saved_before_is_ever_missed(pair: Pair) -> None:
    """Also of what somebody else saved, on a standby that is always a little behind."""
    read_there = 0
    for number in range(200):
        email = pair.add()
        found, reading = pair.ask(_emails)
        assert email in found, f"missed after {number} rows"
        read_there += bool(reading and reading.used)
        if number % 4 == 0:
            pair.catch_up()
            _, reading = pair.ask(_emails)
            read_there += bool(reading and reading.used)
    # Else it would only show that the primary knows its rows.
    assert read_there >= 50


def test_a_standby_that_lags_is_not_read(pair: Pair) -> None:
    pair.reader.execute("SELECT pg_wal_replay_pause()")
    for _ in range(100):
        if pair.reader.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",):
            break
        time.sleep(0.02)
    email = pair.add()
    found, reading = pair.ask(_emails)
    assert email in found
    assert reading
    assert not reading.used
    pair.reader.execute("SELECT pg_wal_replay_resume()")
    pair.catch_up()
    found, reading = pair.ask(_emails)
    assert email in found
    assert reading
    assert reading.used


def test_what_a_request_writes_it_reads(pair: Pair) -> None:
    pair.catch_up()
    name = f"own{time.monotonic_ns()}@example.org"

    def both(request: HttpRequest) -> list[bool]:
        before = name in _emails(request)
        with connections["default"].cursor() as cursor:
            cursor.execute("INSERT INTO users_user (email) VALUES (%s)", [name])
        replica.Router().db_for_write(User)
        return [before, name in _emails(request)]

    found, reading = pair.ask(both)
    assert found == [False, True]
    assert reading
    assert reading.used
    assert reading.closed


def test_a_request_that_may_write_reads_from_the_primary(pair: Pair) -> None:
    pair.catch_up()
    _, reading = pair.ask(_emails, "post")
    assert reading is None


def test_a_standby_that_ends_fails_nobody(pair: Pair) -> None:
    pair.catch_up()

    def long(request: HttpRequest) -> HttpResponse:
        answers.append(replica._reading.get())
        try:
            _emails(request)
            if len(answers) == 1:
                # A connection that the server ends while it is in use.
                with psycopg.connect(pair.standby.url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                    )
            return HttpResponse(str(len(_emails(request))))
        except OperationalError:
            return HttpResponse(status=503)

    answers: list[Any] = []
    response = replica.ReplicaMiddleware(long)(RequestFactory().get("/"))
    assert response.status_code == 200
    assert len(answers) == 2
    assert replica.resting.failed
    # It is left alone for a while, without a question.
    assert "a moment ago" in replica.caught_up()
    pair.reader = psycopg.connect(pair.standby.url, autocommit=True)


def test_a_standby_of_another_timeline_is_not_read(pair: Pair) -> None:
    """Ahead in number and yet without what was saved: after a failover to another server."""
    pair.catch_up()
    assert replica.caught_up() == ""
    with Standby(pair.primary, "standby2") as other:
        other.run(other.programs / "pg_ctl", "-D", other.data, "-w", "promote")
        with alias("default", other.url):
            assert "follows another server" in replica.caught_up()
        replica.resting.end()
    pair.writer.execute("SELECT pg_drop_replication_slot('standby2')")


def test_a_transaction_reads_from_the_primary(pair: Pair) -> None:
    from django.db import transaction

    pair.catch_up()

    def inside(request: HttpRequest) -> set[str]:
        with transaction.atomic():
            return _emails(request)

    _, reading = pair.ask(inside)
    assert reading
    assert not reading.used
