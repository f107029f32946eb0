"""Commands for operators."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from apps.users.models import User
from apps.users.selectors.access import Actor, can
from tests.factories.users import PASSWORD
from tests.people import People


@pytest.fixture
def no_steps(settings):
    settings.BOOTSTRAP_STEPS = ["tests.unit.users.test_commands.step"]
    STEPS.clear()


STEPS: list[str] = []


def step() -> None:
    STEPS.append("done")


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_bootstrap_prints_the_secret_once(db, no_steps):
    first = run("bootstrap")
    user = User.objects.get()
    password = first.split("password")[1].split()[0]
    assert user.check_password(password)
    assert django_settings.PUBLIC_URL in first
    assert "in place already" in run("bootstrap")
    assert STEPS == ["done", "done"]


def test_bootstrap_as_json(db, no_steps):
    found = json.loads(run("bootstrap", "--json", "--email", "Boss@Example.org"))
    assert found["email"] == "boss@example.org"
    assert User.objects.get().check_password(found["password"])
    assert json.loads(run("bootstrap", "--json")) == {}


def test_create_user_with_a_workspace_role(people: People):
    people.press  # noqa: B018
    text = run("create_user", "new@example.org", "--role", "editor", "--workspace", "press", "--name", "New One")
    user = User.objects.get(email="new@example.org")
    assert user.check_password(text.split("password")[1].split()[0])
    assert can(Actor.for_user(user), "members.manage", workspace=people.press)


def test_create_user_with_a_system_role(db, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    text = run("create_user", "op@example.org", "--role", "operator", "--password-stdin")
    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert PASSWORD not in text
    assert can(Actor.for_user(user), "backends.manage")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new@example.org", "--role", "writer"], 2, "--workspace"),
        (["new@example.org", "--role", "writer", "--workspace", "nowhere"], 5, "There are: press"),
        (["no address"], 2, "not an e-mail address"),
        (["wanda@example.org"], 6, "has an account already"),
    ],
)
def test_create_user_refuses_in_one_line(people: People, arguments, code, message):
    people.wanda  # noqa: B018
    with pytest.raises(CommandError, match=message) as caught:
        run("create_user", *arguments)
    assert caught.value.returncode == code
    assert not User.objects.filter(email="new@example.org").exists()


def test_reset_password_lets_somebody_in_again(people: People):
    people.wanda.status = "suspended"
    people.wanda.save()
    text = run("reset_password", "WANDA@example.org", "--reactivate")
    people.wanda.refresh_from_db()
    assert people.wanda.check_password(text.split("password")[1].split()[0])
    assert people.wanda.is_active


def test_reset_password_knows_who_is_not_there(db):
    with pytest.raises(CommandError, match="create_user") as caught:
        run("reset_password", "ghost@example.org")
    assert caught.value.returncode == 5


def test_the_exit_code_reaches_the_shell(tmp_path):
    # A database of its own: this process cannot show its open transaction to another one.
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}"}
    command = [sys.executable, "manage.py", "create_user", "x@example.org", "--role", "writer"]
    done = subprocess.run(
        command, cwd=django_settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Add --workspace" in done.stderr
    assert "Traceback" not in done.stderr
