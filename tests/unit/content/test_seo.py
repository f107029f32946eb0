"""Search engine rules: each says what it found, each can fail."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aiwriter.core.errors import InvalidInput, NotFound
from apps.content.markup.seo import analyse, suggested_description
from apps.content.markup.seo_rules import pixel_width
from apps.content.models import Generation
from apps.content.services.documents import StaleRevision
from apps.content.services.seo import check_links, save_seo, structured_data, suggest
from tests.factories.content import DocumentFactory
from tests.people import People

PARAGRAPH = "The tide rises twice a day. It follows the moon. Ships wait for it in the harbour. "
BODY = f"# Tides\n\n{PARAGRAPH * 3}\n\n## How tides work\n\n{PARAGRAPH * 12}\n\n## More\n\n{PARAGRAPH * 8} [The moon](/moon)\n"
SEO = {
    "title": "How tides work and why ships wait",
    "description": "Tides rise twice a day and follow the moon. Learn how tides work, and why ships wait for them.",
    "slug": "how-tides-work",
    "keyword": "tides",
}


def states(**more: Any) -> dict[str, str]:
    values = {"title": "Tides", "body": BODY, "seo": SEO, **more}
    return {finding.rule: finding.state for finding in analyse(**values).findings}


def test_a_good_text_has_good_findings():
    report = analyse(title="Tides", body=BODY, seo=SEO)
    poor = [finding for finding in report.findings if finding.state in ("poor", "fair")]
    assert poor == []
    assert report.score == 100
    assert all(finding.source.startswith("https://") for finding in report.findings)


@pytest.mark.parametrize(
    ("rule", "state", "change"),
    [
        (
            "title",
            "fair",
            {"seo": {**SEO, "title": "Tides and the moon and the ships that wait in the harbour for days"}},
        ),
        ("title", "fair", {"seo": {**SEO, "title": "Tides"}}),
        ("description", "poor", {"seo": {**SEO, "description": ""}}),
        ("description", "fair", {"seo": {**SEO, "description": "Too short."}}),
        ("description", "fair", {"seo": {**SEO, "description": "Long words. " * 20}}),
        ("slug", "fair", {"seo": {**SEO, "slug": "How Tides_Work"}}),
        ("headings", "fair", {"body": BODY.replace("## How", "#### How")}),
        ("headings", "poor", {"body": PARAGRAPH * 30}),
        ("headings.sections", "fair", {"body": BODY + PARAGRAPH * 30}),
        ("links", "fair", {"body": BODY.replace("[The moon]", "[click here]")}),
        ("links", "fair", {"body": BODY.replace("[The moon](/moon)", "")}),
        ("images", "poor", {"body": BODY + "\n![](/x.png)\n"}),
        ("images", "fair", {"body": BODY + "\n![](/x.png) ![A ship](/y.png)\n"}),
        ("images", "good", {"body": BODY + "\n![A ship](/y.png)\n"}),
        ("length", "poor", {"body": "Short.\n"}),
        ("readability.sentences", "poor", {"body": "# Tides\n\n" + "word and " * 400 + "end.\n"}),
        ("keyword", "poor", {"seo": {**SEO, "keyword": "volcano"}}),
        ("keyword.density", "poor", {"body": BODY + "tides " * 60}),
        ("keyword", "none", {"seo": {**SEO, "keyword": ""}}),
    ],
)
def test_each_rule_can_fail(rule: str, state: str, change: dict[str, Any]):
    assert states(**change)[rule] == state


def test_widths_and_suggestions():
    assert pixel_width("iiii", 20) < pixel_width("WWWW", 20)
    assert pixel_width("Hello", 20) == 46
    made = suggested_description(["First sentence.[1] Second sentence. " + "Long words follow here. " * 20])
    assert made.startswith("First sentence. Second")
    assert len(made) <= 160
    assert suggested_description(["word " * 100]).endswith("…")


def test_questions_become_structured_data():
    body = "## What is a tide?\n\nA rise.\n\n## Why?\n\nThe moon.\n"
    kinds = [part["@type"] for part in analyse(title="T", body=body).structured_data["@graph"]]
    assert kinds == ["Article", "FAQPage"]


def test_fields_are_saved_and_never_over_somebody(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title="Tides", body_markdown=BODY)
    saved = save_seo(actor=wanda, document_id=document.pk, fields={**SEO, "slug": "How Tides Work"}, revision=1)
    assert (saved.seo["slug"], saved.revision) == ("how-tides-work", 2)
    with pytest.raises(StaleRevision):
        save_seo(actor=wanda, document_id=document.pk, fields={"title": "X"}, revision=1)
    again = save_seo(actor=wanda, document_id=document.pk, fields={"keyword": ""})
    assert "keyword" not in again.seo
    with pytest.raises(InvalidInput):
        save_seo(actor=wanda, document_id=document.pk, fields={"title": "x" * 300})
    with pytest.raises(NotFound):
        save_seo(actor=people.actor("eve"), document_id=document.pk, fields={})
    article = structured_data(actor=wanda, document_id=document.pk)["@graph"][0]
    assert article["headline"] == SEO["title"]
    assert article["author"]["name"] == "Wanda Writer"


def test_suggestions_are_generations(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown="Text.\n\n![](/x.png)\n")
    for what, address in (("title", ""), ("meta-description", ""), ("alt-text", "/x.png")):
        row = suggest(actor=wanda, document_id=document.pk, what=what, address=address)
        assert row.input["source_ids"] == []
    assert Generation.objects.count() == 3
    assert "/x.png" in row.input["brief"]["instruction"]
    with pytest.raises(InvalidInput):
        suggest(actor=wanda, document_id=document.pk, what="alt-text", address="/y.png")


def test_links_are_asked_through_the_guard(people: People, settings):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/there" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    wanda = people.actor("wanda")
    body = f"[a]({base}/there) [b]({base}/gone) [c](/inside)\n"
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown=body)
    refused = check_links(actor=wanda, document_id=document.pk)
    assert [link["ok"] for link in refused] == [False, False]
    settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]
    found = check_links(actor=wanda, document_id=document.pk)
    server.shutdown()
    server.server_close()
    assert [(link["status"], link["ok"]) for link in found] == [(200, True), (404, False)]


def test_pages_and_api(people: People, portal, api):
    document = DocumentFactory(
        actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=f"{BODY}\n![](/x.png)\n"
    )
    browser = portal("wanda")
    address = f"/documents/{document.pk}/seo"
    assert "There is no description" in browser.get(address).content.decode()
    assert browser.post(address, SEO).status_code == 302
    page = browser.get(address).content.decode()
    assert SEO["description"] in page
    assert browser.post(f"{address}/suggest", {"what": "title"}).status_code == 302
    caller = api("wanda")
    where = f"/api/v1/content/{document.pk}/seo"
    assert caller.get(where).json() == SEO
    tag = caller.get(where).headers["ETag"]
    assert caller.patch(where, {"keyword": "moon"}, format="json", HTTP_IF_MATCH=tag).status_code == 200
    assert caller.patch(where, {"keyword": "sea"}, format="json", HTTP_IF_MATCH=tag).status_code == 412
    assert caller.patch(where, {"odd": "x"}, format="json").status_code == 400
    body = {"document_id": str(document.pk)}
    report = caller.post("/api/v1/seo/analyze", body, format="json").json()
    assert report["figures"]["images_without_alt"] == 1
    assert 0 < report["score"] < 100
    assert caller.post("/api/v1/seo/structured-data", body, format="json").json()["@context"] == "https://schema.org"
    for name in ("title", "meta-description"):
        assert caller.post(f"/api/v1/seo/{name}", body, format="json").status_code == 202
    alt = {**body, "image": "/x.png"}
    assert caller.post("/api/v1/seo/alt-text", alt, format="json").status_code == 202
