"""Second factors by role: who is asked, from when, where, and by what it is fulfilled."""

from __future__ import annotations

import datetime as dt

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied, ProofRequired
from apps.users.models import AuditEvent, FactorPolicy, Membership
from apps.users.selectors.access import Actor
from apps.users.selectors.factors import duty_of, who_would_be_locked_out
from apps.users.services.factors import drop_policy, may_remove, reset_factors, set_policy
from apps.users.services.subjects import named
from tests.factories.users import SETUP, make_token
from tests.people import People, open_session

NOW = timezone.now() - dt.timedelta(minutes=1)


def rule(role: str, strength: str = "any", **more) -> FactorPolicy:
    return set_policy(actor=SETUP, role=role, strength=strength, enforced_from=more.pop("start", NOW), **more)


def give(user, kind: str = "totp") -> Authenticator:
    return Authenticator.objects.create(user=user, type=kind, data={"name": "Key"})


def test_without_a_rule_nobody_is_asked(portal, people: People):
    assert portal("otto").get("/admin/").status_code == 200
    assert duty_of(people.otto) is None


@pytest.mark.parametrize(("name", "role", "page"), [("otto", "operator", "/admin/"), ("wanda", "writer", "/profile/")])
def test_a_rule_closes_pages_the_console_and_the_api(people: People, portal, api, name: str, role: str, page: str):
    browser, caller = portal(name), api(name)
    assert browser.get(page).status_code == 200
    rule(role)
    refused = browser.get(page)
    assert (refused.status_code, refused.headers["Location"]) == (302, "/sign-in/second-factor")
    assert b"Add a passkey" in browser.get("/sign-in/second-factor").content
    answer = caller.get("/api/v1/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "second_factor_required")
    assert "/sign-in/second-factor" in answer.json()["error"]["message"]


def test_a_script_of_a_page_is_told_instead_of_led_away(people: People, portal):
    browser = portal("otto")
    rule("operator")
    answer = browser.get("/admin/", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 403


def test_the_pages_that_help_stay_open(people: People, portal):
    browser = portal("otto")
    rule("operator")
    assert browser.get("/accounts/2fa/").status_code == 200
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 200
    assert browser.get("/sessions/").status_code == 200


@pytest.mark.parametrize(
    ("strength", "shown", "expected"),
    [
        ("any", "totp", 200),
        ("any", "recovery_codes", 200),
        ("any", "webauthn", 200),
        ("passkey", "totp", 302),
        ("passkey", "webauthn", 200),
    ],
)
def test_what_the_session_has_shown_decides(people: People, strength: str, shown: str, expected: int):
    rule("operator", strength)
    browser = Client()
    open_session(browser, people.otto, method="mfa", type=shown)
    assert browser.get("/admin/").status_code == expected


def test_what_another_person_has_shown_in_the_same_browser_counts_for_nothing(people: People):
    rule("operator")
    browser = Client()
    open_session(browser, people.otto, method="mfa", type="totp")
    session = browser.session
    session["account_authentication_methods_user"] = str(people.wanda.pk)
    session.save()
    assert browser.get("/admin/").status_code == 302


def test_a_token_is_no_session(people: People):
    rule("writer")
    _, raw = make_token(people.wanda, "content.read")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {raw}")
    assert caller.get("/api/v1/me").status_code == 200


def test_before_its_day_a_rule_only_warns(people: People, portal):
    rule("operator", start=timezone.now() + dt.timedelta(days=3))
    assert portal("otto").get("/admin/").status_code == 200
    duty = duty_of(people.otto)
    assert duty is not None
    assert duty.due_at > timezone.now()


def test_whoever_gets_the_role_later_has_days_of_grace(people: People, portal):
    rule("operator", grace_days=7)
    assert portal("otto").get("/admin/").status_code == 200
    people.otto.role_grants.update(created_at=timezone.now() - dt.timedelta(days=8))
    assert portal("otto").get("/admin/").status_code == 302


def test_a_membership_that_has_ended_asks_for_nothing(people: People, portal):
    rule("writer")
    Membership.objects.filter(user=people.wanda).update(expires_at=NOW)
    assert portal("wanda").get("/profile/").status_code == 200


def test_the_strictest_of_several_rules_counts(people: People):
    rule("operator", "passkey")
    rule("writer", "any", start=NOW - dt.timedelta(days=9))
    Membership.objects.create(user=people.otto, workspace=people.press, role="writer")
    duty = duty_of(people.otto)
    assert duty is not None
    assert (duty.strength, duty.role) == ("passkey", "operator")


def test_no_rule_costs_no_query(people: People, django_assert_num_queries):
    request = HttpRequest()
    browser = Client()
    open_session(browser, people.otto)
    request.session = browser.session
    request.session.get("seen")
    with django_assert_num_queries(1):
        assert get_user(request).pk == people.otto.pk


def test_nobody_locks_themselves_out(people: People):
    with pytest.raises(Conflict, match="lock you out"):
        set_policy(actor=people.actor("alma"), role="admin", enforced_from=NOW)
    assert not FactorPolicy.objects.exists()
    give(people.alma)
    set_policy(actor=people.actor("alma"), role="admin", enforced_from=NOW)
    with pytest.raises(Conflict, match="lock you out"):
        set_policy(actor=people.actor("alma"), role="admin", strength="passkey", enforced_from=NOW)
    assert FactorPolicy.objects.get().strength == "any"


def test_left_out_the_day_is_two_weeks_ahead(people: People):
    policy = set_policy(actor=people.actor("alma"), role="admin")
    assert dt.timedelta(days=13) < policy.enforced_from - timezone.now() < dt.timedelta(days=15)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"role": "king"}, "role"), ({"strength": "magic"}, "strength"), ({"grace_days": 91}, "grace_days")],
)
def test_a_rule_that_cannot_be_names_its_field(people: People, values: dict, field: str):
    with pytest.raises(InvalidInput) as refused:
        set_policy(**{"actor": SETUP, "role": "writer", **values})
    assert refused.value.field == field


