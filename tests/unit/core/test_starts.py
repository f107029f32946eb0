"""What a process has imported when it is ready: names of modules, since times differ by machine.

One process for all of it, of what every part does in turn. Starting is what commands, drills and parts do most of the time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

# Pages and the console, and packages that few processes come to use.
PAGES = (
    "aiwriter.urls",
    "apps.users.admin",
    "apps.users.portal.factors",
    "apps.content.admin",
    "apps.content.api.urls",
)
SELDOM = ("numpy", "psycopg", "fido2", "drf_spectacular.plumbing", "django.test", "prompt_toolkit")
_SCRIPT = f"""
import json, sys
from django.core.management import call_command, get_commands, load_command_class

def tell(when):
    found[when] = sorted(name for name in {PAGES + SELDOM!r} if name in sys.modules)

found = {{}}
import django
django.setup()
tell("set up")
for name, app in get_commands().items():
    if app.startswith(("apps.", "aiwriter.")):
        load_command_class(app, name)
tell("every command of ours")
migrate = load_command_class("aiwriter.core", "migrate")
migrate.check(**migrate.get_check_kwargs({{"database": "default"}}))
tell("what migrate checks")
from celery import current_app
current_app.loader.import_default_modules()
tell("every task")
call_command("check", tags=["admin"])
from django.contrib.admin import site
found["pages"] = sorted({{model._meta.app_label for model in site._registry}})
tell("the console's check")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was there after each step, of a process on SQLite."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTEST_VERSION")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
        "AIWRITER_DATA_DIR": str(tmp_path_factory.mktemp("data")),
    }
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("step", ["set up", "every command of ours", "what migrate checks", "every task"])
def test_who_draws_no_page_imports_none(found: dict[str, Any], step: str) -> None:
    assert found[step] == []


def test_the_check_of_the_console_finds_its_pages_first(found: dict[str, Any]) -> None:
    assert {"users", "monitoring", "backends", "content", "backups", "deployments"} <= set(found["pages"])
    assert {"apps.users.admin", "apps.content.admin"} <= set(found["the console's check"])


def test_no_command_of_ours_asks_for_checks_that_import_pages() -> None:
    ours = {name: app for name, app in get_commands().items() if app.startswith(("apps.", "aiwriter."))}
    asking = {name for name, app in ours.items() if load_command_class(app, name).requires_system_checks}
    assert len(ours) > 20
    assert asking == {"migrate"}  # for some; which modules these import is seen above
