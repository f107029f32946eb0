"""The console's pages about people."""

from __future__ import annotations

import pytest
from django.contrib.admin import site

from apps.users.models import ApiToken, AuditEvent, Membership, RoleGrant, User, Workspace
from apps.users.services.notifications import notify
from apps.users.services.tokens import authenticate
from tests.factories.users import make_token
from tests.people import People

USERS = "/admin/users/user/"


def messages_of(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_an_account_is_made_through_the_service(portal, people: People):
    answer = portal("alma").post(f"{USERS}add/", {"email": "New@Example.org", "full_name": "New", "kind": "human"})
    assert answer.status_code == 302
    user = User.objects.get(email="new@example.org")
    assert not user.has_usable_password()
    assert AuditEvent.objects.get(action="user.created", object_id=str(user.pk)).actor_id == f"user:{people.alma.pk}"


def test_a_taken_address_is_said_on_the_form(portal, people: People):
    people.wanda  # noqa: B018
    answer = portal("alma").post(f"{USERS}add/", {"email": "WANDA@example.org", "kind": "human"})
    assert answer.status_code == 200
    assert "already exists" in answer.content.decode()


@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "status", "password", "role_grants", "user_permissions"])
def test_no_field_above_the_form_is_taken(portal, people: People, field: str):
    inline = {"role_grants-TOTAL_FORMS": "1", "role_grants-INITIAL_FORMS": "0", "role_grants-0-role": "admin"}
    inline |= {"role_grants-0-reason": "mine", "role_grants-0-user": str(people.wanda.pk)}
    form = {"email": people.wanda.email, "full_name": "W", field: "suspended", **inline}
    before = User.objects.values("password", "status").get(pk=people.wanda.pk)
    assert portal("alma").post(f"{USERS}{people.wanda.pk}/change/", form).status_code == 302
    assert User.objects.values("password", "status").get(pk=people.wanda.pk) == before
    assert User.objects.get(pk=people.wanda.pk).full_name == "W"
    assert not RoleGrant.objects.filter(user=people.wanda).exists()


def test_actions_on_accounts(portal, people: People):
    client = portal("alma")

    def act(name: str):
        data = {"action": name, "_selected_action": [str(people.wanda.pk)]}
        answer = client.post(USERS, data, follow=True)
        people.wanda.refresh_from_db()
        return answer

    act("suspend")
    assert not people.wanda.is_active
    act("reactivate")
    assert people.wanda.is_active
    text = messages_of(act("new_password"))
    assert people.wanda.check_password(text.rsplit(" ", 1)[1])


def test_a_refusal_of_the_service_is_shown(portal, people: People):
    client = portal("alma")
    data = {"action": "suspend", "_selected_action": [str(people.alma.pk)]}
    assert "own account" in messages_of(client.post(USERS, data, follow=True))
    answer = client.post("/admin/users/rolegrant/add/", {"user": people.ada.pk, "role": "operator", "reason": "typed"})
    assert "auditor" in answer.content.decode()
    assert answer.context["adminform"].form["reason"].value() == "typed"
    grant = RoleGrant.objects.get(user=people.alma)
    answer = client.post(f"/admin/users/rolegrant/{grant.pk}/delete/", {"post": "yes"}, follow=True)
    assert "last administrator" in messages_of(answer)
    assert RoleGrant.objects.filter(pk=grant.pk).exists()


def test_roles_are_granted_and_taken_away(portal, people: People):
    client = portal("alma")
    client.post("/admin/users/rolegrant/add/", {"user": people.wanda.pk, "role": "operator", "reason": "helps out"})
    grant = RoleGrant.objects.get(user=people.wanda)
    assert (grant.role, grant.granted_by) == ("operator", people.alma)
    client.post(f"/admin/users/rolegrant/{grant.pk}/delete/", {"post": "yes"})
    assert not RoleGrant.objects.filter(user=people.wanda).exists()
    assert set(AuditEvent.objects.filter(actor_id=f"user:{people.alma.pk}").values_list("action", flat=True)) == {
        "role.granted",
        "role.revoked",
    }


