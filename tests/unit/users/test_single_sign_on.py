"""Sign-in through real identity providers: who is let in, as whom, with which roles, and who is not."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, Unavailable
from apps.users.models import AuditEvent, GroupMember, Membership, RoleGrant, SignInProvider, User
from apps.users.services import groups
from apps.users.services.factors import set_policy
from apps.users.services.sso import (
    add_rule,
    create_provider,
    delete_provider,
    remove_rule,
    set_emergency,
    set_mode,
    update_provider,
)
from tests.factories.users import PASSWORD, SETUP, MembershipFactory, RoleGrantFactory, UserFactory
from tests.people import People, open_session
from tests.servers.identity_providers import OidcProvider, PeersMissing, SamlProvider, install, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
PORTAL = "http://testserver"


@pytest.fixture(scope="module")
def packages() -> None:
    """The peers' packages; without npm's registry only the proof can tell, and it fails."""
    try:
        install()
    except PeersMissing as missed:
        pytest.skip(str(missed))


@pytest.fixture(scope="module")
def oidc(packages: None) -> Iterator[OidcProvider]:
    with OidcProvider(f"{PORTAL}/accounts/oidc/acme/login/callback/") as peer:
        yield peer


@pytest.fixture(scope="module")
def saml(packages: None) -> Iterator[SamlProvider]:
    start = f"{PORTAL}/accounts/saml/corp"
    with SamlProvider(f"{start}/acs/", f"{start}/metadata/") as peer:
        yield peer


@pytest.fixture
def acme(db: None, oidc: OidcProvider) -> SignInProvider:
    """The OpenID Connect provider, set up here."""
    return create_provider(
        actor=SETUP,
        kind="oidc",
        slug="acme",
        name="Acme",
        issuer=oidc.url,
        client_id=oidc.client_id,
        secret=oidc.client_secret,
        creates_accounts=True,
        domains=["acme.example"],
    )


@pytest.fixture
def corp(db: None, saml: SamlProvider) -> SignInProvider:
    """The SAML provider, set up here."""
    return create_provider(
        actor=SETUP,
        kind="saml",
        slug="corp",
        name="Corp",
        issuer=saml.issuer,
        sso_url=saml.sso_url,
        certificate=saml.certificate,
        creates_accounts=True,
        domains=["corp.example"],
    )


def fields(page: str) -> dict[str, str]:
    """Names and values of a page's inputs; one of the peers writes single quotes."""
    found = [dict(re.findall(r"""(\w+)=["']([^"']*)["']""", tag)) for tag in re.findall(r"<input[^>]*>", page)]
    return {tag["name"]: unescape(tag.get("value", "")) for tag in found if "name" in tag}


def action(page: str) -> str:
    return unescape(re.search(r'<form[^>]*action="([^"]*)"', page)[1])  # type: ignore[index]


def through_oidc(login: str, browser: Client, **sent: str):
    """Go to the provider, sign in on its pages, come back; returns the portal's last answer."""
    answer = browser.post("/accounts/oidc/acme/login/", sent)
    assert answer.status_code == 302, answer.content.decode()[-500:]
    visitor, where = requests.Session(), answer.headers["Location"]
    page = visitor.get(where, allow_redirects=False)
    for _ in range(12):
        if page.is_redirect:
            where = urljoin(where, page.headers["Location"])
            if where.startswith(PORTAL):
                return browser.get(where.removeprefix(PORTAL))
            page = visitor.get(where, allow_redirects=False)
        else:
            values = fields(page.text) | ({"login": login, "password": "x"} if 'name="login"' in page.text else {})
            where = urljoin(where, action(page.text))
            page = visitor.post(where, values, allow_redirects=False)
    raise AssertionError(f"the provider leads nowhere: {page.status_code} {page.text[:400]}")


