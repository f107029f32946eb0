"""SQLite's engine: the threads of a process take turns at its write lock."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, transaction
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from aiwriter.core.sqlite import base


@pytest.fixture
def handler(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[ConnectionHandler]:
    """Connections, one for each thread, to a database with a counter."""
    path = tmp_path / "counted.sqlite3"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 0.3, "init_command": "PRAGMA journal_mode=WAL"}
    found = ConnectionHandler({"default": {"ENGINE": "aiwriter.core.sqlite", "NAME": path, "OPTIONS": options}})
    with django_db_blocker.unblock():
        with found["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE counter (n INTEGER)")
            cursor.execute("INSERT INTO counter VALUES (0)")
        yield found
        found["default"].close()


@pytest.fixture
def atomic(handler: ConnectionHandler, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`transaction.atomic` for these connections."""
    monkeypatch.setattr(transaction, "connections", handler)
    return transaction.atomic


def is_free(handler: ConnectionHandler) -> bool:
    lock = base._queues[str(handler["default"].settings_dict["NAME"])]
    return not lock.locked()


def count_up(handler: ConnectionHandler) -> None:
    with handler["default"].cursor() as cursor:
        cursor.execute("UPDATE counter SET n = n + 1")


def counted(handler: ConnectionHandler) -> int:
    with handler["default"].cursor() as cursor:
        return int(cursor.execute("SELECT n FROM counter").fetchone()[0])


def test_threads_write_one_after_the_other(handler: ConnectionHandler, atomic: Any):
    inside, most, errors = [0], [0], list[OperationalError]()

    def work() -> None:
        try:
            for _ in range(40):
                with atomic():
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    count_up(handler)
                    inside[0] -= 1
        except OperationalError as error:
            errors.append(error)
        finally:
            handler["default"].close()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert (counted(handler), most[0]) == (480, 1)
    assert is_free(handler)


@pytest.mark.parametrize("ending", ["commit", "rollback", "error", "close", "inner"])
def test_every_end_of_a_transaction_lets_the_next_one_in(handler: ConnectionHandler, atomic: Any, ending: str):
    connection = handler["default"]
    try:
        with atomic():
            assert not is_free(handler)
            count_up(handler)
            if ending == "rollback":
                transaction.set_rollback(True)
            elif ending == "error":
                raise LookupError
            elif ending == "close":
                connection.close()
            elif ending == "inner":
                with atomic():
                    count_up(handler)
                assert not is_free(handler)
    except (LookupError, OperationalError):
        pass
    assert is_free(handler)
    assert counted(handler) == {"commit": 1, "inner": 2}.get(ending, 0)
    with atomic():
        count_up(handler)


def test_another_process_that_writes_is_waited_for_as_before(handler: ConnectionHandler, atomic: Any):
    other = sqlite3.connect(handler["default"].settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"), atomic():
        pass
    assert is_free(handler)
    other.execute("COMMIT")
    other.close()
    with atomic():
        count_up(handler)
    assert counted(handler) == 1


def test_another_process_that_writes_for_a_moment_is_followed_at_once(
    handler: ConnectionHandler, atomic: Any, monkeypatch: pytest.MonkeyPatch
):
    connection, asked = handler["default"], list[float]()
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def pause(seconds: float) -> None:
        asked.append(seconds)
        if len(asked) == 5:
            other.execute("COMMIT")

    monkeypatch.setattr(base.time, "sleep", pause)
    with atomic():
        count_up(handler)
    other.close()
    assert asked == [base.ASK_EVERY] * 5
    assert not connection.errors_occurred
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (300,)
    assert counted(handler) == 1


def test_what_is_not_a_taken_lock_is_an_error_of_django(
    handler: ConnectionHandler, atomic: Any, monkeypatch: pytest.MonkeyPatch
):
    connection = handler["default"]
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(base.time, "sleep", lambda _: connection.connection.close())
    with pytest.raises(DatabaseError), atomic():
        pass
    other.close()
    assert connection.errors_occurred
    assert is_free(handler)


def test_a_turn_that_is_never_given_back_holds_nobody_up_for_ever(
    handler: ConnectionHandler, atomic: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(base, "QUEUE_SECONDS", 0.05)
    base._queues.setdefault(str(handler["default"].settings_dict["NAME"]), threading.Lock()).acquire()
    with atomic():
        count_up(handler)
    assert counted(handler) == 1
