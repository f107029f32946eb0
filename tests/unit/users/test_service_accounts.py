"""Accounts, system roles and the keys of service accounts, from the first to the last step, over the API and in the console."""

from __future__ import annotations

import re

import pytest

from apps.users.models import ApiToken, AuditEvent, Membership, RoleGrant, User, Workspace
from apps.users.services.people import create_user
from apps.users.services.tokens import authenticate
from tests.factories.users import SETUP, MembershipFactory, make_token
from tests.people import People

BASE = "/api/v1"


def robot_in(people: People) -> User:
    robot = create_user(actor=SETUP, email="robot@example.org", kind="service")
    MembershipFactory(user=robot, workspace=people.press, role="writer")
    return robot


def test_a_service_account_works_from_its_making_to_the_end_of_its_key(api, people: People):
    admin = api("alma")
    made = admin.post(f"{BASE}/users", {"email": "Robot@example.org", "full_name": "Nightly", "kind": "service"})
    assert made.status_code == 201, made.content
    robot = made.json()
    assert (robot["email"], robot["kind"], robot["status"]) == ("robot@example.org", "service", "active")
    member = {"email": "robot@example.org", "role": "writer"}
    assert api("eddie").post(f"{BASE}/workspaces/{people.press.pk}/members", member).status_code == 201
    keys = f"{BASE}/users/{robot['id']}/tokens"
    body = {"name": "nightly", "scopes": ["content.read"], "workspace_id": str(people.press.pk), "days": 30}
    key = admin.post(keys, body)
    assert key.status_code == 201, key.content
    assert key.headers["Cache-Control"] == "no-store"
    program = api(token=key.json()["token"])
    assert program.get(f"{BASE}/content").status_code == 200
    listed = admin.get(keys)
    assert [(row["id"], row["enabled"]) for row in listed.json()["data"]] == [(key.json()["id"], True)]
    assert key.json()["token"].split("_", 2)[2] not in listed.content.decode()
    assert admin.delete(f"{keys}/{key.json()['id']}").status_code == 204
    assert program.get(f"{BASE}/content").status_code == 401
    done = AuditEvent.objects.filter(actor_id=f"user:{people.alma.pk}").values_list("action", flat=True)
    assert {"user.created", "token.created", "token.revoked"} <= set(done)


def test_nobody_gets_a_key_in_a_person_s_name(api, people: People):
    people.wanda  # noqa: B018
    answer = api("alma").post(
        f"{BASE}/users/{people.wanda.pk}/tokens", {"name": "hers", "scopes": ["content.read"], "days": 5}
    )
    assert answer.status_code == 403
    assert "Use a service account" in answer.json()["error"]["message"]
    assert not ApiToken.objects.exists()


def test_a_key_allows_no_more_than_its_service_account(api, people: People):
    robot = robot_in(people)
    answer = api("alma").post(f"{BASE}/users/{robot.pk}/tokens", {"name": "wide", "scopes": ["users.manage"]})
    assert answer.status_code == 403
    assert answer.json()["error"]["details"][0]["field"] == "scopes"


def test_an_administrator_ends_a_key_that_a_person_has_lost(api, people: People):
    token, raw = make_token(people.wanda, "content.read")
    other, _ = make_token(people.eddie, "content.read")
    keys = f"{BASE}/users/{people.wanda.pk}/tokens"
    assert api("alma").delete(f"{keys}/{other.pk}").status_code == 404
    assert api("ada").get(keys).json()["data"][0]["id"] == str(token.pk)
    assert api("ada").delete(f"{keys}/{token.pk}").status_code == 403
    assert authenticate(raw)
    assert api("alma").delete(f"{keys}/{token.pk}").status_code == 204
    assert authenticate(raw) is None


@pytest.mark.parametrize("name", ["wanda", "eddie", "otto", "ada"])
def test_only_who_manages_accounts_makes_them_and_their_keys(api, people: People, name: str):
    robot = robot_in(people)
    caller = api(name)
    assert caller.post(f"{BASE}/users", {"email": "x@example.org"}).status_code == 403
    assert caller.patch(f"{BASE}/users/{robot.pk}", {"full_name": "X"}).status_code == 403
    assert caller.post(f"{BASE}/users/{robot.pk}/tokens", {"name": "x", "scopes": ["content.read"]}).status_code == 403
    grant = {"user_id": str(robot.pk), "role": "operator", "reason": "x"}
    assert caller.post(f"{BASE}/access/grants", grant).status_code == 403
    assert caller.post(f"{BASE}/workspaces", {"name": "x"}).status_code == 403


def test_an_account_is_changed_over_the_api(api, people: People):
    path = f"{BASE}/users/{people.wanda.pk}"
    answer = api("alma").patch(path, {"full_name": "Wanda W.", "email": "W@example.org"})
    assert (answer.json()["full_name"], answer.json()["email"]) == ("Wanda W.", "w@example.org")
    taken = api("alma").patch(path, {"email": people.eddie.email})
    assert (taken.status_code, taken.json()["error"]["details"][0]["field"]) == (409, "email")
    assert api("alma").patch(path, {"status": "suspended"}).status_code == 400
    assert api("alma").post(f"{BASE}/users", {"email": "no address"}).status_code == 400
    again = api("alma").post(f"{BASE}/users", {"email": people.eddie.email})
    assert (again.status_code, again.json()["error"]["details"][0]["field"]) == (409, "email")


