"""A full disk and an absent database are told as what they are."""

from __future__ import annotations

import errno

import psycopg
import psycopg_pool
import pytest
from django.db.utils import IntegrityError, OperationalError
from django.test import Client

from aiwriter.core.faults import machine_fault


def _as_django_raises(cause: Exception) -> OperationalError:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (OperationalError("database or disk is full"), 507),
        (OperationalError('could not extend file "base/1/2": No space left on device'), 507),
        (OperationalError("database is locked"), 503),
        (_as_django_raises(psycopg.OperationalError("the connection is closed")), 503),
        (_as_django_raises(psycopg_pool.PoolTimeout("couldn't get a connection after 15.00 sec")), 503),
        (_as_django_raises(psycopg.errors.AdminShutdown("terminating connection due to administrator command")), 503),
        (_as_django_raises(psycopg.errors.ConnectionFailure("server closed the connection")), 503),
    ],
)
def test_faults_of_the_machine_have_a_remedy(error: Exception, status: int) -> None:
    found = machine_fault(error)
    assert found is not None
    assert found.status == status
    assert found.remedy


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "denied"),
        IntegrityError("UNIQUE"),
        ValueError("x"),
        OperationalError("no such table: users_user"),
        _as_django_raises(psycopg.errors.QueryCanceled("canceling statement")),
    ],
)
def test_defects_stay_defects(error: Exception) -> None:
    assert machine_fault(error) is None


def test_a_fault_before_the_view_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise _as_django_raises(psycopg.OperationalError("the connection is closed"))

    monkeypatch.setattr("aiwriter.core.pauses.MaintenanceMiddleware.__call__", away)
    answer = Client(raise_request_exception=False).get("/api/v1/me")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"
