"""What the tests of backups share."""

from __future__ import annotations

import pytest

from apps.backups.repository import shipping


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of 1 MiB, so that little data already makes several."""
    monkeypatch.setattr(shipping, "PACK_SIZE", 1024 * 1024)
