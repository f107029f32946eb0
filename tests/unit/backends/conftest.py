"""Fixtures of the backends' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.provider import FakeProvider


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Files, keys and secrets of a test in a folder of its own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.SECRETS_DIR = tmp_path / "data" / "secrets"
    (tmp_path / "data").mkdir()


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    """A fake provider that refuses keys which begin with "wrong"."""
    with FakeProvider() as running:
        yield running


@pytest.fixture
def fake(provider: FakeProvider) -> FakeProvider:
    """The same with an empty log."""
    provider.reset()
    return provider
