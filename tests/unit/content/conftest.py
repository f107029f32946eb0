"""Fixtures of the content tests: files on disk, a fake provider of models, the built-in embedder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.backends.models import BackendProfile
from tests.factories.backends import offline_profile, openai_profile, route, storage_profile
from tests.fakes.provider import FakeProvider


@pytest.fixture
def files(db: None) -> BackendProfile:
    """A place for files."""
    return storage_profile()


@pytest.fixture
def offline(db: None) -> BackendProfile:
    """The built-in writer and embedder, on every route."""
    profile = offline_profile()
    for purpose in ("write", "edit", "small"):
        route(purpose, {"profile": profile.pk, "model": "composer"})
    route("embed", {"profile": profile.pk, "model": "minilm"})
    return profile


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider on the loopback address; its words are numbered."""
    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def model(transactional_db: None, provider: FakeProvider) -> BackendProfile:
    """The fake provider on every route that writes."""
    profile = openai_profile("Fake", provider.openai_url)
    for purpose in ("write", "edit", "small"):
        route(purpose, profile)
    return profile
