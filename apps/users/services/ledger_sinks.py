"""Places outside the database that get checkpoints and segments: set up, tried, taken away."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.users.models import AuditCheckpoint, AuditDelivery, AuditSink
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit, ledger_delivery
from apps.users.services.sealing import seal_into

MAX_SINKS = 10
_SCHEMES = {"syslog": ("tls", "tcp", "udp"), "webhook": ("https", "http")}


def create_sink(
    *,
    actor: Actor,
    name: str,
    kind: str,
    address: str = "",
    profile_id: uuid.UUID | str | None = None,
    prefix: str = "",
    secret: str = "",
) -> AuditSink:
    """Set a place up; it gets the newest checkpoint at once.

    Args:
        actor: needs "audit.manage".
        name: what people call it.
        kind: "file", "syslog", "webhook" or "storage".
        address: folder, `tls://host:6514`, or `https://…`.
        profile_id: an enabled storage profile, for that kind.
        prefix: begin of the names of objects there.
        secret: signs messages to a webhook (HMAC-SHA256 in X-Signature); it cannot be read again.

    Raises:
        InvalidInput: a value cannot be used.
        Conflict: the name is taken, or there are ten already.
    """
    require(actor, "audit.manage")
    require_proof(actor)
    if AuditSink.objects.count() >= MAX_SINKS:
        raise Conflict(f"There are {MAX_SINKS} places already.", remedy="Remove one first.")
    row = AuditSink(name=_name(name), kind=_kind(kind))
    _set_address(row, address=address, profile_id=profile_id, prefix=prefix)
    _set_secret(row, secret)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            audit.record(actor, "audit.sink_created", obj=row, after=_shown(row))
            _send_newest(row)
    except IntegrityError:
        raise Conflict("A place of this name is there already.", field="name", remedy="Choose another name.") from None
    return row


def update_sink(
    *,
    actor: Actor,
    sink_id: uuid.UUID | str,
    name: str | None = None,
    address: str | None = None,
    prefix: str | None = None,
    secret: str | None = None,
    enabled: bool | None = None,
) -> AuditSink:
    """Change a place; what is None stays. Errors as for `create_sink`.

    Raises:
        NotFound: there is none.
    """
    row = get_sink(actor=actor, sink_id=sink_id, capability="audit.manage")
    require_proof(actor)
    before = _shown(row)
    if name is not None:
        row.name = _name(name)
    if address is not None or prefix is not None:
        _set_address(
            row,
            address=row.address if address is None else address,
            profile_id=row.profile_id,
            prefix=row.prefix if prefix is None else prefix,
        )
    if secret is not None:
        _set_secret(row, secret)
    if enabled is not None:
        row.enabled = enabled
    try:
        with transaction.atomic():
            row.save()
            audit.record(actor, "audit.sink_changed", obj=row, before=before, after=_shown(row))
            if row.enabled:
                _send_newest(row)
    except IntegrityError:
        raise Conflict("A place of this name is there already.", field="name", remedy="Choose another name.") from None
    return row


def delete_sink(*, actor: Actor, sink_id: uuid.UUID | str) -> None:
    """Take a place out of use. What lies there stays there.

    Raises:
        NotFound: there is none.
    """
    row = get_sink(actor=actor, sink_id=sink_id, capability="audit.manage")
    require_proof(actor)
    with transaction.atomic():
        audit.record(actor, "audit.sink_deleted", obj=row, before=_shown(row))
        row.delete()


def get_sink(*, actor: Actor, sink_id: uuid.UUID | str, capability: str = "audit.read") -> AuditSink:
    """One place.

    Raises:
        NotFound: there is none.
    """
    require(actor, capability)
    found = AuditSink.objects.filter(pk=sink_id).first()
    if found is None:
        raise NotFound("There is no such place.")
    return found


def sinks_for(actor: Actor) -> QuerySet[AuditSink]:
    """All places. Needs "audit.read"."""
    require(actor, "audit.read")
    return AuditSink.objects.all()


def deliveries_for(actor: Actor, sink: AuditSink) -> QuerySet[AuditDelivery]:
    """What a place got and what it waits for. Needs "audit.read"."""
    require(actor, "audit.read")
    return AuditDelivery.objects.filter(sink=sink).select_related("checkpoint", "segment")


def _send_newest(row: AuditSink) -> None:
    newest = AuditCheckpoint.objects.order_by("-created_at", "-id").first()
    if newest is not None and not AuditDelivery.objects.filter(sink=row, checkpoint=newest).exists():
        ledger_delivery.deliver(row, checkpoint=newest)


def _name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 0 < len(cleaned) <= 80 or not cleaned.isprintable():
        raise InvalidInput("The name has to have 1 to 80 characters.", field="name", remedy="Choose a short name.")
    return cleaned


def _kind(kind: str) -> str:
    if kind not in AuditSink.Kind.values:
        raise InvalidInput(
            f"'{kind[:20]}' is not a kind of place.", field="kind", remedy=f"Use {', '.join(AuditSink.Kind.values)}."
        )
    return kind


def _set_address(row: AuditSink, *, address: str, profile_id: uuid.UUID | str | None, prefix: str) -> None:
    address, prefix = address.strip(), prefix.strip().strip("/")
    if row.kind == AuditSink.Kind.STORAGE:
        if not profile_id:
            raise InvalidInput("A storage profile is needed.", field="profile_id", remedy="Choose an enabled one.")
        row.profile_id = _usable_profile(profile_id)
        row.prefix = _prefix(prefix)
        row.address = ""
        return
    if row.kind == AuditSink.Kind.FILE:
        row.address = _folder(address)
    else:
        row.address = _url(row.kind, address)
    row.profile_id, row.prefix = None, ""


def _usable_profile(profile_id: uuid.UUID | str) -> uuid.UUID:
    check = import_string(settings.AUDIT_STORAGE_PROFILE)
    found: uuid.UUID = check(profile_id)
    return found


def _prefix(prefix: str) -> str:
    if len(prefix) > 200 or ".." in prefix.split("/") or not prefix.isprintable():
        raise InvalidInput("This prefix cannot be used.", field="prefix", remedy="Use a path such as audit/portal.")
    return prefix


def _folder(address: str) -> str:
    path = Path(address)
    if not path.is_absolute() or "\0" in address:
        raise InvalidInput(
            "A folder is named by its whole path.", field="address", remedy="Enter one such as /mnt/audit/aiwriter."
        )
    data = Path(settings.DATA_DIR).resolve()
    if path.resolve() == data or data in path.resolve().parents:
        raise InvalidInput(
            "This folder lies within the data folder: whoever can change the record can change it too.",
            field="address",
            remedy="Name a folder on another disk or a mounted share.",
        )
    return str(path)


def _url(kind: str, address: str) -> str:
    try:
        parts = urlsplit(address)
        port = parts.port
        fine = parts.scheme in _SCHEMES[kind] and bool(parts.hostname) and "@" not in parts.netloc and port != 0
    except ValueError:
        fine = False
    if not fine or len(address) > 2000 or not address.isprintable():
        example = "tls://logs.example.org:6514" if kind == "syslog" else "https://hooks.example.org/audit"
        raise InvalidInput(
            "This is not an address that can be used.", field="address", remedy=f"Enter one such as {example}."
        )
    return address


def _set_secret(row: AuditSink, secret: str) -> None:
    if not secret:
        row.sealed_secret, row.secret_hint = "", ""
        return
    if row.kind != AuditSink.Kind.WEBHOOK:
        raise InvalidInput("Only webhooks have a secret.", field="secret", remedy="Leave it out.")
    if len(secret) < 16:
        raise InvalidInput("The secret is too short.", field="secret", remedy="Use 16 characters or more.")
    seal_into(row, "sealed_secret", secret)
    row.secret_hint = secret[-4:]


def _shown(row: AuditSink) -> dict[str, Any]:
    host = urlsplit(row.address).netloc if "://" in row.address else row.address
    return {"name": row.name, "kind": row.kind, "address": host, "enabled": row.enabled}
