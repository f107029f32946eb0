"""API tokens."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from aiwriter.core import keyring
from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied
from apps.users.models import ApiToken, AuditEvent, User
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.tokens import authenticate, create_token, revoke_own_token, revoke_token
from tests.factories.users import SETUP, MembershipFactory, make_token
from tests.people import People


def test_the_text_opens_and_is_kept_nowhere(people: People):
    token, raw = make_token(people.wanda, "content.read")
    assert raw.startswith(f"aiw_{token.key_id}_")
    actor = authenticate(raw)
    assert actor is not None
    assert (actor.user, actor.token) == (people.wanda, token)
    secret = raw.split("_", 2)[2]
    assert secret not in repr(list(ApiToken.objects.values()) + list(AuditEvent.objects.values()))
    assert secret not in repr(actor)


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: raw + "x", str.upper, lambda raw: "", lambda raw: "aiw__"]
)
def test_a_changed_text_does_not_open(people: People, spoil):
    _, raw = make_token(people.wanda, "content.read")
    assert authenticate(spoil(raw)) is None


def test_the_secret_of_another_token_does_not_open(people: People):
    first, _ = make_token(people.wanda, "content.read")
    _, second = make_token(people.wanda, "content.read")
    assert authenticate(f"aiw_{first.key_id}_{second.split('_', 2)[2]}") is None


def test_another_keyring_opens_nothing(people: People, settings, tmp_path):
    _, raw = make_token(people.wanda, "content.read")
    settings.KEYRING_FILE = str(tmp_path / "keyring.json")
    keyring.create(stage="contract")
    assert authenticate(raw) is None


def test_revoking_works_at_once(people: People):
    token, raw = make_token(people.wanda, "content.read")
    assert authenticate(raw)
    revoke_token(actor=people.actor("wanda"), token=token)
    assert authenticate(raw) is None
    assert AuditEvent.objects.filter(action="token.revoked", object_id=str(token.pk)).count() == 1


def test_an_expired_or_suspended_owner_s_token_does_not_open(people: People):
    token, raw = make_token(people.wanda, "content.read")
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert authenticate(raw) is None
    _, other = make_token(people.wanda, "content.read")
    User.objects.filter(pk=people.wanda.pk).update(status="suspended")
    assert authenticate(other) is None


def test_a_token_ends_after_90_days_unless_told(people: People):
    token, _ = make_token(people.wanda, "content.read")
    assert dt.timedelta(days=89, hours=23) < token.expires_at - timezone.now() <= dt.timedelta(days=90)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"name": " "}, InvalidInput, "name"),
        ({"scopes": []}, InvalidInput, "scopes"),
        ({"scopes": ["content.burn"]}, InvalidInput, "scopes"),
        ({"scopes": ["users.manage"]}, PermissionDenied, "scopes"),
        ({"days": 0}, InvalidInput, "days"),
        ({"days": 366}, InvalidInput, "days"),
        ({"workspace": "rival"}, NotFound, "workspace"),
    ],
)
def test_what_cannot_be_made(people: People, changes, error, field):
    people.rival  # noqa: B018
    values = {"name": "robot", "scopes": ["content.read"], "days": 5, **changes}
    with pytest.raises(error) as caught:
        create_token(actor=people.actor("wanda"), **values)
    assert caught.value.details[0].field == field
    assert not ApiToken.objects.exists()


def test_a_token_cannot_make_a_wider_one(people: People):
    token, _ = make_token(people.eddie, "tokens.manage", "content.read", workspace=people.press)
    actor = Actor.for_token(token)
    with pytest.raises(PermissionDenied):
        create_token(actor=actor, name="wider", scopes=["content.write"])
    narrow, _ = create_token(actor=actor, name="same", scopes=["content.read"])
    assert narrow.workspace == people.press


def test_nobody_makes_tokens_in_another_s_name(people: People):
    with pytest.raises(PermissionDenied):
        create_token(actor=people.actor("wanda"), user=people.eddie, name="x", scopes=["content.read"])
    with pytest.raises(PermissionDenied):
        create_token(actor=people.actor("alma"), user=people.wanda, name="x", scopes=["content.read"])


def test_a_service_account_gets_its_token_from_an_administrator(people: People):
    robot = create_user(actor=SETUP, email="robot@example.org", kind="service")
    MembershipFactory(user=robot, workspace=people.press)
    token, secret = create_token(
        actor=people.actor("alma"), user=robot, name="nightly", scopes=["content.read"], workspace=people.press
    )
    actor = authenticate(secret.reveal())
    assert actor is not None
    assert actor.user == robot
    assert token.workspace == people.press


def test_others_tokens_cannot_be_revoked_or_found(people: People):
    token, raw = make_token(people.wanda, "content.read")
    with pytest.raises(PermissionDenied):
        revoke_token(actor=people.actor("eddie"), token=token)
    with pytest.raises(NotFound):
        revoke_own_token(actor=people.actor("eddie"), token_id=token.pk)
    assert authenticate(raw)
    revoke_token(actor=people.actor("alma"), token=token)
    assert authenticate(raw) is None


def test_use_is_noted_to_the_hour_and_network(people: People, django_assert_num_queries):
    token, raw = make_token(people.wanda, "content.read")
    authenticate(raw, "198.51.100.7")
    token.refresh_from_db()
    assert token.last_used_address == "198.51.100.0"
    assert (token.last_used_at.minute, token.last_used_at.second) == (0, 0)
    with django_assert_num_queries(1):
        authenticate(raw, "198.51.100.7")
