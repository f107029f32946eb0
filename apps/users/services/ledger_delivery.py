"""Takes checkpoints and archived segments to places outside the database, again and again until they are there.

A place gets the newest checkpoint even when older ones could not be delivered: each says everything that those before said.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import json
import logging
import os
import re
import socket
import ssl
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core import egress, keyring, ledger
from aiwriter.core.errors import AppError, StorageFull, Unavailable
from aiwriter.core.queue import enqueue
from aiwriter.core.redact import redact
from aiwriter_sdk import BackendError
from apps.users.models import AuditCheckpoint, AuditDelivery, AuditSegment, AuditSink
from apps.users.services import ledger_files
from apps.users.services.sealing import open_sealed

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
PATIENCE = dt.timedelta(seconds=15)
TIMEOUT = 15.0
# Seconds after each failed attempt; then once an hour for as long as the place is in use.
PAUSES = (5, 15, 60, 300, 900, 3600)
_FACILITY_AUTHPRIV, _NOTICE = 10, 5
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


def deliver(
    sink: AuditSink, *, checkpoint: AuditCheckpoint | None = None, segment: AuditSegment | None = None
) -> AuditDelivery:
    """Have something taken to a place. The row is made in the caller's transaction.

    Args:
        sink: where to.
        checkpoint, segment: one of them.
    """
    row = AuditDelivery.objects.create(sink=sink, checkpoint=checkpoint, segment=segment)
    enqueue("users.deliver_audit", delivery_id=str(row.pk))
    return row


def sweep_deliveries(limit: int = 200) -> int:
    """Wake what is due: its pause is over, or its message or worker was lost. Returns how many."""
    now = timezone.now()
    due = AuditDelivery.objects.claimable().filter(next_try_at__lte=now, queued_at__lt=now - PATIENCE)
    ids = list(due.filter(sink__enabled=True).order_by("next_try_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("users.deliver_audit", delivery_id=str(each))
    return len(ids)


def run_delivery(delivery_id: uuid.UUID) -> None:
    """Take it there. Quiet when it is there, not due, or somebody else is at it."""
    if not AuditDelivery.objects.filter(pk=delivery_id, next_try_at__lte=timezone.now()).exists():
        return
    fence = AuditDelivery.objects.claim(delivery_id, lease=LEASE, to_state=AuditDelivery.State.RUNNING)
    if fence is None:
        return
    row = AuditDelivery.objects.select_related("sink", "checkpoint", "segment").get(pk=delivery_id)
    held = AuditDelivery.objects.held(delivery_id, fence=fence)
    now = timezone.now()
    try:
        _send(row)
    except (AppError, BackendError) as error:
        message, remedy = error.message, error.remedy
    except Exception as error:
        logger.exception("Audit delivery %s failed", row.pk)
        message, remedy = f"It failed: {type(error).__name__}.", "See the worker's log."
    else:
        if held.update(state="delivered", lease_until=None, finished_at=timezone.now(), error="", remedy=""):
            _note_success(row)
        return
    pause = PAUSES[min(row.attempts, len(PAUSES)) - 1]
    fields = {
        "state": "queued",
        "lease_until": None,
        "error": redact(message),
        "remedy": remedy,
        "next_try_at": now + dt.timedelta(seconds=pause),
    }
    newer = row.checkpoint is not None and AuditDelivery.objects.filter(
        sink=row.sink, checkpoint__seq__gt=row.checkpoint.seq
    )
    if row.attempts >= len(PAUSES) and newer and newer.exists():
        # A newer statement waits for the same place and says more.
        fields |= {"state": "failed", "finished_at": timezone.now()}
    if held.update(**fields):
        AuditSink.objects.filter(pk=row.sink_id, failing_since=None).update(failing_since=now)
        AuditSink.objects.filter(pk=row.sink_id).update(last_error=f"{fields['error']} {remedy}".strip())


def _note_success(row: AuditDelivery) -> None:
    now = timezone.now()
    AuditSink.objects.filter(pk=row.sink_id).update(last_ok_at=now, failing_since=None, last_error="")
    if row.checkpoint is not None:
        AuditSink.objects.filter(pk=row.sink_id, last_seq__lt=row.checkpoint.seq).update(last_seq=row.checkpoint.seq)


def document_of(checkpoint: AuditCheckpoint) -> bytes:
    """A checkpoint as it is delivered: JSON with the public key that confirms it."""
    key = keyring.load().keys.get(checkpoint.key_id)
    public = ledger.public_key(key.material) if key is not None and key.usable else ""
    return json.dumps(checkpoint.signed.as_json(public), sort_keys=True).encode() + b"\n"


def name_of(row: AuditDelivery | AuditCheckpoint | AuditSegment) -> str:
    """The file name of what is delivered. It sorts by number, and is never used twice."""
    if isinstance(row, AuditDelivery):
        found = row.checkpoint or row.segment
        assert found is not None  # noqa: S101  a constraint of the table
        return name_of(found)
    if isinstance(row, AuditSegment):
        return row.name
    moment = _SAFE.sub("", row.made_at.partition(".")[0].replace(":", "").replace("-", ""))
    return f"checkpoint-{row.seq:012d}-{moment}-{row.pk.hex[-6:]}.json"


def _content(row: AuditDelivery) -> bytes:
    if row.checkpoint is not None:
        return document_of(row.checkpoint)
    assert row.segment is not None  # noqa: S101  a constraint of the table
    return ledger_files.read_segment(row.segment)


def _send(row: AuditDelivery) -> None:
    sink, name, content = row.sink, name_of(row), _content(row)
    if sink.kind == AuditSink.Kind.FILE:
        put_file(Path(sink.address), name, content)
    elif sink.kind == AuditSink.Kind.STORAGE:
        put = import_string(settings.AUDIT_STORAGE_SINK)
        put(sink.profile_id, f"{sink.prefix.strip('/')}/{name}".lstrip("/"), content)
    elif sink.kind == AuditSink.Kind.WEBHOOK:
        _post(sink, row, content)
    else:
        _log(sink.address, content)


def put_file(folder: Path, name: str, content: bytes) -> None:
    """Write a file whole, and never over another one.

    Raises:
        StorageFull, Unavailable: it could not be written, or another file of that name is there.
    """
    path = folder / name
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        if path.exists():
            if path.read_bytes() == content:
                return
            raise Unavailable(f"{path} is there already and holds something else.", remedy="Look who wrote it.")
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o440)
        temporary.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kind = StorageFull if error.errno in (28, 122) else Unavailable
        raise kind(f"{path} cannot be written: {error.strerror}.", remedy=f"Make {folder} writable.") from error


def _post(sink: AuditSink, row: AuditDelivery, content: bytes) -> None:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "AI-Writer-Audit/1",
        "X-Delivery": str(row.pk),
        "X-Digest": f"sha256={hashlib.sha256(content).hexdigest()}",
    }
    if sink.sealed_secret:
        secret = open_sealed(sink, "sealed_secret")
        headers["X-Signature"] = f"sha256={hmac.new(secret.encode(), content, 'sha256').hexdigest()}"
    status, _ = egress.fetch("POST", sink.address, headers=headers, content=content, timeout=TIMEOUT)
    if not 200 <= status < 300:
        raise Unavailable(f"The receiver answered {status}.", remedy="Look at its log.")


def _log(address: str, content: bytes) -> None:
    """One message by RFC 5424; over TCP and TLS framed by its length (RFC 6587)."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (6514 if parts.scheme == "tls" else 514)
    now = timezone.now().isoformat(timespec="milliseconds")
    head = (
        f"<{_FACILITY_AUTHPRIV * 8 + _NOTICE}>1 {now} {socket.gethostname()[:255]} aiwriter {os.getpid()} checkpoint - "
    )
    message = head.encode("ascii", "replace") + content.strip()
    try:
        if parts.scheme == "udp":
            target = egress.resolve(host, port, egress.allowed_networks())
            family = socket.AF_INET6 if target.version == 6 else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as datagram:
                datagram.sendto(message, (str(target), port))
            return
        with egress.connect(host, port, timeout=TIMEOUT) as plain:
            framed = str(len(message)).encode() + b" " + message
            if parts.scheme == "tls":
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as safe:
                    safe.sendall(framed)
                    safe.unwrap()
            else:
                plain.sendall(framed)
                plain.shutdown(socket.SHUT_WR)
    except OSError as error:
        raise Unavailable(
            f"{host}:{port} did not take the message ({error.strerror or type(error).__name__}).",
            remedy="Check the address, and for tls the certificate.",
        ) from error
