"""Suggestions: nothing changes before somebody accepts, each change alone, and the text around may move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile
from apps.content.models import Document, Suggestion
from apps.content.services import suggestions
from apps.content.services.documents import StaleRevision, save_document
from apps.content.services.suggesting import ask_for_suggestions
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory, run_to_end
from tests.fakes.provider import FakeProvider
from tests.people import People

BODY = """# Ferries

The ferry leaves at seven in the morning and reaches the harbour before noon.

It carries dogs. It carries cats. It carries dogs.
"""


@pytest.fixture
def document(people: People) -> Document:
    made: Document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown=BODY)
    return made


def propose(people: People, document: Document, *edits: dict[str, Any], who: str = "wanda") -> Suggestion:
    return suggestions.suggest_edits(actor=people.actor(who), document_id=document.pk, edits=edits)


def accept(people: People, row: Suggestion, *ids: str, **more: Any) -> str:
    _, changed = suggestions.accept(
        actor=people.actor("wanda"), document_id=row.document_id, suggestion_id=row.pk, op_ids=ids or None, **more
    )
    return changed.body_markdown


def test_a_suggestion_changes_nothing(people: People, document: Document):
    row = propose(people, document, {"quote": "seven", "replacement": "eight"})
    document.refresh_from_db()
    assert (document.body_markdown, document.revision, row.state) == (BODY, 1, "open")
    assert AuditEvent.objects.filter(action="suggestion.made").count() == 1


def test_two_are_accepted_and_one_is_turned_down(people: People, document: Document):
    row = propose(
        people,
        document,
        {"quote": "seven in the morning", "replacement": "eight in the evening"},
        {"quote": "noon", "replacement": "midnight"},
        {"quote": "cats", "replacement": "goats", "explanation": "There are no cats."},
    )
    assert [(op["before"], op["after"]) for op in row.ops] == [
        ("seven", "eight"),
        ("morning", "evening"),
        ("noon", "midnight"),
        ("cats", "goats"),
    ]
    assert "eight in the morning" in accept(people, row, "1")
    suggestions.reject(actor=people.actor("wanda"), document_id=document.pk, suggestion_id=row.pk, op_ids=["2", "4"])
    body = accept(people, row, "3")
    assert body == BODY.replace("seven", "eight").replace("noon", "midnight")
    row.refresh_from_db()
    assert (row.state, [op["state"] for op in row.ops]) == ("decided", ["accepted", "rejected", "accepted", "rejected"])
    assert row.ops[0]["decided_by"] == str(people.wanda.pk)


def test_all_at_once_is_one_version(people: People, document: Document):
    row = propose(people, document, {"quote": "seven", "replacement": "six"}, {"quote": "noon", "replacement": "ten"})
    accept(people, row)
    document.refresh_from_db()
    assert (document.revision, document.versions.count()) == (2, 2)
    assert "leaves at six" in document.body_markdown
    assert "before ten" in document.body_markdown


def test_the_second_of_three_equal_words_is_meant(people: People, document: Document):
    row = propose(people, document, {"quote": "It carries dogs.", "occurrence": 1, "replacement": "It carries horses."})
    assert accept(people, row).endswith("It carries dogs. It carries cats. It carries horses.\n")


def test_it_finds_its_place_after_others_have_typed(people: People, document: Document):
    row = propose(people, document, {"quote": "noon", "replacement": "dusk"}, {"quote": "cats", "replacement": "goats"})
    typed = BODY.replace("# Ferries", "# Ferries of the north\n\nA new first paragraph.").replace(
        "It carries dogs. ", ""
    )
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=1, body_markdown=typed)
    body = accept(people, row)
    assert body == typed.replace("noon", "dusk").replace("cats", "goats")


def test_a_place_that_is_gone_is_stale_and_nothing_else_is_changed(people: People, document: Document):
    row = propose(people, document, {"quote": "noon", "replacement": "dusk"}, {"quote": "cats", "replacement": "goats"})
    typed = "# Ferries\n\nIt carries dogs. It carries cats. It carries dogs.\n"
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=1, body_markdown=typed)
    assert accept(people, row) == typed.replace("cats", "goats")
    row.refresh_from_db()
    assert [op["state"] for op in row.ops] == ["stale", "accepted"]
    other = propose(people, document, {"quote": "goats", "replacement": "sheep"})
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown="All new.\n")
    with pytest.raises(Conflict, match="no longer there"):
        accept(people, other)
    document.refresh_from_db()
    assert document.body_markdown == "All new.\n"


def test_a_whole_text_becomes_its_differences(people: People, document: Document):
    new = BODY.replace("seven", "nine") + "\nA last paragraph.\n"
    row = suggestions.suggest_text(actor=people.actor("wanda"), document_id=document.pk, body_markdown=new)
    assert len(row.ops) == 2
    assert accept(people, row) == new


def test_where_lines_are_broken_is_no_difference(people: People, document: Document):
    wrapped = BODY.replace("in the morning and reaches", "in the morning\nand reaches")
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=1, body_markdown=wrapped)
    quote = "The ferry leaves at seven in the morning and reaches the harbour before noon."
    row = propose(people, document, {"quote": quote, "replacement": quote.replace("noon", "dusk")})
    assert [(op["before"], op["after"]) for op in row.ops] == [("noon", "dusk")]
    assert accept(people, row) == wrapped.replace("noon", "dusk")


def test_an_empty_quote_adds_at_the_end(people: People, document: Document):
    row = propose(people, document, {"quote": "", "replacement": "The end."})
    assert accept(people, row) == BODY + "\nThe end.\n"


def test_a_change_is_decided_once(people: People, document: Document):
    row = propose(people, document, {"quote": "noon", "replacement": "dusk"})
    accept(people, row)
    with pytest.raises(Conflict, match="accepted before"):
        accept(people, row, "1")
    with pytest.raises(Conflict, match="Nothing of this suggestion"):
        accept(people, row)


def test_an_old_revision_is_refused(people: People, document: Document):
    row = propose(people, document, {"quote": "noon", "replacement": "dusk"})
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=1, body_markdown=BODY + "More.\n")
    with pytest.raises(StaleRevision):
        accept(people, row, revision=1)


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ([{"quote": "midnight", "replacement": "x"}], "edits.0.quote"),
        ([{"quote": "noon", "replacement": "x"}, {"quote": "before noon", "replacement": "y"}], "edits.1.quote"),
        ([{"quote": "noon", "replacement": "noon"}], "edits"),
        ([], "edits"),
    ],
)
def test_what_cannot_be_placed_is_refused(people: People, document: Document, edits: list[dict[str, str]], field: str):
    with pytest.raises(InvalidInput) as refused:
        propose(people, document, *edits)
    assert refused.value.details[0].field == field
    assert Suggestion.objects.count() == 0


def test_others_see_nothing(people: People, document: Document):
    with pytest.raises(NotFound):
        propose(people, document, {"quote": "noon", "replacement": "x"}, who="eve")


def test_a_model_writes_candidates_and_choosing_one_turns_the_others_down(
    model: BackendProfile, provider: FakeProvider, people: People
):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown=BODY)
    provider.behave("fake-large", words=12)
    rows = ask_for_suggestions(
        actor=people.actor("wanda"),
        document_id=document.pk,
        action="shorten",
        quote="It carries dogs. It carries cats. It carries dogs.",
        candidates=2,
        key="once",
    )
    again = ask_for_suggestions(
        actor=people.actor("wanda"),
        document_id=document.pk,
        action="shorten",
        quote="It carries dogs. It carries cats. It carries dogs.",
        candidates=2,
        key="once",
    )
    assert [row.pk for row in again] == [row.pk for row in rows]
    with pytest.raises(Conflict, match="still being written"):
        accept(people, rows[0])
    for row in rows:
        run_to_end(row.generation)
        row.refresh_from_db()
        assert (row.state, len(row.ops)) == ("open", 1)
        assert row.replacement.startswith("w000001")
    body = accept(people, rows[1])
    assert body.startswith(BODY[:90])
    assert "w000012" in body
    assert "dogs" not in body
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].ops[0]["state"]) == ("decided", "rejected")
    document.refresh_from_db()
    assert document.current_version.generation_id == rows[1].generation_id


def test_a_rewrite_that_failed_cuts_nothing(model: BackendProfile, provider: FakeProvider, people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown=BODY)
    provider.behave("fake-large", words=30, error=5)
    [row] = ask_for_suggestions(actor=people.actor("wanda"), document_id=document.pk, action="fix")
    run_to_end(row.generation)
    row.refresh_from_db()
    assert (row.state, row.ops) == ("failed", [])


def test_over_the_api(api: Callable[..., APIClient], people: People, document: Document):
    client = api("wanda")
    where = f"/api/v1/content/{document.pk}/suggestions"
    made = client.post(where, {"edits": [{"quote": "noon", "replacement": "dusk"}], "label": "Later"}, format="json")
    assert made.status_code == 201, made.json()
    [row] = made.json()["data"]
    assert made["Location"] == f"{where}/{row['id']}"
    assert [r["id"] for r in client.get(f"{where}?state=open").json()["data"]] == [row["id"]]
    refused = client.post(f"{where}/{row['id']}/accept", {}, format="json", headers={"If-Match": '"7"'})
    assert refused.status_code == 412
    done = client.post(f"{where}/{row['id']}/accept", {"ids": ["1"]}, format="json", headers={"If-Match": '"1"'})
    assert done.status_code == 200
    assert done.json()["document"]["revision"] == 2
    assert "before dusk" in done.json()["document"]["body_html"]
    assert done.json()["suggestion"]["state"] == "decided"
    assert client.post(f"{where}/{row['id']}/reject", {"ids": ["1"]}, format="json").status_code == 409
    both = client.post(where, {"action": "fix", "body_markdown": "x"}, format="json")
    assert both.json()["error"]["details"][0]["field"] == "action"


def test_the_list_costs_the_same_for_many(
    api: Callable[..., APIClient], people: People, document: Document, django_assert_max_num_queries: Any
):
    client = api("wanda")
    where = f"/api/v1/content/{document.pk}/suggestions"
    client.get(where)
    for word in ("seven", "noon", "cats"):
        propose(people, document, {"quote": word, "replacement": "x"})
        with django_assert_max_num_queries(6):
            assert client.get(where).status_code == 200
