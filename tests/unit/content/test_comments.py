"""Comments stay at their words whatever is written around them, and tell those whom they concern."""

from __future__ import annotations

import random

import pytest

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.markup.anchors import find_passage, moved
from apps.content.models import CommentThread, Document
from apps.content.services import comments
from apps.content.services.anchoring import place_of
from apps.content.services.documents import save_document
from apps.content.services.histories import restore_version
from apps.users.models import AuditEvent, Notification
from apps.users.selectors.access import Actor
from tests.factories.content import DocumentFactory
from tests.factories.users import MembershipFactory, UserFactory
from tests.people import People

TEXT = """# Bridges

The **stone arch** carries its load by compression alone. It is old.

A suspension bridge hangs its deck from steel cables. It is old.
"""


@pytest.fixture
def document(people: People) -> Document:
    assert people.eddie  # each person is made when first named
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown=TEXT)


def say(people: People, document: Document, body: str = "Is it true?", *, by: str = "eddie", **more) -> CommentThread:
    return comments.comment(actor=people.actor(by), document_id=document.pk, body=body, **more)


def write(people: People, document: Document, text: str) -> None:
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown=text)
    document.refresh_from_db()


def passage(thread: CommentThread, document: Document) -> str | None:
    thread.refresh_from_db()
    start = place_of(thread, document.body_markdown)
    return None if start is None else document.body_markdown[start : start + len(thread.quote)]


@pytest.mark.parametrize(
    ("quote", "occurrence", "found"),
    [
        ("carries its load", 0, "carries its load"),
        ("The stone arch carries", 0, "The **stone arch** carries"),
        ("Bridges\nThe stone arch", 0, "Bridges\n\nThe **stone arch"),
        ("alone. It is old.\nA suspension", 0, "alone. It is old.\n\nA suspension"),
        ("It is old.", 0, "It is old."),
        ("no such words", 0, None),
    ],
)
def test_a_passage_is_found_by_the_words_that_a_reader_sees(quote: str, occurrence: int, found: str | None):
    place = find_passage(TEXT, quote, occurrence)
    assert (TEXT[place[0] : place[1]] if place else None) == found


def test_of_equal_passages_the_one_that_was_meant():
    assert find_passage(TEXT, "It is old.", 1) == (TEXT.rindex("It is old."), TEXT.rindex("It is old.") + 10)


def test_a_comment_moves_along_with_every_kind_of_edit(people: People, document: Document):
    thread = say(people, document, quote="It is old.", occurrence=1)
    write(people, document, "A new first line.\n\n" + document.body_markdown)
    assert passage(thread, document) == "It is old."
    assert thread.start == document.body_markdown.rindex("It is old.")
    # The words themselves are changed, in the middle and at the edge.
    at = thread.start
    write(people, document, f"{document.body_markdown[:at]}It is very old.{document.body_markdown[at + 10 :]}")
    assert passage(thread, document) == "It is very old."
    write(people, document, document.body_markdown.replace("very old.", "really old, and long."))
    assert passage(thread, document) == "It is really old, and long."
    # The equal words of the first paragraph go; the comment is not about them.
    write(people, document, document.body_markdown.replace("alone. It is old.", "alone."))
    assert passage(thread, document) == "It is really old, and long."


def test_a_comment_whose_words_are_gone_says_so_and_finds_them_again(people: People, document: Document):
    thread = say(people, document, quote="hangs its deck from steel cables")
    write(people, document, "# Bridges\n\nEverything else is new here.\n")
    assert passage(thread, document) is None
    assert thread.quote == "hangs its deck from steel cables"
    restore_version(actor=people.actor("wanda"), document_id=document.pk, number=1)
    document.refresh_from_db()
    assert passage(thread, document) == "hangs its deck from steel cables"


