"""Keys and the places that witness the audit record: a browser that was left open reaches neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiwriter.core import keyring
from aiwriter.core.errors import ProofRequired
from apps.users.models import KeyRecord
from apps.users.selectors.access import Actor
from apps.users.services import keys
from apps.users.services.key_rotation import prepare_key, request_rewrap, retire_key, rotate_key
from apps.users.services.ledger_sinks import create_sink, delete_sink, sinks_for, update_sink
from tests.factories.users import PASSWORD
from tests.people import People, open_session


@pytest.fixture(autouse=True)
def ring(settings: Any, tmp_path: Path, db: None) -> None:
    """A keyring of the test's own, that this database knows."""
    settings.DATA_DIR = tmp_path / "data"
    settings.KEYRING_FILE = str(tmp_path / "keys" / "keyring.json")
    KeyRecord.objects.all().delete()
    keyring.create(stage="contract")
    keys.note_keys()


def test_without_a_fresh_proof_nothing_of_it_is_done(people: People, tmp_path: Path):
    proven, left_open = people.actor("alma"), Actor.for_user(people.alma, proven=False)
    place = create_sink(actor=proven, name="Other disk", kind="file", address=str(tmp_path / "witness"))
    before = sorted((key.id, key.state) for key in keyring.load().keys.values())
    acts = {
        "prepare": lambda actor: prepare_key(actor=actor, purpose="field"),
        "rotate": lambda actor: rotate_key(actor=actor, purpose="url"),
        "rewrap": lambda actor: request_rewrap(actor=actor),
        "retire": lambda actor: retire_key(actor=actor, key_id=before[0][0]),
        "add": lambda actor: create_sink(actor=actor, name="Mine", kind="file", address=str(tmp_path / "mine")),
        "move": lambda actor: update_sink(actor=actor, sink_id=place.pk, address=str(tmp_path / "nowhere")),
        "remove": lambda actor: delete_sink(actor=actor, sink_id=place.pk),
    }
    for name, act in acts.items():
        with pytest.raises(ProofRequired):
            act(left_open)
        assert sorted((key.id, key.state) for key in keyring.load().keys.values()) == before, name
    assert [(row.name, row.address) for row in sinks_for(proven)] == [("Other disk", str(tmp_path / "witness"))]
    acts["remove"](proven)
    assert not sinks_for(proven).exists()


def test_the_console_asks_and_goes_on_from_there(people: People, client):
    open_session(client, people.alma, minutes_ago=16)
    before = set(keyring.load().keys)
    asked = client.post("/admin/users/keyrecord/rotate/url/")
    assert asked.headers["Location"] == "/accounts/reauthenticate/"
    assert set(keyring.load().keys) == before
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert len(set(keyring.load().keys) - before) == 1


def test_the_api_says_what_to_do(people: People, client, tmp_path: Path):
    open_session(client, people.alma, minutes_ago=16)
    body = {"name": "Mine", "kind": "file", "address": str(tmp_path / "mine")}
    answer = client.post("/api/v1/audit/sinks", body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "reauthentication_required")