def test_deleting_many_passes_the_service_too(portal, people: People):
    people.eddie  # noqa: B018
    member = Membership.objects.get(user=people.wanda)
    data = {"action": "delete_selected", "_selected_action": [str(member.pk)], "post": "yes"}
    portal("alma").post("/admin/users/membership/", data)
    assert not Membership.objects.filter(pk=member.pk).exists()
    assert AuditEvent.objects.filter(action="member.removed").exists()


def test_workspaces_and_members_are_made_in_the_console(portal, people: People):
    client = portal("alma")
    client.post("/admin/users/workspace/add/", {"name": "Annual report", "slug": ""})
    client.post("/admin/users/workspace/add/", {"name": "Annual report", "slug": "report"})
    workspace = Workspace.objects.get(slug="report")
    form = {"user": people.otto.pk, "workspace": workspace.pk, "role": "editor"}
    client.post("/admin/users/membership/add/", form)
    member = Membership.objects.get(user=people.otto)
    assert member.role == "editor"
    client.post(f"/admin/users/workspace/{workspace.pk}/change/", {"name": "Report", "slug": "stolen"})
    workspace.refresh_from_db()
    assert (workspace.name, workspace.slug) == ("Report", "report")


def test_token_pages_show_no_secret(portal, people: People):
    token, raw = make_token(people.wanda, "content.read")
    client = portal("alma")
    for address in ("/admin/users/apitoken/", f"/admin/users/apitoken/{token.pk}/change/"):
        text = client.get(address).content.decode()
        assert token.key_id in text
        assert raw.split("_", 2)[2] not in text
        assert ApiToken.objects.get().digest not in text
    client.post("/admin/users/apitoken/", {"action": "revoke", "_selected_action": [str(token.pk)]})
    assert authenticate(raw) is None


def test_an_auditor_reads_and_cannot_act(portal, people: People):
    token, raw = make_token(people.wanda, "content.read")
    client = portal("ada")
    assert client.get("/admin/users/auditevent/").status_code == 200
    client.post("/admin/users/apitoken/", {"action": "revoke", "_selected_action": [str(token.pk)]})
    client.post(USERS, {"action": "suspend", "_selected_action": [str(people.wanda.pk)]})
    people.wanda.refresh_from_db()
    assert people.wanda.is_active
    assert authenticate(raw)


def test_what_people_were_told_stays_theirs(portal, people: People):
    row = notify(people.wanda, "generation.finished", "Your text on the merger is ready", body="secret plans")
    text = portal("alma").get(f"/admin/users/notification/{row.pk}/change/").content.decode()
    assert "secret plans" not in text
    assert "merger" not in text


def test_lists_ask_the_same_number_of_queries_for_many_rows(portal, people: People, django_assert_max_num_queries):
    client = portal("alma")
    people.eve, people.eddie, people.otto, people.ada, people.wanda  # noqa: B018
    for name in ("user", "rolegrant", "membership", "workspace", "apitoken", "auditevent", "notification"):
        # The record asks for the names of its page, and for their keys.
        with django_assert_max_num_queries(14 if name == "auditevent" else 12):
            assert client.get(f"/admin/users/{name}/").status_code == 200


def test_every_model_of_the_app_is_in_the_console_or_nobody_s_business():
    shown = {model._meta.model_name for model in site._registry if model._meta.app_label == "users"}
    people = {"user", "workspace", "membership", "rolegrant", "apitoken", "notification"}
    rights = {"group", "elevation", "elevationpolicy", "accessreview"}
    door = {"factorpolicy", "invitation", "signinprovider", "rolerule"}
    record = {"auditevent", "auditcheckpoint", "auditsegment", "auditsink", "auditverification", "keyrecord", "rewrap"}
    assert shown == people | rights | door | record | {"privacyrequest", "proofpack", "consenttext"}


@pytest.mark.parametrize(("name", "opens"), [("wanda", False), ("otto", True), ("ada", True), ("alma", True)])
def test_the_console_opens_for_system_roles(portal, people: People, name: str, opens: bool):
    assert (portal(name).get("/admin/").status_code == 200) == opens
