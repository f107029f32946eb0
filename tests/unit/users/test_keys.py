"""The keys of an installation: lost ones refused, rotation, secrets sealed anew, the console and the API."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import call_command
from django.core.management.base import CommandError

from aiwriter.core import keyring, sealed, secretrefs
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unavailable
from apps.content.models import WebhookEndpoint
from apps.content.services import webhooks
from apps.monitoring.health import keyring_state
from apps.users.models import ApiToken, AuditEvent, KeyRecord, Rewrap, SubjectKey
from apps.users.selectors.access import Actor
from apps.users.services import (
    elevations,
    key_places,
    key_rotation,
    keys,
    ledger_archive,
    ledger_checks,
    ledger_sealing,
    ledger_sinks,
    tokens,
)
from apps.users.services.elevation_policies import create_policy
from apps.users.services.sealing import open_sealed
from tests.factories.users import SETUP, make_token
from tests.people import People

PAGE = "/admin/users/keyrecord/"


@pytest.fixture
def ring(settings: Any, tmp_path: Path, db: None) -> keyring.Ring:
    """A keyring of the test's own, that this database knows."""
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.KEYRING_FILE = str(tmp_path / "keys" / "keyring.json")
    KeyRecord.objects.all().delete()
    keyring.create(stage="contract")
    keys.note_keys()
    return keyring.load()


def older(ring: keyring.Ring) -> None:
    """As an installation that was made by the version before."""
    keyring.replace(dataclasses.replace(ring, stage="expand"))


def without(ring: keyring.Ring, key_id: str) -> keyring.Ring:
    """A keyring that has lost a key."""
    return dataclasses.replace(ring, keys={name: key for name, key in ring.keys.items() if name != key_id})


# ---------------------------------------------------------------- the start
def test_a_new_portal_gets_a_keyring_and_notes_its_keys(ring: keyring.Ring):
    keyring.location().unlink()
    KeyRecord.objects.all().delete()
    keys.ensure_ring()
    assert set(KeyRecord.objects.values_list("pk", flat=True)) == set(keyring.load().keys)
    assert keyring.load().stage == "contract"


def test_an_installation_with_people_starts_beside_the_version_before(ring: keyring.Ring, people: People):
    people.wanda  # noqa: B018
    keyring.location().unlink()
    KeyRecord.objects.all().delete()
    keys.ensure_ring()
    assert keyring.load().stage == "expand"


def test_a_lost_keyring_is_not_replaced_by_a_new_one(ring: keyring.Ring):
    keyring.location().unlink()
    with pytest.raises(keyring.RingMissing) as raised:
        keys.ensure_ring()
    assert ring.active("field").id in str(raised.value)
    assert not keyring.exists()
    assert ring.active("field").id in keys.start_problem()


def test_a_start_without_a_key_says_which(ring: keyring.Ring):
    lost = ring.active("audit").id
    keyring.replace(without(ring, lost))
    with pytest.raises(keyring.KeyMissing) as raised:
        keys.ensure_ring()
    assert f"lacks a key: {lost} (purpose audit, active" in str(raised.value)
    assert lost in keys.start_problem()
    with pytest.raises(CommandError, match=lost):
        call_command("bootstrap", "--json")


def test_nothing_is_done_that_cannot_be_recorded_for_want_of_a_key(ring: keyring.Ring, people: People):
    eddie, press = people.actor("eddie"), people.press
    keyring.replace(without(ring, ring.active("audit").id))
    from apps.users.services.workspaces import rename_workspace

    with pytest.raises(Unavailable):
        rename_workspace(actor=eddie, workspace=press, name="Other")
    press.refresh_from_db()
    assert press.name == "Press office"


def test_the_health_page_warns_before_a_key_is_due(ring: keyring.Ring):
    assert keyring_state.run().status == "ok"
    soon = dataclasses.replace(ring.active("field"), rotate_by=dt.date.today() + dt.timedelta(days=14))  # noqa: DTZ011
    keyring.replace(ring.with_key(soon))
    result = keyring_state.run()
    assert result.status == "warn"
    assert "keys rotate field" in result.remedy
    later = dataclasses.replace(soon, rotate_by=dt.date.today() + dt.timedelta(days=16))  # noqa: DTZ011
    keyring.replace(ring.with_key(later))
    assert keyring_state.run().status == "ok"
    keyring.replace(without(ring, ring.active("url").id))
    assert keyring_state.run().status == "fail"


