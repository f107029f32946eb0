"""Home and settings: what waits for a person, and how a workspace is written in."""

from __future__ import annotations

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.content.models import Generation, Source
from apps.content.selectors.home import SOURCES, NextStep, drafts_to_continue, next_steps
from apps.content.selectors.organising import writing_settings
from apps.content.services.collections import create_collection
from apps.users.models import Membership
from apps.users.services.workspaces import remove_member
from tests.factories.backends import storage_profile
from tests.factories.content import DocumentFactory, GenerationFactory, TextSourceFactory
from tests.factories.users import SETUP, MembershipFactory, WorkspaceFactory
from tests.people import People


def generation(people: People, state: str, topic: str, **more) -> Generation:
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press, brief={"topic": topic})
    Generation.objects.filter(pk=made.pk).update(state=state, **more)
    return made


def test_what_waits_is_named_and_what_is_done_is_not(people: People):
    wanda = people.actor("wanda")
    generation(people, "failed", "Broken", error="No backend.")
    generation(people, "succeeded", "Unkept")
    running = generation(people, "running", "Running")
    generation(people, "succeeded", "Kept", document=DocumentFactory(actor=wanda, workspace=people.press))
    storage_profile()
    source = TextSourceFactory(actor=wanda, workspace=people.press, title="Bad file")
    Source.objects.filter(pk=source.pk).update(state="failed", error="It is encrypted.")
    steps = next_steps(wanda, people.press)
    assert steps[0].key == running.pk
    assert {(s.kind, s.title) for s in steps} == {
        ("writing", "Running"),
        ("unkept", "Unkept"),
        ("failed", "Broken"),
        ("source", "Bad file"),
    }
    assert next_steps(people.actor("eve"), people.rival) == []


def test_other_parts_add_what_waits(people: People, portal):
    document = DocumentFactory(actor=people.actor("eddie"), workspace=people.press, title="To be read")

    def asked(actor, workspace):
        return [NextStep("Review", document.title, "content:document", document.pk, document.created_at)]

    SOURCES.append(asked)
    try:
        page = portal("wanda").get("/").content.decode()
    finally:
        SOURCES.remove(asked)
    assert "To be read" in page
    assert "Review" in page


def test_home_offers_the_last_own_draft_and_first_steps(people: People, portal):
    empty = portal("eve").get("/").content.decode()
    assert "First steps" in empty
    DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Older")
    DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Newer")
    DocumentFactory(actor=people.actor("eddie"), workspace=people.press, title="Of Eddie")
    assert [d.title for d in drafts_to_continue(people.actor("wanda"), people.press)] == ["Newer", "Older"]
    page = portal("wanda").get("/").content.decode()
    assert "Go on writing" in page
    assert "First steps" not in page


def test_home_takes_the_same_queries_whatever_there_is(people: People, portal):
    page = portal("wanda")
    DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    generation(people, "succeeded", "One")

    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert page.get("/").status_code == 200
        return len(seen)

    few = count()
    for number in range(5):
        DocumentFactory(actor=people.actor("wanda"), workspace=people.press, tags=[str(number)])
        generation(people, "running", str(number))
    assert count() == few


def test_the_navigation_names_the_workspace_in_which_pages_work(people: People, portal):
    browser = portal("wanda")
    other = MembershipFactory(user=people.wanda, workspace=WorkspaceFactory(name="Archive")).workspace

    def named() -> set[str]:
        # A page about a workspace, and one that is about none.
        pages = browser.get("/settings/"), browser.get(reverse("users:profile"))
        return {name for page in pages for name in re.findall('aria-label="Workspace: ([^"]*)"', page.content.decode())}

    assert named() == {"Press office"}, "the older one, until another is opened"
    browser.post(reverse("content:open-workspace", args=[other.pk]))
    assert named() == {"Archive"}
    remove_member(actor=SETUP, membership=Membership.objects.get(user=people.wanda, workspace=other))
    assert named() == {"Press office"}
    with CaptureQueriesContext(connection) as seen:
        browser.get(reverse("users:profile"))
    asked = [each["sql"] for each in seen.captured_queries if ' FROM "users_workspace"' in each["sql"]]
    assert len(asked) == 1, "what is listed and what is open come from one query"
    assert len([each for each in seen.captured_queries if 'FROM "users_rolegrant" INNER' in each["sql"]]) == 1


def test_settings_of_a_workspace_are_changed_by_editors(people: People, portal):
    inbox = create_collection(actor=people.actor("eddie"), workspace=people.press, name="Inbox")
    body = {"name": "The press", "language": "de", "default_collection": str(inbox.pk), "trash_days": "7"}
    assert portal("wanda").post("/settings/workspace", body).status_code == 403
    assert portal("eddie").post("/settings/workspace", {**body, "trash_days": "-1"}).status_code == 400
    assert portal("eddie").post("/settings/workspace", body).status_code == 302
    stored = writing_settings(people.press)
    assert (stored.trash_days, stored.language, stored.default_collection) == (7, "de", inbox)
    people.press.refresh_from_db()
    assert people.press.name == "The press"
    made = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    assert (made.language, made.collection) == ("de", inbox)
    page = portal("wanda").get("/settings/").content.decode()
    assert "Editors of the workspace change these" in page


def test_ones_own_settings(people: People, portal):
    wanda = portal("wanda")
    body = {"full_name": "Wanda B.", "locale": "en", "timezone": "Europe/Berlin", "theme": "dark"}
    assert wanda.post("/settings/you", body).cookies["theme"].value == "dark"
    people.wanda.refresh_from_db()
    assert (people.wanda.full_name, people.wanda.timezone) == ("Wanda B.", "Europe/Berlin")
    assert wanda.post("/settings/you", {**body, "theme": "auto"}).cookies["theme"]["max-age"] == 0
    assert wanda.post("/settings/you", {**body, "timezone": "Atlantis"}).status_code == 400
