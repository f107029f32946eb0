"""What people agree to: asked on the way in, kept as records, and what a no does."""

from __future__ import annotations

import asyncio
import json
import uuid
import zipfile
from contextlib import aclosing
from typing import Any

import pytest
from django.urls import reverse

from aiwriter.core.errors import Conflict, ConsentMissing, InvalidInput, NotFound, PermissionDenied
from aiwriter_sdk import GenerateRequest, Message
from apps.backends.models import BackendProfile, ModelCall
from apps.backends.services.estimating import Span, estimate_models
from apps.backends.services.models import Delta, ModelCallSpec, embed, open_model
from apps.content.services.completions import offered
from apps.monitoring.models import UsageRow
from apps.users.models import AuditEvent, Consent, ConsentText
from apps.users.selectors.access import Actor
from apps.users.selectors.consents import asked_of, withheld
from apps.users.services.consents import answer, end_text, publish_text
from apps.users.services.people import create_user
from apps.users.services.privacy_exports import written
from apps.users.services.privacy_parts import Person
from tests.factories.backends import SETUP, offline_profile, openai_profile, route
from tests.factories.monitoring import used
from tests.factories.users import make_token
from tests.fakes.provider import FakeProvider
from tests.people import People

PAGE = "/privacy/consents/"


def publish(people: People, purpose: str, title: str = "May we?") -> ConsentText:
    return publish_text(actor=people.actor("alma"), purpose=purpose, title=title, body="In plain words.\n\nAnd more.")


def says(people: People, who: str, text: ConsentText, given: bool) -> Consent:
    return answer(actor=people.actor(who), purpose=text.purpose, version=text.version, given=given)


class Steps:
    def begin(self, total: int) -> None: ...
    def phase(self, text: str) -> None: ...
    def tick(self, count: int = 1) -> None: ...


def test_terms_stand_in_the_way_until_they_are_agreed_to(db: None, people: People, portal: Any, api: Any):
    wanda = portal("wanda")
    assert wanda.get("/settings/").status_code == 200
    publish(people, "terms", "Terms of the house")
    answered = wanda.get("/documents/?q=tides")
    assert (answered.status_code, answered["Location"]) == (302, f"{PAGE}?next=%2Fdocuments%2F%3Fq%3Dtides")
    # One's data, the way out and what was being saved stay open.
    assert wanda.get("/privacy/").status_code == 200
    assert (
        wanda.post("/settings/you", {"full_name": "W", "locale": "en", "timezone": "UTC", "theme": "auto"}).status_code
        == 302
    )
    page = wanda.get(answered["Location"]).content.decode()
    assert "Terms of the house" in page
    assert "needs your answer" in page
    without = wanda.post(PAGE, {"terms_version": "1", "next": "/documents/"})
    assert (without.status_code, "has no answer yet" in without.content.decode()) == (400, True)
    old = wanda.post(PAGE, {"terms": "yes", "terms_version": "7"})
    assert (old.status_code, "Version 1 of this text is in force" in old.content.decode()) == (400, True)
    done = wanda.post(PAGE, {"terms": "yes", "terms_version": "1", "next": "https://elsewhere.example/"})
    assert done["Location"] == PAGE
    assert wanda.get("/settings/").status_code == 200
    with pytest.raises(InvalidInput, match="cannot be used without"):
        answer(actor=people.actor("wanda"), purpose="terms", version=1, given=False)
    # A new wording is asked anew; ending it opens the way.
    second = publish(people, "terms")
    assert wanda.get("/settings/").status_code == 302
    end_text(actor=people.actor("alma"), text_id=second.pk)
    assert wanda.get("/settings/").status_code == 200
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"consent.published", "consent.given", "consent.ended"} <= actions


def test_a_no_keeps_texts_from_models_outside(transactional_db: None, people: People):
    with FakeProvider(words=20) as far:
        near = offline_profile()
        BackendProfile.objects.filter(pk=near.pk).update(region="local")
        outside = openai_profile("Far", far.openai_url)
        route("write", outside, {"profile": near.pk, "model": "composer"})
        route("edit", outside)
        route("embed", outside)
        text = publish(people, "outside_models", "Texts to Far")
        before = far.connections()

        def write(purpose: str = "write", who: str = "wanda") -> int:
            wish = ModelCallSpec(
                purpose=purpose,
                workspace_id=people.press.pk,
                user_id=getattr(people, who).pk,
                subject=f"generation:{uuid.uuid4()}",
                request=GenerateRequest(model="", messages=[Message(role="user", content="Write about tides.")]),
            )

            async def story() -> int:
                async with aclosing(open_model(wish)) as events:
                    return len([event async for event in events if isinstance(event, Delta)])

            return asyncio.run(story())

        def vectors(who: str) -> Any:
            return asyncio.run(embed(workspace_id=people.press.pk, user_id=getattr(people, who).pk, texts=["a tide"]))

        # No answer is no yes: the chain goes on with the machine of one's own, and ends where there is none.
        assert write() > 0
        for ask in (lambda: write("edit"), lambda: vectors("wanda")):
            with pytest.raises(ConsentMissing, match=r"'Far' is a model outside.*“Texts to Far” .version 1."):
                ask()
        assert far.connections() == before + 1
        # What is offered and reckoned with is what would be asked.
        wanda = people.actor("wanda")
        assert [(offer.id, offer.step.profile.name) for offer in offered(actor=wanda)] == [("write", "Offline")]
        span = Span(10, 20)
        chain = estimate_models(
            purpose="write", workspace_id=people.press.pk, user_id=wanda.user_id, input_tokens=span, output_tokens=span
        )
        assert [each.profile for each in chain] == ["Offline"]
        assert {call.profile_name for call in ModelCall.objects.all()} == {"Offline"}
        assert AuditEvent.objects.filter(action="consent.refused_call", outcome="denied").count() == 2

        says(people, "wanda", text, True)
        assert write("edit") > 0
        assert vectors("wanda").dimensions
        says(people, "wanda", text, False)
        before = far.connections()
        with pytest.raises(ConsentMissing):
            write("edit")
        assert far.connections() == before + 1
        # A service account cannot answer, and is not asked.
        robot = create_user(actor=SETUP, email="robot@example.org", full_name="Robot", kind="service")
        assert withheld("outside_models", robot.pk) is None
        assert withheld("outside_models", people.wanda.pk) == text
        # A colleague's word is their own.
        says(people, "eddie", text, True)
        assert write("edit", "eddie") > 0


