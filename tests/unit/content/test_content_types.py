"""Content types: seeded, changed by people, refused when a variable is missing, and texts asked for by one."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.backends.models import BackendProfile
from apps.content.models import ContentType, Generation
from apps.content.selectors.content_types import content_types_for, get_content_type
from apps.content.services import content_types as service
from apps.content.services import type_seeds
from apps.content.services.prompts import build_request, queries_for
from apps.content.services.type_schema import check_fields, check_values, fill
from tests.factories.content import run_to_end
from tests.factories.users import make_token
from tests.fakes.provider import FakeProvider
from tests.people import People

FIELDS = {
    "properties": {
        "product": {"type": "string", "title": "Product"},
        "count": {"type": "integer", "title": "Count", "minimum": 1, "maximum": 5, "default": 3},
        "points": {"type": "array", "title": "Points"},
        "mood": {"type": "string", "title": "Mood", "enum": ["Calm", "Loud"]},
    },
    "required": ["product"],
    "x-order": ["product", "count", "points", "mood"],
}


def own(people: People, **values: object) -> ContentType:
    given = {"name": "Label", "instructions": "Write {count} lines about {product}.\nMood: {mood}", "fields": FIELDS}
    return service.create_content_type(
        actor=people.actor("eddie"),
        workspace=people.press,
        **{**given, **values},  # type: ignore[arg-type]
    )


# ---------------------------------------------------------------- those that come with the product
def test_every_type_that_is_brought_can_be_used(db: None):
    assert type_seeds.ensure_content_types()[0] >= 80
    assert type_seeds.ensure_content_types() == (0, 0)
    slugs = set(ContentType.objects.values_list("slug", flat=True))
    named = "blog-post outline faq essay story news product-description business-letter email linkedin-post"
    named += " facebook-post x-post instagram-caption youtube-script google-ads aida pas release-note report"
    assert not {*named.split(), "press-release", "rewrite-from-url"} - slugs
    for row in ContentType.objects.all():
        assert row.fields["required"], row.slug
        assert row.versions.count() == 1


def test_what_an_operator_changed_stays_and_the_rest_is_brought_up_to_date(people: People):
    type_seeds.ensure_content_types()
    kept, old = ContentType.objects.get(slug="faq"), ContentType.objects.get(slug="essay")
    service.change_content_type(actor=people.actor("otto"), content_type_id=kept.pk, name="Our FAQ")
    # As if an earlier version of the product had brought another description.
    ContentType.objects.filter(pk=old.pk).update(description="Old")
    old.refresh_from_db()
    ContentType.objects.filter(pk=old.pk).update(seeded=type_seeds.fingerprint(type_seeds._values_of(old)))
    assert type_seeds.ensure_content_types() == (0, 1)
    kept.refresh_from_db()
    old.refresh_from_db()
    assert (kept.name, old.description != "Old", old.revision) == ("Our FAQ", True, 2)


# ---------------------------------------------------------------- made and changed
def test_a_template_with_a_missing_variable_is_refused(people: People):
    with pytest.raises(InvalidInput) as caught:
        own(people, instructions="About {product} for {reader}.")
    assert caught.value.field == "instructions"
    assert "{reader}, which the brief does not ask for" in str(caught.value)
    assert "Add a field of that name" in caught.value.remedy


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"properties": {"Bad Name": {"type": "string"}}}, "cannot name a field"),
        ({"properties": {"a": {"type": "object"}}}, "is not known"),
        ({"properties": {"a": {"type": "string", "pattern": "x"}}}, "“pattern” is not known"),
        ({"properties": {"a": {"type": "string", "enum": []}}}, "enum is not a list"),
        ({"properties": {"a": {"type": "integer", "default": "x"}}}, "default does not fit"),
        ({"properties": {}, "required": ["b"]}, "names a field that there is not"),
        ([], "not a JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(fields: object, word: str):
    with pytest.raises(InvalidInput, match=word) as caught:
        check_fields(fields)
    assert caught.value.field.startswith("fields")
    assert caught.value.remedy


def test_a_workspace_replaces_a_common_type_by_its_own(people: People):
    type_seeds.ensure_content_types()
    common = ContentType.objects.get(slug="faq")
    actor = people.actor("eddie")
    mine = service.copy_content_type(actor=actor, workspace=people.press, content_type_id=common.pk)
    service.change_content_type(actor=actor, content_type_id=mine.pk, name="House FAQ")
    assert [row.name for row in content_types_for(actor=actor, workspace=people.press, query="faq")] == ["House FAQ"]
    theirs = content_types_for(actor=people.actor("eve"), workspace=people.rival, query="faq")
    assert [row.name for row in theirs] == ["FAQ"]
    with pytest.raises(NotFound):
        get_content_type(actor=people.actor("eve"), content_type_id=mine.pk)
    with pytest.raises(Conflict):
        service.copy_content_type(actor=actor, workspace=people.press, content_type_id=common.pk)
    service.delete_content_type(actor=actor, content_type_id=mine.pk)
    assert [row.name for row in content_types_for(actor=actor, workspace=people.press, query="faq")] == ["FAQ"]


def test_each_change_is_a_version_and_comes_back(people: People):
    found, actor = own(people), people.actor("eddie")
    service.change_content_type(actor=actor, content_type_id=found.pk, name="Tag", revision=1)
    with pytest.raises(Conflict, match="Somebody else"):
        service.change_content_type(actor=actor, content_type_id=found.pk, name="Third", revision=1)
    back = service.restore_content_type(actor=actor, content_type_id=found.pk, number=1)
    assert (back.name, back.revision) == ("Label", 3)
    numbers = service.versions_of(actor=people.actor("wanda"), content_type_id=found.pk).values_list(
        "number", flat=True
    )
    assert list(numbers) == [3, 2, 1]


def test_writers_use_templates_and_do_not_change_them(people: People):
    found = own(people)
    with pytest.raises(PermissionDenied):
        service.change_content_type(actor=people.actor("wanda"), content_type_id=found.pk, name="Mine")
    with pytest.raises(NotFound):
        service.change_content_type(actor=people.actor("eve"), content_type_id=found.pk, name="Mine")
    type_seeds.ensure_content_types()
    common = ContentType.objects.get(slug="faq")
    with pytest.raises(PermissionDenied):
        service.change_content_type(actor=people.actor("eddie"), content_type_id=common.pk, name="Mine")
    with pytest.raises(Conflict, match="comes with the portal"):
        service.delete_content_type(actor=people.actor("otto"), content_type_id=common.pk)


# ---------------------------------------------------------------- the brief
def test_a_line_whose_variable_is_empty_is_left_out_and_braces_of_the_writer_stay():
    text = "About {product}.\nMood: {mood}\nEnd."
    assert fill(text, {"product": "{mood} clock"}) == "About {mood} clock.\nEnd."
    assert fill(text, {"product": "clock", "mood": "Calm"}) == "About clock.\nMood: Calm\nEnd."


def test_a_brief_names_every_field_that_is_wrong():
    with pytest.raises(InvalidInput) as caught:
        check_values(check_fields(FIELDS), {"count": "9", "mood": "Wild", "colour": "red"})
    told = {detail.field: f"{detail.issue} {detail.remedy}" for detail in caught.value.details}
    assert set(told) == {"product", "count", "mood", "colour"}
    assert "“Product” is missing. Fill it in" in told["product"]
    assert "Use 1 to 5" in told["count"]
    assert "Calm, Loud" in told["mood"]


def test_a_text_is_asked_for_by_its_type(people: People):
    found = own(people)
    row = service.start_from_type(
        actor=people.actor("wanda"),
        workspace=people.press,
        content_type_id=found.pk,
        values={"product": "Tide clock", "tone": "calm", "length": 120},
    )
    brief = row.input["brief"]
    assert (row.kind, brief["topic"], brief["length"], brief["form"]) == ("draft", "Tide clock", 120, "Label")
    assert brief["instruction"] == "Write 3 lines about Tide clock."
    assert row.input["template"]["values"] == {"product": "Tide clock", "count": 3}
    wish = build_request(kind="draft", brief=brief, context={}, passages=[]).messages[-1].content
    assert "Write a text of this kind: Label." in wish
    assert "Write 3 lines about Tide clock." in wish
    # What the form of a text asks for is not what its sources are searched for.
    assert queries_for("draft", brief, {}) == ["Tide clock"]
    service.change_content_type(actor=people.actor("eddie"), content_type_id=found.pk, is_active=False)
    with pytest.raises(Conflict, match="switched off"):
        service.start_from_type(
            actor=people.actor("wanda"), workspace=people.press, content_type_id=found.pk, values={"product": "x"}
        )


# ---------------------------------------------------------------- pages and API
def test_the_brief_page_keeps_what_was_typed_and_names_the_field(people: People, client: Client):
    found = own(people)
    client.force_login(people.wanda)
    assert b"Label" in client.get("/templates/?q=label").content
    page = client.post(f"/templates/{found.pk}/", {"count": "77", "mood": "Calm", "language": "en"})
    text = page.content.decode()
    assert page.status_code == 400
    assert "“Product” is missing. Fill it in" in text
    assert 'value="77"' in text
    done = client.post(f"/templates/{found.pk}/", {"product": "Tide clock", "count": "2", "language": "en"})
    assert done.status_code == 302
    assert Generation.objects.get().input["brief"]["instruction"].startswith("Write 2 lines about Tide clock.")


def test_an_editor_makes_and_changes_a_template_on_its_page(people: People, client: Client):
    client.force_login(people.eddie)
    form = {
        "name": "Ship's log",
        "category": "other",
        "instructions": "Log of {ship}.",
        "writes": "draft",
        "length": "200",
        "is_active": "on",
        "field-TOTAL_FORMS": "2",
        "field-INITIAL_FORMS": "0",
        "field-0-key": "boat",
        "field-0-title": "Which boat?",
        "field-0-kind": "text",
        "field-0-required": "on",
    }
    refused = client.post("/templates/new", form)
    assert "{ship}, which the brief does not ask for" in refused.content.decode()
    assert client.post("/templates/new", {**form, "field-0-key": "ship"}).status_code == 302
    made = ContentType.objects.get(workspace=people.press)
    assert (made.slug, made.fields["required"]) == ("ships-log", ["ship"])
    assert b"Which boat?" in client.get(f"/templates/{made.pk}/edit").content
    changed = {**form, "field-0-key": "ship", "field-INITIAL_FORMS": "1", "name": "Log", "revision": "1"}
    assert client.post(f"/templates/{made.pk}/edit", changed).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.revision) == ("Log", 2)


def test_the_gallery_takes_the_same_number_of_queries_for_many(people: People, client: Client):
    client.force_login(people.wanda)
    own(people)
    client.get("/templates/")  # the first page of a session notes the session
    with CaptureQueriesContext(connection) as few:
        client.get("/templates/")
    type_seeds.ensure_content_types()
    with CaptureQueriesContext(connection) as many:
        client.get("/templates/")
    assert len(many) == len(few)


def test_templates_over_the_api(people: People, client: Client):
    _, secret = make_token(people.eddie, "content.read", "content.generate", "templates.manage", workspace=people.press)
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"name": "Label", "instructions": "About {product}.", "fields": FIELDS}

    def send(method: str, path: str, data: object = None):
        return getattr(client, method)(f"/api/v1/templates{path}", data, "application/json", headers=headers)

    bad = send("post", "", {**body, "instructions": "{missing}"})
    assert (bad.status_code, bad.json()["error"]["details"][0]["field"]) == (400, "instructions")
    made = send("post", "", body).json()
    assert [row["id"] for row in client.get("/api/v1/templates", headers=headers).json()["data"]] == [made["id"]]
    assert send("patch", f"/{made['id']}", {"name": "Tag"}).json()["revision"] == 2
    assert len(client.get(f"/api/v1/templates/{made['id']}/versions", headers=headers).json()["data"]) == 2
    assert send("post", f"/{made['id']}/versions/1/restore", {}).json()["name"] == "Label"
    missing = send("post", f"/{made['id']}/generate", {"values": {}})
    assert missing.json()["error"]["details"][0] == {
        "field": "product",
        "issue": "“Product” is missing.",
        "remedy": "Fill it in: the text needs product.",
    }
    asked = send("post", f"/{made['id']}/generate", {"values": {"product": "Clock"}})
    assert (asked.status_code, asked.json()["kind"]) == (202, "draft")
    assert client.delete(f"/api/v1/templates/{made['id']}", headers=headers).status_code == 204


def test_a_page_of_the_web_is_read_and_given_to_the_model(
    model: BackendProfile, provider: FakeProvider, people: People, settings
):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<title>Tides</title><main><p>The bore of the Severn runs two metres high.</p></main>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    type_seeds.ensure_content_types()
    rewrite = ContentType.objects.get(slug="rewrite-from-url")
    provider.behave("fake-large", words=20)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/page"
        actor = people.actor("wanda")
        wish = {"actor": actor, "workspace": people.press, "content_type_id": rewrite.pk, "values": {"url": url}}
        refused = run_to_end(service.start_from_type(**wish))
        assert (refused.state, "is refused" in refused.error) == ("failed", True)
        settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]
        done = run_to_end(service.start_from_type(**wish))
        server.shutdown()
    assert (done.state, done.document.kind) == ("succeeded", "rewrite-from-url")
    passage = done.passages.get()
    assert (passage.marker, passage.title, passage.locator) == ("1", "Tides", url)
    assert "two metres high" in str(provider.log(texts=True)[-1])