def test_rules_are_for_administrators(people: People):
    with pytest.raises(PermissionDenied):
        set_policy(actor=people.actor("otto"), role="writer")
    with pytest.raises(ProofRequired):
        set_policy(actor=Actor.for_user(people.alma, proven=False), role="writer")


def test_who_lacks_a_factor_is_known_before_the_rule_bites(people: People):
    people.otto  # noqa: B018
    assert who_would_be_locked_out(actor=SETUP, role="operator", strength="any") == [people.otto.pk]
    give(people.otto)
    assert who_would_be_locked_out(actor=SETUP, role="operator", strength="any") == []
    assert who_would_be_locked_out(actor=SETUP, role="operator", strength="passkey") == [people.otto.pk]


def test_the_last_factor_that_a_rule_asks_for_cannot_be_removed(people: People):
    rule("operator")
    app = give(people.otto)
    browser = Client()
    open_session(browser, people.otto, method="mfa", type="totp")
    browser.post("/accounts/2fa/totp/deactivate/")
    assert Authenticator.objects.filter(pk=app.pk).exists()
    give(people.otto, "webauthn")
    browser.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(pk=app.pk).exists()
    assert not may_remove(people.otto, "webauthn")


def test_the_last_passkey_stays_where_a_rule_asks_for_one(people: People):
    rule("operator", "passkey")
    key = give(people.otto, "webauthn")
    browser = Client()
    open_session(browser, people.otto, method="mfa", type="webauthn")
    browser.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/")
    assert Authenticator.objects.filter(pk=key.pk).exists()
    drop_policy(actor=SETUP, role="operator")
    browser.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/")
    assert not Authenticator.objects.filter(pk=key.pk).exists()
    assert AuditEvent.objects.filter(action="factor.removed").count() == 1


def test_a_reset_removes_all_and_signs_out(people: People, portal):
    give(people.wanda)
    give(people.wanda, "webauthn")
    browser = portal("wanda")
    browser.get("/profile/")
    with pytest.raises(InvalidInput):
        reset_factors(actor=people.actor("alma"), user=people.wanda, reason=" ")
    assert reset_factors(actor=people.actor("alma"), user=people.wanda, reason="called, voice known") == 2
    assert browser.get("/profile/").status_code == 302
    event = AuditEvent.objects.get(action="factor.reset")
    assert named([event])[0].reason == "called, voice known"
    with pytest.raises(Conflict):
        reset_factors(actor=people.actor("alma"), user=people.alma, reason="me")


def test_the_api_sets_and_drops_rules(people: People, api):
    people.otto  # noqa: B018
    caller = api("alma")
    answer = caller.put("/api/v1/access/factor-policies/operator", {"strength": "passkey", "grace_days": 3})
    assert answer.status_code == 200
    assert answer.json()["people_without"] == [str(people.otto.pk)]
    assert api("ada").get("/api/v1/access/factor-policies").json()["policies"][0]["role"] == "operator"
    assert caller.delete("/api/v1/access/factor-policies/operator").status_code == 204
    assert caller.delete("/api/v1/access/factor-policies/operator").status_code == 404


def test_the_console_sets_a_rule_and_says_for_whom_it_bites(people: People, portal):
    people.otto  # noqa: B018
    browser = portal("alma")
    body = {
        "role": "operator",
        "strength": "any",
        "enforced_from_0": "2030-01-01",
        "enforced_from_1": "08:00",
        "grace_days": "5",
    }
    answer = browser.post("/admin/users/factorpolicy/add/", body, follow=True)
    assert b"1 of that role have no such factor yet" in answer.content
    policy = FactorPolicy.objects.get()
    assert (policy.role, policy.grace_days, policy.set_by) == ("operator", 5, people.alma)
