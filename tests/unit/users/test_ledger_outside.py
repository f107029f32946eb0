"""Checkpoints at places outside, and old events in archived segments."""

from __future__ import annotations

import datetime as dt
import gzip
import http.server
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from aiwriter.core import ledger
from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.users.models import AuditDelivery, AuditEvent, AuditSegment
from apps.users.selectors.access import Actor
from apps.users.services import (
    ledger_archive,
    ledger_checks,
    ledger_delivery,
    ledger_files,
    ledger_sealing,
    ledger_sinks,
)
from apps.users.services.audit import record
from tests.people import People

SYSTEM = Actor.system_actor("tests")


def write(count: int, **more: Any) -> list[AuditEvent]:
    """Events that wait for their seal."""
    return [
        record(SYSTEM, "user.updated", reason=f"number {n}", after={"n": n, "share": 0.5}, **more) for n in range(count)
    ]


def sealed(count: int) -> list[list[Any]]:
    """Sealed rows, to be spoiled."""
    write(count)
    ledger_sealing.seal_pending(batch=7)
    return [list(row) for row in ledger_files.every_row()]


# ---------------------------------------------------------------- places outside
def test_a_folder_gets_checkpoints_that_verify_the_record(people: People, tmp_path: Path, run_jobs):
    alma = people.actor("alma")
    sink = ledger_sinks.create_sink(actor=alma, name="Share", kind="file", address=str(tmp_path / "share"))
    ledger_sealing.seal_pending()
    ledger_sealing.make_checkpoint()
    run_jobs()
    files = sorted((tmp_path / "share").iterdir())
    assert len(files) == 1
    point = ledger.checkpoint_from(json.loads(files[0].read_text()))
    assert ledger.is_signed(point, json.loads(files[0].read_text())["public_key"])
    sink.refresh_from_db()
    assert (sink.last_seq, sink.last_error, sink.failing_since) == (point.seq, "", None)
    assert ledger_checks.verify_record([point]).ok


def test_a_place_that_cannot_be_reached_is_tried_again_and_named(people: People, tmp_path: Path, run_jobs):
    (tmp_path / "file").write_text("no folder")
    sink = ledger_sinks.create_sink(
        actor=people.actor("alma"), name="Gone", kind="file", address=str(tmp_path / "file" / "inside")
    )
    ledger_sealing.seal_pending()
    ledger_sealing.make_checkpoint()
    run_jobs()
    delivery = AuditDelivery.objects.get(sink=sink)
    assert delivery.state == "queued"
    assert "cannot be written" in delivery.error
    assert delivery.next_try_at > timezone.now()
    sink.refresh_from_db()
    assert sink.failing_since is not None
    AuditDelivery.objects.update(next_try_at=timezone.now(), queued_at=timezone.now() - dt.timedelta(minutes=1))
    (tmp_path / "file").unlink()
    assert ledger_delivery.sweep_deliveries() == 1
    run_jobs()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


class _Receiver(http.server.BaseHTTPRequestHandler):
    got: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


def test_a_webhook_gets_a_signed_message(people: People, run_jobs):
    import hashlib
    import hmac

    server = http.server.HTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/audit"
        secret = "a-secret-of-enough-length"
        sink = ledger_sinks.create_sink(
            actor=people.actor("alma"), name="Hook", kind="webhook", address=url, secret=secret
        )
        assert secret not in sink.sealed_secret
        assert sink.secret_hint == secret[-4:]
        ledger_sealing.seal_pending()
        ledger_sealing.make_checkpoint()
        run_jobs()
    finally:
        server.shutdown()
        server.server_close()
    headers, body = _Receiver.got[-1]
    assert headers["X-Signature"] == "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert AuditDelivery.objects.get().state == "delivered"