def through_saml(browser: Client, *, spoil=lambda values: values, **said: str):
    """The same with SAML; the provider's page lets one say who one is."""
    answer = browser.post("/accounts/saml/corp/login/")
    visitor = requests.Session()
    page = visitor.get(answer.headers["Location"])
    form = page.text[page.text.index("<form action") :]
    sent = visitor.post(urljoin(page.url, action(form)), fields(form) | said)
    values = fields(sent.text)
    back = browser.post(
        "/accounts/saml/corp/acs/", spoil({name: values[name] for name in ("SAMLResponse", "RelayState")})
    )
    return browser.get(back.headers["Location"])


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


def test_oidc_makes_an_account_of_a_domain_and_knows_it_again(acme, oidc: OidcProvider):
    oidc.account("nora", email="Nora@acme.example", email_verified=True, name="Nora New")
    browser = Client()
    assert through_oidc("nora", browser).headers["Location"] == "/"
    user = User.objects.get(email="nora@acme.example")
    assert (user.full_name, user.has_usable_password(), is_in(browser)) == ("Nora New", False, True)
    assert SocialAccount.objects.get(user=user).uid == "nora"
    oidc.account("nora", email="married@acme.example", email_verified=True, name="Nora Other")
    again = Client()
    through_oidc("nora", again)
    assert b"nora@acme.example" in again.get("/profile/").content
    assert User.objects.count() == 1
    assert AuditEvent.objects.filter(action="session.started").count() == 2


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "x@acme.example", "email_verified": False}, 404),
        ({"email": "x@elsewhere.example", "email_verified": True}, 404),
        ({"email": "x@acme.example.evil.example", "email_verified": True}, 404),
        ({}, 404),
    ],
)
def test_who_gets_no_account(acme, oidc: OidcProvider, claims: dict, status: int):
    oidc.account("stranger", **claims)
    browser = Client()
    assert through_oidc("stranger", browser).status_code == status
    assert not is_in(browser)
    assert not User.objects.exists()


def test_an_address_makes_nobody_somebody_else(acme, oidc: OidcProvider):
    victim = UserFactory(email="victim@acme.example")
    oidc.account("thief", email="victim@acme.example", email_verified=True)
    browser = Client()
    answer = through_oidc("thief", browser)
    assert answer.status_code == 409
    assert b"connect the provider" in answer.content
    assert not is_in(browser)
    assert not SocialAccount.objects.filter(user=victim).exists()


def test_a_person_connects_a_provider_from_inside(acme, oidc: OidcProvider, people: People):
    oidc.account("wanda", email="someone@else.example", email_verified=True)
    inside = Client()
    open_session(inside, people.wanda)
    through_oidc("wanda", inside, process="connect", next="/accounts/3rdparty/")
    assert SocialAccount.objects.get().user == people.wanda
    fresh = Client()
    through_oidc("wanda", fresh)
    assert b"wanda@example.org" in fresh.get("/profile/").content
    assert b"Acme" in fresh.get("/accounts/3rdparty/").content


def test_groups_are_worth_roles_at_each_sign_in(acme, oidc: OidcProvider, people: People):
    people.eddie  # noqa: B018  without another editor the last one stays
    add_rule(actor=SETUP, provider=acme, group="writers", role="writer", workspace=people.press)
    add_rule(actor=SETUP, provider=acme, group="chiefs", role="editor", workspace=people.press)
    rule = add_rule(actor=SETUP, provider=acme, group="ops", role="operator")
    claims = {"email": "nora@acme.example", "email_verified": True}
    oidc.account("nora", **claims, groups=["writers", "ops", "unknown"])
    through_oidc("nora", Client())
    nora = User.objects.get(email="nora@acme.example")
    assert Membership.objects.get(user=nora).role == "writer"
    grant = RoleGrant.objects.get(user=nora)
    assert (grant.role, grant.source, grant.reason) == ("operator", "provider", "Group at Acme")
    oidc.account("nora", **claims, groups=["writers", "chiefs"])
    through_oidc("nora", Client())
    assert Membership.objects.get(user=nora).role == "editor"
    assert not RoleGrant.objects.filter(user=nora).exists()
    remove_rule(actor=SETUP, rule=rule)
    oidc.account("nora", **claims)
    through_oidc("nora", Client())
    assert not Membership.objects.filter(user=nora).exists()


