"""The writers' pages as a browser's requests see them; what needs a real browser is in tests/e2e."""

from __future__ import annotations

import json
import re

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from apps.content.models import Document, Source
from apps.content.portal.generations import Chip
from apps.content.portal.passages import split_at_quote
from apps.content.portal.shell import with_citations, within
from apps.content.services.documents import save_document
from apps.content.services.ingesting import ingest
from tests.factories.backends import storage_profile
from tests.factories.content import DocumentFactory, TextSourceFactory
from tests.people import People


@pytest.fixture
def document(people) -> Document:
    return DocumentFactory(
        actor=people.actor("wanda"), workspace=people.press, title="Bridges", body_markdown="First words.\n"
    )


def save(browser: Client, document: Document, **body: object):
    body = {"revision": document.revision, "title": document.title, "reason": "manual", **body}
    return browser.post(f"/documents/{document.pk}/save", json.dumps(body), content_type="application/json")


# ---------------------------------------------------------------- saving
def test_saving_keeps_markdown_and_drops_what_may_run(portal, document):
    html = "<h2>Arches</h2><p>Stone <strong>carries</strong>.<script>alert(1)</script><img src=x onerror=alert(1)></p>"
    answer = save(portal("wanda"), document, html=html)
    assert answer.status_code == 200
    assert answer.json()["revision"] == document.revision + 1
    document.refresh_from_db()
    assert document.body_markdown.startswith("## Arches\n\nStone **carries**.")
    assert "alert" not in document.body_markdown
    assert "onerror" not in document.body_html


def test_a_stale_save_overwrites_nothing_and_shows_both_texts(portal, people, document):
    save_document(
        actor=people.actor("eddie"),
        document_id=document.pk,
        revision=document.revision,
        body_markdown="Eddie's words.\n",
    )
    answer = save(portal("wanda"), document, html="<p>Wanda's words.</p>")
    assert answer.status_code == 409
    body = answer.json()
    assert body["theirs"]["who"] == str(people.eddie)
    assert "<del>Eddie</del>" in body["differences"]
    assert "<ins>Wanda</ins>" in body["differences"]
    document.refresh_from_db()
    assert document.body_markdown == "Eddie's words.\n"
    # The way out that the page offers: save again from their revision. Hers was kept as a version already.
    again = save(portal("wanda"), document, html="<p>Wanda's words.</p>", revision=body["theirs"]["revision"])
    assert again.status_code == 200
    assert [v.body_markdown for v in document.versions.order_by("-number")[:3]] == [
        "Wanda's words.\n",
        "Wanda's words.\n",
        "Eddie's words.\n",
    ]


@pytest.mark.parametrize(
    "body", [b"not json", b"[1]", b'{"revision": "one", "html": ""}', b'{"revision": 1, "reason": "x"}']
)
def test_a_save_that_cannot_be_read_says_so(portal, document, body):
    answer = portal("wanda").post(f"/documents/{document.pk}/save", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["remedy"]


def test_a_save_after_the_session_ended_answers_a_script_and_not_with_a_page(portal, document):
    answer = portal("", accept="application/json").post(
        f"/documents/{document.pk}/save", b"{}", content_type="application/json"
    )
    assert answer.status_code == 401
    assert "Sign in again" in answer.json()["error"]["message"]


def test_the_markdown_form_keeps_what_was_typed_when_somebody_was_faster(portal, people, document):
    stale = document.revision
    save_document(actor=people.actor("eddie"), document_id=document.pk, revision=stale, body_markdown="Eddie.\n")
    form = {"title": "Bridges", "body": "Wanda.\n", "revision": stale}
    answer = portal("wanda").post(f"/documents/{document.pk}/markdown", form)
    assert answer.status_code == 409
    assert "Wanda." in answer.content.decode()


# ---------------------------------------------------------------- lists
def test_documents_are_searched_sorted_and_paged(portal, people, monkeypatch):
    monkeypatch.setattr("apps.content.portal.documents.PAGE_SIZE", 2)
    for title, words in (("Arches", 5), ("Cables", 50), ("Arches of stone", 20)):
        DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title=title, body_markdown="word " * words)
    browser = portal("wanda")
    assert titles(browser.get("/documents/", {"q": "arches stone"})) == ["Arches of stone"]
    first = browser.get("/documents/", {"sort": "words"})
    assert titles(first) == ["Cables", "Arches of stone"]
    rest = browser.get("/documents/", {"sort": "words", "cursor": first.context["page"].next_cursor})
    assert titles(rest) == ["Arches"]
    foreign = browser.get("/documents/", {"sort": "title", "cursor": first.context["page"].next_cursor})
    assert foreign.status_code == 400
    assert "does not belong to this list" in foreign.content.decode()


def titles(answer) -> list[str]:
    return [row.title for row in answer.context["page"].rows]


def test_the_empty_list_has_one_thing_to_do(portal):
    page = portal("wanda").get("/documents/").content.decode()
    empty = page[page.index('class="empty"') :]
    assert empty.count("btn-primary") == 1


def test_deleting_can_be_taken_back(portal, document):
    browser = portal("wanda")
    page = browser.post(f"/documents/{document.pk}/delete", follow=True)
    undo = re.search(r'href="(/documents/[^"]+/undelete)"', page.content.decode())
    assert undo
    # A link changes nothing by itself: a mail scanner may follow it.
    assert browser.get(undo[1]).status_code == 200
    assert not Document.objects.kept().filter(pk=document.pk).exists()
    browser.post(undo[1])
    assert Document.objects.kept().filter(pk=document.pk).exists()


