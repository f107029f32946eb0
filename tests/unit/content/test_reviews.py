"""Asking for reviews: who is told, what each word does, and when it counts."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.models import Document, ReviewRequest, WritingSettings
from apps.content.selectors.home import next_steps
from apps.content.selectors.reviews import to_review
from apps.content.services import lifecycle, reviewing
from apps.content.services.documents import save_document
from apps.users.models import Notification
from apps.users.selectors.access import Actor
from tests.factories.content import DocumentFactory
from tests.factories.users import MembershipFactory, UserFactory, make_token
from tests.people import People


@pytest.fixture
def document(people: People) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown="The text.\n")


@pytest.fixture
def colleague(people: People):
    """A second writer of press."""
    user = UserFactory(email="carl@example.org", full_name="Carl Colleague")
    MembershipFactory(user=user, workspace=people.press, role="writer")
    return user


def ask(people: People, document: Document, *reviewers: str, note: str = "") -> ReviewRequest:
    assert people.eddie  # each person is made when first named
    return reviewing.request_review(
        actor=people.actor("wanda"), document_id=document.pk, reviewers=reviewers, note=note
    )


def test_reviewers_are_told_and_their_yes_approves_the_version(people: People, document: Document, colleague):
    row = ask(people, document, "eddie@example.org", str(colleague.pk), note="Is the number right?")
    document.refresh_from_db()
    assert (document.status, document.review_version.number, row.version.number) == ("in_review", 1, 1)
    for person in (people.eddie, colleague):
        told = Notification.objects.get(user=person, kind="review.requested")
        assert "Wanda Writer" in told.title
        assert (told.body, told.link) == ("Is the number right?", f"/documents/{document.pk}/status")
    assert [step.kind for step in next_steps(people.actor("eddie"), people.press)] == ["review"]
    save_document(
        actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown="Newer.", reason="autosave"
    )
    reviewing.approve_review(actor=people.actor("eddie"), review_id=row.pk)
    document.refresh_from_db()
    assert document.status == "in_review", "one of two has not said a word"
    assert not to_review(people.actor("eddie")).exists()
    done = reviewing.approve_review(actor=Actor.for_user(colleague), review_id=row.pk, note="Yes.")
    document.refresh_from_db()
    assert (done.state, document.status) == ("approved", "approved")
    assert (document.approved_version.body_markdown, document.approved_by) == ("The text.\n", people.eddie)
    assert Notification.objects.filter(user=people.wanda, kind="review.approved").count() == 2


def test_a_yes_of_colleagues_alone_leaves_the_last_word_to_an_editor(people: People, document: Document, colleague):
    row = ask(people, document, colleague.email)
    done = reviewing.approve_review(actor=Actor.for_user(colleague), review_id=row.pk)
    document.refresh_from_db()
    assert (done.state, document.status, document.approved_version) == ("approved", "in_review", None)
    assert lifecycle.approve(actor=people.actor("eddie"), document_id=document.pk).status == "approved"


def test_with_four_eyes_the_yes_of_an_editor_who_wrote_does_not_count(people: People, document: Document):
    WritingSettings.objects.create(workspace=people.press, approval="other")
    save_document(actor=people.actor("eddie"), document_id=document.pk, revision=None, body_markdown="Eddie's.")
    row = ask(people, document, "eddie@example.org")
    reviewing.approve_review(actor=people.actor("eddie"), review_id=row.pk)
    document.refresh_from_db()
    assert document.status == "in_review"


def test_asking_for_changes_ends_the_review_and_says_why(people: People, document: Document, colleague):
    row = ask(people, document, "eddie@example.org", colleague.email)
    with pytest.raises(InvalidInput) as caught:
        reviewing.ask_for_changes(actor=people.actor("eddie"), review_id=row.pk, note="  ")
    assert caught.value.field == "note"
    done = reviewing.ask_for_changes(actor=people.actor("eddie"), review_id=row.pk, note="Name the source.")
    document.refresh_from_db()
    assert (done.state, document.status, document.review_version) == ("changes", "draft", None)
    assert Notification.objects.get(user=people.wanda, kind="review.changes").body == "Name the source."
    with pytest.raises(Conflict):
        reviewing.approve_review(actor=Actor.for_user(colleague), review_id=row.pk)
    assert ask(people, document, "eddie@example.org").state == "open"


def test_only_those_who_were_asked_decide_and_only_once(people: People, document: Document, colleague):
    row = ask(people, document, "eddie@example.org", colleague.email)
    with pytest.raises(PermissionDenied):
        reviewing.approve_review(actor=people.actor("wanda"), review_id=row.pk)
    with pytest.raises(NotFound):
        reviewing.approve_review(actor=people.actor("eve"), review_id=row.pk)
    reviewing.approve_review(actor=Actor.for_user(colleague), review_id=row.pk)
    with pytest.raises(Conflict):
        reviewing.ask_for_changes(actor=Actor.for_user(colleague), review_id=row.pk, note="After all.")


def test_a_token_that_may_not_approve_does_not_approve_by_a_review(people: People, document: Document):
    row = ask(people, document, "eddie@example.org")
    token, _ = make_token(people.eddie, "content.read", "content.comment", workspace=people.press)
    reviewing.approve_review(actor=Actor.for_token(token), review_id=row.pk)
    document.refresh_from_db()
    assert document.status == "in_review"


@pytest.mark.parametrize("who", ["eve@example.org", "nobody@example.org", "wanda@example.org", ""])
def test_people_who_cannot_be_asked_are_named(people: People, document: Document, who: str):
    people.eve  # noqa: B018  she exists, elsewhere
    with pytest.raises(InvalidInput) as caught:
        ask(people, document, who)
    assert caught.value.field == "reviewers"
    document.refresh_from_db()
    assert document.status == "draft"


def test_a_review_ends_when_the_document_is_decided_without_it(people: People, document: Document, colleague):
    row = ask(people, document, colleague.email)
    with pytest.raises(Conflict):
        ask(people, document, "eddie@example.org")
    lifecycle.approve(actor=people.actor("eddie"), document_id=document.pk)
    row.refresh_from_db()
    assert row.state == "approved"
    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown="More.")
    again = ask(people, document, colleague.email)
    reviewing.cancel_review(actor=people.actor("wanda"), review_id=again.pk)
    document.refresh_from_db()
    again.refresh_from_db()
    assert (again.state, document.status) == ("cancelled", "draft")
    assert Notification.objects.filter(user=colleague, kind="review.cancelled").count() == 1


def test_the_list_takes_the_same_queries_for_many(people: People, api, django_assert_max_num_queries):
    for _ in range(8):
        ask(people, DocumentFactory(actor=people.actor("wanda"), workspace=people.press), "eddie@example.org")
    client = api("eddie")
    with django_assert_max_num_queries(16):
        assert len(client.get("/api/v1/reviews?mine=1").json()["data"]) == 8


def test_the_api_asks_and_decides(people: People, document: Document, api):
    wanda, eddie = api("wanda"), api("eddie")
    asked = wanda.post(f"/api/v1/content/{document.pk}/reviews", {"reviewers": ["eddie@example.org"]}, format="json")
    path = asked.headers["Location"]
    assert eddie.get("/api/v1/reviews?mine=1").json()["data"][0]["id"] == asked.json()["id"]
    assert eddie.post(f"{path}/request-changes", {}, format="json").status_code == 400
    assert eddie.post(f"{path}/approve", {"note": "Good"}, format="json").json()["state"] == "approved"
    assert eddie.post(f"{path}/approve", {}, format="json").status_code == 409
    assert wanda.get(f"/api/v1/content/{document.pk}/status").json()["status"] == "approved"
    assert wanda.get("/api/v1/reviews?state=nonsense").status_code == 400


def test_the_pages_ask_and_decide(people: People, document: Document, portal):
    path = f"/documents/{document.pk}/status"
    reviewer = str(people.eddie.pk)
    assert "Eddie Editor" in portal("wanda").get(path).content.decode()
    form = {"step": "submit", "revision": "1", "note": "Please", "reviewer": [reviewer]}
    portal("wanda").post(path, form)
    row = ReviewRequest.objects.get()
    assert document.title in portal("eddie").get("/reviews/").content.decode()
    assert document.title not in portal("wanda").get("/reviews/").content.decode()
    assert document.title in portal("wanda").get("/reviews/?show=asked").content.decode()
    assert 'value="changes"' in portal("eddie").get(path).content.decode()
    assert 'value="changes"' not in portal("wanda").get(path).content.decode()
    portal("eddie").post(f"/reviews/{row.pk}/decide", {"word": "changes", "note": "Shorter."})
    page = portal("wanda").get(path).content.decode()
    assert "Shorter." in page
    assert "Changes asked for" in page
