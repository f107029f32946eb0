"""Templates, styles and scripts fit together: no icon, file, module or token is named that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from aiwriter.console.site import GROUPS
from apps.content.portal.rewrites import ACTIONS
from apps.content.portal.shell import ACCOUNT, MAIN, MANAGE

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STYLES = sorted((ROOT / "static" / "css").glob("*.css"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))


def test_every_icon_exists():
    sprite = (ROOT / "static/img/icons.svg").read_text()
    present = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    used = {name for path in TEMPLATES for name in re.findall(r'{%\s*icon "([\w-]+)"', path.read_text())}
    used |= {item.icon for item in (*MAIN, *MANAGE, *ACCOUNT)} | {icon for _, icon, _ in GROUPS}
    used |= {icon for _, _, icon in ACTIONS}
    assert used - present == set()


def test_every_page_of_the_navigation_exists():
    assert [item.route for item in (*MAIN, *MANAGE, *ACCOUNT) if not item.address] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_import_leads_to_a_module(path):
    for name in re.findall(r'from "([^"]+)"|import "([^"]+)"', path.read_text()):
        target = name[0] or name[1]
        if target.startswith("."):
            assert (path.parent / target).is_file(), target
        else:
            assert target == "django-prose-editor/editor"


def test_every_token_is_defined():
    text = "\n".join(path.read_text() for path in STYLES)
    defined = set(re.findall(r"(--[\w-]+)\s*:", text)) | {"--stack"}
    assert set(re.findall(r"var\((--[\w-]+)", text)) - defined == set()


@pytest.mark.parametrize("path", [path for path in STYLES if path.name != "tokens.css"], ids=lambda path: path.name)
def test_colours_are_written_in_the_tokens_only(path):
    # light-dark() with both values may stand where a colour belongs to one drawing alone; a mask has no colour.
    text = re.sub(r"light-dark\([^;]+;|mask: [^;]+;", "", path.read_text())
    assert re.findall(r":[^;{}]*#[0-9a-fA-F]{3,8}\b", text) == []


def test_scripts_build_no_html_from_data():
    # The server renders and escapes; these are the places that take its rendering over.
    allowed = {
        "passages.js",
        "page.js",
        "changes.js",
        "watch.js",
        "estimate.js",
        "money.js",
        "rewrite.js",
        "conflict.js",
        "sources.js",
    }
    users = {path.name for path in SCRIPTS if "innerHTML" in path.read_text()}
    assert users <= allowed
    assert not [
        path.name for path in SCRIPTS if re.search(r"\beval\(|new Function|insertAdjacentHTML", path.read_text())
    ]
