"""What parameters of the audit record and of the keyring name."""

from __future__ import annotations

import tempfile
import uuid

from django.utils import timezone

from aiwriter.core import keyring
from apps.users.models import (
    AuditCheckpoint,
    AuditEvent,
    AuditSegment,
    AuditSink,
    AuditVerification,
    ProofPack,
    Rewrap,
)
from apps.users.services import key_rotation, ledger_sealing
from apps.users.services.keys import ensure_ring
from apps.users.services.ledger_sinks import create_sink
from tests.factories.users import SETUP


def _elsewhere():
    """A folder outside of the data folder, of which nothing is ever written."""
    return f"{tempfile.gettempdir()}/aiwriter-matrix/{uuid.uuid4().hex}"


def _event(people):
    people.press  # noqa: B018  making it is recorded
    return AuditEvent.objects.order_by("id").first().pk


def _checkpoint(people):
    _event(people)
    ledger_sealing.seal_pending()
    found = AuditCheckpoint.objects.first() or ledger_sealing.make_checkpoint()
    return found.pk


def _sink(people):
    found = AuditSink.objects.filter(name="Matrix").first()
    return (found or create_sink(actor=SETUP, name="Matrix", kind="file", address=_elsewhere())).pk


def _segment(people):
    found = AuditSegment.objects.first()
    if found is None:
        facts = dict.fromkeys(("before_hash", "before_root", "last_hash", "last_root", "sha256"), "0" * 64)
        moments = {"oldest_at": timezone.now(), "newest_at": timezone.now()}
        found = AuditSegment.objects.create(
            name="a.gz", first_seq=900_001, last_seq=900_002, size=1, **facts, **moments
        )
    return found.pk


def _verification(people):
    return AuditVerification.objects.create(state="sound", events=3, finished_at=timezone.now()).pk


def _pack(people):
    """Of a month that is over."""
    facts = {"state": "done", "made_at": timezone.now(), "size": 3, "content": b"zip"}
    found, _made = ProofPack.objects.get_or_create(month="2020-01-01", whole=True, defaults=facts)
    return found.pk


def _key(people):
    """A key that nothing needs."""
    ensure_ring()
    pending = next((key for key in keyring.load().of("url") if key.state == "pending"), None)
    return (pending or key_rotation.prepare_key(actor=SETUP, purpose="url")).id


BODIES = {
    "POST api/v1/keys": lambda people: {"purpose": "checkpoint"},
    "POST api/v1/proof-packs": lambda people: {},
    "DELETE api/v1/keys/<slug:key_id>": lambda people: {},
    "POST api/v1/audit/sinks": lambda people: {"name": "Share", "kind": "file", "address": _elsewhere()},
    "PATCH api/v1/audit/sinks/<uuid:sink_id>": lambda people: {"enabled": False},
    "POST admin/users/auditsink/add/": lambda people: {"name": "Share", "kind": "file", "address": _elsewhere()},
    "POST admin/users/auditsink/<path:object_id>/change/": lambda people: {"name": "Other", "address": _elsewhere()},
    "POST admin/users/auditsink/<path:object_id>/delete/": lambda people: {"post": "yes"},
}
THINGS = {
    "event_id": _event,
    "checkpoint_id": _checkpoint,
    "sink_id": _sink,
    "verification_id": _verification,
    "key_id": _key,
    "purpose": lambda people: "checkpoint",
    "job_id": lambda people: Rewrap.objects.create(state="succeeded").pk,
    "users.keyrecord": _key,
    "users.rewrap": lambda people: Rewrap.objects.create(state="succeeded").pk,
    "pack_id": _pack,
    "users.proofpack": _pack,
    "format": lambda people: "jsonl",
    "users.auditcheckpoint": _checkpoint,
    "users.auditsink": _sink,
    "users.auditsegment": _segment,
    "users.auditverification": _verification,
}
