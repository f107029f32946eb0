"""Share links: what they show, to whom, how long, and what the database holds of them."""

from __future__ import annotations

import datetime as dt
from io import BytesIO

import pytest
from django.utils import timezone

from aiwriter.core.errors import NotFound, PermissionDenied
from apps.backends.models import BackendProfile
from apps.content.models import Document, ShareLink
from apps.content.portal import sharing as pages
from apps.content.services import lifecycle, releasing, sharing
from apps.content.services.documents import delete_document, save_document
from apps.content.services.pictures import add_picture, address_of
from apps.users.models import AuditEvent, Membership
from tests.factories.content import DocumentFactory
from tests.people import People
from tests.unit.content.test_exports_kinds import PNG
from tests.unit.content.test_pictures import bytes_of


@pytest.fixture
def document(people: People) -> Document:
    return DocumentFactory(
        actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown="# Tides\n\nFirst text.\n"
    )


def link(people: People, document: Document, **more) -> tuple[ShareLink, str]:
    row, secret = sharing.create_link(actor=people.actor("wanda"), document_id=document.pk, **more)
    return row, secret.reveal()


def write(people: People, document: Document, text: str, reason: str = "autosave") -> None:
    save_document(
        actor=people.actor("wanda"), document_id=document.pk, revision=None, body_markdown=text, reason=reason
    )


