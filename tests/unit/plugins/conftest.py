"""A fake provider for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.provider import FakeProvider


@pytest.fixture(scope="module")
def _provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def fake(_provider: FakeProvider) -> FakeProvider:
    """A fake provider that has seen nothing yet."""
    _provider.reset()
    return _provider
