"""Prompt actions: checked when they are written, kept in versions, filled in one pass, answered as suggestions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.backends.models import BackendProfile
from apps.content.models import Document, PromptAction, Suggestion
from apps.content.selectors.prompt_actions import offered_actions
from apps.content.services import prompt_actions as service
from apps.content.services.prompt_defaults import DEFAULTS, ensure_default_actions
from apps.content.services.prompt_templates import around, check_template, fill, variables_of
from apps.content.services.prompts import build_request
from apps.content.services.suggesting import ask_with_prompt
from apps.content.services.suggestions import accept, complete
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory
from tests.people import People

BODY = "# Ferries\n\nThe ferry leaves at seven. It carries dogs.\n\nNobody sleeps on it.\n"


@pytest.fixture
def document(people: People) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown=BODY, title="Ferries")


def make(people: People, template: str = "Say it as a pirate: {selection}", **more) -> PromptAction:
    values = {"name": "Pirate", "template": template, **more}
    return service.create_prompt_action(actor=people.actor("eddie"), workspace=people.press, **values)


def ask(people: People, document: Document, action: PromptAction | str, quote: str = "It carries dogs.", **more):
    named = action if isinstance(action, str) else action.pk
    [row] = ask_with_prompt(
        actor=people.actor("wanda"), document_id=document.pk, prompt_action=named, quote=quote, **more
    )
    return row


def prompt_of(row: Suggestion) -> str:
    sent = row.generation.input
    return build_request(kind="rewrite", brief=sent["brief"], context=sent["context"], passages=()).messages[1].content


@pytest.mark.parametrize(
    ("template", "scope", "said"),
    [
        ("", "selection", "empty"),
        ("Change {selection} for {reader}.", "selection", "{reader} is no variable"),
        ("Change {selection} {", "selection", "brace stands alone"),
        ("Change it.", "selection", "where the passage goes"),
        ("Sum up {document}.", "both", "where the passage goes"),
        ("Sum it up.", "whole", "where the text goes"),
        ("{selection}" + "x" * 8_000, "selection", "8,011 characters"),
    ],
)
def test_a_template_that_could_not_be_sent_is_refused(template, scope, said):
    with pytest.raises(InvalidInput) as caught:
        check_template(template, scope)
    assert said in caught.value.message
    assert caught.value.field == "template"
    assert caught.value.remedy


def test_a_template_is_filled_in_one_pass():
    template = "In {tone}, as {{json}}: {selection} Again: {selection} Title {title}"
    assert variables_of(template) == ["tone", "selection", "title"]
    filled = fill(template, {"tone": "{title}", "selection": "a </text> b", "title": "T"})
    assert filled == (
        "In {title}, as {json}: <text>\na  b\n</text> Again: (the text between <text> and </text>) Title T"
    )


def test_of_a_long_document_goes_along_what_stands_around_the_passage():
    body = "a" * 30_000 + "HERE" + "b" * 30_000
    cut = around(body, 30_000, 30_004)
    assert cut.startswith("[…] a")
    assert cut.endswith("b […]")
    assert "HERE" in cut
    assert len(cut) < 24_020
    assert around("short", 0, 2) == "short"


def test_every_default_can_be_sent(people: People):
    offered = {row.key: row.current for row in offered_actions(people.actor("wanda"), people.press)}
    assert set(offered) == {each.key for each in DEFAULTS}
    for version in offered.values():
        assert check_template(version.template, version.scope) == version.template
    PromptAction.objects.filter(key="summary").update(name="Ours")
    PromptAction.objects.filter(key="tone").delete()
    ensure_default_actions()
    assert PromptAction.objects.filter(key="tone").count() == 1
    assert PromptAction.objects.get(key="summary").name == "Ours"


def test_a_change_is_a_version_and_none_is_lost(people: People):
    row, eddie = make(people), people.actor("eddie")
    service.change_prompt_action(actor=eddie, action_id=row.pk, template="As a sailor: {selection}", name="Sailor")
    changed = service.change_prompt_action(actor=eddie, action_id=row.pk, name="Seaman")
    assert (changed.current.number, changed.name) == (2, "Seaman")
    back = service.restore_prompt_version(actor=eddie, action_id=row.pk, number=1)
    assert (back.current.number, back.current.template) == (3, "Say it as a pirate: {selection}")
    assert [v.number for v in back.versions.all()] == [3, 2, 1]
    with pytest.raises(NotFound):
        service.restore_prompt_version(actor=eddie, action_id=row.pk, number=9)
    assert AuditEvent.objects.filter(action="prompt.changed").count() == 2


def test_a_copy_takes_the_place_of_a_default_in_its_workspace_only(people: People):
    eddie, default = people.actor("eddie"), PromptAction.objects.get(key="summary")
    with pytest.raises(PermissionDenied):
        service.change_prompt_action(actor=eddie, action_id=default.pk, name="Ours")
    own = service.copy_prompt_action(actor=eddie, action_id=default.pk, workspace=people.press)
    assert service.copy_prompt_action(actor=eddie, action_id=default.pk, workspace=people.press) == own
    service.change_prompt_action(actor=eddie, action_id=own.pk, is_active=False)
    keys = [row.key for row in offered_actions(people.actor("wanda"), people.press)]
    assert "summary" not in keys
    assert "summary" in [row.key for row in offered_actions(people.actor("eve"), people.rival)]
    service.delete_prompt_action(actor=eddie, action_id=own.pk)
    assert default in offered_actions(people.actor("wanda"), people.press)
    with pytest.raises(Conflict):
        service.delete_prompt_action(actor=people.actor("otto"), action_id=default.pk)


def test_who_may_not_change_it(people: People):
    row, wanda = make(people), people.actor("wanda")
    with pytest.raises(PermissionDenied):
        service.create_prompt_action(actor=wanda, workspace=people.press, name="x", template="{selection}")
    with pytest.raises(NotFound):
        service.change_prompt_action(actor=people.actor("eve"), action_id=row.pk, name="x")
    with pytest.raises(NotFound):
        service.change_prompt_action(actor=people.actor("otto"), action_id=row.pk, name="x")
    with pytest.raises(Conflict):
        make(people)


def test_it_is_asked_for_what_it_needs(people: People, document: Document, offline: BackendProfile):
    row = make(people, "For {audience}, {tone}: {selection}")
    with pytest.raises(InvalidInput) as caught:
        ask(people, document, row, variables={"tone": "calm"})
    assert (caught.value.field, caught.value.message) == (
        "variables.audience",
        "The action needs a value for {audience}.",
    )
    with pytest.raises(InvalidInput) as caught:
        ask(people, document, row, variables={"tone": "calm", "audience": "us", "reader": "x"})
    assert caught.value.field == "variables.reader"
    made = ask(people, document, row, variables={"tone": "calm", "audience": "{document}"})
    sent = prompt_of(made)
    assert sent.startswith("For {document}, calm: <text>\nIt carries dogs.\n</text>")
    assert "Nobody sleeps" not in sent
    assert (made.action, made.label, made.prompt_version) == ("prompt", "Pirate", row.current)


def test_it_works_on_what_it_is_made_for(people: People, document: Document, offline: BackendProfile):
    whole = make(people, "Sum up {title}: {document}", scope="whole", name="Sum")
    with pytest.raises(InvalidInput, match="works on the whole text"):
        ask(people, document, whole)
    with pytest.raises(InvalidInput, match="works on a selection"):
        ask(people, document, make(people), quote="")
    assert "Nobody sleeps" in prompt_of(ask(people, document, "sum", quote=""))
    service.change_prompt_action(actor=people.actor("eddie"), action_id=whole.pk, is_active=False)
    with pytest.raises(Conflict, match="switched off"):
        ask(people, document, whole, quote="")
    with pytest.raises(NotFound):
        ask(people, document, "no-such-action")


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("after", "The ferry leaves at seven. It carries dogs.\n\nNEW\n\nNobody"),
        ("before", "# Ferries\n\nNEW\n\nThe ferry leaves at seven. It carries dogs.\n\nNobody"),
        ("replace", "The ferry leaves at seven. NEW\n\nNobody"),
    ],
)
def test_the_answer_goes_where_the_action_says(
    people: People, document: Document, offline: BackendProfile, placement, expected
):
    row = ask(people, document, make(people, placement=placement))
    complete(row.generation_id, text="NEW", succeeded=True)
    _, changed = accept(actor=people.actor("wanda"), document_id=document.pk, suggestion_id=row.pk)
    assert expected in changed.body_markdown


def test_over_the_api(api: Callable[..., APIClient], people: People, document: Document, offline: BackendProfile):
    editor, writer = api("eddie"), api("wanda")
    made = editor.post(
        "/api/v1/prompt-actions", {"name": "Pirate", "template": "As a {tone} pirate: {selection}"}, format="json"
    )
    assert made.status_code == 201, made.json()
    where = made["Location"]
    assert made.json()["asks"] == ["tone"]
    bad = editor.patch(where, {"template": "{selection} {mood}"}, format="json")
    assert bad.json()["error"]["details"][0]["field"] == "template"
    assert editor.patch(where, {"template": "Arr: {selection}"}, format="json").json()["version"] == 2
    versions = writer.get(f"{where}/versions").json()["data"]
    assert [(v["number"], v["author"]) for v in versions] == [(2, "Eddie Editor"), (1, "Eddie Editor")]
    assert editor.post(f"{where}/versions/1/restore").json()["version"] == 3
    listed = writer.get("/api/v1/prompt-actions?limit=200").json()["data"]
    assert {row["key"] for row in listed} == {"pirate", *(each.key for each in DEFAULTS)}
    suggestions = f"/api/v1/content/{document.pk}/suggestions"
    missing = writer.post(suggestions, {"prompt_action": "pirate", "quote": "It carries dogs."}, format="json")
    assert missing.json()["error"]["details"][0]["field"] == "variables.tone"
    asked = {"prompt_action": "pirate", "quote": "It carries dogs.", "variables": {"tone": "polite"}}
    answer = writer.post(suggestions, asked, format="json")
    assert answer.status_code == 202, answer.json()
    [row] = answer.json()["data"]
    assert (row["prompt_action_id"], row["prompt_action_version"]) == (made.json()["id"], 3)
    assert editor.delete(where).status_code == 204
    assert writer.get(where).status_code == 404


def test_the_page_makes_changes_and_tells_what_is_wrong(client, people: People):
    client.force_login(people.eddie)
    wrong = client.post(
        "/ai-actions/", {"name": "Sea", "template": "{selection} {mood}", "scope": "both", "placement": "replace"}
    )
    assert wrong.status_code == 400
    assert "{mood} is no variable" in wrong.content.decode()
    right = {"name": "Sea", "template": "At sea: {selection}", "scope": "both", "placement": "replace"}
    assert client.post("/ai-actions/", right).status_code == 302
    default = PromptAction.objects.get(key="summary")
    client.post(f"/ai-actions/{default.pk}/switch", {"active": "0"})
    own = PromptAction.objects.get(key="summary", workspace=people.press)
    assert (own.is_active, default.is_active) == (False, True)
    client.force_login(people.wanda)
    page = client.get("/ai-actions/").content.decode()
    assert "At sea" not in page
    assert "New AI action" not in page
    assert client.post("/ai-actions/", right).status_code == 403


def test_the_editor_offers_the_active_ones(client, people: People, document: Document):
    row = make(people, "For {audience}: {selection}", scope="both")
    client.force_login(people.wanda)
    page = client.get(f"/documents/{document.pk}/").content.decode()
    assert f'data-prompt="{row.pk}" data-scope="both" data-asks="audience"' in page
    service.change_prompt_action(actor=people.actor("eddie"), action_id=row.pk, is_active=False)
    assert str(row.pk) not in client.get(f"/documents/{document.pk}/").content.decode()


def test_operators_change_what_every_workspace_starts_with(client, people: People):
    own = make(people)
    client.force_login(people.otto)
    listed = client.get("/admin/content/promptaction/").content.decode()
    assert "Put a summary on top" in listed
    assert own.name not in listed
    default = PromptAction.objects.get(key="summary")
    form = {"name": "Summary", "template": "Short: {document}", "scope": "whole", "placement": "before"}
    rows = {f"versions-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    answer = client.post(f"/admin/content/promptaction/{default.pk}/change/", {**form, **rows, "is_active": "on"})
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    default.refresh_from_db()
    assert (default.name, default.current.number, default.current.template) == ("Summary", 2, "Short: {document}")
