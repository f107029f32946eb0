"""The command line of each part, as it is started."""

from __future__ import annotations

import sys

import pytest

from aiwriter.core.process import is_scheduler


@pytest.mark.parametrize(
    ("line", "scheduler"),
    [
        (["/venv/lib/python3.11/site-packages/celery/__main__.py", "-q", "-A", "aiwriter", "beat"], True),
        (["/venv/bin/celery", "-A", "aiwriter", "worker", "-P", "threads"], False),
        (["manage.py", "watch"], False),
        (["/srv/portal/manage.py", "migrate"], False),
        (["/srv/portal/aiwriter/web.py", "--port", "8000"], False),
        (["/venv/bin/pytest", "-k", "watch", "worker", "beat"], False),
    ],
)
def test_parts_are_known_by_their_command(line: list[str], scheduler: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", line)
    assert is_scheduler() == scheduler