def test_anybody_with_the_link_reads_and_nothing_is_kept_or_found(people: People, document: Document, portal):
    _row, secret = link(people, document)
    answer = portal().get(f"/s/{secret}/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "First text." in page
    assert page.count("Tides</h1>") == 1
    assert "wanda" not in page.lower()
    assert answer.headers["X-Robots-Tag"].startswith("noindex")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    assert portal().post(f"/s/{secret}/").status_code == 405


def test_a_link_follows_the_text_the_published_text_or_stays_at_a_version(people: People, document: Document):
    _, current = link(people, document)
    _, pinned = link(people, document, which="1")
    lifecycle.approve(actor=people.actor("eddie"), document_id=document.pk)
    releasing.publish(actor=people.actor("wanda"), document_id=document.pk)
    _, published = link(people, document, which="published")
    write(people, document, "Newer text.")
    assert "Newer" in sharing.open_link(current).html
    assert "First" in sharing.open_link(pinned).html
    assert "First" in sharing.open_link(published).html
    releasing.unpublish(actor=people.actor("wanda"), document_id=document.pk)
    with pytest.raises(NotFound):
        sharing.open_link(published)


def test_the_database_holds_no_secret(people: People, document: Document):
    row, secret = link(people, document, label="For the printer")
    assert len(secret) >= 40
    assert secret not in repr(ShareLink.objects.filter(pk=row.pk).values().get())
    assert secret not in repr(list(AuditEvent.objects.values()))
    assert link(people, document)[1] != secret


def test_every_end_of_a_link_gets_the_same_answer(people: People, document: Document, portal):
    def gone(secret: str) -> str:
        answer = portal().get(f"/s/{secret}/")
        assert answer.status_code == 404
        assert answer.headers["X-Robots-Tag"].startswith("noindex")
        return answer.content.decode().split("<h1")[1].split("</main>")[0]

    unknown = gone("x" * 43)
    row, secret = link(people, document)
    sharing.revoke_link(actor=people.actor("wanda"), link_id=row.pk)
    assert gone(secret) == unknown
    row, secret = link(people, document)
    ShareLink.objects.filter(pk=row.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert gone(secret) == unknown
    _row, secret = link(people, document)
    membership = Membership.objects.filter(user=people.wanda)
    membership.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert gone(secret) == unknown
    membership.update(expires_at=None)
    delete_document(actor=people.actor("wanda"), document_id=document.pk)
    assert gone(secret) == unknown


def test_pictures_are_seen_by_the_link_and_no_longer_than_it(
    people: People, document: Document, files: BackendProfile, portal, monkeypatch
):
    wanda = people.actor("wanda")
    one, two = (
        add_picture(actor=wanda, document_id=document.pk, name="a.png", stream=BytesIO(PNG + extra))
        for extra in (b"", b"2")
    )
    first, second = address_of(one.pk), address_of(two.pk)
    write(people, document, f"Look: ![A chart]({first}) and ![Far](https://example.org/far.png)\n")
    row, secret = link(people, document)
    page = portal().get(f"/s/{secret}/").content.decode()
    there = f"/s/{secret}{first}"
    assert f'src="{there}"' in page
    assert 'src="/pictures' not in page
    assert 'src="https://example.org/far.png"' in page
    # Without the link it is shown to nobody, with it to everybody.
    assert portal().get(first).status_code == 302
    shown = portal().get(there)
    assert (bytes_of(shown), shown.headers["Content-Type"]) == (PNG, "image/png")
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert shown.headers["Cache-Control"] == "private, no-cache"
    tag = {"If-None-Match": shown.headers["ETag"]}
    assert portal().get(there, headers=tag).status_code == 304
    # Not what another text shows, or this one after a change; not from another link.
    assert portal().get(f"/s/{secret}{second}").status_code == 404
    assert portal().get(f"/s/{'x' * 43}{first}").status_code == 404
    _, pinned = link(people, document, which=str(document.versions.order_by("-number").first().number))
    write(people, document, "No picture any more.\n", reason="manual")
    assert portal().get(there).status_code == 404
    assert portal().get(f"/s/{pinned}{first}").status_code == 200
    write(people, document, f"Again: ![A chart]({first})\n", reason="manual")
    assert portal().get(there).status_code == 200
    away = {"REMOTE_ADDR": "198.51.100.9"}
    with monkeypatch.context() as patched:
        patched.setattr(pages, "PICTURES_A_MINUTE", 2)
        assert [portal().get(there, **away).status_code for _ in range(3)] == [200, 200, 429]
    ShareLink.objects.filter(pk=row.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert portal().get(there, headers=tag).status_code == 404
    ShareLink.objects.filter(pk=row.pk).update(expires_at=timezone.now() + dt.timedelta(days=1))
    assert portal().get(there).status_code == 200
    sharing.revoke_link(actor=wanda, link_id=row.pk)
    ended = portal().get(there, headers=tag)
    assert (ended.status_code, ended.headers["Cache-Control"]) == (404, "private, no-store")


def test_strangers_make_and_end_none(people: People, document: Document, api):
    row, _ = link(people, document)
    with pytest.raises(NotFound):
        sharing.create_link(actor=people.actor("eve"), document_id=document.pk)
    with pytest.raises(NotFound):
        sharing.revoke_link(actor=people.actor("eve"), link_id=row.pk)
    with pytest.raises((NotFound, PermissionDenied)):
        sharing.links_of(actor=people.actor("eve"), document_id=document.pk)


def test_too_many_openings_are_held_back(people: People, document: Document, portal, monkeypatch):
    _row, secret = link(people, document)
    monkeypatch.setattr(pages, "OPENINGS_A_MINUTE", 3)
    # A network of its own: where Redis counts, the openings of other tests are not rolled back.
    away = {"REMOTE_ADDR": "198.51.100.7"}
    codes = [portal().get(f"/s/{secret}/", **away).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    answer = portal().get("/s/another/", **away)
    assert answer.status_code == 429, "guessing is held back as well"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"days": 0}, 400, "days"),
        ({"days": 366}, 400, "days"),
        ({"which": "soon"}, 400, "version"),
        ({"which": "9"}, 404, "version"),
        ({"which": "published"}, 409, "version"),
        ({"label": "x" * 121}, 400, "label"),
    ],
)
def test_bad_input_is_named(people: People, document: Document, api, body: dict[str, object], code: int, field: str):
    answer = api("wanda").post(f"/api/v1/content/{document.pk}/share-links", body, format="json")
    assert answer.status_code == code
    assert answer.json()["error"]["details"][0]["field"] == field


def test_the_api_and_the_page_make_and_end_links(people: People, document: Document, api, portal):
    wanda = api("wanda")
    made = wanda.post(f"/api/v1/content/{document.pk}/share-links", {"days": 3, "label": "Ann"}, format="json").json()
    assert portal().get(made["url"].removeprefix("http://testserver")).status_code == 200
    (row,) = wanda.get(f"/api/v1/content/{document.pk}/share-links").json()["data"]
    assert "url" not in row
    assert row["last_opened_at"] is not None
    assert wanda.delete(f"/api/v1/share-links/{made['id']}").json()["revoked_at"] is not None
    path = f"/documents/{document.pk}/share"
    page = portal("wanda").post(path, {"which": "1", "days": "7", "label": ""}).content.decode()
    assert "http://testserver/s/" in page
    assert "http://testserver/s/" not in portal("wanda").get(path).content.decode()
    assert portal("wanda").post(path, {"which": "1", "days": "many"}).status_code == 400
    kept = ShareLink.objects.get(revoked_at=None)
    portal("wanda").post(f"/share-links/{kept.pk}/revoke")
    kept.refresh_from_db()
    assert not kept.is_live
