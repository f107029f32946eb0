"""The database's server behind a pooler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiwriter import env
from aiwriter.core import direct
from apps.backups.services import postgres

TWO = "postgres://writer:pass%40word@one:5432,two:5433/portal?target_session_attrs=read-write&sslmode=verify-full"
ROOT = Path(__file__).resolve().parents[3]


def test_several_hosts_are_read() -> None:
    assert direct.read(TWO) == {
        "host": "one,two",
        "port": "5432,5433",
        "user": "writer",
        "password": "pass@word",
        "dbname": "portal",
        "target_session_attrs": "read-write",
        "sslmode": "verify-full",
    }


@pytest.mark.parametrize("url", ["sqlite:///x", "postgres://one", "postgres://one:port:5/x?nothing=1"])
def test_a_wrong_address_is_told(url: str) -> None:
    assert "Write for example postgres://" in direct.problem(url)
    assert direct.problem(TWO) == ""


@pytest.mark.parametrize("name", ["AIWRITER_DATABASE_DIRECT_URL", "AIWRITER_REPLICA_URL"])
def test_they_belong_to_postgresql(name: str) -> None:
    with pytest.raises(env.EnvError, match=f"{name} is set, and DATABASE_URL is no address of PostgreSQL"):
        env.read({name: TWO})
    assert env.read({name: TWO, "DATABASE_URL": "postgres://pooler/portal"})[name] == TWO


def test_programs_and_other_databases_go_to_the_server(settings: Any) -> None:
    settings.DATABASE_DIRECT = direct.read(TWO)
    assert direct.parameters("other") == {**direct.read(TWO), "dbname": "other"}
    variables = postgres.environment(postgres.parameters())
    assert (variables["PGHOST"], variables["PGPORT"]) == ("one,two", "5432,5433")
    assert variables["PGTARGETSESSIONATTRS"] == "read-write"
    assert variables["PGSSLMODE"] == "verify-full"
    assert postgres.url_of("other") == "postgres://writer:pass%40word@one:5432,two:5433/other"
    found = direct.beside(
        {"HOST": "pooler", "PORT": "6432", "NAME": "portal", "OPTIONS": {"pool": {}, "sslmode": "prefer"}}
    )
    assert (found["HOST"], found["PORT"], found["OPTIONS"]["sslmode"]) == ("one,two", "5432,5433", "verify-full")
    assert "pool" not in found["OPTIONS"]


def test_the_settings_fit_a_pooler_and_a_standby() -> None:
    """In a process of its own: settings are read once."""
    code = (
        "from aiwriter import settings as s\n"
        "print(s.DATABASES['default']['DISABLE_SERVER_SIDE_CURSORS'], s.DATABASES['replica']['HOST'], s.DATABASES['replica']['OPTIONS']['target_session_attrs'], s.DATABASE_ROUTERS, "
        "s.MIDDLEWARE[2], s.CELERY_BROKER_URL, s.CELERY_BROKER_TRANSPORT_OPTIONS['master_name'], "
        "s.CELERY_WORKER_ENABLE_REMOTE_CONTROL)"
    )
    variables = {
        "DATABASE_URL": "postgres://writer@pooler:6432/portal",
        "AIWRITER_DATABASE_DIRECT_URL": TWO,
        "AIWRITER_REPLICA_URL": TWO.replace("read-write", "standby"),
        "REDIS_URL": "sentinel://one,two/2?master=shop",
        "AIWRITER_SECRET_KEY": "k" * 60,
        "PATH": "/usr/bin",
    }
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [
        "True", "one,two", "standby", "['aiwriter.core.replica.Router']", "aiwriter.core.replica.ReplicaMiddleware",
        "sentinel://one:26379/2;sentinel://two:26379", "shop", "True",
    ]  # fmt: skip
