"""Publishing to a server of the shape of WordPress: once, in place, through every fault."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from io import BytesIO

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile
from apps.backends.services import publishing as places
from apps.backends.services.filestore import put_file
from apps.backends.services.profiles import Secrets, create_profile, delete_profile
from apps.content.models import Citation, Publication, WritingSettings
from apps.content.services.documents import save_document
from apps.content.services.lifecycle import approve, send_back
from apps.content.services.publishing import publish_document, retry, run_publication, sweep_publications, withdraw
from apps.users.models import AuditEvent, Notification
from tests.factories.backends import SETUP, enabled
from tests.factories.content import DocumentFactory
from tests.fakes.wordpress import PASSWORD, USER, FakeWordPress
from tests.people import People

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def blog() -> Iterator[FakeWordPress]:
    with FakeWordPress() as site:
        yield site


def wordpress(url: str, name: str = "Blog", **options: str) -> BackendProfile:
    made = create_profile(
        actor=SETUP,
        kind="publish",
        plugin_key="wordpress",
        name=name,
        options={"base_url": url, "username": USER, **options},
        secrets=Secrets(typed={"application_password": PASSWORD}),
    )
    return enabled(made)


@pytest.fixture
def place(transactional_db: None, blog: FakeWordPress) -> BackendProfile:
    return wordpress(blog.url)


@pytest.fixture
def document(people: People, place: BackendProfile):
    # Whose yes is needed is told in test_lifecycle; here everything goes out.
    WritingSettings.objects.create(workspace=people.press, approval="none")
    return DocumentFactory(
        actor=people.actor("wanda"),
        workspace=people.press,
        title="Tides & bridges",
        body_markdown="# Tides & bridges\n\nA fact.[1]\n",
    )


def run(row: Publication) -> Publication:
    Publication.objects.filter(pk=row.pk).update(next_try_at=None)
    run_publication(row.pk)
    row.refresh_from_db()
    return row


def send(people: People, document, place: BackendProfile, **more: object) -> Publication:
    return publish_document(actor=people.actor("wanda"), document_id=document.pk, target_id=place.pk, **more)


def test_a_document_is_published_and_updated_in_place(people: People, blog, place, document):
    Citation.objects.create(
        version=document.current_version, marker="1", source_title="Notes", locator="p. 2", verified=True
    )
    row = run(send(people, document, place, tags=["sea", "Tide & moon"], categories=["Science"]))
    assert (row.state, row.error) == ("published", "")
    (post,) = blog.live
    assert post["title"]["raw"] == "Tides & bridges"
    assert post["slug"] == "tides-bridges"
    assert "<h1>" not in post["content"]["raw"]
    assert '<a href="#source-1">[1]</a>' in post["content"]["raw"]
    assert "Notes, p. 2" in post["content"]["raw"]
    names = blog.site.terms["tags"]
    assert [names[number] for number in post["tags"]] == ["sea", "Tide & moon"]
    assert row.remote_url.endswith("/tides-bridges/")

    asked = len(blog.site.requests)
    run(send(people, document, place, tags=["sea", "Tide & moon"], categories=["Science"]))
    assert len(blog.site.requests) == asked, "a call that changes nothing was made"

    save_document(actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown="New text.\n")
    assert "New text" not in post["content"]["raw"]
    run(send(people, document, place, tags=["sea"]))
    (post,) = blog.live
    assert "New text" in post["content"]["raw"]
    assert len(blog.site.posts) == 1
    assert Publication.objects.count() == 1


@pytest.mark.parametrize("fault", ["drop", "500", "429"])
def test_a_lost_answer_or_a_fault_never_doubles(people: People, blog, place, document, fault: str):
    blog.fail("POST /posts", fault)
    row = run(send(people, document, place))
    assert row.state == "queued"
    assert row.error
    assert row.next_try_at > timezone.now()
    run_publication(row.pk)  # not due yet: nothing happens
    row.refresh_from_db()
    assert row.attempts == 1
    row = run(row)
    assert row.state == "published"
    assert len(blog.site.posts) == 1


def test_a_time_out_after_the_write_never_doubles(people: People, blog, place, document, monkeypatch):
    monkeypatch.setattr(places, "PUBLISH_SECONDS", 1.5)
    blog.fail("POST /posts", "hang")
    row = run(send(people, document, place))
    assert row.state == "queued"
    assert len(blog.site.posts) == 1
    monkeypatch.setattr(places, "PUBLISH_SECONDS", 30.0)
    row = run(row)
    assert (row.state, len(blog.site.posts)) == ("published", 1)


def test_a_worker_that_died_after_the_write_is_followed_without_doubling(people: People, blog, place, document):
    row = send(people, document, place)
    run(row)
    # As it was before the worker wrote the row: it held it, and died.
    Publication.objects.filter(pk=row.pk).update(
        state="running", remote_id="", sent_hash="", lease_until=timezone.now() - dt.timedelta(seconds=1)
    )
    row = run(row)
    assert (row.state, len(blog.site.posts)) == ("published", 1)


def test_a_post_of_somebody_else_with_the_same_address_is_left_alone(people: People, blog, place, document):
    blog.site.posts[5] = {
        "id": 5, "kind": "posts", "slug": "tides-bridges", "status": "publish",
        "title": {"raw": "Theirs"}, "content": {"raw": "Theirs."},
    }  # fmt: skip
    blog.fail("POST /posts", "drop")
    row = run(run(send(people, document, place)))
    assert blog.site.posts[5]["content"]["raw"] == "Theirs."
    assert blog.post(row.remote_id)["slug"] == "tides-bridges-2"
    assert len(blog.site.posts) == 2


def test_refused_credentials_are_told_and_not_tried_again(people: People, blog, place, document):
    blog.fail("GET /posts", "401")
    row = run(send(people, document, place))
    assert row.state == "failed"
    assert "WordPress refused the user" in row.error
    assert PASSWORD not in row.error
    note = Notification.objects.get(user=people.wanda)
    assert "could not be published to Blog" in note.title
    row = run(retry(actor=people.actor("wanda"), publication_id=row.pk))
    assert row.state == "published"
    with pytest.raises(Conflict):
        retry(actor=people.actor("wanda"), publication_id=row.pk)


def test_drafts_schedules_and_taking_down(people: People, blog, place, document):
    wanda = people.actor("wanda")
    row = run(send(people, document, place, wish="draft"))
    assert [p["status"] for p in blog.site.posts.values()] == ["draft"]
    when = timezone.now() + dt.timedelta(days=2)
    row = run(send(people, document, place, wish="schedule", publish_at=when))
    post = blog.post(row.remote_id)
    assert (post["status"], post["date_gmt"]) == ("future", when.strftime("%Y-%m-%dT%H:%M:%S"))
    row = run(send(people, document, place))
    assert len(blog.live) == 1
    row = run(withdraw(actor=wanda, publication_id=row.pk))
    assert (row.state, blog.live) == ("withdrawn", [])
    row = run(send(people, document, place))
    assert (row.state, len(blog.live), len(blog.site.posts)) == ("published", 1, 1)
    with pytest.raises(InvalidInput):
        send(people, document, place, wish="schedule", publish_at=timezone.now())
    with pytest.raises(InvalidInput):
        send(people, document, place, tags=["x" * 200])


def test_pictures_are_uploaded_once(people: People, blog, place, document, files):
    wanda = people.actor("wanda")
    picture = put_file(actor=wanda, workspace=people.press, name="c.png", stream=BytesIO(PNG), purpose="attachment")
    body = f"![A chart](/files/{picture.pk}/c.png)\n"
    save_document(actor=wanda, document_id=document.pk, revision=None, body_markdown=body)
    run(send(people, document, place))
    (entry,) = blog.site.media.values()
    assert (entry["size"], entry["alt_text"], entry["mime_type"]) == (len(PNG), "A chart", "image/png")
    assert f'src="{entry["source_url"]}"' in blog.live[0]["content"]["raw"]
    save_document(actor=wanda, document_id=document.pk, revision=None, body_markdown=body + "\nMore.\n")
    run(send(people, document, place))
    assert len(blog.site.media) == 1


def test_one_on_its_way_is_not_sent_twice_at_once(people: People, blog, place, document):
    row = send(people, document, place)
    Publication.objects.filter(pk=row.pk).update(state="running", lease_until=timezone.now() + dt.timedelta(seconds=60))
    with pytest.raises(Conflict, match="on its way"):
        send(people, document, place)
    run_publication(row.pk)
    assert blog.site.posts == {}


def test_the_sweeper_wakes_what_is_due(people: People, blog, place, document, run_jobs):
    row = send(people, document, place)
    assert sweep_publications() == 0
    Publication.objects.filter(pk=row.pk).update(queued_at=timezone.now() - dt.timedelta(minutes=1))
    assert sweep_publications() == 1
    Publication.objects.filter(pk=row.pk).update(next_try_at=timezone.now() + dt.timedelta(minutes=1))
    assert sweep_publications() == 0


def test_nobody_publishes_what_is_not_theirs(people: People, blog, place, document):
    row = send(people, document, place)
    eve = people.actor("eve")
    with pytest.raises(NotFound):
        publish_document(actor=eve, document_id=document.pk, target_id=place.pk)
    with pytest.raises(NotFound):
        withdraw(actor=eve, publication_id=row.pk)
    with pytest.raises(NotFound):
        publish_document(actor=people.actor("wanda"), document_id=document.pk, target_id=document.pk)
    with pytest.raises(Conflict, match="publications"):
        delete_profile(actor=SETUP, profile_id=place.pk)


def test_pages_and_api(people: People, blog, place, document, portal, api):
    browser = portal("wanda")
    address = f"/documents/{document.pk}/publish"
    assert "Blog (WordPress)" in browser.get(address).content.decode()
    wrong = browser.post(address, {"target": str(place.pk), "wish": "schedule"})
    assert (wrong.status_code, "The time is missing" in wrong.content.decode()) == (400, True)
    assert browser.post(address, {"target": str(place.pk), "wish": "publish", "tags": "a, b"}).status_code == 302
    row = run(Publication.objects.get())
    assert row.tags == ["a", "b"]
    page = browser.get("/publications/").content.decode()
    assert row.remote_url in page
    caller = api("wanda")
    assert [t["name"] for t in caller.get("/api/v1/publish-targets").json()["data"]] == ["Blog"]
    body = {"target_id": str(place.pk), "wish": "draft"}
    sent = caller.post(f"/api/v1/content/{document.pk}/publications", body, format="json")
    assert (sent.status_code, sent.json()["state"]) == (202, "queued")
    listed = caller.get("/api/v1/publications?state=queued").json()["data"]
    assert [(r["id"], r["target"]) for r in listed] == [(str(row.pk), "Blog")]
    assert caller.get("/api/v1/publications?state=odd").status_code == 400
    assert caller.delete(sent.headers["Location"]).json()["wish"] == "withdraw"
    assert caller.post(f"{sent.headers['Location']}/retry").status_code == 202


def test_an_approval_that_is_taken_back_stops_what_is_on_its_way(people: People, blog, place, document):
    WritingSettings.objects.filter(workspace=people.press).update(approval="editor")
    second = wordpress(blog.url, "Second")
    approve(actor=people.actor("eddie"), document_id=document.pk)
    at = timezone.now() + dt.timedelta(days=2)
    blog.fail("POST /posts", "500")
    waiting = run(send(people, document, place, wish="schedule", publish_at=at))
    assert (waiting.state, waiting.attempts) == ("queued", 1)
    planned = run(send(people, document, second, wish="schedule", publish_at=at))
    assert (planned.state, blog.live) == ("published", [])
    send_back(actor=people.actor("eddie"), document_id=document.pk)
    waiting = run(waiting)
    assert (waiting.state, waiting.error) == ("failed", "The approval of this text was taken back.")
    with pytest.raises(Conflict, match="not approved"):
        retry(actor=people.actor("wanda"), publication_id=waiting.pk)
    planned.refresh_from_db()
    assert (planned.state, planned.wish, planned.publish_at) == ("queued", "draft", None)
    planned = run(planned)
    assert planned.state == "published"
    assert [post["status"] for post in blog.site.posts.values()] == ["draft"]
    assert AuditEvent.objects.filter(action="document.withheld").count() == 2


def test_without_a_rule_of_approval_nothing_is_stopped(people: People, blog, place, document):
    approve(actor=people.actor("wanda"), document_id=document.pk)
    row = send(people, document, place, wish="schedule", publish_at=timezone.now() + dt.timedelta(days=2))
    send_back(actor=people.actor("wanda"), document_id=document.pk)
    assert run(row).state == "published"
