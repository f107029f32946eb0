"""Sign-in providers are set up by administrators, in the console and through the API; the way in is tried in
test_single_sign_on.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from aiwriter.core.errors import InvalidInput, PermissionDenied, ProofRequired
from apps.users.models import SignInProvider
from apps.users.selectors.access import Actor
from apps.users.services.sso import create_provider
from tests.factories.users import SETUP
from tests.people import People
from tests.servers.identity_providers import make_certificate


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    return make_certificate(tmp_path)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"slug": "no good"}, "slug"),
        ({"slug": "saml"}, "slug"),
        ({"issuer": "http://idp.example"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"creates_accounts": True}, "domains"),
        ({"domains": ["not a domain"]}, "domains"),
        ({"kind": "saml", "sso_url": "https://idp.example/sso", "certificate": "nonsense"}, "certificate"),
    ],
)
def test_what_cannot_be_names_its_field(db, values: dict, field: str):
    good = {"kind": "oidc", "slug": "x", "name": "X", "issuer": "https://idp.example", "client_id": "c"}
    with pytest.raises(InvalidInput) as refused:
        create_provider(actor=SETUP, **{**good, **values})
    assert field in {detail.field for detail in refused.value.details}


def test_providers_are_for_administrators_who_show_who_they_are(people: People):
    with pytest.raises(PermissionDenied):
        create_provider(actor=people.actor("otto"), kind="oidc", slug="x", name="X")
    with pytest.raises(ProofRequired):
        create_provider(actor=Actor.for_user(people.alma, proven=False), kind="oidc", slug="x", name="X")


def test_the_api_sets_up_changes_and_removes(people: People, api, certificate: str):
    caller = api("alma")
    made = caller.post(
        "/api/v1/access/providers",
        {
            "kind": "saml",
            "slug": "corp",
            "name": "Corp",
            "issuer": "urn:corp",
            "sso_url": "https://idp.example/sso",
            "certificate": certificate,
        },
    )
    assert made.status_code == 201, made.json()
    path = f"/api/v1/access/providers/{made.json()['id']}"
    rule = caller.post(f"{path}/rules", {"group": "Press", "role": "writer", "workspace_id": str(people.press.pk)})
    assert rule.status_code == 201
    assert (
        caller.post(
            f"{path}/rules", {"group": "Press", "role": "operator", "workspace_id": str(people.press.pk)}
        ).status_code
        == 400
    )
    assert caller.patch(path, {"name": "Corporation"}).json()["name"] == "Corporation"
    assert len(api("ada").get(path).json()["rules"]) == 1
    assert caller.delete(f"{path}/rules/{rule.json()['id']}").status_code == 204
    assert caller.patch("/api/v1/access/providers", {"providers_only": True}).status_code == 409
    assert caller.delete(path).status_code == 204


def test_the_console_sets_one_up(people: People, portal, certificate: str):
    browser = portal("alma")
    body = {
        "kind": "saml",
        "slug": "corp",
        "name": "Corp",
        "enabled": "on",
        "issuer": "urn:corp",
        "sso_url": "https://idp.example/sso",
        "certificate": certificate,
        "groups_claim": "groups",
        "domains": "corp.example, corp.test",
    }
    browser.post("/admin/users/signinprovider/add/", body)
    made = SignInProvider.objects.get()
    assert made.domains == ["corp.example", "corp.test"]
    browser.post(
        "/admin/users/rolerule/add/",
        {"provider": made.pk, "group": "Press", "role": "writer", "workspace": people.press.pk},
    )
    assert made.rules.get().group == "Press"
    assert b"passwords too" in browser.get("/admin/users/signinprovider/").content
    assert (
        b"No emergency account"
        in browser.post("/admin/users/signinprovider/mode/", {"providers_only": "yes"}, follow=True).content
    )