def test_a_group_is_filled_and_emptied_by_the_providers_group(acme, oidc: OidcProvider, people: People):
    crew = groups.create_group(actor=SETUP, name="Crew", provider=acme, provider_group="crew")
    groups.add_role(actor=SETUP, group=crew, role="operator")
    groups.add_to_group(actor=SETUP, group=crew, user=people.wanda, reason="by hand")
    claims = {"email": "nora@acme.example", "email_verified": True}
    oidc.account("nora", **claims, groups=["crew"])
    through_oidc("nora", Client())
    nora = GroupMember.objects.get(user__email="nora@acme.example")
    assert (nora.group, nora.source, nora.reason) == (crew, "provider", "Group at Acme")
    assert RoleGrant.objects.get(user=nora.user).source == "group"
    oidc.account("nora", **claims, groups=["other"])
    through_oidc("nora", Client())
    assert [member.user for member in crew.members.all()] == [people.wanda]
    assert not RoleGrant.objects.filter(user=nora.user).exists()
    # Who was put in for a time comes back through the provider when that time is over.
    past = timezone.now() - dt.timedelta(seconds=1)
    GroupMember.objects.create(group=crew, user=nora.user, reason="by hand", expires_at=past)
    oidc.account("nora", **claims, groups=["crew"])
    through_oidc("nora", Client())
    assert crew.members.get(user=nora.user).source == "provider"
    # A group that another provider fills keeps nobody whom this one had put in.
    groups.update_group(actor=SETUP, group=crew, provider=None, provider_group="")
    assert [member.user for member in crew.members.all()] == [people.wanda]
    assert not RoleGrant.objects.filter(user=nora.user).exists()


def test_what_a_person_gave_by_hand_no_group_takes(acme, oidc: OidcProvider, people: People):
    add_rule(actor=SETUP, provider=acme, group="writers", role="writer", workspace=people.press)
    oidc.account("nora", email="nora@acme.example", email_verified=True, groups=["writers"])
    through_oidc("nora", Client())
    nora = User.objects.get(email="nora@acme.example")
    RoleGrantFactory(user=nora, role="auditor")
    MembershipFactory(user=nora, workspace=people.rival, role="editor")
    oidc.account("nora", email="nora@acme.example", email_verified=True)
    through_oidc("nora", Client())
    assert [m.workspace for m in Membership.objects.filter(user=nora)] == [people.rival]
    assert RoleGrant.objects.get(user=nora).role == "auditor"


def test_a_role_that_cannot_be_given_keeps_nobody_out(acme, oidc: OidcProvider):
    add_rule(actor=SETUP, provider=acme, group="both", role="operator")
    add_rule(actor=SETUP, provider=acme, group="both", role="auditor")
    oidc.account("nora", email="nora@acme.example", email_verified=True, groups=["both"])
    browser = Client()
    through_oidc("nora", browser)
    assert is_in(browser)
    assert RoleGrant.objects.get().role == "auditor"
    assert AuditEvent.objects.filter(action="role_rule.refused").count() == 1


def test_a_suspended_person_is_not_let_in(acme, oidc: OidcProvider):
    oidc.account("nora", email="nora@acme.example", email_verified=True)
    through_oidc("nora", Client())
    User.objects.update(status="suspended")
    browser = Client()
    through_oidc("nora", browser)
    assert not is_in(browser)


def test_a_code_works_in_the_browser_that_asked_for_it_only(acme, oidc: OidcProvider):
    oidc.account("nora", email="nora@acme.example", email_verified=True)
    asked, other = Client(), Client()
    asked.post("/accounts/oidc/acme/login/")
    state = re.search(r"state=([^&]+)", asked.post("/accounts/oidc/acme/login/").headers["Location"])[1]  # type: ignore[index]
    answer = other.get(f"/accounts/oidc/acme/login/callback/?code=stolen&state={state}")
    assert answer.status_code in (302, 401)
    assert not is_in(other)


