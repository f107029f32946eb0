"""Proof packs: once a month, made up for, signed; every byte accounted for by the product and by the script."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from aiwriter.core import keyring, ledger, proofpack
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.users.models import AccessReview, AuditCheckpoint, AuditEvent, ProofPack
from apps.users.selectors.access import Actor
from apps.users.services import key_rotation, ledger_sealing, proof_tests, proofs
from apps.users.services.ledger_checks import trusted
from apps.users.services.reviews import decide_items, start_review
from tests.factories.users import SETUP, RoleGrantFactory
from tests.people import People, open_session

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "rescue" / "verify_proof.py"
JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest">
<testcase classname="tests.unit.core.test_a" name="test_good[x]" time="0.1"/>
<testcase classname="tests.unit.core.test_a" name="test_good[y]" time="0.1"/>
<testcase classname="tests.unit.core.test_a.TestMore" name="test_bad"><failure message="no">at line 3</failure></testcase>
<testcase classname="tests.unit.core.test_a" name="test_later"><skipped/></testcase></testsuite></testsuites>"""
ASVS = """requirement,level,what it asks,shown by,where
V1,1,a,test,tests/unit/core/test_a.py::test_good
V2,1,b,test,tests/unit/core/test_a.py::test_good tests/unit/core/test_a.py::test_bad
V3,2,c,test,tests/unit/core/test_a.py::test_good tests/unit/core/test_b.py::test_gone
V4,2,d,document,docs/deviations.md#x
V5,2,e,proof,tests/proofs/sign_in.py
"""


@pytest.fixture
def release(settings, tmp_path: Path) -> Path:
    settings.RELEASE_FILES = str(tmp_path)
    return tmp_path


def made(actor: Actor, month: str = "") -> ProofPack:
    pack = proofs.request_pack(actor=actor, month=month)
    proofs.run_pack(pack.pk)
    return ProofPack.objects.get(pk=pack.pk)


def parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def script(path: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, path, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def ended_review(people: People) -> AccessReview:
    review = start_review(actor=SETUP, name="Quarter")
    boss = Actor.for_user(RoleGrantFactory(role="admin").user)
    decide_items(actor=boss, items=review.items.all(), decision="keep", comment="nötig “now” \x7f")
    review.refresh_from_db()
    return review


def test_a_pack_shows_the_month_and_says_what_it_lacks(people: People, release: Path):
    people.alma  # noqa: B018  somebody whose role is reviewed
    review = ended_review(people)
    key_rotation.rotate_key(actor=SETUP, purpose="checkpoint")
    pack = made(people.actor("ada"))
    assert (pack.state, pack.whole, pack.requested_by) == ("done", False, people.ada)
    assert pack.absent == ["drills", "tests"]
    assert "came without results" in next(each["says"] for each in pack.parts if each["name"] == "tests")
    files = parts_of(bytes(pack.content))
    assert files[f"reviews/{review.closed_at:%Y-%m-%d}-{review.pk}.json"].decode() == review.evidence
    point = ledger.checkpoint_from(json.loads(files["record/checkpoint.json"]))
    assert point.seq == AuditEvent.objects.exclude(seq=None).count() > 0
    assert ledger.is_signed(point, trusted()[point.key_id])
    keys = json.loads(files["keys.json"])
    assert [each["action"] for each in keys["events"]] == ["key.rotated"]
    assert {each["id"] for each in keys["keys"]} == set(keyring.load().keys)
    assert not any(key.material.hex().encode() in bytes(pack.content) for key in keyring.load().keys.values())
    assert json.loads(files["retention.json"])["tables"]["users.Notification"]["days"] == 90
    # What was signed with the key before the rotation is answered for by the present one.
    assert proofs.verify_file(bytes(pack.content), {pack.key_id: trusted()[pack.key_id]}).problems == []
    actions = list(AuditEvent.objects.filter(object_id=pack.pk).order_by("id").values_list("action", flat=True))
    assert actions == ["proof_pack.requested", "proof_pack.made"]
    assert people.ada.notifications.filter(kind="proof_pack.made").count() == 1


def test_each_change_is_named_by_the_product_and_by_the_script(people: People, tmp_path: Path):
    people.alma  # noqa: B018
    ended_review(people)
    pack = made(SETUP)
    content = bytes(pack.content)
    key = f"{pack.key_id}={trusted()[pack.key_id]}"
    path = tmp_path / "pack.zip"

    def both(changed: bytes, *keys: str) -> tuple[int, str]:
        path.write_bytes(changed)
        ours = "\n".join(proofs.verify_file(changed, dict(each.partition("=")[::2] for each in keys)).problems)
        code, said = script(path, *(word for each in keys for word in ("--key", each)))
        assert (code == 14) == bool(ours), (code, said, ours)
        return code, f"{ours}\n---\n{said}"

    def named(name: str, changed: bytes, words: str = "was changed") -> None:
        code, said = both(changed, key)
        ours, _, theirs = said.partition("---")
        assert code == 14, said
        for each in (ours, theirs):
            assert name in each, said
            assert words in each, said

    def rebuilt(**changes: bytes | None) -> bytes:
        files = {**parts_of(content), **changes}
        return proofpack._zip({name: text for name, text in files.items() if text is not None})

    code, said = both(content, key)
    assert code == 0, said
    files = parts_of(content)
    # A byte of a part, with the archive's own checksum left and with it made to fit; a part gone; one more.
    for name in ("drills.json", "record/checkpoint.json", next(each for each in files if each.startswith("reviews/"))):
        at = content.index(files[name]) + len(files[name]) // 2
        named(name, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        named(name, rebuilt(**{name: files[name].replace(b"e", b"E", 1)}))
        named(name, rebuilt(**{name: None}), "was removed")
    named("more.json", rebuilt(**{"more.json": b"{}"}), "was added")
    named(
        "manifest.json", rebuilt(**{"manifest.json": files["manifest.json"].replace(b'"whole":false', b'"whole":true')})
    )
    named("manifest.json", rebuilt(**{"manifest.json": files["manifest.json"] + b" "}))
    named("manifest.json", rebuilt(**{"manifest.json": None}), "missing")
    # Bytes around the parts.
    named("archive", content[:11] + b"\x01" + content[12:], "the archive around the parts was changed".lower()[4:])
    assert both(content[: len(content) // 2], key)[0] == 14
    assert both(b"no archive", key)[0] == 14
    # Somebody else signs the same parts anew: with another key, and with another key under our key's name.
    document = json.loads(files["manifest.json"])["document"]
    parts = {name: text for name, text in files.items() if name != "manifest.json"}
    seed = bytes(range(32))
    foreign = proofpack.write({**document, "key_id": "feedfeed", "public_key": ledger.public_key(seed)}, parts, seed)
    named("feedfeed", foreign, "the key feedfeed")
    named(pack.key_id, proofpack.write(document, parts, seed), f"the key {pack.key_id} did not sign")
    # Without any key the script says that nobody knows who signed; it is no success.
    path.write_bytes(foreign)
    assert script(path)[0] == 3
    # The command: by the keyring, by a key, refused.
    path.write_bytes(content)
    call_command("proof_pack", "verify", str(path))
    call_command("proof_pack", "verify", str(path), "--key", key, "--json")
    path.write_bytes(foreign)
    with pytest.raises(SystemExit) as ended:
        call_command("proof_pack", "verify", str(path))
    assert ended.value.code == 14
    with pytest.raises(CommandError) as refused:
        call_command("proof_pack", "verify", str(tmp_path / "none.zip"))
    assert refused.value.returncode == 2


def test_once_a_month_and_missed_ones_are_made_up_for(people: People, run_jobs):
    people.alma  # noqa: B018
    ledger_sealing.seal_pending()
    ledger_sealing.make_checkpoint()
    assert proofs.sweep_packs() == 0
    now = timezone.now()
    this = dt.date(now.year, now.month, 1)
    last = (this - dt.timedelta(days=1)).replace(day=1)
    before = (last - dt.timedelta(days=1)).replace(day=1)
    # The portal began in the month before the last, and was off since.
    ledger_sealing.make_checkpoint(force=True)
    AuditCheckpoint.objects.bulk_create(
        [
            AuditCheckpoint(**{name: getattr(point, name) for name in ("seq", "hash", "root", "made_at", "ledger", "key_id", "signature")},
                            created_at=dt.datetime(before.year, before.month, 20, tzinfo=dt.UTC))
            for point in AuditCheckpoint.objects.order_by("seq")[:1]
        ]
    )  # fmt: skip
    assert proofs.sweep_packs() == 2
    assert proofs.sweep_packs() == 0
    run_jobs()
    packs = list(ProofPack.objects.order_by("month"))
    assert [(pack.month, pack.whole, pack.state) for pack in packs] == [(before, True, "done"), (last, True, "done")]
    assert packs[0].filename == f"proof-pack-{before:%Y-%m}.zip"
    manifest = json.loads(parts_of(bytes(packs[0].content))["manifest.json"])["document"]
    assert manifest["until"] == f"{last:%Y-%m}-01T00:00:00+00:00"
    with pytest.raises(Conflict, match="a month has one"):
        proofs.request_pack(actor=SETUP, month=f"{last:%Y-%m}")
    for wrong in ("2026-13", "9000-01", "soon", "²026-01"):
        with pytest.raises(InvalidInput):
            proofs.request_pack(actor=SETUP, month=wrong)
    # One of the present month at a time; afterwards as many as people want.
    assert made(SETUP).state == made(SETUP).state == "done"
    waits = proofs.request_pack(actor=SETUP)
    with pytest.raises(Conflict, match="being made"):
        proofs.request_pack(actor=SETUP)
    with pytest.raises(NotFound):
        proofs.read_file(actor=SETUP, pack_id=waits.pk)


def test_a_killed_worker_loses_and_doubles_nothing(people: People, release: Path, monkeypatch: pytest.MonkeyPatch):
    pack = proofs.request_pack(actor=SETUP)
    # The first worker dies in the middle; a slow second one is overtaken by a third and writes nothing.
    assert ProofPack.objects.claim(pack.pk, lease=dt.timedelta(seconds=-1), to_state="running") == 1
    assert proofs.sweep_packs() == 0
    ProofPack.objects.update(queued_at=timezone.now() - dt.timedelta(minutes=2))
    assert proofs.sweep_packs() == 1
    real = proofs._made

    def slow(row: ProofPack) -> dict:
        found = real(row)
        monkeypatch.setattr(proofs, "_made", real)
        ProofPack.objects.filter(pk=row.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        proofs.run_pack(row.pk)
        return found

    monkeypatch.setattr(proofs, "_made", slow)
    proofs.run_pack(pack.pk)
    pack.refresh_from_db()
    assert (pack.state, pack.fence, pack.attempts) == ("done", 3, 3)
    assert AuditEvent.objects.filter(action="proof_pack.made").count() == 1
    # What cannot be read ends it with a word; it can be asked for again.
    (release / "tests.xml").write_text("<testsuite")
    failed = made(SETUP)
    assert failed.state == "failed"
    assert "no JUnit XML" in failed.error
    assert "--junitxml" in failed.remedy
    assert not failed.content


def test_results_of_the_release_are_told_by_requirement(release: Path):
    period = proofs.proof_parts.Period(since=timezone.now(), until=timezone.now(), made_at=timezone.now())
    (release / "tests-sqlite.xml").write_text(JUNIT)
    (release / "asvs.csv").write_text(ASVS)
    (release / "proofs.json").write_text(json.dumps({"sign-in": {"holds": True, "figure": "6 ways"}}))
    part = proof_tests.tests(period)
    rows = {row["requirement"]: row["result"] for row in json.loads(part.files["tests/requirements.json"])}
    assert rows == {"V1": "passed", "V2": "failed", "V3": "not run", "V4": "by document", "V5": "passed"}
    run = json.loads(part.files["tests/results.json"])["runs"][0]
    assert (run["passed"], run["failed"], run["skipped"]) == (2, 1, 1)
    assert run["failed_tests"] == ["tests/unit/core/test_a.py::test_bad"]
    assert "2 passed, 1 failed, 1 skipped" in part.says
    (release / "release.json").write_text('{"version": "0.0.1"}')
    assert not proof_tests.tests(period).present
    entity = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;" classname="a"/></testsuite>'
    (release / "release.json").unlink()
    (release / "tests-sqlite.xml").write_text(entity)
    with pytest.raises(InvalidInput, match="no JUnit XML"):
        proof_tests.tests(period)


def test_who_may_read_and_ask(people: People, client: Client):
    pack = made(people.actor("ada"))
    for name in ("wanda", "eddie", "otto"):
        with pytest.raises(PermissionDenied):
            proofs.request_pack(actor=people.actor(name))
        with pytest.raises(PermissionDenied):
            proofs.read_file(actor=people.actor(name), pack_id=pack.pk)
    open_session(client, people.ada)
    page = client.get("/admin/users/proofpack/").content.decode()
    assert f"{timezone.now():%Y-%m}" in page
    assert trusted()[pack.key_id] in page
    detail = client.get(f"/admin/users/proofpack/{pack.pk}/change/").content.decode()
    assert "verify_proof.py" in detail
    assert "came without results" in detail
    answer = client.get(f"/admin/users/proofpack/{pack.pk}/file/")
    assert answer.content == bytes(pack.content)
    assert pack.filename in answer["Content-Disposition"]
    assert AuditEvent.objects.filter(action="proof_pack.downloaded", actor_id=f"user:{people.ada.pk}").count() == 1
    assert json.loads(client.get("/admin/users/proofpack/sbom/").content)["bomFormat"] == "CycloneDX"
