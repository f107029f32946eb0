"""`manage.py doctor`: what a topology requires is looked at, and what is missing is named."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.monitoring.models import Heartbeat
from apps.monitoring.services import topologies

pytestmark = pytest.mark.django_db


def told(name: str) -> tuple[dict[str, dict[str, str]], int]:
    """What the doctor says by requirement, and how it ends."""
    said, code = io.StringIO(), 0
    try:
        call_command("doctor", "--topology", name, "--json", stdout=said)
    except SystemExit as end:
        code = int(end.code or 0)
    return {row["what"]: row for row in json.loads(said.getvalue())}, code


@pytest.fixture(autouse=True)
def _few_checks(settings):
    settings.HEALTH_CHECKS = ["apps.monitoring.health.database"]


def test_what_a_small_portal_lacks_for_high_availability_is_named(settings, tmp_path: Path):
    settings.CELERY_BROKER_URL = "filesystem://localhost"
    found, code = told("ha")
    assert code == 1
    assert found["queue"]["verdict"] == "missing"
    assert found["setting https"]["remedy"].startswith("AIWRITER_HTTPS=true")
    assert found["check database"]["verdict"] == "ok"
    # A check that this installation does not have is no proof.
    assert found["check broker"]["verdict"] == "not seen"
    assert found["standbys, 1 or more"]["verdict"] == "missing"
    assert found["worker, 2 or more"]["said"] == "none has reported within a minute"


def test_parts_are_counted_by_machine(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("requires: {parts: {worker: 2}, checks: [database]}")
    Heartbeat.objects.create(part="worker", node="app1")
    assert told(str(file))[1] == 1
    Heartbeat.objects.create(part="worker", node="app2")
    found, code = told(str(file))
    assert (code, found["worker, 2 or more"]["said"]) == (0, "2 alive: app1, app2")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("requires: {clouds: 3}", "clouds"),
        ("title: x", "requires"),
        ("requires: {settings: [luck]}", "luck"),
        ("[", "YAML"),
    ],
)
def test_what_cannot_be_proved_is_refused(tmp_path: Path, text: str, named: str):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match=named):
        call_command("doctor", "--topology", str(file))
    with pytest.raises(CommandError, match="Known: basic, ha, standard"):
        call_command("doctor", "--topology", "castle")


def test_every_topology_can_be_proved():
    for name in ("basic", "standard", "ha"):
        assert topologies.load(name)["name"] == name
