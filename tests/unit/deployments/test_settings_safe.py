"""The item of the checklist that looks at the settings: it says what `manage.py check --deploy` says, now."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from apps.deployments.models import Deployment
from apps.deployments.services import evidence

pytestmark = pytest.mark.django_db


def _said() -> list[str]:
    return sorted(evidence.settings_safe(Deployment(), {}).evidence["messages"])


def _by_django() -> list[str]:
    found = [each for each in run_checks(include_deployment_checks=True) if not each.is_silenced()]
    return sorted(f"{each.id}: {each.msg}"[:200] for each in found)


def test_it_says_what_the_command_says_also_when_that_changes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _said() == _by_django()
    before = _said()
    settings.ALLOWED_HOSTS = ["*"]
    settings.SECURE_HSTS_SECONDS = 0
    assert _said() == _by_django() != before


def test_a_fault_of_a_model_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the code: looked at once in a process."""
    evidence._said_of_the_code.cache_clear()
    monkeypatch.setattr(Deployment._meta, "ordering", ["nowhere"])
    try:
        assert [each for each in _said() if each.startswith("models.E015")]
        monkeypatch.undo()
        assert [each for each in _said() if each.startswith("models.E015")]
    finally:
        evidence._said_of_the_code.cache_clear()
