"""Docs and code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands
from django.utils.module_loading import import_string

from tests.house import configuration

ROOT = Path(__file__).resolve().parents[2]


def test_the_configuration_page_is_the_table_of_variables() -> None:
    said = (ROOT / configuration.PAGE).read_text()
    assert said == configuration.page(), "run: python -m tests.house.configuration"


def test_every_command_of_ours_is_in_the_guide() -> None:
    ours = {name for name, app in get_commands().items() if str(app).startswith(("apps.", "aiwriter."))}
    guide = (ROOT / "docs/operators/index.md").read_text()
    said = set(re.findall(r"`python manage\.py (\w+)", guide))
    assert ours == said


def test_every_health_check_has_its_section() -> None:
    guide = (ROOT / "docs/operators/checks.md").read_text()
    checks = [import_string(path) for path in settings.HEALTH_CHECKS]
    assert [check.key for check in checks if f"\n### {check.key}\n" not in guide] == []


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    named = {target for page in pages for target in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert named - targets == set()


def test_every_proof_is_listed_in_its_page() -> None:
    page = (ROOT / "docs/proofs.md").read_text()
    proofs = {
        path.stem.replace("_", "-") for path in (ROOT / "tests/proofs").glob("*.py") if not path.stem.startswith("_")
    }
    assert proofs == set(re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE))
