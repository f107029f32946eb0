"""Grave acts ask a session to show once more who sits there, and then go on with what was sent."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from rest_framework.test import APIClient

from aiwriter.core.errors import ProofRequired
from apps.users.models import ApiToken, Membership, RoleGrant
from apps.users.selectors.access import Actor, require_proof
from apps.users.services.people import reactivate_user, suspend_user
from tests.factories.users import PASSWORD, make_token
from tests.people import People, open_session


def stale(people: People, name: str, client: Client | None = None) -> Client:
    browser = client or Client()
    open_session(browser, people.named(name), minutes_ago=16)
    return browser


def test_a_fresh_session_is_not_asked(people: People, portal):
    answer = portal("wanda").post("/tokens/", {"name": "new", "scopes": ["content.read"], "days": 5})
    assert answer.status_code == 200
    assert ApiToken.objects.count() == 1


def test_a_stale_session_is_asked_and_goes_on_from_there(people: People):
    browser = stale(people, "wanda")
    asked = browser.post("/tokens/", {"name": "for my script", "scopes": ["content.read"], "days": 5})
    assert (asked.status_code, asked.headers["Location"]) == (302, "/accounts/reauthenticate/")
    assert not ApiToken.objects.exists()
    done = browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert done.status_code == 200
    assert b"Your new key" in done.content
    assert ApiToken.objects.get().name == "for my script"


def test_a_wrong_password_goes_nowhere(people: People):
    browser = stale(people, "wanda")
    browser.post("/tokens/", {"name": "new", "scopes": ["content.read"], "days": 5})
    browser.post("/accounts/reauthenticate/", {"password": "not the right one"})
    assert not ApiToken.objects.exists()


def test_what_was_typed_waits_sealed(people: People):
    browser = stale(people, "wanda")
    browser.post("/tokens/", {"name": "canary-4711", "scopes": ["content.read"], "days": 5})
    stored = Session.objects.get(pk=browser.session.session_key).get_decoded()
    assert "canary-4711" not in repr(stored)


def test_the_kept_form_is_sent_once(people: People):
    browser = stale(people, "wanda")
    browser.post("/tokens/", {"name": "new", "scopes": ["content.read"], "days": 5})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert ApiToken.objects.count() == 1


def test_the_api_says_what_to_do(people: People):
    caller = stale(people, "wanda", APIClient())
    answer = caller.post("/api/v1/tokens", {"name": "new", "scopes": ["content.read"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "reauthentication_required")
    assert "/accounts/reauthenticate/" in answer.json()["error"]["message"]


def test_a_token_was_made_for_what_it_may_do(people: People):
    _, raw = make_token(people.wanda, "tokens.manage", "content.read")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {raw}")
    assert caller.post("/api/v1/tokens", {"name": "new", "scopes": ["content.read"]}).status_code == 201


def test_permission_comes_before_proof(people: People):
    browser = stale(people, "wanda")
    answer = browser.post("/members/", {"email": people.eve.email, "role": "writer"})
    assert answer.status_code == 403


def test_the_console_asks_too(people: People):
    browser = stale(people, "alma")
    body = {"user": str(people.wanda.pk), "role": "operator", "reason": "night shift"}
    asked = browser.post("/admin/users/rolegrant/add/", body)
    assert asked.headers["Location"] == "/accounts/reauthenticate/"
    assert not RoleGrant.objects.filter(user=people.wanda).exists()
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert RoleGrant.objects.get(user=people.wanda).reason == "night shift"


def test_letting_somebody_in_asks(people: People):
    browser = stale(people, "eddie")
    browser.post("/members/", {"email": people.eve.email, "role": "writer"})
    assert not Membership.objects.filter(user=people.eve, workspace=people.press).exists()
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert Membership.objects.filter(user=people.eve, workspace=people.press).exists()


def test_letting_a_suspended_person_back_in_asks(people: People):
    suspend_user(actor=people.actor("alma"), user=people.wanda, reason="left")
    with pytest.raises(ProofRequired):
        reactivate_user(actor=Actor.for_user(people.alma, proven=False), user=people.wanda)
    people.wanda.refresh_from_db()
    assert people.wanda.status == "suspended"


def test_somebody_without_any_proof_here_comes_in_again(people: People):
    people.wanda.set_unusable_password()
    people.wanda.save()
    browser = stale(people, "wanda")
    asked = browser.post("/tokens/", {"name": "new", "scopes": ["content.read"], "days": 5})
    assert asked.headers["Location"] == "/sign-in/again?next=/tokens/"
    assert browser.post(asked.headers["Location"]).headers["Location"] == "/accounts/login/?next=%2Ftokens%2F"
    assert browser.get("/profile/").status_code == 302


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example/"])
def test_the_way_back_leads_nowhere_else(people: People, next_page: str):
    answer = stale(people, "wanda").post(f"/sign-in/again?next={next_page}")
    assert "evil" not in answer.headers["Location"]


def test_who_need_not_show_it(people: People):
    require_proof(Actor.system_actor("sweeper"))
    require_proof(Actor.anonymous())
    with pytest.raises(ProofRequired):
        require_proof(Actor.for_user(people.wanda, proven=False))
