"""A full disk and an absent database are told as what they are."""

from __future__ import annotations

import errno

import pytest
from django.db.utils import IntegrityError, OperationalError

from aiwriter.core.faults import machine_fault


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (OperationalError("database or disk is full"), 507),
        (OperationalError('could not extend file "base/1/2": No space left on device'), 507),
        (OperationalError("database is locked"), 503),
        (OperationalError('connection failed: connection to server at "127.0.0.1", port 5: Connection refused'), 503),
    ],
)
def test_faults_of_the_machine_have_a_remedy(error: Exception, status: int) -> None:
    found = machine_fault(error)
    assert found is not None
    assert found.status == status
    assert found.remedy


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), IntegrityError("UNIQUE"), ValueError("x")])
def test_defects_stay_defects(error: Exception) -> None:
    assert machine_fault(error) is None
