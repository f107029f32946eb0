"""The REST endpoints of the users app."""

from __future__ import annotations

import uuid

import pytest

from apps.users.models import ApiToken, IdempotencyRecord, Membership, Notification
from apps.users.services.notifications import notify
from tests.factories.users import UserFactory, make_token
from tests.people import People

BASE = "/api/v1"


def test_the_check_says_whose_token_it_is(api, people: People):
    token, raw = make_token(people.wanda, "content.read", workspace=people.press)
    answer = api(token=raw).get(f"{BASE}/auth/check")
    assert answer.status_code == 200
    assert answer.json() == {
        "method": "token",
        "user_id": str(people.wanda.pk),
        "email": "wanda@example.org",
        "workspace_id": str(people.press.pk),
        "scopes": ["content.read"],
        "networks": None,
        "capabilities": ["content.read"],
        "expires_at": token.expires_at.isoformat().replace("+00:00", "Z"),
    }
    assert api("wanda").get(f"{BASE}/auth/check").json()["method"] == "session"


@pytest.mark.parametrize("header", ["", "Bearer aiw_0_wrong", "Bearer", "Basic d2FuZGE6eA=="])
def test_without_a_valid_token_nothing_opens(api, people: People, header: str):
    client = api()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get(f"{BASE}/me")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "not_authenticated"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_revoked_token_is_refused_on_the_next_call(api, people: People):
    token, raw = make_token(people.wanda, "content.read")
    client = api(token=raw)
    assert client.get(f"{BASE}/me").status_code == 200
    assert api("wanda").delete(f"{BASE}/tokens/{token.pk}").status_code == 204
    assert client.get(f"{BASE}/me").status_code == 401


def test_a_suspended_person_is_out_with_session_and_token(api, people: People):
    _, raw = make_token(people.wanda, "content.read")
    session, token = api("wanda"), api(token=raw)
    people.wanda.status = "suspended"
    people.wanda.save()
    assert session.get(f"{BASE}/me").status_code == 401
    assert token.get(f"{BASE}/me").status_code == 401


def test_me_lists_what_i_may(api, people: People):
    notify(people.wanda, "generation.finished", "Your text is ready", link="/documents/")
    me = api("wanda").get(f"{BASE}/me").json()
    assert me["email"] == "wanda@example.org"
    assert me["unread_notifications"] == 1
    assert "content.write" in me["capabilities"]
    assert "members.manage" not in me["capabilities"]


