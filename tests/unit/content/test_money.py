"""What a wish is likely to cost, and what it did cost; an unknown price is never zero."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.backends.models import BackendProfile
from apps.backends.services.routing import set_price
from apps.content.models import Generation
from apps.content.portal.money import sums
from apps.content.selectors.spending import document_spending
from apps.content.services.documents import delete_document
from apps.content.services.estimating import calibration, estimate_wish
from apps.content.services.generation import start_generation
from tests.factories.backends import SETUP, openai_profile, route
from tests.factories.content import DocumentFactory, run_to_end
from tests.factories.monitoring import used, workspace_budget
from tests.fakes.provider import FakeProvider
from tests.people import People

Api = Callable[..., APIClient]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer(provider: FakeProvider) -> BackendProfile:
    profile = openai_profile("First", provider.openai_url)
    second = openai_profile("Second", provider.openai_url, key="another-key-0123456789")
    for purpose in ("write", "edit", "small"):
        route(purpose, {"profile": profile.pk, "model": "fake-large"}, {"profile": second.pk, "model": "fake-small"})
    return profile


def ask(people: People, kind: str = "draft", **more: Any) -> Any:
    brief = more.pop("brief", {"topic": "Bridges", "length": 300})
    return estimate_wish(actor=people.actor("wanda"), workspace=people.press, kind=kind, brief=brief, **more)


class TestEstimating:
    def test_it_names_who_answers_the_fallback_and_the_cost(self, people: People, writer: BackendProfile) -> None:
        set_price(actor=SETUP, profile_id=writer.pk, model="*", input_price=Decimal(1), output_price=Decimal(10))
        found = ask(people)
        assert found.model.profile == "First"
        assert [each.profile for each in found.fallbacks] == ["Second"]
        assert found.output_tokens.low < 400 < found.output_tokens.high
        most = (found.input_tokens.high * 1 + found.output_tokens.high * 10) / Decimal(1_000_000)
        assert found.model.cost_high == most
        assert found.model.cost_low < most

    def test_an_unknown_price_is_unknown(self, people: People, writer: BackendProfile, api: Api) -> None:
        body = {"kind": "draft", "brief": {"topic": "Bridges"}}
        answer = api("wanda").post("/api/v1/generate/estimate", body, format="json").json()
        assert answer["model"]["cost_low"] is answer["model"]["cost_high"] is None
        page = _page(people, "wanda").post("/estimate/", {"topic": "Bridges"}).content.decode()
        assert "price unknown" in page
        assert "0.0000" not in page

    def test_a_backend_that_is_left_alone_does_not_answer(self, people: People, writer: BackendProfile) -> None:
        later = timezone.now() + dt.timedelta(hours=1)
        BackendProfile.objects.filter(pk=writer.pk).update(cooldown_until=later)
        found = ask(people)
        assert found.model.profile == "Second"

    def test_a_budget_that_will_refuse_is_told_before(self, people: People, writer: BackendProfile, api: Api) -> None:
        workspace_budget(people.press, limit_tokens=20)
        found = ask(people)
        assert [state.remaining_tokens for state in found.refusing] == [20]
        body = {"kind": "draft", "brief": {"topic": "Bridges", "length": 300}}
        answer = api("wanda").post("/api/v1/generate/estimate", body, format="json").json()
        assert answer["budgets"][0]["refuses"] is True
        assert "probably be refused" in _page(people, "wanda").post("/estimate/", {"topic": "x"}).content.decode()

    def test_nothing_is_booked_and_nobody_is_called(self, people: People, writer: BackendProfile) -> None:
        ask(people)
        assert not Generation.objects.exists()

    def test_a_bad_brief_is_told_with_its_field(self, api: Api, people: People) -> None:
        body = {"kind": "rewrite", "brief": {"text": "x", "action": "fly"}}
        answer = api("wanda").post("/api/v1/generate/estimate", body, format="json")
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "action"

    def test_earlier_texts_correct_it(self, people: People, writer: BackendProfile, provider: FakeProvider) -> None:
        provider.behave("fake-large", words=30, tps=2_000)
        raw = ask(people, source_ids=[])
        assert raw.calibration.calls == 0
        for _ in range(3):
            generation = start_generation(
                actor=people.actor("wanda"),
                workspace=people.press,
                kind="draft",
                brief={"topic": "Bridges", "length": 300},
                source_ids=[],
            )
            assert run_to_end(generation).state == "succeeded"
        known = calibration(people.press.pk, "draft")
        assert known.calls == 3
        assert known.output_ratio < 0.5
        assert ask(people, source_ids=[]).output_tokens.high < raw.output_tokens.high


class TestSpending:
    def test_a_document_tells_who_wrote_and_that_a_fallback_was_needed(
        self, people: People, writer: BackendProfile, provider: FakeProvider, api: Api
    ) -> None:
        set_price(actor=SETUP, profile_id=writer.pk, model="*", input_price=Decimal(1), output_price=Decimal(1))
        provider.behave("fake-large", cut=5, words=40, tps=2_000)
        document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
        generation = start_generation(
            actor=people.actor("wanda"),
            workspace=people.press,
            kind="section",
            brief={"heading": "Arches"},
            document_id=document.pk,
            source_ids=[],
        )
        assert run_to_end(generation).state == "succeeded"
        answer = api("wanda").get(f"/api/v1/content/{document.pk}/usage").json()
        (row,) = answer["generations"]
        assert row["fallback"] is True
        assert [each["profile"] for each in row["attempts"]] == ["First", "Second"]
        assert row["attempts"][0]["cost"] is not None
        # The second backend has no price: known and unknown are told apart, also in the sum.
        assert row["attempts"][1]["cost"] is None
        assert answer["total"]["unpriced"] == 1
        assert list(answer["total"]["costs"]) == ["USD"]
        assert api("wanda").get(f"/api/v1/generations/{generation.pk}/usage").json()["fallback"] is True
        page = _page(people, "wanda").get(f"/documents/{document.pk}/usage").content.decode()
        assert "Fallback" in page
        panel = _page(people, "wanda").get(f"/documents/{document.pk}/usage", headers={"X-Fragment": "1"})
        assert "Fallback" in panel.content.decode()
        assert "<html" not in panel.content.decode()
        assert "unknown" in page

    def test_usage_adds_up_by_document(self, people: People, writer: BackendProfile, api: Api) -> None:
        set_price(actor=SETUP, profile_id=writer.pk, model="*", input_price=Decimal(1), output_price=Decimal(10))
        wanda = people.actor("wanda")
        two = [DocumentFactory(actor=wanda, workspace=people.press, title=f"Text {n}") for n in (1, 2)]
        for document, asker, times in ((two[0], "wanda", 2), (two[1], "eddie", 1)):
            for _ in range(times):
                run_to_end(
                    start_generation(
                        actor=people.actor(asker),
                        workspace=people.press,
                        kind="section",
                        brief={"heading": "Arches"},
                        document_id=document.pk,
                    )
                )
        seen = api("eddie").get("/api/v1/usage/documents").json()
        assert [(row["title"], row["calls"], row["unpriced"]) for row in seen["data"]] == [
            ("Text 1", 2, 0),
            ("Text 2", 1, 0),
        ]
        spent = document_spending(actor=people.actor("eddie"), document_id=two[0].pk).total
        assert Decimal(seen["data"][0]["costs"]["USD"]) == spent.costs["USD"] > 0
        own = api("wanda").get("/api/v1/usage/documents").json()
        assert [row["title"] for row in own["data"]] == ["Text 1"]
        later = {"since": (timezone.now() + dt.timedelta(days=1)).isoformat()}
        assert api("eddie").get("/api/v1/usage/documents", later).json() == {"data": [], "more": 0}
        delete_document(actor=wanda, document_id=two[1].pk)
        page = _page(people, "eddie").get("/usage/").content.decode()
        assert f"/documents/{two[0].pk}/usage" in page
        assert f"/documents/{two[1].pk}/usage" not in page
        assert "(in the bin)" in page
        assert api("eve").get(f"/api/v1/usage/documents?workspace={people.press.pk}").status_code == 404

    def test_one_call_is_one_call(self) -> None:
        assert sums({}, 1) == "1 call of unknown price"
        assert sums({}, 1_200) == "1,200 calls of unknown price"

    def test_the_csv_says_unknown_and_disarms_formulas(self, people: People) -> None:
        used(people.press, people.wanda, cost=None, model="=HYPERLINK(1)")
        used(people.press, people.eddie, cost="0.25")
        mine = b"".join(_page(people, "wanda").get("/usage/calls.csv").streaming_content).decode().splitlines()
        assert len(mine) == 2
        assert ",unknown,," in mine[1]
        assert ",'=HYPERLINK(1)," in mine[1]
        everything = b"".join(_page(people, "eddie").get("/usage/calls.csv").streaming_content).decode()
        assert "0.250000000,USD" in everything

    def test_the_page_adds_up_and_refuses_other_periods(self, people: People) -> None:
        used(people.press, people.wanda, cost="0.25")
        used(people.press, people.wanda, cost=None)
        page = _page(people, "wanda").get("/usage/?days=7").content.decode()
        assert "0.2500 USD, 1 call of unknown price" in page
        assert "<svg" in page
        assert _page(people, "wanda").get("/usage/?days=8").status_code == 400


class TestPages:
    def test_an_editor_sets_changes_and_removes_a_budget(self, people: People) -> None:
        client = _page(people, "eddie")
        people.wanda  # noqa: B018  a member to choose
        form = {"target": f"user:{people.wanda.pk}", "period": "day", "limit_tokens": 500, "currency": "USD"}
        assert client.post("/budgets/", {**form, "warn_at": 80, "hard": "on", "enabled": "on"}).status_code == 302
        page = client.get("/budgets/").content.decode()
        assert "Wanda Writer" in page
        assert "500 of 500 tokens left" in page
        refused = client.post("/budgets/", {**form, "warn_at": 180})
        assert refused.status_code == 422
        assert 'value="500"' in refused.content.decode()

    def test_models_say_what_they_cost_or_that_nobody_knows(self, people: People, writer: BackendProfile) -> None:
        set_price(actor=SETUP, profile_id=writer.pk, model="*", input_price=Decimal(1), output_price=Decimal("2.5"))
        page = _page(people, "wanda").get("/models/").content.decode()
        assert "1 in, 2.5000 out, USD" in page
        assert "unknown" in page


def _page(people: People, name: str) -> Client:
    client = Client()
    client.force_login(people.named(name))
    return client