def test_a_syslog_server_gets_a_framed_message(people: People, run_jobs):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        got: list[bytes] = []

        def take() -> None:
            peer, _ = server.accept()
            with peer:
                while part := peer.recv(4096):
                    got.append(part)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        ledger_sinks.create_sink(
            actor=people.actor("alma"), name="Log", kind="syslog", address=f"tcp://127.0.0.1:{port}"
        )
        ledger_sealing.seal_pending()
        ledger_sealing.make_checkpoint()
        run_jobs()
        thread.join(10)
    length, _, message = b"".join(got).partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(b"<85>1 ")
    ledger.checkpoint_from(json.loads(message[message.index(b"{") :]))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"kind": "file", "address": "relative"}, "address"),
        ({"kind": "webhook", "address": "ftp://example.org"}, "address"),
        ({"kind": "webhook", "address": "https://user:pass@example.org"}, "address"),
        ({"kind": "syslog", "address": "https://example.org"}, "address"),
        ({"kind": "syslog", "address": "tls://example.org", "secret": "x" * 20}, "secret"),
        ({"kind": "webhook", "address": "https://example.org", "secret": "short"}, "secret"),
        ({"kind": "storage"}, "profile_id"),
        ({"kind": "storage", "profile_id": "0199aaaa-0000-7000-8000-000000000000"}, "profile_id"),
        ({"kind": "file", "address": "/tmp/x", "name": " "}, "name"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_by_its_field(people: People, values, field):
    with pytest.raises(InvalidInput) as raised:
        ledger_sinks.create_sink(actor=people.actor("alma"), **{"name": "Place", **values})
    assert raised.value.field == field


def test_a_folder_beside_the_record_is_refused(people: People, settings):
    with pytest.raises(InvalidInput, match="within the data folder"):
        ledger_sinks.create_sink(
            actor=people.actor("alma"), name="Inside", kind="file", address=str(settings.DATA_DIR / "audit")
        )


def test_places_are_set_up_by_administrators_and_recorded(people: People, tmp_path: Path):
    for name in ("wanda", "otto", "ada"):
        with pytest.raises(PermissionDenied):
            ledger_sinks.create_sink(actor=people.actor(name), name="A", kind="file", address=str(tmp_path))
    alma = people.actor("alma")
    sink = ledger_sinks.create_sink(actor=alma, name="A", kind="file", address=str(tmp_path))
    with pytest.raises(Conflict):
        ledger_sinks.create_sink(actor=alma, name="A", kind="file", address=str(tmp_path))
    ledger_sinks.update_sink(actor=alma, sink_id=sink.pk, name="B", enabled=False)
    ledger_sinks.delete_sink(actor=alma, sink_id=sink.pk)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"audit.sink_created", "audit.sink_changed", "audit.sink_deleted"} <= actions


# ---------------------------------------------------------------- archive
def test_old_events_leave_the_table_only_when_a_place_outside_has_them(people: People, tmp_path: Path, run_jobs):
    sealed(30)
    ledger_sealing.make_checkpoint()
    later = timezone.now() + dt.timedelta(days=500)
    assert ledger_archive.archive_old(now=later, least=1) is None, "there is no place that keeps files"
    ledger_sinks.create_sink(actor=people.actor("alma"), name="Share", kind="file", address=str(tmp_path / "share"))
    segment = ledger_archive.archive_old(now=later, events=20, least=1)
    assert segment is not None
    assert (segment.first_seq, segment.last_seq) == (1, 20)
    assert ledger_archive.release_delivered() == 0
    assert AuditEvent.objects.filter(seq__lte=20).count() == 20
    run_jobs()
    assert ledger_archive.release_delivered() == 20
    assert AuditEvent.objects.filter(seq__isnull=False).order_by("seq").values_list("seq", flat=True)[0] == 21
    assert (tmp_path / "share" / segment.name).read_bytes() == (ledger_files.folder() / segment.name).read_bytes()
    ledger_sealing.seal_pending()
    assert ledger_checks.verify_record().ok
    (ledger_files.folder() / segment.name).chmod(0o600)
    (ledger_files.folder() / segment.name).write_bytes(gzip.compress(b""))
    with pytest.raises(Exception, match="was changed"):
        ledger_checks.verify_record()
    (ledger_files.folder() / segment.name).unlink()


def test_the_database_refuses_to_delete_what_was_not_archived(db):
    sealed(3)
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEvent.objects.filter(seq=2)._raw_delete("default")
    AuditSegment.objects.create(
        name="x",
        first_seq=1,
        last_seq=2,
        before_hash="",
        before_root="",
        last_hash="",
        last_root="",
        sha256="",
        size=0,
        oldest_at=timezone.now(),
        newest_at=timezone.now(),
    )
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEvent.objects.filter(seq=2)._raw_delete("default")
