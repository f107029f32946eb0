"""Documents: versions of every write, nobody overwrites what they have not seen."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied, TooLarge
from apps.content.models import DocumentVersion
from apps.content.selectors.documents import documents_for, get_document, get_version, versions_of
from apps.content.services.comparing import diff_versions
from apps.content.services.documents import (
    StaleRevision,
    create_document,
    delete_document,
    save_document,
    undelete_document,
)
from apps.content.services.histories import label_version, restore_version
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory
from tests.people import People


def numbers(document) -> list[int]:
    return sorted(document.versions.values_list("number", flat=True))


def test_a_new_document_has_its_first_version(people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="  Bridges \n of steel ")
    assert (document.title, document.slug, document.revision) == ("Bridges of steel", "bridges-of-steel", 1)
    assert document.current_version.number == 1
    assert document.current_version.author == people.wanda
    assert "<h1>Article</h1>" in document.body_html
    assert AuditEvent.objects.filter(action="document.created", object_id=str(document.pk)).exists()


def test_every_write_of_the_text_makes_a_version_and_an_equal_text_none(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    saved = save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="New.\n")
    assert (saved.revision, numbers(saved)) == (2, [1, 2])
    again = save_document(actor=wanda, document_id=document.pk, revision=2, body_markdown="New.\n")
    assert (again.revision, numbers(again)) == (2, [1, 2])
    titled = save_document(actor=wanda, document_id=document.pk, revision=2, title="Other")
    assert (titled.revision, numbers(titled), titled.current_version.title) == (3, [1, 2, 3], "Other")
    briefed = save_document(actor=wanda, document_id=document.pk, revision=3, brief={"topic": "x"})
    assert (briefed.revision, numbers(briefed)) == (4, [1, 2, 3])


def test_the_second_to_save_is_told(people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=1, body_markdown="Wanda's.\n")
    with pytest.raises(StaleRevision) as caught:
        save_document(actor=people.actor("eddie"), document_id=document.pk, revision=1, body_markdown="Eddie's.\n")
    assert caught.value.current_revision == 2
    assert caught.value.status == 409
    assert get_document(actor=people.actor("eddie"), document_id=document.pk).body_markdown == "Wanda's.\n"


def test_automatic_saves_of_one_burst_are_one_version(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    for number in range(1, 6):
        document = save_document(
            actor=wanda,
            document_id=document.pk,
            revision=document.revision,
            body_markdown=f"Text {number}.\n",
            reason="autosave",
        )
    assert (document.revision, numbers(document)) == (6, [1, 2])
    assert document.current_version.body_markdown == "Text 5.\n"
    eddies = save_document(
        actor=people.actor("eddie"), document_id=document.pk, revision=6, body_markdown="Mine.\n", reason="autosave"
    )
    assert numbers(eddies) == [1, 2, 3]


def test_restoring_adds_a_version_and_loses_none(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown="One.\n")
    save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="Two.\n")
    back = restore_version(actor=wanda, document_id=document.pk, number=1)
    assert (back.body_markdown, back.revision, numbers(back)) == ("One.\n", 3, [1, 2, 3])
    assert back.current_version.reason == DocumentVersion.Reason.RESTORE


def test_comparing(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown="The quick fox.\n")
    save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="The slow fox.\n")
    view = diff_versions(actor=wanda, document_id=document.pk, from_number=1, to_number=2)
    assert (view.inserted_words, view.deleted_words, view.title_changed) == (1, 1, False)
    assert ("delete", "quick") in view.inline()
    assert view.side_by_side()[0].kind == "replace"


def test_the_bin(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    delete_document(actor=wanda, document_id=document.pk, revision=1)
    assert not documents_for(wanda).exists()
    with pytest.raises(NotFound):
        get_document(actor=wanda, document_id=document.pk)
    with pytest.raises(NotFound):
        save_document(actor=wanda, document_id=document.pk, revision=1, title="x")
    undelete_document(actor=wanda, document_id=document.pk)
    assert documents_for(wanda).get() == document


def test_other_workspaces_do_not_exist(people: People):
    wanda, eve = people.actor("wanda"), people.actor("eve")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    for act in (
        lambda: get_document(actor=eve, document_id=document.pk),
        lambda: get_version(actor=eve, document_id=document.pk, number=1),
        lambda: versions_of(actor=eve, document_id=document.pk),
        lambda: save_document(actor=eve, document_id=document.pk, revision=1, title="x"),
        lambda: restore_version(actor=eve, document_id=document.pk, number=1),
        lambda: delete_document(actor=eve, document_id=document.pk),
        lambda: create_document(actor=eve, workspace=people.press, title="x"),
        lambda: label_version(actor=eve, document_id=document.pk, number=1, label="x"),
    ):
        with pytest.raises(NotFound):
            act()
    assert not documents_for(eve).exists()


@pytest.mark.parametrize("who", ["otto", "ada", "alma"])
def test_system_roles_do_not_open_documents(people: People, who: str):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    with pytest.raises((NotFound, PermissionDenied)):
        get_document(actor=people.actor(who), document_id=document.pk)
    assert not documents_for(people.actor(who)).exists()


def test_values_that_cannot_be_used(people: People):
    wanda = people.actor("wanda")
    with pytest.raises(InvalidInput):
        DocumentFactory(actor=wanda, workspace=people.press, title="x" * 301)
    with pytest.raises(TooLarge):
        DocumentFactory(actor=wanda, workspace=people.press, body_markdown="x" * 5_000_001)
    with pytest.raises(InvalidInput):
        DocumentFactory(actor=wanda, workspace=people.press, reason="because")
    assert DocumentFactory(actor=wanda, workspace=people.press, title="", body_markdown="a\x00b").body_markdown == "ab"


def test_labels(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    assert label_version(actor=wanda, document_id=document.pk, number=1, label=" First draft ").label == "First draft"
    with pytest.raises(InvalidInput):
        label_version(actor=wanda, document_id=document.pk, number=1, label="x" * 121)
