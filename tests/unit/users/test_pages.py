"""The portal's pages about people."""

from __future__ import annotations

import re

import pytest
from django.test import RequestFactory

from apps.users.models import Membership, Notification
from apps.users.portal.requests import WORKSPACE_KEY
from apps.users.services.notifications import notify
from apps.users.services.tokens import authenticate
from tests.factories.users import MembershipFactory, WorkspaceFactory, make_token
from tests.people import People


def test_the_profile_is_saved(portal, people: People):
    client = portal("wanda")
    page = client.get("/profile/").content.decode()
    assert "Press office" in page
    assert client.post("/profile/", {"full_name": "W. W.", "timezone": "Europe/Berlin"}).status_code == 302
    people.wanda.refresh_from_db()
    assert (people.wanda.full_name, people.wanda.timezone) == ("W. W.", "Europe/Berlin")
    assert client.post("/profile/", {"full_name": "x", "timezone": "Nowhere"}).status_code == 400


def test_a_new_key_is_shown_once(portal, people: People):
    client = portal("wanda")
    form = {"name": "robot", "scopes": ["content.read"], "workspace": str(people.press.pk), "days": "30"}
    made = client.post("/tokens/", form)
    raw = re.search(r"aiw_[0-9a-f]{12}_[\w-]{43}", made.content.decode())
    assert raw
    assert "no-store" in made.headers["Cache-Control"]
    actor = authenticate(raw[0])
    assert actor is not None
    assert actor.token is not None
    assert actor.token.workspace == people.press
    assert raw[0] not in client.get("/tokens/").content.decode()


@pytest.mark.parametrize(
    "changes", [{"scopes": ["users.manage"]}, {"scopes": []}, {"days": "400"}, {"name": ""}, {"workspace": "rival"}]
)
def test_a_key_that_cannot_be_made_comes_back_with_the_form(portal, people: People, changes):
    form = {"name": "robot", "scopes": ["content.read"], "workspace": "", "days": "30", **changes}
    answer = portal("wanda").post("/tokens/", form)
    assert answer.status_code == 400
    assert answer.context["form"].errors
    assert not people.wanda.api_tokens.exists()


def test_keys_are_revoked(portal, people: People):
    token, raw = make_token(people.wanda, "content.read")
    assert portal("eddie").post(f"/tokens/{token.pk}/revoke").status_code == 404
    assert authenticate(raw)
    assert portal("wanda").post(f"/tokens/{token.pk}/revoke").status_code == 302
    assert authenticate(raw) is None


def test_an_editor_manages_members(portal, people: People):
    client = portal("eddie")
    assert client.post("/members/", {"email": people.otto.email, "role": "writer"}).status_code == 302
    member = Membership.objects.get(user=people.otto)
    client.post(f"/members/{member.pk}/role", {"role": "editor"})
    member.refresh_from_db()
    assert member.role == "editor"
    client.post(f"/members/{member.pk}/remove")
    assert not Membership.objects.filter(pk=member.pk).exists()


def test_mistakes_are_said_on_the_form(portal, people: People):
    answer = portal("eddie").post("/members/", {"email": "ghost@example.org", "role": "writer"})
    assert answer.status_code == 400
    assert "Nobody has an account" in answer.content.decode()


def test_a_writer_sees_members_and_changes_none(portal, people: People):
    people.eddie  # noqa: B018
    client = portal("wanda")
    assert "eddie@example.org" in client.get("/members/").content.decode()
    member = Membership.objects.get(user=people.eddie)
    assert client.post("/members/", {"email": "x@example.org", "role": "writer"}).status_code == 403
    assert client.post(f"/members/{member.pk}/remove").status_code == 403


def test_notifications_lead_somewhere_and_are_read(portal, people: People):
    row = notify(people.wanda, "generation.finished", "Ready", link="/profile/")
    client = portal("wanda")
    assert "Ready" in client.get("/notifications/").content.decode()
    assert client.post(f"/notifications/{row.pk}/open").headers["Location"] == "/profile/"
    row.refresh_from_db()
    assert row.read_at
    notify(people.wanda, "generation.finished", "More")
    client.post("/notifications/read")
    assert not Notification.objects.filter(read_at=None).exists()


@pytest.mark.parametrize("link", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_a_notification_leads_nowhere_else(people: People, link: str):
    from aiwriter.core.errors import InvalidInput

    with pytest.raises(InvalidInput):
        notify(people.wanda, "tests", "Click", link=link)


def test_the_workspace_falls_back_when_a_membership_ends(portal, people: People):
    from apps.users.portal.requests import workspace_of

    other = WorkspaceFactory(name="Archive")
    member = MembershipFactory(user=people.wanda, workspace=other)
    request = RequestFactory().get("/")
    request.user, request.session = people.wanda, {WORKSPACE_KEY: str(other.pk)}
    assert workspace_of(request) == other
    member.delete()
    assert workspace_of(request) == people.press
    assert WORKSPACE_KEY not in request.session