def test_me_can_be_changed(api, people: People):
    client = api("wanda")
    answer = client.patch(f"{BASE}/me", {"full_name": "W.", "timezone": "Europe/Paris"})
    assert (answer.status_code, answer.json()["timezone"]) == (200, "Europe/Paris")
    answer = client.patch(f"{BASE}/me", {"timezone": "Nowhere"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "timezone"


@pytest.mark.parametrize("field", ["status", "email", "kind", "role", "is_staff", "id"])
def test_no_field_above_ones_role_is_taken(api, people: People, field: str):
    answer = api("wanda").patch(f"{BASE}/me", {field: "admin"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == [{"field": field, "issue": "This field is not known.", "remedy": ""}]


def test_a_session_needs_the_csrf_token(people: People):
    from rest_framework.test import APIClient

    client = APIClient(enforce_csrf_checks=True)
    client.force_login(people.wanda)
    answer = client.patch(f"{BASE}/me", {"full_name": "X"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "permission_denied"


def test_a_bound_token_leaves_the_person_s_affairs_alone(api, people: People):
    _, raw = make_token(people.wanda, "content.read", workspace=people.press)
    client = api(token=raw)
    assert client.patch(f"{BASE}/me", {"full_name": "X"}).status_code == 403
    assert client.get(f"{BASE}/notifications").status_code == 403
    assert client.get(f"{BASE}/me").json()["unread_notifications"] == 0


def test_tokens_are_shown_once(api, people: People):
    client = api("wanda")
    body = {"name": "robot", "scopes": ["content.read"], "workspace_id": str(people.press.pk), "days": 7}
    made = client.post(f"{BASE}/tokens", body)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    raw = made.json()["token"]
    assert api(token=raw).get(f"{BASE}/me").status_code == 200
    listed = client.get(f"{BASE}/tokens")
    assert listed.json()["data"][0]["key_id"] == made.json()["key_id"]
    assert raw.split("_", 2)[2] not in listed.content.decode()
    assert "digest" not in listed.content.decode()


def test_tokens_of_others_are_not_there(api, people: People):
    token, _ = make_token(people.wanda, "content.read")
    assert api("eddie").get(f"{BASE}/tokens").json()["data"] == []
    assert api("eddie").delete(f"{BASE}/tokens/{token.pk}").status_code == 404
    assert ApiToken.objects.get().enabled


def test_a_token_wider_than_its_person_is_refused(api, people: People):
    answer = api("wanda").post(f"{BASE}/tokens", {"name": "x", "scopes": ["users.manage"]})
    assert answer.status_code == 403
    assert answer.json()["error"]["details"][0]["field"] == "scopes"


def test_workspaces_are_my_own(api, people: People):
    people.rival, people.eddie  # noqa: B018
    data = api("wanda").get(f"{BASE}/workspaces").json()["data"]
    assert [(w["slug"], w["member_count"]) for w in data] == [("press", 2)]
    assert api("wanda").get(f"{BASE}/workspaces/{people.rival.pk}").status_code == 404
    assert api("otto").get(f"{BASE}/workspaces").json()["data"] == []


def test_an_editor_renames_and_a_writer_does_not(api, people: People):
    path = f"{BASE}/workspaces/{people.press.pk}"
    assert api("wanda").patch(path, {"name": "Mine"}).status_code == 403
    assert api("eddie").patch(path, {"name": "Newsroom"}).json()["name"] == "Newsroom"


def test_members_over_the_api(api, people: People):
    path = f"{BASE}/workspaces/{people.press.pk}/members"
    newcomer = UserFactory(email="new@example.org")
    editor = api("eddie")
    made = editor.post(path, {"email": "NEW@example.org", "role": "writer"})
    assert made.status_code == 201
    member = f"{path}/{made.json()['id']}"
    assert editor.patch(member, {"role": "editor"}).json()["role"] == "editor"
    assert {m["email"] for m in api("wanda").get(path).json()["data"]} == {
        "wanda@example.org",
        "eddie@example.org",
        "new@example.org",
    }
    assert api("wanda").delete(member).status_code == 403
    assert api("eve").get(path).status_code == 404
    assert editor.delete(member).status_code == 204
    assert not Membership.objects.filter(user=newcomer).exists()


def test_adding_a_member_twice_with_one_key_adds_once(api, people: People):
    UserFactory(email="new@example.org")
    path, body = f"{BASE}/workspaces/{people.press.pk}/members", {"email": "new@example.org", "role": "writer"}
    editor = api("eddie")
    first = editor.post(path, body, headers={"Idempotency-Key": "k1"})
    again = editor.post(path, body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = editor.post(path, {**body, "role": "editor"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")


def test_a_refused_request_leaves_the_key_free(api, people: People):
    path = f"{BASE}/workspaces/{people.press.pk}/members"
    editor, headers = api("eddie"), {"Idempotency-Key": "k2"}
    assert editor.post(path, {"email": "ghost@example.org", "role": "writer"}, headers=headers).status_code == 400
    assert not IdempotencyRecord.objects.exists()


def test_keys_of_different_people_do_not_meet(api, people: People):
    UserFactory(email="new@example.org")
    path, body = f"{BASE}/workspaces/{people.press.pk}/members", {"email": "new@example.org", "role": "writer"}
    assert api("eddie").post(path, body, headers={"Idempotency-Key": "k"}).status_code == 201
    assert api("wanda").post(path, body, headers={"Idempotency-Key": "k"}).status_code == 403


@pytest.mark.parametrize("key", ["x" * 129, "tab\there"])
def test_an_unusable_key_is_refused(api, people: People, key: str):
    path = f"{BASE}/workspaces/{people.press.pk}/members"
    answer = api("eddie").post(path, {}, headers={"Idempotency-Key": key})
    assert answer.json()["error"]["details"][0]["field"] == "Idempotency-Key"


def test_notifications_are_mine_and_can_be_read(api, people: People):
    first = notify(people.wanda, "generation.finished", "One")
    notify(people.wanda, "generation.finished", "Two")
    notify(people.eddie, "generation.finished", "Not yours")
    client = api("wanda")
    assert [n["title"] for n in client.get(f"{BASE}/notifications").json()["data"]] == ["Two", "One"]
    read = client.post(f"{BASE}/notifications/{first.pk}/read")
    assert read.json()["read_at"]
    assert [n["title"] for n in client.get(f"{BASE}/notifications?unread=true").json()["data"]] == ["Two"]
    assert api("eddie").post(f"{BASE}/notifications/{first.pk}/read").status_code == 404
    assert client.post(f"{BASE}/notifications/read").json() == {"marked": 1}
    assert Notification.objects.filter(read_at=None).count() == 1
    assert client.get(f"{BASE}/notifications?unread=maybe").status_code == 400


def test_unknown_ids_are_404(api, people: People):
    for path in ("workspaces/{}", "workspaces/{}/members"):
        answer = api("wanda").get(f"{BASE}/{path.format(uuid.uuid4())}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_lists_take_the_same_queries_for_many_rows(api, people: People, django_assert_max_num_queries):
    client = api("wanda")
    for number in range(30):
        notify(people.wanda, "generation.finished", f"Text {number}")
    with django_assert_max_num_queries(4):
        assert len(client.get(f"{BASE}/notifications").json()["data"]) == 30