def test_random_edits_never_move_a_comment_to_other_words():
    chance = random.Random(7)
    before = " ".join(f"word{n}" for n in range(400))
    for _ in range(300):
        start = chance.randrange(len(before) - 30)
        end = start + chance.randrange(5, 30)
        cut = chance.randrange(len(before))
        gone = chance.randrange(0, 60)
        after = before[:cut] + "x" * chance.randrange(0, 60) + before[cut + gone :]
        found = moved(before, after, start, end)
        if end <= cut or start >= cut + gone:
            assert found is not None
            # Beside an edit that repeats its neighbours the same change can be read in two ways.
            kept = after[found[0] : found[1]]
            assert kept == before[start:end] or kept.strip("x") in before[start:end] or "x" in kept
        elif found is not None:
            assert found[0] < found[1] <= len(after)


def test_those_who_are_named_and_those_who_talk_are_told_once(people: People, document: Document):
    carl = UserFactory(email="carl@example.org", full_name="Carl Colleague")
    MembershipFactory(user=carl, workspace=people.press, role="writer")
    thread = say(people, document, "Look, @carl, and @Eddie Editor: right?", quote="carries its load")
    told = Notification.objects.get(user=carl)
    assert (told.kind, told.link) == ("comment.mention", f"/documents/{document.pk}/?comment={thread.pk}")
    assert Notification.objects.filter(user=people.eddie).count() == 0, "nobody is told of their own words"
    assert Notification.objects.get(user=people.wanda).kind == "comment.created"
    comments.reply(actor=people.actor("wanda"), document_id=document.pk, thread_id=thread.pk, body="I asked @carl.")
    assert Notification.objects.filter(user=carl, kind="comment.mention").count() == 2
    assert Notification.objects.filter(user=people.eddie, kind="comment.created").count() == 1
    assert Notification.objects.filter(user=people.wanda).count() == 1
    say(people, document, "mail carl@example.org or ask @carla")
    assert Notification.objects.filter(user=carl).count() == 2, "an address within words names nobody"
    assert not AuditEvent.objects.filter(after__icontains="Look").exists()


def test_members_of_other_workspaces_are_never_named(people: People, document: Document):
    say(people, document, f"@eve @{people.eve.email}")
    assert not Notification.objects.filter(user=people.eve).exists()
    with pytest.raises(InvalidInput):
        say(people, document, mentions=[str(people.eve.pk)])
    with pytest.raises(NotFound):
        say(people, document, by="eve")


def test_threads_are_settled_and_an_answer_opens_them_again(people: People, document: Document):
    thread = say(people, document)
    wanda = people.actor("wanda")
    done = comments.resolve(actor=wanda, document_id=document.pk, thread_id=thread.pk)
    assert done.resolved_by == people.wanda
    with pytest.raises(Conflict):
        comments.resolve(actor=wanda, document_id=document.pk, thread_id=thread.pk)
    again = comments.reply(actor=wanda, document_id=document.pk, thread_id=thread.pk, body="Not quite.")
    assert (again.resolved_at, again.comments.count()) == (None, 2)