def test_making_an_account_twice_with_one_key_makes_one(api, people: People):
    for _ in range(2):
        answer = api("alma").post(
            f"{BASE}/users", {"email": "new@example.org"}, headers={"Idempotency-Key": "an-account"}
        )
        assert answer.status_code == 201
    assert User.objects.filter(email="new@example.org").count() == 1


def test_system_roles_are_given_and_taken_over_the_api(api, people: People):
    admin = api("alma")
    body = {
        "user_id": str(people.wanda.pk),
        "role": "operator",
        "reason": "Nights",
        "expires_at": "2099-01-01T00:00:00Z",
    }
    made = admin.post(f"{BASE}/access/grants", body)
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["role"], row["reason"], row["granted_by"], row["source"]) == (
        "operator",
        "Nights",
        "alma@example.org",
        "person",
    )
    assert "backups.run" in admin.get(f"{BASE}/access/effective?user={people.wanda.pk}").content.decode()
    listed = api("ada").get(f"{BASE}/access/grants?user={people.wanda.pk}").json()["data"]
    assert [each["id"] for each in listed] == [row["id"]]
    assert admin.get(f"{BASE}/access/grants/{row['id']}").json() == row
    assert len(admin.get(f"{BASE}/access/grants").json()["data"]) == RoleGrant.objects.live().count()
    assert api("ada").delete(f"{BASE}/access/grants/{row['id']}").status_code == 403
    assert admin.delete(f"{BASE}/access/grants/{row['id']}?reason=Days%20again").status_code == 204
    assert not RoleGrant.objects.filter(user=people.wanda).exists()
    assert AuditEvent.objects.get(action="role.revoked").outcome == "allowed"


def test_a_role_that_cannot_be_given_or_taken_says_why(api, people: People):
    admin = api("alma")
    mixed = admin.post(f"{BASE}/access/grants", {"user_id": str(people.ada.pk), "role": "admin", "reason": "x"})
    assert (mixed.status_code, mixed.json()["error"]["details"][0]["field"]) == (409, "role")
    nobody = admin.post(f"{BASE}/access/grants", {"user_id": str(people.press.pk), "role": "admin", "reason": "x"})
    assert nobody.status_code == 404
    own = RoleGrant.objects.get(user=people.alma)
    last = admin.delete(f"{BASE}/access/grants/{own.pk}")
    assert (last.status_code, RoleGrant.objects.filter(pk=own.pk).exists()) == (409, True)
    assert admin.get(f"{BASE}/access/grants?user=nobody").status_code == 400


def test_a_workspace_is_made_over_the_api(api, people: People):
    made = api("alma").post(f"{BASE}/workspaces", {"name": "Annual report"})
    assert made.status_code == 201
    assert (made.json()["slug"], made.json()["member_count"]) == ("annual-report", 0)
    taken = api("alma").post(f"{BASE}/workspaces", {"name": "Other", "slug": "annual-report"})
    assert (taken.status_code, taken.json()["error"]["details"][0]["field"]) == (409, "slug")
    assert Workspace.objects.filter(slug="annual-report").count() == 1


def test_the_console_makes_and_ends_the_keys_of_a_service_account(portal, people: People):
    robot = robot_in(people)
    client, page = portal("alma"), f"/admin/users/user/{robot.pk}/keys/"
    assert page in client.get(f"/admin/users/user/{robot.pk}/change/").content.decode()
    assert "users.manage" not in client.get(page).content.decode()
    form = {
        "name": "nightly",
        "scopes": ["content.read"],
        "workspace": str(people.press.pk),
        "days": 30,
        "networks": "",
    }
    answer = client.post(page, form)
    raw = re.search(r"aiw_[0-9a-f]{12}_[\w-]+", answer.content.decode())
    assert raw, answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    actor = authenticate(raw[0])
    assert actor is not None
    assert actor.user == robot
    assert raw[0].split("_", 2)[2] not in client.get(page).content.decode()
    token = ApiToken.objects.get(user=robot)
    assert client.post(f"{page}{token.pk}/revoke/").status_code == 302
    assert authenticate(raw[0]) is None


def test_the_console_refuses_a_key_beyond_the_account_beside_its_field(portal, people: People):
    robot = robot_in(people)
    page = f"/admin/users/user/{robot.pk}/keys/"
    answer = portal("alma").post(page, {"name": "", "scopes": ["users.manage"], "days": 3000})
    assert answer.status_code == 400
    assert not ApiToken.objects.exists()
    assert {"name", "scopes", "days"} <= set(answer.context["form"].errors)


def test_the_console_shows_a_person_s_keys_and_makes_none(portal, people: People):
    token, raw = make_token(people.wanda, "content.read")
    page = f"/admin/users/user/{people.wanda.pk}/keys/"
    client = portal("alma")
    text = client.get(page).content.decode()
    assert token.key_id in text
    assert 'name="scopes"' not in text
    assert client.post(page, {"name": "x", "scopes": ["content.read"], "days": 3}).status_code == 403
    assert portal("ada").get(page).status_code == 200
    assert portal("ada").post(f"{page}{token.pk}/revoke/").status_code == 403
    assert authenticate(raw)


def test_a_service_account_without_rights_is_told_to_get_some_first(portal, people: People):
    robot = create_user(actor=SETUP, email="robot@example.org", kind="service")
    text = portal("alma").get(f"/admin/users/user/{robot.pk}/keys/").content.decode()
    assert "Put it into a workspace" in text
    assert 'name="scopes"' not in text
    assert not Membership.objects.filter(user=robot).exists()
