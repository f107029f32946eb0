"""From a plugin to a backend that may be called: fill in, test, enable."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, PreconditionFailed, Unavailable
from aiwriter_sdk import AuthFailed
from apps.backends.models import BackendProfile, Route, RouteStep
from apps.backends.selectors.profiles import profile_view
from apps.backends.selectors.routes import models_for, route_for
from apps.backends.services import defaults, instances, profiles, routing
from apps.backends.services.cooldowns import note_failure
from apps.backends.services.filestore import put_file
from apps.backends.services.profiles import Secrets
from apps.users.models import AuditEvent, Notification
from tests.factories.backends import SETUP, offline_profile, openai_profile, route, storage_profile
from tests.fakes.provider import FakeProvider
from tests.people import People

pytestmark = pytest.mark.django_db
KEY = "typed-by-an-operator-7Gk2"


def create(url: str = "http://127.0.0.1:9/v1", key: str = KEY, **changes: Any) -> BackendProfile:
    values: dict[str, Any] = {
        "actor": SETUP,
        "kind": "model",
        "plugin_key": "openai",
        "name": "Fake",
        "options": {"base_url": url, "default_model": "fake-large"},
        "secrets": Secrets(typed={"api_key": key}),
        **changes,
    }
    return profiles.create_profile(**values)


def secret_files(settings) -> list[Path]:  # type: ignore[no-untyped-def]
    return sorted(Path(settings.SECRETS_DIR).glob("*"))


class TestSecrets:
    def test_a_typed_secret_is_a_private_file_and_stands_nowhere_else(self, settings, people: People) -> None:  # type: ignore[no-untyped-def]
        profile = create(actor=people.actor("otto"))
        (file,) = secret_files(settings)
        assert KEY not in file.read_text()
        assert secretrefs.resolve(f"file:{file.name}").reveal() == KEY
        assert file.stat().st_mode & 0o777 == 0o600
        assert profile.secret_refs == {"api_key": f"file:{file.name}"}
        assert profile.secret_hints == {"api_key": "7Gk2"}
        row = BackendProfile.objects.values().get()
        assert KEY not in json.dumps(row, default=str)
        assert KEY not in repr(Secrets(typed={"api_key": KEY}))
        events = list(AuditEvent.objects.filter(action="profile.created").values())
        assert events
        assert KEY not in json.dumps(events, default=str)

    def test_of_a_short_secret_nothing_is_shown(self) -> None:
        assert create(key="short").secret_hints == {"api_key": ""}

    def test_a_new_secret_takes_the_place_of_the_old_file(self, settings, django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
        profile = create()
        with django_capture_on_commit_callbacks(execute=True):
            profiles.update_profile(
                actor=SETUP, profile_id=profile.pk, secrets=Secrets(typed={"api_key": "another-key-0001"})
            )
        (file,) = secret_files(settings)
        assert secretrefs.resolve(f"file:{file.name}").reveal() == "another-key-0001"

    def test_a_file_that_an_operator_put_there_is_never_removed(
        self, settings, django_capture_on_commit_callbacks
    ) -> None:  # type: ignore[no-untyped-def]
        folder = Path(settings.SECRETS_DIR)
        folder.mkdir(parents=True)
        (folder / "mounted").write_text("from-the-vault")
        profile = create(secrets=Secrets(references={"api_key": "file:mounted"}))
        assert profile.secret_hints == {}
        with django_capture_on_commit_callbacks(execute=True):
            profiles.delete_profile(actor=SETUP, profile_id=profile.pk)
        assert (folder / "mounted").exists()

    @pytest.mark.parametrize(
        "reference", ["env:DATABASE_URL", "file:../keys/secret_key", "file:/etc/passwd", "env:PATH"]
    )
    def test_a_reference_cannot_leave_the_jail(self, reference: str) -> None:
        with pytest.raises(InvalidInput, match="reference"):
            create(secrets=Secrets(references={"api_key": reference}))

    def test_a_refused_profile_leaves_no_secret_behind(self, settings) -> None:  # type: ignore[no-untyped-def]
        create()
        with pytest.raises(Conflict):
            create()
        with pytest.raises(InvalidInput):
            create(name="Other", options={"base_url": "not an address"})
        assert len(secret_files(settings)) == 1

    def test_a_secret_changed_behind_its_reference_counts_at_once(self, settings, fake: FakeProvider) -> None:  # type: ignore[no-untyped-def]
        profile = openai_profile("Fake", fake.openai_url, key="first-account-000001")
        account = instances.ready(profile).account
        (file,) = secret_files(settings)
        file.write_text("second-account-00002")
        assert instances.ready(profile).account != account


class TestOptions:
    def test_every_wrong_field_is_told(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            create(options={"base_url": "gopher://x", "dimensions": 1})
        assert {detail.field for detail in caught.value.details} == {"base_url", "dimensions"}

    def test_a_secret_among_the_options_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            create(options={"base_url": "http://127.0.0.1:9/v1", "api_key": KEY})

    def test_unknown_plugin(self) -> None:
        with pytest.raises(NotFound, match="No model plugin"):
            create(plugin_key="nothing")

    def test_only_operators_set_up(self, people: People) -> None:
        with pytest.raises(PermissionDenied):
            create(actor=people.actor("wanda"))


class TestTesting:
    def test_a_profile_is_enabled_after_its_test_only(self, fake: FakeProvider) -> None:
        profile = create(fake.openai_url)
        with pytest.raises(Conflict, match="not passed the test"):
            profiles.enable_profile(actor=SETUP, profile_id=profile.pk)
        result = profiles.test_profile(actor=SETUP, profile_id=profile.pk)
        assert result.ok
        assert profiles.enable_profile(actor=SETUP, profile_id=profile.pk).enabled
        assert "fake-large" in [info.id for info in BackendProfile.objects.get().models]

    def test_the_database_refuses_what_was_not_tested(self) -> None:
        profile = create()
        with pytest.raises(IntegrityError), transaction.atomic():
            BackendProfile.objects.filter(pk=profile.pk).update(enabled=True)

    def test_a_wrong_key_says_so(self, fake: FakeProvider) -> None:
        profile = create(fake.openai_url, key="wrong-key-0123456789")
        result = profiles.test_profile(actor=SETUP, profile_id=profile.pk)
        assert not result.ok
        assert "credentials" in result.message
        assert result.remedy
        with pytest.raises(Conflict, match="test failed"):
            profiles.enable_profile(actor=SETUP, profile_id=profile.pk)

    def test_nobody_there(self) -> None:
        result = profiles.test_profile(actor=SETUP, profile_id=create("http://127.0.0.1:9/v1").pk)
        assert not result.ok
        assert "127.0.0.1" in result.message

    @pytest.mark.parametrize("url", ["http://169.254.169.254/v1", "http://10.1.2.3/v1", "http://metadata.invalid/v1"])
    def test_forbidden_addresses_are_not_called(self, url: str) -> None:
        result = profiles.test_profile(actor=SETUP, profile_id=create(url).pk)
        assert not result.ok
        assert "refused" in result.message or "resolved" in result.message

    def test_an_unwritable_folder(self) -> None:
        made = profiles.create_profile(
            actor=SETUP, kind="storage", plugin_key="local", name="Nowhere", options={"root": "/proc/nowhere"}
        )
        result = profiles.test_profile(actor=SETUP, profile_id=made.pk)
        assert not result.ok
        assert result.remedy

    def test_changed_settings_have_to_be_tested_again(self, fake: FakeProvider) -> None:
        profile = create(fake.openai_url)
        profiles.test_profile(actor=SETUP, profile_id=profile.pk)
        profiles.update_profile(
            actor=SETUP, profile_id=profile.pk, options={"base_url": fake.openai_url, "silence": 30}
        )
        with pytest.raises(Conflict):
            profiles.enable_profile(actor=SETUP, profile_id=profile.pk)

    def test_an_enabled_profile_keeps_working_when_new_settings_fail(self, fake: FakeProvider, settings) -> None:  # type: ignore[no-untyped-def]
        profile = openai_profile("Fake", fake.openai_url)
        before = BackendProfile.objects.values().get()
        with pytest.raises(Conflict, match="old ones stay"):
            profiles.update_profile(
                actor=SETUP, profile_id=profile.pk, secrets=Secrets(typed={"api_key": "wrong-key-00000000"})
            )
        assert BackendProfile.objects.values().get() == before
        assert len(secret_files(settings)) == 1

    def test_good_new_settings_of_an_enabled_profile_come_into_force(self, fake: FakeProvider) -> None:
        profile = openai_profile("Fake", fake.openai_url)
        changed = profiles.update_profile(
            actor=SETUP, profile_id=profile.pk, options={"base_url": fake.openai_url, "silence": 30}
        )
        assert changed.enabled
        assert (changed.revision, changed.last_test_revision) == (2, 2)

    def test_a_new_name_needs_no_test(self, fake: FakeProvider) -> None:
        profile = openai_profile("Fake", fake.openai_url)
        fake.reset()
        renamed = profiles.update_profile(actor=SETUP, profile_id=profile.pk, name="  Other   name ")
        assert (renamed.name, renamed.enabled, renamed.revision) == ("Other name", True, 1)
        assert fake.log() == []

    def test_two_who_change_it_at_once(self, fake: FakeProvider) -> None:
        profile = create(fake.openai_url)
        profiles.update_profile(actor=SETUP, profile_id=profile.pk, options={"base_url": fake.openai_url}, revision=1)
        with pytest.raises(PreconditionFailed):
            profiles.update_profile(actor=SETUP, profile_id=profile.pk, options={}, revision=1)

    def test_a_passed_test_ends_a_pause(self, fake: FakeProvider) -> None:
        profile = openai_profile("Fake", fake.openai_url)
        later = timezone.now() + dt.timedelta(hours=1)
        BackendProfile.objects.update(failures=5, cooldown_until=later, cooldown_kind="auth_failed")
        profiles.test_profile(actor=SETUP, profile_id=profile.pk)
        assert not BackendProfile.objects.get().cooling


class TestRemoving:
    def test_what_a_route_needs_stays(self, fake: FakeProvider) -> None:
        profile = openai_profile("Fake", fake.openai_url)
        route("write", profile)
        with pytest.raises(Conflict, match="route"):
            profiles.delete_profile(actor=SETUP, profile_id=profile.pk)

    def test_the_only_storage_stays_enabled(self) -> None:
        profile = storage_profile()
        with pytest.raises(Conflict, match="only enabled file storage"):
            profiles.disable_profile(actor=SETUP, profile_id=profile.pk)
        storage_profile("Another")
        assert not profiles.disable_profile(actor=SETUP, profile_id=profile.pk).enabled


class TestDefaults:
    def test_a_new_installation_can_write_and_keep_files(self) -> None:
        defaults.ensure_defaults()
        assert set(BackendProfile.objects.enabled().values_list("managed", flat=True)) == {"local-files", "offline"}
        for purpose in Route.Purpose.values:
            (step,) = route_for(purpose, None)
            assert step.profile.plugin_key == "offline"
            assert step.model

    def test_repeating_it_keeps_what_an_operator_changed(self, fake: FakeProvider) -> None:
        defaults.ensure_defaults()
        mine = openai_profile("Mine", fake.openai_url)
        route("write", mine)
        profiles.update_profile(
            actor=SETUP, profile_id=BackendProfile.objects.get(managed="offline").pk, name="House writer"
        )
        profiles.disable_profile(actor=SETUP, profile_id=BackendProfile.objects.get(managed="offline").pk)
        defaults.ensure_defaults()
        assert BackendProfile.objects.count() == 3
        assert RouteStep.objects.get(route__purpose="write").profile == mine
        offline = BackendProfile.objects.get(managed="offline")
        assert (offline.name, offline.enabled) == ("House writer", False)

    def test_the_product_s_own_profiles_stay(self) -> None:
        defaults.ensure_defaults()
        with pytest.raises(Conflict, match="belongs to the portal"):
            profiles.delete_profile(actor=SETUP, profile_id=BackendProfile.objects.get(managed="offline").pk)


class TestRoutes:
    def test_a_workspace_s_own_chain_goes_before_the_default(self, people: People, fake: FakeProvider) -> None:
        offline, real = offline_profile(), openai_profile("Fake", fake.openai_url)
        route("write", offline)
        own = route("write", {"profile": real.pk, "options": {"temperature": "0.3"}}, offline, workspace=people.press)
        assert [s.profile.name for s in route_for("write", people.press.pk)] == ["Fake", "Offline"]
        assert [s.profile.name for s in route_for("write", people.rival.pk)] == ["Offline"]
        assert route_for("write", people.press.pk)[0].options == {"temperature": 0.3}
        routing.delete_route(actor=SETUP, route_id=own.pk)
        assert len(route_for("write", people.press.pk)) == 1

    def test_a_default_chain_stays(self) -> None:
        made = route("write", offline_profile())
        with pytest.raises(Conflict):
            routing.delete_route(actor=SETUP, route_id=made.pk)

    def test_disabled_backends_are_left_out(self, fake: FakeProvider) -> None:
        one, two = openai_profile("One", fake.openai_url), offline_profile()
        route("write", one, two)
        profiles.disable_profile(actor=SETUP, profile_id=one.pk)
        assert [s.profile.name for s in route_for("write", None)] == ["Offline"]

    def test_steps_that_cannot_work_are_refused(self, fake: FakeProvider) -> None:
        model, files = openai_profile("Fake", fake.openai_url), storage_profile()
        for steps, word in (
            ([], "1 to 10"),
            ([{"profile": files.pk}], "file storage"),
            ([{"profile": model.pk, "options": {"temperature": 9}}], "temperature"),
            ([{"profile": model.pk, "options": {"colour": 1}}], "colour"),
            ([{"profile": create(name="Untested").pk}], "not enabled"),
        ):
            with pytest.raises(InvalidInput, match=word):
                routing.set_route(actor=SETUP, purpose="write", steps=steps)
        with pytest.raises(InvalidInput, match="purpose"):
            routing.set_route(actor=SETUP, purpose="dance", steps=[{"profile": model.pk}])

    def test_writers_see_the_models_of_their_workspace_only(self, people: People) -> None:
        route("write", offline_profile())
        assert models_for(people.actor("wanda"), people.press.pk)
        with pytest.raises(NotFound):
            models_for(people.actor("eve"), people.press.pk)


def test_operators_are_told_once_of_what_only_they_can_mend(people: People, fake: FakeProvider) -> None:

    people.otto  # noqa: B018
    profile = openai_profile("Fake", fake.openai_url)
    for _ in range(3):
        note_failure(profile_view(profile), AuthFailed(remedy="Check the key."))
    (note,) = Notification.objects.filter(user=people.otto)
    assert "Fake" in note.title
    stale = profile_view(profile)
    BackendProfile.objects.update(revision=9, last_test_revision=9, cooldown_until=None, failures=0)
    note_failure(stale, AuthFailed())
    assert BackendProfile.objects.get().failures == 0


def test_a_missing_plugin_is_told_as_such(people: People) -> None:
    profile = storage_profile()
    BackendProfile.objects.filter(pk=profile.pk).update(plugin_key="gone")
    with pytest.raises(Unavailable, match="No storage plugin with the key 'gone'"):
        put_file(actor=SETUP, workspace=people.press, name="a", stream=io.BytesIO(b"a"))
