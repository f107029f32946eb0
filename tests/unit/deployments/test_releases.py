"""Environments and releases: what protects them, what never changes, who may."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied, ProofRequired
from apps.deployments.models import Environment, Release
from apps.deployments.selectors.environments import frozen_by
from apps.deployments.services import environments, releases, signing
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor
from apps.users.services.sealing import open_sealed
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.people import People

pytestmark = pytest.mark.django_db
DIGEST = "sha256:" + "a" * 64


def test_the_first_start_makes_the_environment_that_the_portal_runs_in() -> None:
    environments.ensure_environment()
    environments.ensure_environment()
    (found,) = Environment.objects.all()
    assert found.own
    # The key is sealed, and is the private half of the one that is shown.
    private = open_sealed(found, "sealed_key")
    assert private not in found.sealed_key
    assert signing.signer(b"plan", signing.sign(b"plan", private), [found.public_key]) == found.public_key


def test_who_may_and_what_cannot_be(people: People) -> None:
    alma = people.actor("alma")
    made = environments.create_environment(actor=alma, slug="eu-1", title="Europe", kind="production", own=True)
    for change, field in (
        ({"approvals_required": 9}, "approvals_required"),
        ({"kind": "moon"}, "kind"),
        ({"default_strategy": "rollback"}, "default_strategy"),
        ({"release_keys": "x"}, "release_keys"),
    ):
        with pytest.raises(InvalidInput) as caught:
            environments.update_environment(actor=alma, environment_id=made.pk, **change)
        assert caught.value.details[0].field == field
    with pytest.raises(Conflict, match="this name"):
        environments.create_environment(actor=alma, slug="eu-1", title="E", kind="staging")
    with pytest.raises(Conflict, match="own"):
        environments.create_environment(actor=alma, slug="eu-2", title="E", kind="staging", own=True)
    with pytest.raises(PermissionDenied):
        environments.update_environment(actor=people.actor("otto"), environment_id=made.pk, title="x")
    late = Actor.for_user(people.alma, proven=False)
    with pytest.raises(ProofRequired):
        environments.replace_key(actor=late, environment_id=made.pk)
    before = made.public_key
    assert environments.replace_key(actor=alma, environment_id=made.pk).public_key != before
    environments.delete_environment(actor=alma, environment_id=made.pk)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert actions >= {"environment.created", "environment.key_replaced", "environment.deleted"}


def test_a_freeze_holds_in_its_time_and_every_week() -> None:
    environment, now = an_environment(), timezone.now()
    hour = dt.timedelta(hours=1)
    once = environments.create_freeze(
        actor=SETUP, environment_id=environment.pk, starts_at=now, ends_at=now + hour, reason="Fair"
    )
    assert frozen_by(environment, now + hour / 2) == once
    assert frozen_by(environment, now + hour) is None
    assert frozen_by(environment, now - hour) is None
    environments.delete_freeze(actor=SETUP, environment_id=environment.pk, freeze_id=once.pk)
    environments.create_freeze(
        actor=SETUP, environment_id=environment.pk, starts_at=now, ends_at=now + hour, reason="Night", weekly=True
    )
    assert frozen_by(environment, now + dt.timedelta(days=21) + hour / 2) is not None
    assert frozen_by(environment, now + dt.timedelta(days=21) + 2 * hour) is None
    with pytest.raises(InvalidInput):
        environments.create_freeze(
            actor=SETUP, environment_id=environment.pk, starts_at=now, ends_at=now + 200 * hour, reason="x", weekly=True
        )


def test_a_version_never_changes_and_a_pipeline_may_repeat_itself(people: People) -> None:
    otto = people.actor("otto")
    made = releases.register_release(actor=otto, version="1.2.0", digest=DIGEST, contract=["users.0009_drop"])
    assert releases.register_release(actor=otto, version="1.2.0", digest=DIGEST, contract=["users.0009_drop"]) == made
    with pytest.raises(Conflict, match="something else"):
        releases.register_release(actor=otto, version="1.2.0", digest="sha256:" + "b" * 64)
    with pytest.raises(InvalidInput, match="digest"):
        releases.update_release(actor=otto, release_id=made.pk, digest=DIGEST)
    releases.update_release(actor=otto, release_id=made.pk, notes_users="New: folders.")
    for wrong, field in (
        ({"version": "../x"}, "version"),
        ({"digest": "md5:1"}, "digest"),
        ({"contract": ["rm -rf"]}, "contract"),
        ({"schema_heads": ["x"]}, "schema_heads"),
        ({"config_added": ["name"]}, "config_added"),
    ):
        with pytest.raises(InvalidInput) as caught:
            releases.register_release(actor=otto, **{"version": "2.0.0", **wrong})  # type: ignore[arg-type]
        assert caught.value.details[0].field == field
    with pytest.raises(PermissionDenied):
        releases.register_release(actor=people.actor("ada"), version="3.0.0")
    assert AuditEvent.objects.filter(action="release.registered").count() == 1


def test_the_command_registers_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("deployments", "manifest")
    values = json.loads(capsys.readouterr().out)
    assert values["schema_heads"]["deployments"]
    assert "users" in values["schema_heads"]
    file = tmp_path / "release.json"
    file.write_text(json.dumps({**values, "digest": DIGEST}))
    call_command("deployments", "register", str(file))
    assert Release.objects.get().digest == DIGEST
    file.write_text("[]")
    with pytest.raises(CommandError, match="no manifest"):
        call_command("deployments", "register", str(file))


def test_the_pages_and_the_api(people: People, portal: Any, api: Any) -> None:
    alma = portal("alma")
    form = {"slug": "eu", "title": "Europe", "kind": "production", "data_policy": "real", "approvals_required": "1"}
    alma.post("/admin/deployments/environment/add/", {**form, "default_strategy": "canary", "soak_hours": "0"})
    environment = Environment.objects.get()
    page = f"/admin/deployments/environment/{environment.pk}"
    times = {"starts_at": "2026-01-01T00:00", "ends_at": "2026-01-02T00:00", "reason": "Holiday"}
    alma.post(f"{page}/freeze/", times)
    shown = alma.get(f"{page}/change/").content.decode()
    assert environment.public_key in shown
    assert "Holiday" in shown
    assert "Replace the key" not in portal("ada").get(f"{page}/change/").content.decode()
    release = a_release("1.2.0", notes_users="Folders.")
    otto = portal("otto")
    otto.post(f"/admin/deployments/release/{release.pk}/withdraw/", {"reason": "It loses words."})
    assert "It loses words." in otto.get(f"/admin/deployments/release/{release.pk}/change/").content.decode()
    assert "1.2.0" in otto.get("/admin/deployments/release/").content.decode()
    otto.post("/admin/deployments/release/add/", {"version": "1.3.0", "schema_heads": "{}", "contract": "[]"})
    assert Release.objects.filter(version="1.3.0").exists()
    (whole,) = api("ada").get("/api/v1/environments").json()["data"]
    assert (whole["slug"], whole["current"], whole["freezes"][0]["reason"]) == ("eu", "", "Holiday")
    answer = api("otto").post("/api/v1/releases", {"version": "1.2.0", "git_sha": "f"})
    assert answer.status_code == 409
