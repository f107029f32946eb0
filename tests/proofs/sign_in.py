"""People get in by passkey, code, recovery code and their organisation's OpenID Connect and SAML, and not without the factor that is asked.

A real Chromium with a virtual authenticator; a real OpenID Connect provider (npm's oidc-provider) and a real SAML one
(saml-idp). At the end 16 clients guess one password at the same moment: exactly five are looked at.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page

from tests.e2e.browser import NARROW, Visitor, chromium
from tests.lab.portal import Portal
from tests.proofs import expect
from tests.servers import free_port
from tests.servers.identity_providers import OidcProvider, SamlProvider, missing

PASSWORD = "four plain words here"
_SHOTS = Path("/tmp/sign-in")
_STAGE = """
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member
from apps.users.models import Workspace
actor = Actor.system_actor("proof")
press = Workspace.objects.first()
for name in ("wanda", "walt"):
    user = create_user(actor=actor, email=name + "@example.org", full_name=name.title(), password={password!r})
    add_member(actor=actor, workspace=press, user=user, role="writer")
otto = create_user(actor=actor, email="otto@example.org", full_name="Otto", password={password!r})
grant_role(actor=actor, user=otto, role="operator", reason="proof")
answer = str(press.pk)
"""
_PROVIDERS = """
from apps.users.selectors.access import Actor
from apps.users.services.sso import add_rule, create_provider
actor = Actor.system_actor("proof")
acme = create_provider(actor=actor, kind="oidc", slug="acme", name="Acme", issuer={oidc!r}, client_id={client!r}, secret={secret!r},
    creates_accounts=True, domains=["acme.example"])
add_rule(actor=actor, provider=acme, group="ops", role="operator")
corp = create_provider(actor=actor, kind="saml", slug="corp", name="Corp", issuer={issuer!r}, sso_url={sso!r}, certificate={pem!r},
    creates_accounts=True, domains=["corp.example"])
