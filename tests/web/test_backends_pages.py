"""Operators set up a backend in the console and over the API; writers download their files."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.backends.models import BackendProfile, PriceOverride, Route, RouteStep, StoredBlob, StoredFile
from apps.backends.services import filestore
from apps.users.models import AuditEvent
from tests.factories.backends import offline_profile, openai_profile, route, storage_profile
from tests.factories.monitoring import used
from tests.fakes.provider import FakeProvider
from tests.people import People

pytestmark = pytest.mark.django_db
KEY = "sk-typed-in-the-console-4711"


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path):
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"


@pytest.fixture
def fake():
    with FakeProvider() as running:
        yield running


def test_the_whole_way_in_the_console(portal, fake: FakeProvider):
    console = portal("otto")
    add = reverse("admin:backends_backendprofile_add")
    assert "OpenAI and compatible servers" in console.get(add).content.decode()
    form = console.get(f"{add}?plugin=model:openai").content.decode()
    assert "Address" in form
    assert 'type="password"' in form
    answer = console.post(
        f"{add}?plugin=model:openai",
        {"name": "House model", "base_url": fake.openai_url, "api_key": KEY, "default_model": "fake-large"},
        follow=True,
    )
    page = answer.content.decode()
    assert "was saved" in page
    assert KEY not in page
    assert "ends in …4711" in page
    profile = BackendProfile.objects.get()
    assert not profile.enabled
    enable = reverse("admin:backends_profile_enable", args=[profile.pk])
    assert "have not passed the test" in console.post(enable, follow=True).content.decode()
    tested = console.post(reverse("admin:backends_profile_test", args=[profile.pk]), follow=True).content.decode()
    assert "The test passed" in tested
    assert "is enabled" in console.post(enable, follow=True).content.decode()
    assert BackendProfile.objects.get().enabled
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"profile.created", "profile.tested", "profile.enabled"} <= actions


def test_wrong_values_are_told_beside_their_fields(portal):
    add = reverse("admin:backends_backendprofile_add") + "?plugin=model:openai"
    page = portal("otto").post(add, {"name": "", "base_url": "nowhere", "dimensions": "1"}).content.decode()
    assert page.count("errorlist") >= 3
    assert not BackendProfile.objects.exists()


def test_a_failing_test_says_what_to_do(portal, fake: FakeProvider):
    console = portal("otto")
    add = reverse("admin:backends_backendprofile_add") + "?plugin=model:openai"
    console.post(
        add, {"name": "Wrong", "base_url": fake.openai_url, "api_key": "wrong-key-123456", "default_model": "m"}
    )
    profile = BackendProfile.objects.get()
    page = console.post(reverse("admin:backends_profile_test", args=[profile.pk]), follow=True).content.decode()
    assert "The test failed" in page
    profile.refresh_from_db()
    assert profile.last_test_remedy
    assert profile.last_test_remedy in html.unescape(page)


def test_plugins_are_listed_with_their_packages(portal):
    page = portal("otto").get(reverse("admin:backends_plugins")).content.decode()
    assert "aiwriter-model-openai" in page
    assert "aiwriter-storage-local" in page


def test_a_local_server_is_offered_and_fills_the_form_in(portal, monkeypatch: pytest.MonkeyPatch):
    from aiwriter_model_openai import discover_local

    with FakeProvider(identity="ollama") as ollama:
        kind = discover_local._KINDS[0]
        here = type(kind)(kind.name, kind.label, ollama.port, kind.signs, kind.continuation)
        monkeypatch.setattr(discover_local, "_KINDS", (here,))
        console = portal("otto")
        page = console.post(reverse("admin:backends_local_servers")).content.decode()
        assert f"Ollama at 127.0.0.1:{ollama.port}" in page
        (link,) = re.findall(r'href="([^"]*plugin=model:openai[^"]*)"', page)
        form = console.get(link.replace("&amp;", "&")).content.decode()
        assert f"http://127.0.0.1:{ollama.port}/v1" in form


def test_a_route_is_written_with_its_steps(portal, fake: FakeProvider):
    one, two = offline_profile(), openai_profile("House", fake.openai_url)
    made = route("write", one)
    answer = portal("otto").post(
        reverse("admin:backends_route_change", args=[made.pk]),
        {
            "steps-TOTAL_FORMS": "2",
            "steps-INITIAL_FORMS": "0",
            "steps-0-position": "2",
            "steps-0-profile": one.pk,
            "steps-0-options": "{}",
            "steps-1-position": "1",
            "steps-1-profile": two.pk,
            "steps-1-model": "fake-small",
            "steps-1-options": '{"temperature": 0.4}',
        },
        follow=True,
    )
    assert answer.status_code == 200
    steps = list(RouteStep.objects.filter(route__purpose="write").order_by("position"))
    assert [(s.profile, s.model) for s in steps] == [(two, "fake-small"), (one, "")]
    assert Route.objects.count() == 1
    assert (
        "House fake-small → Offline" in portal("otto").get(reverse("admin:backends_route_changelist")).content.decode()
    )


def test_names_of_files_are_not_shown_in_the_console(portal, people: People):
    storage_profile()
    filestore.put_file(
        actor=people.actor("wanda"), workspace=people.press, name="secret-merger.pdf", stream=io.BytesIO(b"x")
    )
    page = portal("otto").get(reverse("admin:backends_storedfile_changelist")).content.decode()
    assert "secret-merger" not in page


def test_the_whole_way_over_the_api(api, fake: FakeProvider):
    client = api("otto")
    made = client.post(
        "/api/v1/backends/profiles",
        {
            "kind": "model",
            "plugin": "openai",
            "name": "House",
            "options": {"base_url": fake.openai_url, "default_model": "fake-large"},
            "secrets": {"api_key": KEY},
        },
    )
    assert made.status_code == 201
    assert KEY not in made.content.decode()
    assert made.json()["secrets"] == {"api_key": "…4711"}
    address = f"/api/v1/backends/profiles/{made.json()['id']}"
    assert client.post(f"{address}/enable").status_code == 409
    assert client.post(f"{address}/test").json()["test"]["ok"] is True
    assert client.post(f"{address}/enable").json()["enabled"] is True
    read = client.get(address)
    assert read.headers["ETag"] == '"1"'
    stale = client.patch(address, {"options": {}}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    put = client.put("/api/v1/routes/write", {"steps": [{"profile": made.json()["id"]}]})
    assert [step["profile_name"] for step in put.json()["steps"]] == ["House"]
    assert client.delete(address).status_code == 409
    offered = api("wanda").get("/api/v1/models").json()["data"]
    assert [(m["purpose"], m["profile"], m["healthy"], m["price"]) for m in offered] == [("write", "House", True, None)]
    listed = client.get("/api/v1/backends/profiles?limit=1").json()
    assert listed["pagination"]["has_more"] is False


def test_an_unknown_plugin_and_unknown_field_over_the_api(api):
    client = api("otto")
    wrong = client.post("/api/v1/backends/profiles", {"kind": "model", "plugin": "nothing", "name": "X"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "not_found")
    assert "Install the package" in wrong.json()["error"]["message"]
    odd = client.post("/api/v1/backends/profiles", {"kind": "model", "plugin": "offline", "name": "X", "enabled": True})
    assert odd.status_code == 400


def test_prices_are_shown_to_writers(api, portal, fake: FakeProvider):
    profile = openai_profile("House", fake.openai_url)
    route("write", profile)
    console = portal("otto")
    console.post(
        reverse("admin:backends_priceoverride_add"),
        {"profile": profile.pk, "model": "*", "input_price": "2.5", "output_price": "10", "currency": "eur"},
    )
    assert PriceOverride.objects.get().currency == "EUR"
    price = api("wanda").get("/api/v1/models").json()["data"][0]["price"]
    assert (price["input"], price["currency"]) == ("2.500000", "EUR")


class TestDownloads:
    @pytest.fixture
    def file(self, people: People) -> StoredFile:
        storage_profile()
        return filestore.put_file(
            actor=people.actor("wanda"),
            workspace=people.press,
            name="Grüße <script>.html",
            stream=io.BytesIO(b"<script>alert(1)</script>"),
            content_type="text/html",
        )

    def body(self, response) -> bytes:
        return b"".join(response)

    def test_a_link_gives_the_file_as_a_harmless_attachment(self, api, portal, file: StoredFile):
        made = api("wanda").post(f"/api/v1/files/{file.pk}/link", {"seconds": 60})
        assert made.status_code == 201
        answer = portal("wanda").get(made.json()["url"])
        assert self.body(answer) == b"<script>alert(1)</script>"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert AuditEvent.objects.filter(action="file.downloaded").count() == 1

    def test_it_is_of_no_use_to_others(self, api, portal, file: StoredFile):
        url = api("wanda").post(f"/api/v1/files/{file.pk}/link").json()["url"]
        assert portal("eve").get(url).status_code == 404
        assert portal("eddie").get(url).status_code == 404
        assert Client().get(url).status_code == 302

    def test_an_expired_link_says_what_to_do(self, portal, people: People, file: StoredFile):
        url = filestore.signed_link(actor=people.actor("wanda"), file=file, seconds=-5)
        answer = portal("wanda").get(url)
        assert answer.status_code == 403
        assert "Open the page again" in answer.content.decode()

    def test_unchanged_bytes_are_not_sent_again(self, api, file: StoredFile):
        first = api("wanda").get(f"/api/v1/files/{file.pk}/content")
        assert self.body(first) == b"<script>alert(1)</script>"
        again = api("wanda").get(f"/api/v1/files/{file.pk}/content", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304

    @pytest.mark.django_db(transaction=True)
    def test_a_damaged_file_breaks_off_instead_of_ending_well(self, api, file: StoredFile, settings):
        (path,) = [p for p in Path(settings.DATA_DIR).rglob("blobs/*/*/*") if p.is_file()]
        path.write_bytes(b"<script>alert(2)</script>")
        answer = api("wanda").get(f"/api/v1/files/{file.pk}/content")
        with pytest.raises(Exception, match="damaged"):
            self.body(answer)
        assert StoredBlob.objects.get().damaged_at


def test_usage_and_budgets_over_the_api(api, people: People):
    used(people.press, people.wanda, cost="0.25")
    rows = api("wanda").get("/api/v1/usage").json()["data"]
    assert [row["cost"] for row in rows] == ["0.250000000"]
    assert api("eve").get("/api/v1/usage").json()["data"] == []
    total = api("otto").get("/api/v1/usage/summary?group=workspace").json()["data"]
    assert total == [
        {
            "key": str(people.press.pk),
            "calls": 1,
            "input_tokens": 100,
            "output_tokens": 50,
            "costs": {"USD": "0.250000000"},
            "unpriced": 0,
        }
    ]
    made = api("otto").post(
        "/api/v1/budgets",
        {"scope": "workspace", "scope_id": str(people.press.pk), "period": "month", "limit_cost": "1.00"},
    )
    assert made.status_code == 201
    shown = api("wanda").get("/api/v1/budgets").json()["data"][0]
    assert (shown["limit_cost"], shown["spent_cost"]) == ("1.0000", "0.000000000")
    bad = api("otto").get("/api/v1/usage/summary?since=yesterday")
    assert bad.status_code == 400