def test_a_link_of_another_site_begins_nothing(acme):
    answer = Client().get("/accounts/oidc/acme/login/?next=/profile/")
    assert answer.headers["Location"] == "/accounts/login/?next=%2Fprofile%2F"


def test_the_door_offers_it_and_its_policy_allows_the_way(acme, oidc: OidcProvider):
    page = Client().get("/accounts/login/")
    assert b"Sign in with Acme" in page.content
    assert oidc.url in page.headers["Content-Security-Policy"].split("form-action")[1].split(";")[0]
    update_provider(actor=SETUP, provider=acme, enabled=False)
    page = Client().get("/accounts/login/")
    assert b"Acme" not in page.content
    assert oidc.url not in page.headers["Content-Security-Policy"]
    assert Client().post("/accounts/oidc/acme/login/").status_code == 404


def test_saml_lets_in_whom_the_provider_signs_for(corp, people: People):
    add_rule(actor=SETUP, provider=corp, group="Press", role="writer", workspace=people.press)
    browser = Client(headers={"host": "testserver"})
    answer = through_saml(
        browser, userName="id-4711", email="sam@corp.example", firstName="Sam", lastName="Saml", groups="Press,Other"
    )
    assert answer.headers["Location"] == "/"
    sam = User.objects.get(email="sam@corp.example")
    assert (sam.full_name, is_in(browser)) == ("Sam Saml", True)
    assert SocialAccount.objects.get(user=sam).uid == "id-4711"
    assert Membership.objects.get(user=sam).workspace == people.press
    again = Client(headers={"host": "testserver"})
    through_saml(again, userName="id-4711", email="other@corp.example", groups="")
    assert b"sam@corp.example" in again.get("/profile/").content
    assert not Membership.objects.filter(user=sam).exists()


def test_a_changed_or_unsigned_assertion_opens_nothing(corp):
    def raised(values: dict[str, str]) -> dict[str, str]:
        xml = base64.b64decode(values["SAMLResponse"]).decode().replace("eve@corp.example", "sam@corp.example")
        return {**values, "SAMLResponse": base64.b64encode(xml.encode()).decode()}

    def unsigned(values: dict[str, str]) -> dict[str, str]:
        xml = re.sub(r"<Signature.*?</Signature>", "", base64.b64decode(values["SAMLResponse"]).decode(), flags=re.S)
        return {**values, "SAMLResponse": base64.b64encode(xml.encode()).decode()}

    for spoil in (raised, unsigned):
        browser = Client(headers={"host": "testserver"})
        answer = through_saml(browser, spoil=spoil, userName="eve", email="eve@corp.example", groups="")
        assert answer.status_code == 401
        assert not is_in(browser)
    assert not User.objects.exists()


def test_a_saml_answer_works_once_and_only_where_it_was_asked_for(corp):
    kept: dict[str, str] = {}

    def keep(values: dict[str, str]) -> dict[str, str]:
        kept.update(values)
        return values

    through_saml(
        Client(headers={"host": "testserver"}), spoil=keep, userName="id-1", email="sam@corp.example", groups=""
    )
    assert User.objects.count() == 1
    thief = Client(headers={"host": "testserver"})
    back = thief.post("/accounts/saml/corp/acs/", kept)
    thief.get(back.headers["Location"])
    assert not is_in(thief)


def test_the_metadata_for_the_provider(corp):
    page = Client(headers={"host": "testserver"}).get("/accounts/saml/corp/metadata/")
    assert b"/accounts/saml/corp/acs/" in page.content


def test_a_provider_that_asks_for_a_factor_fulfils_the_rule(acme, oidc: OidcProvider, people: People):
    add_rule(actor=SETUP, provider=acme, group="ops", role="operator")
    set_policy(actor=SETUP, role="operator", enforced_from=timezone.now() - dt.timedelta(days=1))
    oidc.account("nora", email="nora@acme.example", email_verified=True, groups=["ops"])
    browser = Client()
    through_oidc("nora", browser)
    assert browser.get("/admin/").headers["Location"] == "/sign-in/second-factor"
    update_provider(actor=SETUP, provider=acme, counts_as_factor=True)
    assert browser.get("/admin/").status_code == 200