add_rule(actor=actor, provider=corp, group="auditors", role="auditor")
answer = "made"
"""
_RULE = """
import datetime as dt
from django.utils import timezone
from apps.users.selectors.access import Actor
from apps.users.services.factors import set_policy
set_policy(actor=Actor.system_actor("proof"), role="writer", enforced_from=timezone.now() - dt.timedelta(minutes=1))
answer = "set"
"""


def prove() -> str:
    """Walk in by every way, and stand before every closed door."""
    expect(not missing(), missing())
    _SHOTS.mkdir(exist_ok=True)
    port = free_port()
    here = f"http://localhost:{port}"
    with (
        OidcProvider(f"{here}/accounts/oidc/acme/login/callback/") as oidc,
        SamlProvider(f"{here}/accounts/saml/corp/acs/", f"{here}/accounts/saml/corp/metadata/") as saml,
        Portal({"AIWRITER_PORT": str(port)}, within=400) as portal,
        chromium() as browser,
    ):
        portal.shell(_STAGE.format(password=PASSWORD))
        made = _PROVIDERS.format(
            oidc=oidc.url,
            client=oidc.client_id,
            secret=oidc.client_secret,
            issuer=saml.issuer,
            sso=saml.sso_url,
            pem=saml.certificate,
        )
        portal.shell(made)
        complaints = [
            *_passkey(browser, here),
            *_code_and_recovery(browser, here),
            *_forced(browser, here, portal),
            *_oidc(browser, here, oidc),
            *_saml(browser, here),
        ]
        ours = [words for words in complaints if words.startswith(here)]
        expect(not ours, f"the browser complained: {ours[:5]}")
        looked_at = _guess(here)
        expect(looked_at == 5, f"{looked_at} of 16 guesses were looked at")
    return (
        "passkey, code, recovery code, forced factor, OpenID Connect and SAML held; 5 of 16 parallel guesses looked at"
    )


def _passkey(browser: Browser, here: str) -> list[str]:
    visitor = Visitor(browser, here)
    page = visitor.page
    wire = visitor.context.new_cdp_session(page)
    wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    visitor.go("/accounts/login/")
    _shoot(page, "login")
    visitor.sign_in("wanda@example.org", PASSWORD)
    visitor.go("/accounts/2fa/")
    _shoot(page, "factors")
    visitor.go("/accounts/2fa/webauthn/add/")
    _shoot(page, "passkey-add")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    _shoot(page, "recovery-codes")
    visitor.go("/sessions/")
    _shoot(page, "sessions")
    _leave(page, here)
    page.click("button:has-text('Sign in with a passkey')")
    page.wait_for_url(lambda address: "/accounts/" not in address)
    expect("Wanda" in visitor.go("/profile/").content(), "the passkey let nobody in")
    _leave(page, here)
    visitor.page.fill("[name=login]", "wanda@example.org")
    visitor.page.fill("[name=password]", PASSWORD)
    visitor.page.click("main button.btn-primary")
    page.wait_for_url("**/accounts/2fa/authenticate/")
    _shoot(page, "second-step")
    page.click("button:has-text('Use a passkey instead')")
    page.wait_for_url(lambda address: "/accounts/" not in address)
    print("  passkey: added, alone, and as the second step", flush=True)
    visitor.close()
    return visitor.complaints


def _code_and_recovery(browser: Browser, here: str) -> list[str]:
    visitor = Visitor(browser, here)
    page = visitor.page
    visitor.sign_in("otto@example.org", PASSWORD)
    secret, used = _set_up_app(visitor)
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    codes = re.findall(r"\b\d{16}\b", page.content())
    expect(len(codes) == 10, f"{len(codes)} recovery codes are shown")
    _leave(page, here)
    _first_step(page, here, "otto@example.org")
    taken = _fill_fresh_code(page, secret, used)
    page.wait_for_url(lambda address: "/accounts/" not in address)
    expect(visitor.go("/admin/").url.endswith("/admin/"), "the console did not open after password and code")
    _leave(page, here)
    _first_step(page, here, "otto@example.org")
    page.fill("[name=code]", taken)
    page.click("main form .btn-primary")
    page.wait_for_load_state()
    expect("/accounts/2fa/authenticate/" in page.url, "a code was taken twice")
    visitor.context.clear_cookies()
    for code, inside in ((codes[0], True), (codes[0], False)):
        _first_step(page, here, "otto@example.org")
        page.fill("[name=code]", code)
        page.click("main form .btn-primary")
        page.wait_for_load_state()
        expect(("/accounts/" not in page.url) == inside, f"a recovery code, second time {not inside}: {page.url}")
        _leave(page, here) if inside else visitor.context.clear_cookies()
    print("  authenticator app: code, the same code not again, recovery code once", flush=True)
    visitor.close()
    return visitor.complaints


def _forced(browser: Browser, here: str, portal: Portal) -> list[str]:
    visitor = Visitor(browser, here, size=NARROW, dark=True)
    page = visitor.page
    visitor.sign_in("walt@example.org", PASSWORD)
    portal.shell(_RULE)
    page.goto(f"{here}/documents/")
    expect(page.url == f"{here}/sign-in/second-factor", f"without a factor he is at {page.url}")
    _shoot(page, "required")
    refused = page.evaluate("fetch('/api/v1/me').then(async (r) => [r.status, (await r.json()).error.code])")
    expect(refused == [403, "second_factor_required"], f"the API answered {refused}")
    _set_up_app(visitor)
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    expect(visitor.go("/documents/").url == f"{here}/documents/", "with the factor the portal stays closed")
    print("  forced factor: portal and API closed without, open with it", flush=True)
    visitor.close()
    return [words for words in visitor.complaints if "403" not in words]


def _oidc(browser: Browser, here: str, oidc: OidcProvider) -> list[str]:
    oidc.account("nora", email="nora@acme.example", email_verified=True, name="Nora", groups=["ops"])
    visitor = Visitor(browser, here)
    page = visitor.page
    visitor.go("/accounts/login/?next=/admin/")
    page.click("button:has-text('Sign in with Acme')")
    page.wait_for_url(f"{oidc.url}/**")
    page.fill("[name=login]", "nora")
    page.fill("[name=password]", "whatever it likes")
    page.click("button[type=submit]")
    page.wait_for_load_state()
    if page.url.startswith(oidc.url):
        page.click("button[type=submit]")
    page.wait_for_url(f"{here}/**")
    expect(page.url == f"{here}/admin/", f"the group 'ops' opens no console: {page.url}")
    visitor.go("/accounts/3rdparty/")
    _shoot(page, "identities")
    print("  OpenID Connect: in, with the role of the group", flush=True)
    visitor.close()
    return visitor.complaints


def _saml(browser: Browser, here: str) -> list[str]:
    visitor = Visitor(browser, here)
    page = visitor.page
    visitor.go("/accounts/login/?next=/admin/")
    page.click("button:has-text('Sign in with Corp')")
    page.wait_for_selector("#userName")
    for name, value in {"userName": "id-1", "email": "sam@corp.example"}.items():
        page.fill(f"[name={name}]", value)
    # Its page turns this field into tags, which only its own script writes.
    page.evaluate("jQuery('#groups').tagsinput('removeAll'); jQuery('#groups').tagsinput('add', 'auditors')")
    page.click("form.form-profile button[type=submit]")
    page.wait_for_url(f"{here}/**")
    page.wait_for_load_state()
    expect(page.url == f"{here}/admin/", f"the group 'auditors' opens no console: {page.url}")
    print("  SAML: in, with the role of the group", flush=True)
    visitor.close()
    return visitor.complaints


def _guess(here: str) -> int:
    def guess(number: int) -> bool:
        with httpx2.Client(base_url=here, follow_redirects=True, timeout=120) as client:
            client.get("/accounts/login/")
            token = client.cookies.get("csrftoken")
            sent = {"login": "otto@example.org", "password": f"guess {number}", "csrfmiddlewaretoken": token}
            return "do not belong together" in client.post("/accounts/login/", data=sent).text

    with ThreadPoolExecutor(16) as pool:
        return sum(pool.map(guess, range(16)))


def _set_up_app(visitor: Visitor) -> tuple[str, str]:
    """Set up an authenticator app; returns its secret and the code that was shown."""
    page = visitor.go("/accounts/2fa/totp/activate/")
    secret = page.input_value("#authenticator_secret")
    _shoot(page, "app")
    code = _code(secret)
    page.fill("[name=code]", code)
    page.click("main form .btn-primary, main form button[type=submit]")
    return secret, code


def _first_step(page: Page, here: str, email: str) -> None:
    page.goto(f"{here}/accounts/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button.btn-primary")
    page.wait_for_url("**/accounts/2fa/authenticate/")


def _fill_fresh_code(page: Page, secret: str, used: str) -> str:
    """Wait for a code that has not been used, send it, and return it."""
    end = time.monotonic() + 40
    while _code(secret) == used and time.monotonic() < end:
        page.wait_for_timeout(500)
    fresh = _code(secret)
    page.fill("[name=code]", fresh)
    page.click("main form .btn-primary")
    return fresh


def _leave(page: Page, here: str) -> None:
    page.goto(f"{here}/accounts/logout/")
    page.click("main form .btn-primary")
    page.wait_for_url("**/accounts/login/**")


def _code(secret: str) -> str:
    """The six digits of now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def _shoot(page: Page, name: str) -> None:
    page.screenshot(path=str(_SHOTS / f"{name}.png"), full_page=True)
