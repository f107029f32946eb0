"""Signing in and out, and what is refused at the door."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.db import connection
from django.test import Client

from aiwriter.core.errors import InvalidInput
from apps.users.models import AuditEvent, User
from apps.users.portal.adapter import MFAAdapter
from apps.users.services import sealing
from apps.users.services.people import reactivate_user, set_password, suspend_user
from apps.users.services.subjects import named
from apps.users.services.tokens import authenticate
from tests.factories.users import PASSWORD, SETUP, UserFactory, make_token
from tests.people import People, open_session

LOGIN = "/accounts/login/"


def sign_in(client: Client, email: str, password: str = PASSWORD):
    return client.post(LOGIN, {"login": email, "password": password})


def test_the_right_password_opens(people: People):
    people.wanda  # noqa: B018
    client = Client()
    answer = sign_in(client, "Wanda@Example.org")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/profile/").status_code == 200
    event = AuditEvent.objects.get(action="session.started")
    assert event.actor_id == f"user:{people.wanda.pk}"
    people.wanda.refresh_from_db()
    assert people.wanda.last_seen_day is not None


def test_a_wrong_password_says_so_with_a_remedy(people: People):
    people.wanda  # noqa: B018
    answer = sign_in(Client(), "wanda@example.org", "not the right one")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "do not belong together" in text
    assert "not the right one" not in text
    event = AuditEvent.objects.get(action="session.refused")
    assert (event.outcome, named([event])[0].object_label) == ("denied", "Wanda Writer")


def test_an_unknown_address_gets_the_same_words(people: People):
    people.wanda  # noqa: B018
    known = sign_in(Client(), "wanda@example.org", "x").content.decode()
    unknown = sign_in(Client(), "ghost@example.org", "x").content.decode()
    words = re.compile(r"do not belong together")
    assert len(words.findall(known)) == len(words.findall(unknown)) > 0
    assert AuditEvent.objects.filter(action="session.refused", object_label="").count() == 1


def test_what_was_typed_as_address_is_not_kept(db):
    sign_in(Client(), "my-secret-passphrase@typo.example", "x")
    assert "passphrase" not in repr(list(AuditEvent.objects.values()))


def test_strangers_cannot_make_accounts(db):
    client = Client()
    page = client.get("/accounts/signup/")
    assert page.status_code == 200
    assert "password1" not in page.content.decode()
    client.post("/accounts/signup/", {"email": "me@example.org", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.exists()


def test_suspension_ends_the_session_at_once(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    suspend_user(actor=people.actor("alma"), user=people.wanda, reason="left")
    assert client.get("/profile/").status_code == 302
    sign_in(client, people.wanda.email)
    assert client.get("/profile/").status_code == 302


def test_a_new_password_ends_other_sessions(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    set_password(actor=SETUP, user=people.wanda, password="another good phrase")
    assert client.get("/profile/").status_code == 302


def test_changing_ones_own_password_is_recorded(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    new = "quite another phrase"
    answer = client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302
    people.wanda.refresh_from_db()
    assert people.wanda.check_password(new)
    assert AuditEvent.objects.filter(action="user.password_changed", object_id=str(people.wanda.pk)).exists()


def test_signing_out_is_recorded_and_needs_a_form(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    client.get("/accounts/logout/")
    assert client.get("/profile/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/profile/").status_code == 302
    assert AuditEvent.objects.filter(action="session.ended").count() == 1


def test_signing_out_in_the_console_is_recorded_too(people: People):
    client = Client()
    sign_in(client, people.otto.email)
    assert client.get("/admin/logout/").status_code == 405
    answer = client.post("/admin/logout/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    assert client.get("/admin/").status_code == 302
    assert AuditEvent.objects.filter(action="session.ended").count() == 1


def test_nobody_adds_an_address_of_their_own(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    client.post("/accounts/email/", {"action_add": "", "email": "boss@example.org"})
    people.wanda.refresh_from_db()
    assert people.wanda.email == "wanda@example.org"
    assert people.wanda.emailaddress_set.count() == 1


def test_five_wrong_passwords_close_the_door_for_the_sixth(people: People):
    people.wanda  # noqa: B018
    for _ in range(5):
        sign_in(Client(), "wanda@example.org", "wrong")
    answer = sign_in(Client(), "wanda@example.org")
    assert answer.status_code == 200
    assert "Too many attempts" in answer.content.decode()


def test_parallel_guesses_do_not_get_past_the_limit(transactional_db):
    UserFactory(email="target@example.org")

    def guess(number: int) -> bool:
        try:
            text = sign_in(Client(REMOTE_ADDR=f"203.0.113.{number}"), "target@example.org", f"guess {number}")
            return "do not belong together" in text.content.decode()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        checked = sum(pool.map(guess, range(16)))
    assert checked == 5


def test_the_door_limits_by_the_real_address(people: People, settings):
    """A header that anyone can send must not give anyone a fresh limit."""
    for number in range(10):
        Client().post(
            LOGIN,
            {"login": f"ghost{number}@example.org", "password": "x"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
    answer = sign_in(Client(headers={"X-Forwarded-For": "198.51.100.99"}), people.wanda.email)
    assert "Too many attempts" in answer.content.decode()


def test_two_factor_secrets_are_sealed():
    adapter = MFAAdapter()
    sealed = adapter.encrypt("JBSWY3DPEHPK3PXP")
    assert "JBSWY3DPEHPK3PXP" not in sealed
    assert adapter.decrypt(sealed) == "JBSWY3DPEHPK3PXP"
    assert adapter.encrypt("JBSWY3DPEHPK3PXP") != sealed


@pytest.mark.parametrize("change", [lambda s: s[:-6] + "AAAAA=", lambda s: "s1:", lambda s: "plain", lambda s: s[:20]])
def test_a_changed_seal_does_not_open(change):
    from aiwriter.core.errors import Unavailable

    with pytest.raises(Unavailable):
        sealing.unseal("mfa", change(sealing.seal("mfa", "text")))


def test_a_seal_is_for_one_purpose_and_key(settings):
    from aiwriter.core.errors import Unavailable
    from aiwriter.core.sealed import seal_older

    with pytest.raises(Unavailable):
        sealing.unseal("other", sealing.seal("mfa", "text"))
    sealed = seal_older("mfa", "text")
    assert sealing.unseal("mfa", sealed) == "text"
    settings.SECRET_KEY = "y" * 60
    with pytest.raises(Unavailable):
        sealing.unseal("mfa", sealed)


def code_now(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def set_up_app(client: Client) -> str:
    """Set up an authenticator app in a fresh session; returns its secret."""
    page = client.get("/accounts/2fa/totp/activate/")
    assert b'class="qr"' in page.content, "on a dark page no camera reads a code without its own light ground"
    secret = page.context["form"].secret
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_now(secret)}).status_code == 302
    return secret


def test_two_factor_sign_in_can_be_set_up_and_is_asked_for(people: People, django_capture_on_commit_callbacks):
    client, elsewhere = Client(), Client()
    sign_in(elsewhere, people.wanda.email)
    sign_in(client, people.wanda.email)
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up_app(client)
    stored = Authenticator.objects.get(user=people.wanda, type="totp")
    assert secret not in str(stored.data)
    assert client.get("/profile/").status_code == 200
    assert elsewhere.get("/profile/").status_code == 302, "a session opened with the password alone must end"
    assert AuditEvent.objects.filter(action="factor.added", object_id=str(people.wanda.pk)).exists()
    fresh = Client()
    answer = sign_in(fresh, people.wanda.email)
    assert "2fa" in answer.headers["Location"]
    assert fresh.get("/profile/").status_code == 302


def test_changing_factors_asks_for_a_fresh_proof(people: People):
    client = Client()
    open_session(client, people.wanda, minutes_ago=16)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert "reauthenticate" in asked.headers["Location"]
    done = client.post(asked.headers["Location"], {"password": PASSWORD})
    assert done.headers["Location"] == "/accounts/2fa/totp/activate/"
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200


def test_a_recovery_code_opens_once_and_is_stored_sealed(people: People, django_capture_on_commit_callbacks):
    client = Client()
    sign_in(client, people.wanda.email)
    with django_capture_on_commit_callbacks(execute=True):
        set_up_app(client)
    codes = Authenticator.objects.get(user=people.wanda, type="recovery_codes")
    first = codes.wrap().get_unused_codes()[0]
    assert len(first) == 16
    assert sealing.unseal("mfa", codes.data["seed"]) not in str(codes.data)
    for expected in (302, 200):
        fresh = Client()
        sign_in(fresh, people.wanda.email)
        assert fresh.post("/accounts/2fa/authenticate/", {"code": first}).status_code == expected


def test_five_wrong_codes_close_the_second_door(people: People, django_capture_on_commit_callbacks):
    client = Client()
    sign_in(client, people.wanda.email)
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up_app(client)
    fresh = Client()
    sign_in(fresh, people.wanda.email)
    for _ in range(5):
        fresh.post("/accounts/2fa/authenticate/", {"code": "000000"})
    answer = fresh.post("/accounts/2fa/authenticate/", {"code": code_now(secret)})
    assert answer.status_code == 200
    assert "Too many attempts" in answer.content.decode()
    assert AuditEvent.objects.filter(action="factor.refused", outcome="denied").count() == 5


def test_a_right_password_forgives_none_of_the_wrong_ones(people: People):
    people.wanda  # noqa: B018
    for _ in range(4):
        sign_in(Client(), "wanda@example.org", "wrong")
    assert sign_in(Client(), "wanda@example.org").status_code == 302
    sign_in(Client(), "wanda@example.org", "wrong")
    assert "Too many attempts" in sign_in(Client(), "wanda@example.org").content.decode()


@pytest.mark.parametrize("password", ["AI-Writer-2026!!", "wanda@example.org1", "Wanda Writer 123"])
def test_a_password_of_names_is_refused(people: People, password: str):
    with pytest.raises(InvalidInput):
        set_password(actor=SETUP, user=people.wanda, password=password)


def test_reactivation_brings_neither_sessions_nor_tokens_back(people: People):
    client = Client()
    sign_in(client, people.wanda.email)
    _, raw = make_token(people.wanda, "content.read")
    suspend_user(actor=people.actor("alma"), user=people.wanda, reason="left")
    reactivate_user(actor=people.actor("alma"), user=people.wanda)
    assert client.get("/profile/").status_code == 302
    assert authenticate(raw) is None