# ---------------------------------------------------------------- rotation
def names() -> int:
    """Keys of people's names in the audit record: they are sealed secrets as well."""
    return SubjectKey.objects.exclude(sealed_key="").count()


def _webhook(people: People) -> tuple[WebhookEndpoint, str]:
    endpoint, secret = webhooks.create_webhook(
        actor=people.actor("eddie"), workspace=people.press, name="Hook", url="https://example.org/x"
    )
    return endpoint, secret.reveal()


def test_a_rotation_seals_every_kind_of_secret_anew(ring: keyring.Ring, people: People, run_jobs):
    endpoint, secret = _webhook(people)
    TOTP.activate(people.wanda, "TOTPSECRET")
    reference = secretrefs.store("backend", "typed secret")
    before = ring.active("field").id
    key, job = key_rotation.rotate_key(actor=people.actor("alma"), purpose="field")
    assert job is not None
    endpoint.refresh_from_db()
    assert open_sealed(endpoint, "sealed_secret") == secret, "the old key still opens"
    run_jobs()
    job.refresh_from_db()
    moved = 3 + names()
    assert (job.state, job.done, job.changed, job.problems) == ("succeeded", moved, moved, [])
    endpoint.refresh_from_db()
    assert sealed.key_of(endpoint.sealed_secret) == key.id
    assert open_sealed(endpoint, "sealed_secret") == secret
    assert sealed.key_of(Authenticator.objects.get().data["secret"]) == key.id
    assert secretrefs.resolve(reference).reveal() == "typed secret"
    assert key_places.uses()[before] == 0
    state = key_rotation.retire_key(actor=people.actor("alma"), key_id=before, dry_run=True)
    assert state.can_retire
    key_rotation.retire_key(actor=people.actor("alma"), key_id=before)
    assert keyring.load().keys[before].state == "destroyed"
    assert KeyRecord.objects.get(pk=before).state == "destroyed"
    assert not AuditEvent.objects.filter(after__icontains=secret).exists()
    assert {"key.rotated", "key.destroyed"} <= set(AuditEvent.objects.values_list("action", flat=True))
    keys.ensure_ring()


