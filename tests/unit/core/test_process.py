"""The command line of each part, as it is started."""

from __future__ import annotations

import sys

import pytest

from aiwriter.core.process import is_pageless, is_scheduler


@pytest.mark.parametrize(
    ("line", "pageless", "scheduler"),
    [
        (["/venv/lib/python3.11/site-packages/celery/__main__.py", "-q", "-A", "aiwriter", "beat"], True, True),
        (["/venv/bin/celery", "-A", "aiwriter", "worker", "-P", "threads"], True, False),
        (["manage.py", "watch"], True, False),
        (["/srv/portal/manage.py", "migrate"], False, False),
        (["/srv/portal/aiwriter/web.py", "--port", "8000"], False, False),
        (["/venv/bin/pytest", "-k", "watch", "worker", "beat"], False, False),
    ],
)
def test_parts_are_known_by_their_command(
    line: list[str], pageless: bool, scheduler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", line)
    assert (is_pageless(), is_scheduler()) == (pageless, scheduler)