def test_providers_only_closes_passwords_but_for_the_emergency_account(acme, oidc: OidcProvider, people: People):
    alma = people.alma
    with pytest.raises(Conflict, match="emergency"):
        set_mode(actor=people.actor("alma"), providers_only=True)
    set_emergency(actor=people.actor("alma"), user=alma, on=True, reason="in the safe of the second floor")
    set_mode(actor=people.actor("alma"), providers_only=True)
    closed, rescue, normal = Client(), Client(), Client()
    closed.post("/accounts/login/", {"login": people.wanda.email, "password": PASSWORD})
    assert not is_in(closed)
    assert b"through their organisation" in closed.get("/accounts/login/").content
    RoleGrantFactory(user=UserFactory(email="second@example.org"), role="admin")
    rescue.post("/accounts/login/", {"login": alma.email, "password": PASSWORD})
    assert is_in(rescue)
    assert rescue.session.get_expiry_age() <= 3600
    assert AuditEvent.objects.filter(action="session.emergency").count() == 1
    assert User.objects.get(email="second@example.org").notifications.filter(kind="session.emergency").exists()
    oidc.account("nora", email="nora@acme.example", email_verified=True)
    through_oidc("nora", normal)
    assert is_in(normal)
    with pytest.raises(Conflict):
        update_provider(actor=SETUP, provider=acme, enabled=False)
    with pytest.raises(Conflict):
        delete_provider(actor=SETUP, provider=acme)
    with pytest.raises(Conflict):
        set_emergency(actor=people.actor("alma"), user=alma, on=False, reason="no more")


def test_removing_a_provider_takes_what_it_gave(acme, oidc: OidcProvider):
    add_rule(actor=SETUP, provider=acme, group="ops", role="operator")
    oidc.account("nora", email="nora@acme.example", email_verified=True, groups=["ops"])
    through_oidc("nora", Client())
    delete_provider(actor=SETUP, provider=acme)
    assert not RoleGrant.objects.exists()
    assert not SocialAccount.objects.exists()


def test_the_secret_is_sealed_and_shown_nowhere(acme, oidc: OidcProvider, people: People, portal, api):
    assert oidc.client_secret not in str(SignInProvider.objects.values())
    page = portal("alma").get(f"/admin/users/signinprovider/{acme.pk}/change/").content.decode()
    assert oidc.client_secret not in page
    assert "/accounts/oidc/acme/login/callback/" in page
    row = api("alma").get("/api/v1/access/providers").json()["providers"][0]
    assert row["has_secret"] is True
    assert oidc.client_secret not in str(row)
    assert oidc.client_secret not in str(list(AuditEvent.objects.values("before", "after")))


def test_the_issuer_stays_while_people_come_through_it(acme, oidc: OidcProvider):
    oidc.account("nora", email="nora@acme.example", email_verified=True)
    through_oidc("nora", Client())
    with pytest.raises(Conflict, match="other people"):
        update_provider(actor=SETUP, provider=acme, issuer="https://login.example/")


def test_an_issuer_that_calls_itself_otherwise_is_refused(db, oidc: OidcProvider):
    with pytest.raises(InvalidInput) as refused:
        create_provider(
            actor=SETUP,
            kind="oidc",
            slug="x",
            name="X",
            issuer=oidc.url.replace("127.0.0.1", "localhost"),
            client_id="c",
        )
    assert refused.value.field == "issuer"


def test_the_way_to_a_provider_is_guarded(db, oidc: OidcProvider, settings):
    settings.EGRESS_ALLOW_NETWORKS = []
    with pytest.raises(Unavailable, match="is refused"):
        create_provider(actor=SETUP, kind="oidc", slug="x", name="X", issuer=oidc.url, client_id="c")