def test_a_job_goes_on_where_it_was_left_and_does_nothing_twice(
    ring: keyring.Ring, people: People, run_jobs, monkeypatch
):
    monkeypatch.setattr(key_places, "BATCH", 2)
    for _ in range(5):
        _webhook(people)
    _, job = key_rotation.rotate_key(actor=people.actor("alma"), purpose="field")
    assert job is not None
    real, calls = key_places.FieldPlace.step, []

    def dies(self: Any, cursor: str) -> Any:
        calls.append(cursor)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, cursor)

    monkeypatch.setattr(key_places.FieldPlace, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        key_rotation.run_rewrap(job.pk)
    monkeypatch.setattr(key_places.FieldPlace, "step", real)
    Rewrap.objects.update(
        lease_until=keys.timezone.now() - dt.timedelta(seconds=1), queued_at=keys.timezone.now() - dt.timedelta(hours=1)
    )
    assert key_rotation.sweep_rewraps() == 1
    run_jobs()
    job.refresh_from_db()
    moved = 5 + names()
    assert (job.state, job.changed, job.done) == ("succeeded", moved, moved)


def test_a_secret_that_does_not_open_is_named_and_the_others_are_moved(ring: keyring.Ring, people: People, run_jobs):
    endpoint, _ = _webhook(people)
    other, secret = _webhook(people)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(sealed_secret=other.sealed_secret)
    _, job = key_rotation.rotate_key(actor=people.actor("alma"), purpose="field")
    assert job is not None
    run_jobs()
    job.refresh_from_db()
    assert job.state == "failed"
    assert str(endpoint.pk) in job.problems[0]
    assert secret not in str(job.problems)
    other.refresh_from_db()
    assert open_sealed(other, "sealed_secret") == secret


def test_secrets_of_the_version_before_are_moved(ring: keyring.Ring, people: People, run_jobs):
    older(ring)
    endpoint, secret = _webhook(people)
    assert endpoint.sealed_secret.startswith("s1:")
    reference = secretrefs.store("backend", "typed secret")
    assert secretrefs.resolve(reference).reveal() == "typed secret"
    token, raw = make_token(people.wanda, "content.read")
    assert token.pepper_id == ""
    assert key_rotation.inventory(actor=people.actor("alma")).older == {"": 1, "plain": 1}
    key_rotation.request_rewrap(actor=people.actor("alma"))
    assert keyring.load().stage == "migrate"
    run_jobs()
    assert Rewrap.objects.get().state == "succeeded"
    assert keyring.load().stage == "contract"
    endpoint.refresh_from_db()
    assert open_sealed(endpoint, "sealed_secret") == secret
    assert secretrefs.resolve(reference).reveal() == "typed secret"
    assert tokens.authenticate(raw) is not None
    assert ApiToken.objects.get(pk=token.pk).pepper_id == keyring.active("pepper").id
    assert tokens.authenticate(raw) is not None


def test_a_token_follows_its_pepper(ring: keyring.Ring, people: People):
    token, raw = make_token(people.wanda, "content.read")
    first = token.pepper_id
    assert first == ring.active("pepper").id
    fresh, job = key_rotation.rotate_key(actor=people.actor("alma"), purpose="pepper")
    assert job is None
    assert tokens.authenticate(raw) is not None
    assert ApiToken.objects.get(pk=token.pk).pepper_id == fresh.id
    ApiToken.objects.filter(pk=token.pk).update(pepper_id="0123456789abcdef")
    assert tokens.authenticate(raw) is None


def test_a_webhooks_two_secrets_stand_in_their_own_columns(ring: keyring.Ring, people: People):
    endpoint, secret = _webhook(people)
    endpoint, fresh = webhooks.rotate_secret(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    assert open_sealed(endpoint, "sealed_previous") == secret
    assert open_sealed(endpoint, "sealed_secret") == fresh.reveal()
    assert endpoint.sealed_previous != endpoint.sealed_secret


def test_a_pending_key_is_the_next(ring: keyring.Ring, people: People):
    alma = people.actor("alma")
    pending = key_rotation.prepare_key(actor=alma, purpose="url")
    assert keyring.active("url").id != pending.id
    with pytest.raises(Conflict):
        key_rotation.prepare_key(actor=alma, purpose="url")
    fresh, _ = key_rotation.rotate_key(actor=alma, purpose="url")
    assert fresh.id == pending.id == keyring.active("url").id


def test_what_is_needed_is_not_destroyed(ring: keyring.Ring, people: People):
    alma = people.actor("alma")
    _webhook(people)
    used = ring.active("field").id
    with pytest.raises(Conflict, match="is active"):
        key_rotation.retire_key(actor=alma, key_id=used)
    key_rotation.rotate_key(actor=alma, purpose="field")
    with pytest.raises(Conflict, match=f"{1 + names()} things need"):
        key_rotation.retire_key(actor=alma, key_id=used)
    with pytest.raises(NotFound):
        key_rotation.retire_key(actor=alma, key_id="nothing")
    with pytest.raises(InvalidInput):
        key_rotation.rotate_key(actor=alma, purpose="tea")


def test_the_key_of_archived_events_is_needed(ring: keyring.Ring, people: People, run_jobs, tmp_path: Path):
    alma, used = people.actor("alma"), ring.active("audit").id
    ledger_sealing.seal_pending()
    last = AuditEvent.objects.filter(seal_key_id=used).count()
    key_rotation.rotate_key(actor=alma, purpose="audit")
    ledger_sinks.create_sink(actor=alma, name="Share", kind="file", address=str(tmp_path.parent / "share"))
    ledger_sealing.seal_pending()
    ledger_sealing.make_checkpoint()
    ledger_archive.archive_old(now=keys.timezone.now() + dt.timedelta(days=500), events=last, least=1)
    run_jobs()
    assert ledger_archive.release_delivered() == last
    assert not AuditEvent.objects.filter(seal_key_id=used).exists()
    with pytest.raises(Conflict, match="1 things need"):
        key_rotation.retire_key(actor=alma, key_id=used)
    assert ledger_checks.verify_record().ok


@pytest.mark.parametrize("name", ["wanda", "eddie", "otto", "ada"])
def test_only_administrators_replace_keys(ring: keyring.Ring, people: People, name: str):
    with pytest.raises(PermissionDenied):
        key_rotation.rotate_key(actor=people.actor(name), purpose="url")


def test_only_by_elevation_keys_are_replaced_by_one_who_was_lent_it(ring: keyring.Ring, people: People):
    rule = {"name": "Keys", "role": "admin", "capabilities": ["keys.manage"], "eligible_roles": ["admin"]}
    alma = people.actor("alma")
    token, _ = make_token(people.alma, "keys.manage")
    policy = create_policy(actor=SETUP, **rule, approvals=0, strict=True)

    def refused(*actors: Actor) -> None:
        for actor in actors:
            with pytest.raises(PermissionDenied):
                key_rotation.rotate_key(actor=actor, purpose="url")

    refused(alma, Actor.for_token(token))
    row = elevations.request_elevation(actor=alma, policy=policy, reason="yearly")
    fresh, _ = key_rotation.rotate_key(actor=people.actor("alma"), purpose="url")
    assert keyring.load().active("url") == fresh
    assert AuditEvent.objects.get(action="key.rotated").after["elevation"] == str(row.pk)
    refused(Actor.for_token(token))
    elevations.end(actor=people.actor("alma"), elevation=row)
    refused(people.actor("alma"))
    # Whoever has the machine has the keys: its command is bound by no policy.
    call_command("keys", "rotate", "url")
    assert keyring.load().active("url") != fresh


# ---------------------------------------------------------------- console, API, command
def test_the_console_shows_and_replaces_keys(ring: keyring.Ring, people: People, portal, run_jobs):
    _webhook(people)
    client = portal("alma")
    text = client.get(PAGE).content.decode()
    assert ring.active("field").id in text
    assert ring.active("field").material.hex() not in text
    assert client.post(f"{PAGE}rotate/field/").status_code == 302
    run_jobs()
    job = Rewrap.objects.get()
    page = client.get(f"/admin/users/rewrap/{job.pk}/change/")
    assert f"{1 + names()} secrets were sealed anew." in page.content.decode()
    assert client.post(f"{PAGE}rewrap/").status_code == 302
    assert client.post(f"{PAGE}retire/{ring.active('field').id}/").status_code == 302
    assert portal("otto").post(f"{PAGE}rotate/url/").status_code == 403
    assert portal("otto").get(PAGE).status_code == 200


def test_keys_in_the_api(ring: keyring.Ring, people: People, api, run_jobs):
    _webhook(people)
    found = api("ada").get("/api/v1/keys").json()
    assert (found["stage"], found["provider"], found["older_secrets"]) == ("contract", "file", 0)
    field = next(row for row in found["keys"] if row["purpose"] == "field")
    assert (field["uses"], field["state"], field["due"]) == (1 + names(), "active", False)
    made = api("alma").post("/api/v1/keys", {"purpose": "field"}).json()
    run_jobs()
    assert api("ada").get(f"/api/v1/keys/rewraps/{made['job']['id']}").json()["state"] == "succeeded"
    assert api("ada").post("/api/v1/keys", {"purpose": "field"}).status_code == 403
    assert api("alma").delete(f"/api/v1/keys/{field['id']}?dry_run=true").json()["state"] == "decrypt-only"
    assert api("alma").delete(f"/api/v1/keys/{field['id']}").status_code == 200
    assert api("alma").post("/api/v1/keys/rewraps").status_code == 202


def test_the_command(ring: keyring.Ring, people: People, capsys, tmp_path: Path):
    _webhook(people)

    def answer(*arguments: str) -> dict[str, Any]:
        call_command("keys", *arguments, "--json")
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    assert len(answer("inventory")["keys"]) == 6
    assert answer("rotate", "field", "--dry-run")["before"] == ring.active("field").id
    assert keyring.load().keys == ring.keys
    (tmp_path / "new.json").write_text("left by somebody, and readable by all")
    (tmp_path / "new.json").chmod(0o644)
    made = answer("rotate", "field", "--out", str(tmp_path / "new.json"))
    assert keyring.load().keys == ring.keys
    assert made["key"] in (tmp_path / "new.json").read_text()
    assert (tmp_path / "new.json").stat().st_mode & 0o077 == 0
    assert answer("rotate", "field")["key"] == keyring.active("field").id
    assert answer("rewrap", "--dry-run")["waiting"] == 0
    assert answer("rewrap")["state"] == "succeeded"
    assert answer("retire", ring.active("field").id, "--dry-run")["dry_run"] is True
    assert answer("prepare", "url")["key"]
    call_command("keys", "inventory")
    assert "guarded by file" in capsys.readouterr().out
    with pytest.raises(CommandError, match="not a purpose"):
        call_command("keys", "rotate", "tea")
