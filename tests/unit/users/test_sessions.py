"""The list of sessions, and how one is ended from elsewhere."""

from __future__ import annotations

import datetime as dt

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import NotFound, PermissionDenied
from apps.users.models import AuditEvent
from apps.users.selectors.sessions import device_of
from apps.users.services.sessions import end_own_session, end_sessions
from tests.factories.users import PASSWORD
from tests.people import People

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in(email: str, **meta: str) -> Client:
    client = Client(**meta)
    assert client.post("/accounts/login/", {"login": email, "password": PASSWORD}).status_code == 302
    client.get("/profile/")
    return client


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
    ],
)
def test_a_device_in_two_words(agent: str, device: str):
    assert device_of(agent) == device


def test_the_page_tells_device_and_network_only(people: People):
    client = sign_in(people.wanda.email, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.77")
    page = client.get("/sessions/").content.decode()
    assert "Firefox on Linux" in page
    assert "203.0.113.0" in page
    assert "203.0.113.77" not in page
    assert client.session.session_key not in page


def test_one_session_is_ended_from_another(people: People):
    here, there = sign_in(people.wanda.email), sign_in(people.wanda.email)
    row = UserSession.objects.get(session_key=there.session.session_key)
    here.post(f"/sessions/{row.pk}/end")
    assert there.get("/profile/").status_code == 302
    assert here.get("/profile/").status_code == 200
    assert AuditEvent.objects.filter(action="session.closed").count() == 1


def test_all_others_are_ended_and_this_one_stays(people: People):
    here, *others = (sign_in(people.wanda.email) for _ in range(3))
    here.post("/sessions/")
    assert [client.get("/profile/").status_code for client in (here, *others)] == [200, 302, 302]


def test_the_api_lists_and_ends(people: People):
    here, there = sign_in(people.wanda.email), sign_in(people.wanda.email)
    rows = here.get("/api/v1/auth/sessions").json()["sessions"]
    assert sorted(row["current"] for row in rows) == [False, True]
    assert set(rows[0]) == {"id", "device", "network", "created_at", "last_seen_at", "current"}
    assert here.delete("/api/v1/auth/sessions", headers={"X-CSRFToken": "x"}).json() == {"ended": 1}
    assert there.get("/api/v1/me").status_code == 401


def test_somebody_elses_session_does_not_exist(people: People):
    sign_in(people.eddie.email)
    foreign = UserSession.objects.get(user=people.eddie)
    with pytest.raises(NotFound):
        end_own_session(actor=people.actor("wanda"), session_id=foreign.pk)


def test_an_administrator_ends_them_all(people: People, portal, api):
    client = sign_in(people.wanda.email)
    with pytest.raises(PermissionDenied):
        end_sessions(actor=people.actor("otto"), user=people.wanda, reason="x")
    page = portal("alma").get(f"/admin/users/user/{people.wanda.pk}/change/").content.decode()
    assert "Sign out everywhere" in page
    assert len(api("alma").get(f"/api/v1/users/{people.wanda.pk}/sessions").json()["sessions"]) == 1
    portal("alma").post(f"/admin/users/user/{people.wanda.pk}/sign-out/")
    assert client.get("/profile/").status_code == 302


def test_last_seen_is_noted_every_few_minutes(people: People):
    client = sign_in(people.wanda.email)
    UserSession.objects.update(last_seen_at=timezone.now() - dt.timedelta(hours=1))
    client.get("/profile/")
    assert timezone.now() - UserSession.objects.get().last_seen_at > dt.timedelta(minutes=50)
    session = client.session
    session["seen"] = session["seen"] - 301
    session.save()
    client.get("/profile/")
    assert timezone.now() - UserSession.objects.get().last_seen_at < dt.timedelta(minutes=1)
