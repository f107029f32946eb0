"""Collections, tags, the bin, presence: what holds documents in order."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.models import Citation, Collection, Document, Presence, Tag
from apps.content.selectors.listing import labels_by_document, tags_by_document
from apps.content.selectors.organising import binned_documents, tree, way_to, writing_settings
from apps.content.services.bulk import bin_documents, move_documents, tag_documents
from apps.content.services.collections import change_collection, create_collection, delete_collection
from apps.content.services.documents import delete_document, duplicate_document, undelete_document
from apps.content.services.preferences import change_settings
from apps.content.services.presence import be_present, leave
from apps.content.services.tags import create_tag, delete_tag, merge_tags, rename_tag, set_tags
from apps.content.services.trash import empty_trash, purge_document, purge_expired
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory
from tests.people import People


def collection(people: People, name: str, parent: Collection | None = None) -> Collection:
    return create_collection(
        actor=people.actor("wanda"), workspace=people.press, name=name, parent_id=parent and parent.pk
    )


def document(people: People, **more) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, **more)


def audited(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


def test_collections_nest_and_are_drawn_in_order(people: People):
    reports = collection(people, "  Reports \n 2026 ")
    march = collection(people, "March", reports)
    collection(people, "Articles")
    document(people, collection_id=march.pk)
    branches = tree(actor=people.actor("eddie"), workspace=people.press)
    assert [(b.collection.name, b.depth, b.documents) for b in branches] == [
        ("Articles", 0, 0),
        ("Reports 2026", 0, 0),
        ("March", 1, 1),
    ]
    assert [c.name for c in way_to(march)] == ["Reports 2026", "March"]
    assert audited("collection.created") == 3


def test_neighbours_have_different_names_whatever_their_case(people: People):
    reports = collection(people, "Reports")
    with pytest.raises(Conflict):
        collection(people, "reports")
    collection(people, "Reports", reports)
    with pytest.raises(Conflict):
        collection(people, "REPORTS", reports)


def test_a_collection_cannot_lie_in_itself_nor_endlessly_deep(people: People):
    wanda = people.actor("wanda")
    way = [collection(people, "1")]
    for number in range(2, 9):
        way.append(collection(people, str(number), way[-1]))
    with pytest.raises(InvalidInput, match="8 deep"):
        collection(people, "9", way[-1])
    with pytest.raises(InvalidInput, match="in itself"):
        change_collection(actor=wanda, collection_id=way[0].pk, parent_id=way[3].pk)
    single = collection(people, "single")
    with pytest.raises(InvalidInput, match="8 deep"):
        change_collection(actor=wanda, collection_id=way[0].pk, parent_id=single.pk)
    moved = change_collection(actor=wanda, collection_id=way[6].pk, parent_id=None, name="Seven")
    assert (moved.name, moved.parent) == ("Seven", None)


def test_what_lies_in_a_deleted_collection_goes_up(people: People):
    top = collection(people, "Top")
    middle = collection(people, "Middle", top)
    inner = collection(people, "Inner", middle)
    text = document(people, collection_id=middle.pk)
    delete_collection(actor=people.actor("wanda"), collection_id=middle.pk)
    text.refresh_from_db()
    inner.refresh_from_db()
    assert (text.collection, inner.parent) == (top, top)
    assert audited("collection.deleted") == 1


def test_another_workspace_knows_nothing_of_it(people: People):
    theirs, tag = (
        collection(people, "Reports"),
        create_tag(actor=people.actor("wanda"), workspace=people.press, name="x"),
    )
    eve = people.actor("eve")
    own = DocumentFactory(actor=eve, workspace=people.rival)
    for act in (
        lambda: change_collection(actor=eve, collection_id=theirs.pk, name="Mine"),
        lambda: delete_collection(actor=eve, collection_id=theirs.pk),
        lambda: rename_tag(actor=eve, tag_id=tag.pk, name="y"),
        lambda: delete_tag(actor=eve, tag_id=tag.pk),
        lambda: be_present(actor=eve, document_id=document(people).pk),
        lambda: move_documents(actor=eve, document_ids=[document(people).pk], collection_id=None),
    ):
        with pytest.raises(NotFound):
            act()
    with pytest.raises(InvalidInput, match="no such collection"):
        move_documents(actor=eve, document_ids=[own.pk], collection_id=theirs.pk)
    with pytest.raises(InvalidInput, match="no such collection"):
        DocumentFactory(actor=eve, workspace=people.rival, collection_id=theirs.pk)


def test_tags_are_made_on_the_fly_and_known_again(people: People):
    wanda, text = people.actor("wanda"), document(people)
    assert set_tags(actor=wanda, document_id=text.pk, names=["Öl", " #press ", "öl"]) == ["press", "Öl"]
    assert set_tags(actor=wanda, document_id=text.pk, names=["ÖL", "new"]) == ["new", "Öl"]
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["new", "press", "Öl"]
    with pytest.raises(InvalidInput):
        set_tags(actor=wanda, document_id=text.pk, names=["x" * 61])
    with pytest.raises(InvalidInput):
        set_tags(actor=wanda, document_id=text.pk, names=[str(n) for n in range(41)])


def test_tags_are_renamed_merged_and_taken_away(people: People):
    wanda = people.actor("wanda")
    one, two = document(people, tags=["a", "b"]), document(people, tags=["b"])
    a, b = Tag.objects.get(name="a"), Tag.objects.get(name="b")
    with pytest.raises(Conflict, match="Merge"):
        rename_tag(actor=wanda, tag_id=b.pk, name="A")
    merge_tags(actor=wanda, tag_id=b.pk, into_id=a.pk)
    assert tags_by_document([one.pk, two.pk]) == {one.pk: ["a"], two.pk: ["a"]}
    with pytest.raises(InvalidInput):
        merge_tags(actor=wanda, tag_id=a.pk, into_id=a.pk)
    assert rename_tag(actor=wanda, tag_id=a.pk, name="c").name == "c"
    delete_tag(actor=wanda, tag_id=a.pk)
    assert tags_by_document([one.pk, two.pk]) == {}
    assert Document.objects.count() == 2


def test_one_act_on_many_documents_is_done_to_all_or_to_none(people: People):
    wanda = people.actor("wanda")
    texts = [document(people, tags=["old"]) for _ in range(3)]
    ids = [text.pk for text in texts]
    reports = collection(people, "Reports")
    assert move_documents(actor=wanda, document_ids=ids, collection_id=reports.pk) == 3
    assert move_documents(actor=wanda, document_ids=ids, collection_id=reports.pk) == 0
    assert audited("document.moved") == 3
    tag_documents(actor=wanda, document_ids=ids[:2], add=["new", "old"], remove=["OLD"])
    assert tags_by_document(ids) == {ids[0]: ["new"], ids[1]: ["new"], ids[2]: ["old"]}
    strange = DocumentFactory(actor=people.actor("eve"), workspace=people.rival)
    with pytest.raises(NotFound):
        bin_documents(actor=wanda, document_ids=[*ids, strange.pk])
    assert Document.objects.kept().filter(pk__in=ids).count() == 3
    assert bin_documents(actor=wanda, document_ids=ids) == 3
    with pytest.raises(InvalidInput):
        bin_documents(actor=wanda, document_ids=[])


def test_a_move_changes_neither_the_text_nor_its_revision(people: People):
    text = document(people)
    move_documents(actor=people.actor("wanda"), document_ids=[text.pk], collection_id=collection(people, "R").pk)
    moved = Document.objects.get(pk=text.pk)
    assert (moved.revision, moved.updated_at) == (text.revision, text.updated_at)


def test_a_copy_has_all_but_the_history(people: People):
    wanda = people.actor("wanda")
    text = document(
        people, title="Tides", body_markdown="The moon. [1]\n", tags=["sea"], brief={"topic": "tides"},
        collection_id=collection(people, "Sea").pk,
    )  # fmt: skip
    Citation.objects.create(version=text.current_version, marker="1", quote="moon", verified=True, source_title="N")
    copy = duplicate_document(actor=people.actor("eddie"), document_id=text.pk)
    assert (copy.title, copy.body_markdown, copy.brief) == ("Tides (copy)", text.body_markdown, {"topic": "tides"})
    assert (copy.collection, copy.owner, copy.revision) == (text.collection, people.eddie, 1)
    assert tags_by_document([copy.pk])[copy.pk] == ["sea"]
    assert copy.current_version.citations.get().quote == "moon"
    assert text.current_version.citations.count() == 1
    assert duplicate_document(actor=wanda, document_id=text.pk, title="Mine").title == "Mine"


def test_the_bin_gives_back_and_deletes_for_good(people: People):
    wanda, text, other = people.actor("wanda"), document(people), document(people)
    with pytest.raises(NotFound):
        purge_document(actor=wanda, document_id=text.pk)
    delete_document(actor=wanda, document_id=text.pk)
    assert [d.pk for d in binned_documents(wanda, people.press)] == [text.pk]
    undelete_document(actor=wanda, document_id=text.pk)
    delete_document(actor=wanda, document_id=text.pk)
    with pytest.raises(NotFound):
        purge_document(actor=people.actor("eve"), document_id=text.pk)
    purge_document(actor=wanda, document_id=text.pk)
    assert not Document.objects.filter(pk=text.pk).exists()
    delete_document(actor=wanda, document_id=other.pk)
    assert empty_trash(actor=wanda, workspace=people.press) == 1
    assert audited("document.purged") == 2


def test_the_bin_empties_itself_after_the_days_that_were_set(people: People):
    texts = [document(people) for _ in range(3)]
    theirs = DocumentFactory(actor=people.actor("eve"), workspace=people.rival)
    for text, days in zip([*texts, theirs], (29, 31, 400, 31), strict=True):
        Document.objects.filter(pk=text.pk).update(deleted_at=timezone.now() - dt.timedelta(days=days))
    assert purge_expired() == 3
    assert Document.objects.binned().get() == texts[0]
    change_settings(actor=people.actor("eddie"), workspace=people.press, trash_days=7)
    assert purge_expired() == 1
    change_settings(actor=people.actor("eddie"), workspace=people.press, trash_days=0)
    Document.objects.filter(pk=document(people).pk).update(deleted_at=timezone.now() - dt.timedelta(days=4000))
    assert purge_expired() == 0
    assert AuditEvent.objects.filter(action="document.purged", reason="31 days in the bin").count() == 0
    assert AuditEvent.objects.filter(action="document.purged", reason="30 days in the bin").count() == 3


def test_settings_are_for_editors(people: People):
    home = collection(people, "Inbox")
    with pytest.raises(PermissionDenied):
        change_settings(actor=people.actor("wanda"), workspace=people.press, trash_days=1)
    with pytest.raises(InvalidInput):
        change_settings(actor=people.actor("eddie"), workspace=people.press, trash_days=-1)
    change_settings(actor=people.actor("eddie"), workspace=people.press, default_collection_id=home.pk, language="de")
    assert writing_settings(people.press).language == "de"
    assert document(people).collection == home
    assert document(people, collection_id=collection(people, "Other").pk).collection.name == "Other"


def test_presence_ends_by_itself(people: People):
    text = document(people)
    assert be_present(actor=people.actor("wanda"), document_id=text.pk) == ([], 1)
    others, _ = be_present(actor=people.actor("eddie"), document_id=text.pk)
    assert [row.user for row in others] == [people.wanda]
    set_tags(actor=people.actor("wanda"), document_id=text.pk, names=["sea", "Moon"])
    both = [people.wanda.get_short_name(), people.eddie.get_short_name()]
    assert labels_by_document([text.pk, uuid4()]) == ({text.pk: ["Moon", "sea"]}, {text.pk: both})
    assert labels_by_document([text.pk], but=people.wanda.pk)[1] == {text.pk: both[1:]}
    assert labels_by_document([]) == ({}, {})
    Presence.objects.filter(user=people.wanda).update(seen_at=timezone.now() - dt.timedelta(seconds=41))
    assert be_present(actor=people.actor("eddie"), document_id=text.pk)[0] == []
    assert labels_by_document([text.pk])[1] == {text.pk: both[1:]}
    since = Presence.objects.get(user=people.wanda).since
    be_present(actor=people.actor("wanda"), document_id=text.pk)
    assert Presence.objects.get(user=people.wanda).since > since
    leave(actor=people.actor("wanda"), document_id=text.pk)
    assert not Presence.objects.filter(user=people.wanda).exists()
