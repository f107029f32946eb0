"""The table of variables: types, bounds, files, and messages that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aiwriter import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIWRITER_PORT", "eighty", "not a whole number"),
        ("AIWRITER_PORT", "0", "The least is 1"),
        ("AIWRITER_PORT", "70000", "The most is 65535"),
        ("AIWRITER_DEBUG", "maybe", "Use true or false"),
        ("AIWRITER_ENVIRONMENT", "prod", "Use one of: development, staging, production"),
        ("AIWRITER_PUBLIC_URL", "example.org", "not a web address"),
        ("DATABASE_URL", "mysql://db/x", "has the scheme 'mysql'"),
        ("REDIS_URL", "http://redis", "not a Redis address"),
        ("AIWRITER_EGRESS_ALLOW_NETWORKS", "10.0.0.0/8,office", "'office'"),
        ("AIWRITER_SECRET_KEY", "short", "50 or more"),
        ("AIWRITER_PROT", "8000", "not a variable of AI-Writer"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(name: str, value: str, said: str) -> None:
    with pytest.raises(env.EnvError) as caught:
        env.read({name: value})
    assert name in str(caught.value)
    assert said in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(env.EnvError) as caught:
        env.read({"AIWRITER_PORT": "x", "AIWRITER_DEBUG": "x"})
    assert len(caught.value.problems) == 2


def test_a_secret_value_is_never_shown() -> None:
    with pytest.raises(env.EnvError) as caught:
        env.read({"AIWRITER_SECRET_KEY": "my-secret-key"})
    assert "my-secret-key" not in str(caught.value)


def test_a_file_gives_the_value_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://host:6379/1\n")
    assert env.read({"REDIS_URL_FILE": str(file)})["REDIS_URL"] == "redis://host:6379/1"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(env.EnvError, match="REDIS_URL_FILE"):
        env.read({"REDIS_URL_FILE": str(tmp_path / "absent")})


def test_production_refuses_debug() -> None:
    with pytest.raises(env.EnvError) as caught:
        env.read({"AIWRITER_ENVIRONMENT": "production", "AIWRITER_DEBUG": "true"})
    assert "AIWRITER_DEBUG" in str(caught.value)


def test_the_command_line_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "AIWRITER_PORT": "eighty", "AIWRITER_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "AIWRITER_PORT is 'eighty'" in done.stderr
    assert "Traceback" not in done.stderr
