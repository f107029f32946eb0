"""Invitations: sent by mail or shown, accepted once, withdrawn, and no more than their sender may give."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound, PermissionDenied
from apps.users.models import AuditEvent, Invitation, RoleGrant, User
from apps.users.selectors.access import Actor
from apps.users.services.invitations import (
    accept_invitation,
    invite,
    link_of,
    mail_invitation,
    revoke_invitation,
    sweep_invitations,
)
from tests.factories.users import SETUP, WorkspaceFactory
from tests.people import People

NEW = "a new phrase of words"


def token_of(invitation: Invitation) -> str:
    return link_of(actor=SETUP, invitation=invitation).rstrip("/").rsplit("/", 1)[1]


def test_the_link_is_mailed_once(people: People, run_jobs):
    invitation = invite(
        actor=people.actor("alma"), email="New@Example.org", workspace=people.press, workspace_role="writer"
    )
    assert run_jobs() == ["users.mail_invitation"]
    assert [(m.to, "/invitations/" in m.body, "Alma Admin" in m.body) for m in mail.outbox] == [
        (["new@example.org"], True, True)
    ]
    assert not mail_invitation(invitation_id=invitation.pk)
    assert len(mail.outbox) == 1


def test_what_could_not_be_mailed_is_tried_again(people: People, run_jobs):
    invitation = invite(actor=people.actor("alma"), email="new@example.org")
    run_jobs()
    assert sweep_invitations() == 0
    Invitation.objects.update(mailed_at=None, created_at=timezone.now() - dt.timedelta(minutes=5))
    assert sweep_invitations() == 1
    run_jobs()
    invitation.refresh_from_db()
    assert invitation.mailed_at
    assert len(mail.outbox) == 2


def test_the_guest_chooses_a_password_and_is_in(people: People):
    invitation = invite(
        actor=people.actor("alma"),
        email="new@example.org",
        workspace=people.press,
        workspace_role="editor",
        system_role="operator",
    )
    guest, path = Client(), f"/invitations/{token_of(invitation)}/"
    page = guest.get(path)
    assert b"new@example.org" in page.content
    assert page.headers["Cache-Control"].startswith("max-age=0")
    answer = guest.post(path, {"full_name": "Nora New", "password": NEW})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert b"Nora New" in guest.get("/profile/").content
    user = User.objects.get(email="new@example.org")
    assert user.memberships.get().role == "editor"
    grant = RoleGrant.objects.get(user=user)
    assert (grant.role, grant.granted_by) == ("operator", people.alma)
    assert Client().get(path).status_code == 404
    assert AuditEvent.objects.filter(action="invitation.accepted").count() == 1


def test_a_weak_password_leaves_the_invitation_open(people: People):
    invitation = invite(actor=people.actor("alma"), email="new@example.org")
    guest, path = Client(), f"/invitations/{token_of(invitation)}/"
    answer = guest.post(path, {"full_name": "Nora New", "password": "password"})
    assert answer.status_code == 400
    assert "12 characters" in answer.content.decode()
    assert not User.objects.filter(email="new@example.org").exists()
    assert guest.post(path, {"full_name": "Nora New", "password": NEW}).status_code == 302


@pytest.mark.parametrize("spoil", [lambda t: t[:-3] + "abc", lambda t: "x", lambda t: t + "x"])
def test_a_changed_link_opens_nothing(people: People, spoil):
    token = token_of(invite(actor=people.actor("alma"), email="new@example.org"))
    assert Client().get(f"/invitations/{spoil(token)}/").status_code == 404


def test_a_withdrawn_or_old_one_opens_nothing(people: People):
    alma = people.actor("alma")
    first = invite(actor=alma, email="new@example.org")
    token = token_of(first)
    revoke_invitation(actor=alma, invitation=first)
    with pytest.raises(NotFound):
        accept_invitation(token=token, full_name="N", password=NEW)
    with pytest.raises(Conflict):
        revoke_invitation(actor=alma, invitation=first)
    second = invite(actor=alma, email="new@example.org")
    token = token_of(second)
    Invitation.objects.filter(pk=second.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    with pytest.raises(NotFound):
        accept_invitation(token=token, full_name="N", password=NEW)
    invite(actor=alma, email="new@example.org")


def test_who_has_lost_the_right_to_invite_lets_nobody_in(people: People):
    bert = User.objects.create(email="bert@example.org", password="!")
    RoleGrant.objects.create(user=bert, role="admin", reason="tests")
    people.alma  # noqa: B018
    token = token_of(invite(actor=Actor.for_user(bert), email="new@example.org"))
    RoleGrant.objects.filter(user=bert).delete()
    with pytest.raises(PermissionDenied):
        accept_invitation(token=token, full_name="N", password=NEW)
    assert Invitation.objects.open().exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"workspace_role": "writer"}, "workspace"),
        ({"system_role": "king"}, "system_role"),
        ({"days": 31}, "days"),
    ],
)
def test_what_cannot_be_names_its_field(people: People, values: dict, field: str):
    with pytest.raises(InvalidInput) as refused:
        invite(**{"actor": people.actor("alma"), "email": "new@example.org", **values})
    assert refused.value.field == field


def test_an_account_or_an_open_invitation_stands_in_the_way(people: People):
    alma = people.actor("alma")
    with pytest.raises(Conflict, match="account already"):
        invite(actor=alma, email=people.wanda.email)
    invite(actor=alma, email="new@example.org")
    with pytest.raises(Conflict, match="open invitation"):
        invite(actor=alma, email="new@example.org")


def test_the_api_invites_shows_and_withdraws(people: People, api):
    caller = api("alma")
    made = caller.post(
        "/api/v1/invitations",
        {"email": "new@example.org", "workspace_id": str(people.press.pk), "workspace_role": "writer"},
    )
    assert made.status_code == 201
    assert "/invitations/" in made.json()["link"]
    assert made.headers["Cache-Control"] == "no-store"
    row = caller.get("/api/v1/invitations").json()["data"][0]
    assert (row["state"], "link" in row) == ("open", False)
    assert caller.delete(f"/api/v1/invitations/{row['id']}").status_code == 204
    assert caller.get(f"/api/v1/invitations/{row['id']}").json()["state"] == "revoked"


def test_the_console_invites_and_shows_the_link(people: People, portal):
    browser = portal("alma")
    body = {"email": "new@example.org", "workspace": "", "workspace_role": "", "system_role": "auditor", "days": "3"}
    page = browser.post("/admin/users/invitation/add/", body, follow=True).content.decode()
    assert "/invitations/" in page
    again = browser.post(
        "/admin/users/invitation/",
        {"action": "show_link", "_selected_action": str(Invitation.objects.get().pk)},
        follow=True,
    )
    assert "/invitations/" in again.content.decode()
    assert "/invitations/" not in portal("ada").get("/admin/users/invitation/").content.decode().replace(
        "/admin/users/invitation", ""
    )


def test_of_eight_at_once_one_is_let_in(transactional_db):
    workspace = WorkspaceFactory()
    token = token_of(invite(actor=SETUP, email="new@example.org", workspace=workspace, workspace_role="writer"))

    def accept(number: int) -> bool:
        try:
            accept_invitation(token=token, full_name=f"Guest {number}", password=NEW)
        except AppError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(accept, range(8))) == 1
    assert User.objects.filter(email="new@example.org").count() == 1