def test_words_are_changed_by_their_author_and_taken_away_by_an_editor_too(people: People, document: Document):
    carl = UserFactory(email="carl@example.org")
    MembershipFactory(user=carl, workspace=people.press, role="writer")
    thread = say(people, document, by="wanda")
    row = thread.comments.get()
    place = {"document_id": document.pk, "thread_id": thread.pk, "comment_id": row.pk}
    with pytest.raises(PermissionDenied):
        comments.edit_comment(actor=people.actor("eddie"), **place, body="Mine now.")
    edited = comments.edit_comment(actor=people.actor("wanda"), **place, body="Is it true, @carl?")
    assert edited.comments.get().edited_at is not None
    assert Notification.objects.filter(user=carl, kind="comment.mention").count() == 1
    comments.reply(actor=Actor.for_user(carl), document_id=document.pk, thread_id=thread.pk, body="Yes.")
    with pytest.raises(Conflict):
        comments.delete_comment(actor=people.actor("wanda"), **place)
    with pytest.raises(PermissionDenied):
        comments.delete_comment(actor=Actor.for_user(carl), **place)
    comments.delete_comment(actor=people.actor("eddie"), **place)
    assert not CommentThread.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"), [({"body": " "}, "body"), ({"body": "x" * 5001}, "body"), ({"body": "x", "quote": "?"}, "quote")]
)
def test_bad_input_is_named(people: People, document: Document, api, body: dict[str, str], field: str):
    answer = api("wanda").post(f"/api/v1/content/{document.pk}/comments", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == field


def test_the_api_does_everything(people: People, document: Document, api):
    wanda, path = api("wanda"), f"/api/v1/content/{document.pk}/comments"
    made = wanda.post(path, {"body": "Sure?", "quote": "The stone arch"}, format="json")
    thread, place = made.json(), made.headers["Location"]
    assert (thread["quote"], thread["start"]) == ("The **stone arch", TEXT.index("The **stone"))
    assert api("eddie").post(f"{place}/replies", {"body": "Yes."}, format="json").status_code == 201
    assert wanda.post(f"{place}/resolve").json()["resolved_by"] == "Wanda Writer"
    assert wanda.get(f"{path}?state=open").json()["data"] == []
    assert wanda.delete(f"{place}/resolve").json()["resolved_at"] is None
    said = wanda.get(place).json()["comments"]
    assert [row["body"] for row in said] == ["Sure?", "Yes."]
    assert wanda.patch(f"{place}/replies/{said[0]['id']}", {"body": "Sure??"}, format="json").status_code == 200
    assert wanda.delete(f"{place}/replies/{said[1]['id']}").status_code == 403
    assert api("eddie").delete(f"{place}/replies/{said[1]['id']}").status_code == 204
    assert wanda.delete(f"{place}/replies/{said[0]['id']}").status_code == 204
    assert wanda.get(place).status_code == 404


def test_the_list_takes_the_same_queries_for_many(
    people: People, document: Document, api, django_assert_max_num_queries
):
    for number in range(12):
        say(people, document, f"Number {number}", quote="carries its load")
    client = api("wanda")
    with django_assert_max_num_queries(14):
        assert len(client.get(f"/api/v1/content/{document.pk}/comments").json()["data"]) == 12


def test_the_page_does_all_without_a_script(people: People, document: Document, portal):
    browser, where = portal("wanda"), f"/documents/{document.pk}/comments"
    assert "No comments yet." in browser.get(where).content.decode()
    said = {"act": "say", "body": "True? <b>x</b>", "quote": "alone. It is old.\r\n\r\nA suspension"}
    made = browser.post(where, said)
    thread = CommentThread.objects.get()
    assert made.url.endswith(f"#thread-{thread.pk}")
    assert thread.quote == "alone. It is old.\n\nA suspension"
    refused = browser.post(where, {**said, "quote": "No such words"})
    page = refused.content.decode()
    assert refused.status_code == 400
    assert "does not stand in the document" in page
    assert "True? &lt;b&gt;x" in page
    assert page.count("No such words") == 1, "what was typed stays"
    theirs = {"thread": str(thread.pk)}
    portal("eddie").post(where, {"act": "answer", "body": "It is.", **theirs})
    first, second = thread.comments.order_by("created_at")
    assert [row.author for row in (first, second)] == [people.wanda, people.eddie]
    assert browser.post(where, {"act": "edit", "body": "  ", "comment": str(first.pk), **theirs}).status_code == 400
    browser.post(where, {"act": "edit", "body": "Is it true?", "comment": str(first.pk), **theirs})
    first.refresh_from_db()
    assert (first.body, first.edited_at is not None) == ("Is it true?", True)
    assert browser.post(where, {"act": "edit", "body": "x", "comment": str(second.pk), **theirs}).status_code == 403
    page = browser.get(where).content.decode()
    assert page.count('value="edit"') == 1
    assert "changed" in page
    browser.post(where, {"act": "settle", **theirs})
    assert "Is it true?" not in browser.get(where).content.decode()
    assert "Is it true?" in browser.get(f"{where}?settled=1").content.decode()
    browser.post(where, {"act": "reopen", "settled": "1", **theirs})
    portal("eddie").post(where, {"act": "delete", "comment": str(second.pk), **theirs})
    assert thread.comments.count() == 1
    assert browser.post(where, {"act": "dance"}).status_code == 400
    assert portal("eve").get(where).status_code == 404
