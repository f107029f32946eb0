"""Merging three texts: what does not meet is joined, what meets is told, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiwriter.core.errors import InvalidInput
from apps.content.markup.markdown import normalise, to_html
from apps.content.markup.merge import assemble, blocks, conflicts, merge, merged_title
from apps.content.services.documents import StaleRevision, save_document
from apps.content.services.merging import Text, merge_with_stored, save_merged
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory
from tests.people import People

BASE = "# Tides\n\nThe moon pulls the sea.\n\n- one\n- two\n\nThe end comes late.\n"
PARAGRAPH = st.lists(
    st.sampled_from(["sea", "moon", "tide", "harbour", "light", "wind", "stone", "bridge"]), min_size=1, max_size=6
)
TEXT = st.lists(PARAGRAPH.map(" ".join), max_size=6).map(lambda parts: normalise("\n\n".join(parts)))


def kinds(base: str, theirs: str, mine: str) -> list[str]:
    return [segment.kind for segment in merge(base, theirs, mine)]


def test_changes_of_different_blocks_are_joined():
    theirs = BASE.replace("The moon", "The bright moon")
    mine = BASE.replace("late", "early") + "\nA new paragraph.\n"
    found = merge(BASE, theirs, mine)
    assert not conflicts(found)
    assert assemble(found) == theirs.replace("late", "early") + "\nA new paragraph.\n"


def test_changes_of_different_words_of_one_paragraph_are_joined():
    theirs, mine = BASE.replace("The moon", "Our moon"), BASE.replace("the sea", "the ocean")
    found = merge(BASE, theirs, mine)
    assert [s.kind for s in found] == ["same", "merged", "same"]
    assert assemble(found) == BASE.replace("The moon", "Our moon").replace("the sea", "the ocean")


def test_neighbouring_blocks_are_judged_by_themselves():
    theirs, mine = BASE.replace("- two", "- two\n- three"), BASE.replace("The moon pulls", "It draws")
    assert kinds(BASE, theirs, mine) == ["same", "mine", "theirs", "same"]


def test_changes_of_the_same_words_are_for_the_writer_to_decide():
    theirs, mine = BASE.replace("pulls", "draws"), BASE.replace("pulls", "lifts")
    found = merge(BASE, theirs, mine)
    assert [(s.theirs, s.mine) for s in conflicts(found)] == [("The moon draws the sea.", "The moon lifts the sea.")]
    assert assemble(found) == mine
    assert assemble(found, {0: "theirs"}) == theirs
    assert "The moon draws the sea.\n\nThe moon lifts the sea." in assemble(found, {0: "both"})


def test_a_block_deleted_here_and_changed_there_is_a_conflict():
    theirs, mine = BASE.replace("The moon pulls the sea.\n\n", ""), BASE.replace("pulls", "lifts")
    found = merge(BASE, theirs, mine)
    assert len(conflicts(found)) == 1
    assert assemble(found, {0: "theirs"}) == theirs


def test_tables_and_listings_are_not_put_together_from_words():
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    found = merge(table, table.replace("1", "one"), table.replace("2", "two"))
    assert len(conflicts(found)) == 1


def test_titles():
    assert merged_title("A", "A", "B") == ("B", False)
    assert merged_title("A", "B", "A") == ("B", False)
    assert merged_title("A", "B", "B") == ("B", False)
    assert merged_title("A", "B", "C") == ("C", True)


def test_blocks_are_the_whole_text():
    text = normalise(BASE + "\n```\na\n\nb\n```\n\n> quote\n>\n> more\n")
    assert "\n\n".join(blocks(text)) + "\n" == text


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT)
def test_one_changed_text_is_taken_as_it_is(base: str, changed: str):
    for found in (merge(base, changed, base), merge(base, base, changed), merge(base, changed, changed)):
        assert not conflicts(found)
        assert assemble(found) == changed


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_no_word_that_somebody_added_is_lost(base: str, theirs: str, mine: str):
    found = merge(base, theirs, mine)
    both = assemble(found, dict.fromkeys(range(len(conflicts(found))), "both"))
    added = (set(theirs.split()) | set(mine.split())) - set(base.split())
    assert added <= set(both.split())
    assert normalise(both) == both
    assert "\n\n".join(s.theirs for s in found if s.theirs) == theirs.strip("\n")
    assert "\n\n".join(s.mine for s in found if s.mine) == mine.strip("\n")


def save_late(people, document, theirs: str, mine: str):
    """Eddie saves, then Wanda, who has not seen it; her text is kept and looked at."""
    eddie, wanda = people.actor("eddie"), people.actor("wanda")
    base = Text(document.title, document.body_markdown)
    save_document(actor=eddie, document_id=document.pk, revision=document.revision, body_markdown=theirs)
    return wanda, base, Text(document.title, mine)


def test_a_merge_is_saved_and_both_texts_are_versions(people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=BASE)
    theirs, late = BASE.replace("pulls", "draws"), BASE.replace("pulls", "lifts").replace("late", "soon")
    wanda, base, mine = save_late(people, document, theirs, late)
    asked = {"actor": wanda, "document_id": document.pk, "base": base, "mine": mine}
    assert merge_with_stored(**asked).open == 1
    with pytest.raises(InvalidInput, match="Place 1"):
        save_merged(**asked, revision=2, choices={})
    with pytest.raises(StaleRevision):
        save_merged(**asked, revision=1, choices={0: "mine"})
    merged = save_merged(**asked, revision=2, choices={0: "theirs"})
    assert merged.body_markdown == theirs.replace("late", "soon")
    kept = {v.reason: v.body_markdown for v in merged.versions.all()}
    assert kept["conflict"] == late
    assert kept["merge"] == merged.body_markdown
    assert theirs in [v.body_markdown for v in merged.versions.all()]
    assert AuditEvent.objects.filter(action="document.merged").count() == 1


def test_titles_are_decided_too(people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=BASE)
    save_document(actor=people.actor("eddie"), document_id=document.pk, revision=1, title="The tides")
    asked = {
        "actor": people.actor("wanda"),
        "document_id": document.pk,
        "base": Text("Tides", BASE),
        "mine": Text("Our tides", BASE),
    }
    with pytest.raises(InvalidInput, match="title"):
        save_merged(**asked, revision=2, choices={})
    assert save_merged(**asked, revision=2, choices={}, title="mine").title == "Our tides"


def test_the_editor_is_answered_with_the_merge(people: People, portal):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=BASE)
    base = {"title": "Tides", "html": to_html(BASE)}
    save_document(
        actor=people.actor("eddie"),
        document_id=document.pk,
        revision=1,
        body_markdown=BASE.replace("moon", "full moon"),
    )
    mine = {"title": "Tides", "html": to_html(BASE.replace("late", "soon"))}
    page = portal("wanda")
    body = {**mine, "revision": 1, "reason": "autosave", "base": base}
    answer = page.post(f"/documents/{document.pk}/save", body, content_type="application/json")
    assert answer.status_code == 409
    assert answer.json()["merge"]["open"] == 0
    assert document.versions.filter(reason="conflict").count() == 1
    again = page.post(f"/documents/{document.pk}/save", body, content_type="application/json")
    assert again.status_code == 409
    assert document.versions.filter(reason="conflict").count() == 1
    sent = {"revision": answer.json()["theirs"]["revision"], "base": base, "mine": mine, "choices": {}}
    merged = page.post(f"/documents/{document.pk}/merge", sent, content_type="application/json")
    assert merged.status_code == 200
    document.refresh_from_db()
    assert document.body_markdown == BASE.replace("moon", "full moon").replace("late", "soon")


def test_the_merge_works_without_javascript(people: People, portal):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=BASE)
    page, address = portal("wanda"), f"/documents/{document.pk}/markdown"
    save_document(
        actor=people.actor("eddie"), document_id=document.pk, revision=1, body_markdown=BASE.replace("pulls", "draws")
    )
    form = {"title": "Tides", "body": BASE.replace("pulls", "lifts"), "revision": 1}
    answer = page.post(address, {**form, "base_title": "Tides", "base_body": BASE})
    assert answer.status_code == 409
    assert "Place 1" in answer.content.decode()
    hidden = {"base_title": "Tides", "base_body": BASE, "mine_title": "Tides", "mine_body": form["body"], "revision": 2}
    undecided = page.post(f"/documents/{document.pk}/merge/page", hidden)
    assert undecided.status_code == 400
    done = page.post(f"/documents/{document.pk}/merge/page", {**hidden, "place-0": "mine"})
    assert done.status_code == 302
    document.refresh_from_db()
    assert "lifts" in document.body_markdown


def test_programs_merge_too(people: People, api):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=BASE)
    save_document(
        actor=people.actor("eddie"), document_id=document.pk, revision=1, body_markdown=BASE.replace("pulls", "draws")
    )
    body = {"title": "Tides", "body_markdown": BASE.replace("pulls", "lifts"), "base_version": 1}
    wanda, address = api("wanda"), f"/api/v1/content/{document.pk}/merge"
    looked = wanda.post(address, body, format="json").json()
    assert (looked["open"], looked["body_markdown"], looked["revision"]) == (1, None, 2)
    decided = wanda.post(address, {**body, "choices": {"0": "theirs"}}, format="json").json()
    assert decided["body_markdown"] == BASE.replace("pulls", "draws")
    del body["base_version"]
    assert wanda.post(address, body, format="json").json()["error"]["details"][0]["field"] == "base_version"