def test_answers_are_records_that_go_out_with_ones_data(db: None, people: People, api: Any):
    text = publish(people, "usage_analysis")
    wanda = api("wanda")
    shown = wanda.get("/api/v1/privacy/consents").json()["data"]
    assert [(each["purpose"], each["given"], each["is_duty"]) for each in shown] == [("usage_analysis", None, False)]
    body = {"purpose": "usage_analysis", "version": 1, "given": True}
    assert wanda.post("/api/v1/privacy/consents", body, format="json").json()["given"]
    assert wanda.post("/api/v1/privacy/consents", {**body, "version": 2}, format="json").status_code == 409
    key = api(token=make_token(people.wanda, "content.read")[1])
    assert key.post("/api/v1/privacy/consents", {**body, "given": False}, format="json").status_code == 200
    refused = key.post("/api/v1/privacy/consents", body, format="json").json()["error"]
    assert "cannot agree for its person" in refused["message"]
    history = wanda.get("/api/v1/privacy/consents/history").json()["data"]
    assert [each["given"] for each in history] == [False, True]
    with written(Person.of(people.wanda), Steps()) as (file, report), zipfile.ZipFile(file) as archive:
        rows = [json.loads(line) for line in archive.read("data/users.Consent.jsonl").splitlines()]
    assert report["records"]["users.Consent"] == 2
    assert {(row["purpose"], row["version"]) for row in rows} == {("usage_analysis", 1)}
    listed = api("ada").get("/api/v1/privacy/consent-texts").json()["data"]
    assert [(each["yes"], each["no"]) for each in listed] == [(0, 1)]
    assert asked_of(people.actor("eve"))[0].text == text


def test_reports_by_person_name_only_those_who_agreed(db: None, people: People, api: Any, portal: Any):
    subject = used(people.press, people.wanda)
    token, _ = make_token(people.wanda, "usage.read")
    UsageRow.objects.filter(subject=subject).update(token_id=token.pk)
    used(people.press, people.eddie)
    text = publish(people, "usage_analysis")
    says(people, "eddie", text, True)
    says(people, "wanda", text, False)

    def named(who: str, path: str, key: str) -> set[str]:
        return {str(row[key] or "") for row in api(who).get(path).json()["data"]}

    eddie, wanda = str(people.eddie.pk), str(people.wanda.pk)
    for path, key in (("/api/v1/usage/summary?group=user", "key"), ("/api/v1/usage", "user_id")):
        assert named("eddie", path, key) == {eddie, ""}
        assert named("otto", path, key) == {eddie, ""}
        assert named("wanda", path, key) == {wanda}
    # Nor is their token, which says as much.
    for path, key in (("/api/v1/usage/summary?group=token", "key"), ("/api/v1/usage", "token_id")):
        assert named("otto", path, key) == {""}
        assert named("wanda", path, key) == {str(token.pk)}
    says(people, "otto", text, True)
    table = b"".join(portal("otto").get("/usage/calls.csv").streaming_content).decode()
    assert eddie in table
    assert wanda not in table
    assert str(token.pk) not in table
    says(people, "wanda", text, True)
    assert named("otto", "/api/v1/usage/summary?group=user", "key") == {eddie, wanda}


def test_the_desk_publishes_and_ends_and_nobody_else_does(db: None, people: People, portal: Any):
    alma = portal("alma")
    add = reverse("admin:users_consenttext_add")
    form = {"purpose": "privacy", "title": "What we keep", "body": "Little."}
    assert alma.post(add, form).status_code == 302
    # The administrator is asked as well.
    assert alma.get(reverse("admin:users_consenttext_changelist")).status_code == 302
    answer(actor=people.actor("alma"), purpose="privacy", version=1, given=True)
    page = alma.get(reverse("admin:users_consenttext_changelist")).content.decode()
    assert "What we keep" in page
    text = ConsentText.objects.get()
    ended = alma.post(
        reverse("admin:users_consenttext_changelist"),
        {"action": "end", "_selected_action": [str(text.pk)]},
        follow=True,
    )
    assert "nobody is asked any more" in ended.content.decode()
    for name in ("wanda", "otto", "ada"):
        with pytest.raises(PermissionDenied):
            publish_text(actor=people.actor(name), purpose="terms", title="x", body="x")
    with pytest.raises(Conflict):
        end_text(actor=people.actor("alma"), text_id=text.pk)
    for wrong in ({"purpose": "soul"}, {"title": " "}, {"body": " "}):
        with pytest.raises(InvalidInput):
            publish_text(actor=people.actor("alma"), **{"purpose": "terms", "title": "x", "body": "x", **wrong})
    with pytest.raises(NotFound):
        answer(actor=people.actor("wanda"), purpose="terms", version=1, given=True)
    with pytest.raises(PermissionDenied):
        answer(
            actor=Actor.for_token(make_token(people.wanda, "content.read", workspace=people.press)[0]),
            purpose="terms",
            version=1,
            given=False,
        )
