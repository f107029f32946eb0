"""An environment with its agent, for the tests of roll-outs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.selectors import announcements as shown
from tests.people import People
from tests.unit.deployments.lab import Lab


@pytest.fixture
def make_lab(tmp_path: Path, people: People, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes an environment; each is of development unless told otherwise."""
    made: list[Lab] = []

    def make(**values: Any) -> Lab:
        made.append(Lab(tmp_path, people, monkeypatch, **{"kind": "development", **values}))
        return made[-1]

    shown.forget()
    yield make
    shown.forget()
    for lab in made:
        lab.journal.close()
