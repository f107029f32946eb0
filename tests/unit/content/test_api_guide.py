"""The guide to the API and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from apps.content.api.urls import urlpatterns
from apps.content.services import finishing, generation
from apps.content.services.prompts import ACTIONS

PAGES = Path(__file__).resolve().parents[3] / "docs/api"
INDEX = (PAGES / "index.md").read_text(encoding="utf-8")
GUIDE = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))


def test_every_address_is_in_the_guide():
    missing = []
    for route in urlpatterns:
        # "content/<uuid:document_id>/diff" is written as "/content/{id}/diff" or, in a row of several, as "…/diff".
        words = [word for word in str(route.pattern).split("/") if not word.startswith("<")]
        if not all(re.search(rf"[/…]{word}\b", GUIDE) for word in words):
            missing.append(str(route.pattern))
    assert missing == []


def test_every_event_is_in_the_guide_and_no_other():
    code = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (generation, finishing))
    written = set(re.findall(r'writer\.event\(\s*(?:self\.)?held, "(\w+)"', code)) | {"delta"}
    told = set(re.findall(r"^\| `(\w+)` \|", INDEX[INDEX.index("| event | data |") :], re.MULTILINE))
    assert told == written


def test_every_action_is_in_the_guide():
    assert [action for action in ACTIONS if f"`{action}`" not in GUIDE] == []
