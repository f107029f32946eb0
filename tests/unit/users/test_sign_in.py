"""Signing in and out, and what is refused at the door."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from apps.users.models import AuditEvent, User
from apps.users.portal.adapter import MFAAdapter
from apps.users.services import sealing
from apps.users.services.people import set_password, suspend_user
from tests.factories.users import PASSWORD, SETUP, UserFactory
from tests.people import People

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
    assert event.actor_label == "wanda@example.org"
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
    assert (event.outcome, event.object_label) == ("denied", "Wanda Writer")


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


def test_two_factor_sign_in_can_be_set_up_and_is_asked_for(people: People):
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

    client = Client()
    sign_in(client, people.wanda.email)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert "reauthenticate" in asked.headers["Location"]
    client.post(asked.headers["Location"], {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    assert client.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    stored = Authenticator.objects.get(user=people.wanda, type="totp")
    assert secret not in str(stored.data)
    fresh = Client()
    answer = sign_in(fresh, people.wanda.email)
    assert "2fa" in answer.headers["Location"]
    assert fresh.get("/profile/").status_code == 302
