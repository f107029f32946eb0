"""What tests of alerts share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.monitoring.services import keeping
from apps.monitoring.services.alert_defaults import ensure_alerts
from tests.fakes.receiver import Receiver
from tests.people import People


@pytest.fixture
def defaults(people: People) -> People:
    """The rules that ship, and an operator to be told."""
    assert people.otto
    ensure_alerts()
    keeping.forget_series()
    return people


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
