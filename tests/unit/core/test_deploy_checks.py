"""`manage.py check --deploy`: each check of ours speaks when it should and is silent in a sound profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from drf_spectacular.generators import SchemaGenerator

from aiwriter.core import checks, keyring
from apps.users.checks import record_leaves_the_machine
from apps.users.models import AuditSink
from tests.people import People


@pytest.fixture
def sound(settings: Any, tmp_path: Path) -> Any:
    """Settings as a public installation has them."""
    settings.PUBLIC_URL = "https://portal.example.org"
    settings.ALLOWED_HOSTS = ["portal.example.org"]
    settings.TRUSTED_PROXIES = 1
    settings.CONSOLE_NETWORKS = ["10.8.0.0/24"]
    settings.DATABASE_URL = "postgres://aiwriter@db.example.org/aiwriter?sslmode=verify-full"
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "rediss://redis.example.org:6379/0"
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.KEYRING_FILE = str(tmp_path / "keys" / "keyring.json")
    for name in ("keys", "secrets"):
        (tmp_path / name).mkdir(mode=0o700)
    keyring.create(stage="contract")
    return settings


ALL = (
    checks.keyring_is_usable,
    checks.hosts_are_named,
    checks.proxies_are_counted,
    checks.debugging_is_off,
    checks.console_is_inside,
    checks.folders_are_closed,
    checks.connections_are_private,
    checks.everything_is_https,
)


def said(settings: Any) -> list[str]:
    """Ids of what all checks of the kernel say."""
    return [str(message.id) for check in ALL for message in check(None)]


def test_a_sound_profile_is_silent(sound: Any):
    assert said(sound) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_HOSTS", ["*"], ["aiw.W002"]),
        ("ALLOWED_HOSTS", [".example.org"], ["aiw.W002"]),
        ("TRUSTED_PROXIES", 0, ["aiw.W003"]),
        ("CONSOLE_NETWORKS", [], ["aiw.W005"]),
        ("DATABASE_URL", "postgres://aiwriter@db.example.org/aiwriter", ["aiw.W007"]),
        ("DATABASE_URL", "postgres://aiwriter@db.example.org/aiwriter?sslmode=require", ["aiw.W007"]),
        ("DATABASE_URL", "postgres://aiwriter@127.0.0.1/aiwriter", []),
        ("DATABASE_URL", "sqlite:////data/aiwriter.sqlite3", []),
        ("REDIS_URL", "redis://redis.example.org:6379/0", ["aiw.W007"]),
        ("REDIS_URL", "sentinel://127.0.0.1,redis.example.org/0?master=x", ["aiw.W007"]),
        ("REDIS_URL", "sentinel://127.0.0.1,127.0.0.1:26380/0?master=x", []),
        ("REPLICA_URL", "postgres://aiwriter@127.0.0.1,db2.example.org/aiwriter", ["aiw.W007"]),
        ("DATABASE_DIRECT_URL", "postgres://aiwriter@db.example.org/aiwriter?sslmode=verify-full", []),
        ("PUBLIC_URL", "http://portal.example.org", ["aiw.W008"]),
        ("PUBLIC_URL", "http://127.0.0.1:8000", []),
    ],
)
def test_each_check_speaks_when_it_should(sound: Any, name: str, value: Any, expected: list[str]):
    setattr(sound, name, value)
    assert said(sound) == expected


def test_debugging_tools_are_told(sound: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "_DEBUG_TOOLS", ("rest_framework",))
    assert said(sound) == ["aiw.W004"]


def test_open_folders_and_an_open_keyring_are_told(sound: Any):
    (sound.DATA_DIR / "secrets").chmod(0o755)
    assert said(sound) == ["aiw.W006"]
    Path(sound.KEYRING_FILE).chmod(0o640)
    assert said(sound) == ["aiw.E001", "aiw.W006"]


def test_a_record_that_stays_on_the_machine_is_told(db: None):
    assert [message.id for message in record_leaves_the_machine(None)] == ["aiw.W009"]
    AuditSink.objects.create(name="Share", kind="file", address="/mnt/audit")
    assert record_leaves_the_machine(None) == []


# ---------------------------------------------------------------- the console's networks
@pytest.mark.parametrize(
    ("path", "inside"),
    [("/admin/", 200), ("/admin/login/", 302), ("/admin/users/auditevent/", 200), ("/admin/nothing/", 404)],
)
def test_the_console_does_not_exist_outside_of_its_networks(
    people: People, portal: Any, settings: Any, path: str, inside: int
):
    settings.CONSOLE_NETWORKS = ["10.8.0.0/24", "2001:db8::/32"]
    client = portal("alma")
    assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 404
    assert client.get(path, REMOTE_ADDR="10.8.0.7").status_code == inside
    assert client.get("/profile/", REMOTE_ADDR="203.0.113.9").status_code == 200


def test_the_console_counts_the_trusted_proxies(people: People, portal: Any, settings: Any):
    settings.CONSOLE_NETWORKS, settings.TRUSTED_PROXIES = ["10.8.0.0/24"], 1
    client = portal("alma")
    inside = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 10.8.0.7"}
    forged = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "10.8.0.7, 203.0.113.9"}
    assert client.get("/admin/", **inside).status_code == 200
    assert client.get("/admin/", **forged).status_code == 404


@pytest.mark.django_db
def test_the_description_of_the_api_is_not_made_for_it(monkeypatch: pytest.MonkeyPatch):
    """It says nothing of settings, and takes most of a second, which each roll-out's checklist would wait for."""

    def made(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("The description was made.")

    monkeypatch.setattr(SchemaGenerator, "get_schema", made)
    found = [str(message.id) for message in run_checks(include_deployment_checks=True)]
    assert found
    assert [each for each in found if each.startswith("drf_spectacular")] == []