# ---------------------------------------------------------------- brief
BRIEF = {"topic": "Bridges", "kind": "guide", "length": "300", "language": "en", "use": "none", "key": "k1"}


def test_a_brief_starts_one_generation_however_often_it_is_sent(portal):
    browser = portal("wanda")
    first, second = (browser.post("/write/", BRIEF) for _ in range(2))
    assert first.status_code == 302
    assert first["Location"] == second["Location"]
    assert "How-to guide" in browser.get(first["Location"]).context["generation"].input["brief"]["instruction"]


def test_a_brief_with_a_gap_keeps_what_was_typed(portal):
    answer = portal("wanda").post("/write/", {**BRIEF, "use": "some"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "No source is chosen" in page
    assert ">Bridges</textarea>" in page.replace("\n", "").replace("\r", "")


# ---------------------------------------------------------------- sources
def test_one_bad_file_does_not_stop_the_others(portal):
    storage_profile()
    files = [ContentFile(b"A fact.", "good.txt"), ContentFile(b"", "empty.txt")]
    answer = portal("wanda", accept="application/json").post("/sources/upload", {"files": files})
    items = {item["name"]: item for item in answer.json()["items"]}
    assert answer.status_code == 201
    assert 'class="row"' in items["good.txt"]["row"]
    assert items["empty.txt"]["error"]
    assert items["empty.txt"]["remedy"]


def test_a_source_marks_the_passage_that_the_address_names_and_no_foreign_one(portal, people):
    storage_profile()
    source = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    foreign = TextSourceFactory(actor=people.actor("eve"), workspace=people.rival, text="Another text entirely.")
    ingest()
    chunk = source.chunks.order_by("-ordinal")[0]
    browser = portal("wanda")
    page = browser.get(f"/sources/{source.pk}/", {"passage": str(chunk.pk)})
    assert page.context["marked"] == chunk.text
    for bad in (str(foreign.chunks.get().pk), "nonsense"):
        assert browser.get(f"/sources/{source.pk}/", {"passage": bad}).context["marked"] == ""


def test_a_failed_source_tells_what_to_do(portal, people):
    storage_profile()
    source = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press)
    Source.objects.filter(pk=source.pk).update(state="failed", error="It is encrypted.", remedy="Remove the password.")
    page = portal("wanda").get("/sources/").content.decode()
    assert "It is encrypted. Remove the password." in page
    assert f"/sources/{source.pk}/retry" in page


# ---------------------------------------------------------------- small parts
def test_markers_become_chips_but_not_in_code_or_links():
    html = '<p>One [1] and [2], not [3].</p><pre><code>a[1]</code></pre><p><a href="/x">see [1]</a></p>'
    shown = with_citations(html, {"1": Chip(True, "/p/1"), "2": Chip(False, "/p/2")})
    assert shown.count('data-cite="1"') == 1
    assert 'class="cite cite-unverified" data-cite="2"' in shown
    assert "not [3]" in shown
    assert "<code>a[1]</code>" in shown


@pytest.mark.parametrize(
    ("quote", "marked"),
    [
        ("the size of the window", "the size\nof the Window"),
        ("size -- of", "size\nof"),
        ("nothing like it", None),
        ("", None),
    ],
)
def test_a_quote_is_found_across_line_ends_and_capitals(quote, marked):
    text = "It reports the size\nof the Window."
    parts = split_at_quote(text, quote)
    assert "".join(part for part, _ in parts) == text
    assert next((part for part, quoted in parts if quoted), None) == marked


def test_a_place_does_not_repeat_the_title():
    assert within("Manual > Chapter 1", "Manual") == "Chapter 1"
    assert within("Chapter 1, p. 4", "Manual") == "Chapter 1, p. 4"


@pytest.mark.django_db
def test_no_script_can_read_the_cookies_that_guard_a_session():
    page = Client().get("/accounts/login/")
    assert page.cookies["csrftoken"]["httponly"]
    assert page.cookies["csrftoken"]["samesite"] == "Lax"


@pytest.mark.parametrize(("cookie", "attribute"), [("dark", ' data-theme="dark"'), ('"><script>', ""), ("", "")])
def test_the_theme_comes_from_the_cookie_and_nothing_else_does(portal, cookie, attribute):
    browser = portal("wanda")
    browser.cookies["theme"] = cookie
    assert f'<html lang="en"{attribute}>' in browser.get("/").content.decode()


def test_pages_carry_the_strict_policy_and_nothing_inline(portal, document):
    browser = portal("wanda")
    for path in ("/", "/documents/", f"/documents/{document.pk}/", "/sources/", "/write/"):
        answer = browser.get(path)
        policy, page = answer["Content-Security-Policy"], answer.content.decode()
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy
        assert not re.search(r"<[^>]+\son\w+=", page), path
        assert not re.search(r"<[^>]+\sstyle=", page), path
        for tag in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page):
            assert "nonce=" in tag or "application/json" in tag, f"{path}: {tag}"


def test_an_operator_without_a_workspace_is_shown_the_way(portal):
    page = portal("otto").get("/").content.decode()
    assert "You are in no workspace" in page
    assert "/admin/" in page


def test_an_address_to_return_to_is_a_path_and_nothing_else(portal, people: People) -> None:
    for word in ("not-a-number \x00 <script>", "content", "//elsewhere.example", "https://elsewhere.example/"):
        answer = portal("wanda").post("/documents/many", {"next": word})
        assert (answer.status_code, answer.headers["Location"]) == (302, "/documents/")
