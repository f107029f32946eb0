"""Places for backups: set up, change, take out of use; and the keys that belong to them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import EllipsisType
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import Conflict, InvalidInput
from apps.backends.models import BackendProfile
from apps.backups.models import Destination
from apps.backups.repository import keys
from apps.backups.repository.errors import RepositoryError
from apps.backups.selectors.destinations import get_destination
from apps.backups.services import repositories
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record

_FORBIDDEN = ("files", "keys", "secrets", "chroma", "queue", "logs", "run", "static", "tmp", "mail")


def create_destination(
    *,
    actor: Actor,
    name: str,
    kind: str = "folder",
    folder: str = "",
    profile_id: uuid.UUID | str | None = None,
    prefix: str = "backups",
    recipients: Sequence[str] = (),
    identity: str = "",
    mirror_of: uuid.UUID | str | None = None,
) -> tuple[Destination, str]:
    """Set a place up and make the repository in it, or join one that is there.

    Args:
        actor: needs "backups.manage".
        name: what people read.
        kind: "folder" or "storage".
        folder: of a folder: absolute, or within the data folder.
        profile_id: of a storage: which profile.
        prefix: of a storage: begin of every object's name.
        recipients: public keys. Without any, and without an identity, a pair is made; its private half is kept in the
            secrets folder and returned once.
        identity: the key of a repository that is there already; it is kept in the secrets folder.
        mirror_of: the place whose repository is copied here.

    Returns:
        the place, and the identity when one was made.

    Raises:
        InvalidInput: a value cannot be used.
        Conflict: the name is taken, or a repository is there and its key was not given.
        Unavailable: the place cannot be reached.
    """
    require(actor, "backups.manage")
    row = Destination(
        name=_name(name),
        kind=kind,
        folder=_folder(folder) if kind == "folder" else "",
        profile=_profile(profile_id) if kind == "storage" else None,
        prefix=_prefix(prefix),
        mirror_of=get_destination(actor=actor, destination_id=mirror_of) if mirror_of else None,
    )
    if kind not in Destination.Kind.values:
        raise InvalidInput(f"'{kind}' is no kind of place.", field="kind", remedy="Use folder or storage.")
    if row.mirror_of is not None:
        return _save_mirror(actor, row), ""
    return _with_repository(actor, row, _recipients(recipients), identity.strip())


def _with_repository(actor: Actor, row: Destination, recipients: list[str], identity: str) -> tuple[Destination, str]:
    made = ""
    kept = identity
    if identity:
        own = _recipient_of(identity)
        recipients = recipients or [own]
    elif not recipients:
        made, own = keys.make_identity()
        kept, recipients = made, [own]
    found, secret = repositories.create_or_join(row, recipients=recipients, identity=identity)
    row.recipients = found
    row.writer_ref = secretrefs.store("backup-writer", base64.b64encode(secret).decode())
    if kept:
        row.identity_ref = secretrefs.store("backup-identity", kept)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            record(actor, "backup.destination_created", obj=row, after=_shown(row))
    except BaseException:
        for reference in (row.writer_ref, row.identity_ref):
            if reference:
                secretrefs.forget(reference)
        raise
    return row, made


def _save_mirror(actor: Actor, row: Destination) -> Destination:
    source = row.mirror_of
    if source is None or source.mirror_of_id:
        raise InvalidInput(
            "A copy is made of a repository, not of a copy.", field="mirror_of", remedy="Choose the first place."
        )
    repositories.check_place(row)
    row.recipients = source.recipients
    row.writer_ref, row.identity_ref = source.writer_ref, source.identity_ref
    with transaction.atomic():
        row.save(force_insert=True)
        record(actor, "backup.destination_created", obj=row, after=_shown(row))
    return row


def update_destination(
    *,
    actor: Actor,
    destination_id: uuid.UUID | str,
    name: str | None = None,
    enabled: bool | None = None,
    price_gib_month: Decimal | EllipsisType | None = ...,
    currency: str | None = None,
) -> Destination:
    """Rename it, price it, or let no backup go there for a while. Where it lies is part of what it is and does not change.

    Args:
        actor: needs "backups.manage".
        destination_id: which place.
        name: what people read.
        enabled: whether backups go there.
        price_gib_month: what a GiB costs there a month; None: not known.
        currency: of the price, three letters.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to change.
        InvalidInput, Conflict: the name cannot be used.
    """
    require(actor, "backups.manage")
    row = get_destination(actor=actor, destination_id=destination_id)
    before = _shown(row)
    if name is not None and name != row.name:
        row.name = _name(name)
    if enabled is not None:
        row.enabled = enabled
    if price_gib_month is not ...:
        row.price_gib_month = _price(price_gib_month)
    if currency is not None:
        row.currency = _currency(currency)
    with transaction.atomic():
        row.save(update_fields=["name", "enabled", "price_gib_month", "currency", "updated_at"])
        record(actor, "backup.destination_updated", obj=row, before=before, after=_shown(row))
    return row


def delete_destination(*, actor: Actor, destination_id: uuid.UUID | str) -> None:
    """Forget a place. What lies there stays: a repository is never deleted from here.

    The key files stay too, as without them the repository could not be opened again.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to remove.
        Conflict: something runs there, or another place is a copy of it.
    """
    require(actor, "backups.manage")
    row = get_destination(actor=actor, destination_id=destination_id)
    if row.mirrors.exists():
        raise Conflict("Another place is a copy of this one.", remedy="Remove the copy first.")
    if row.runs.filter(state__in=("queued", "running")).exists():
        raise Conflict("Something runs there at this moment.", remedy="Wait for it, or stop it.")
    with transaction.atomic():
        record(actor, "backup.destination_deleted", obj=row, before=_shown(row))
        row.delete()


def show_identity(*, actor: Actor, destination_id: uuid.UUID | str) -> str:
    """The key that opens a place's backups, for keeping it somewhere else. Recorded.

    Raises:
        NotFound, PermissionDenied: the actor may not.
        Conflict: the portal does not have it.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    row = get_destination(actor=actor, destination_id=destination_id)
    if not row.identity_ref:
        raise Conflict("The portal does not have this key.", remedy="Whoever set the place up has it.")
    identity = secretrefs.resolve(row.identity_ref).reveal()
    record(actor, "backup.key_shown", obj=row)
    return identity


def forget_identity(*, actor: Actor, destination_id: uuid.UUID | str, identity: str) -> Destination:
    """Take the key off this machine: it goes on making backups and cannot open them any more.

    Args:
        actor: needs "backups.restore".
        destination_id: which place.
        identity: the key itself, to show that a copy is kept elsewhere.

    Raises:
        InvalidInput: that is not the key.
        Conflict: the portal does not have it any more.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    row = get_destination(actor=actor, destination_id=destination_id)
    if not row.identity_ref:
        raise Conflict("The portal does not have this key any more.", remedy="Nothing is to be done.")
    if identity.strip() != secretrefs.resolve(row.identity_ref).reveal().strip():
        raise InvalidInput(
            "That is not the key of this place.", field="identity", remedy="Enter the key that begins AGE-SECRET-KEY-1."
        )
    reference = row.identity_ref
    with transaction.atomic():
        Destination.objects.filter(identity_ref=reference).update(identity_ref="")
        record(actor, "backup.keys_changed", obj=row, after={"identity_kept_here": False})
    secretrefs.forget(reference)
    row.refresh_from_db()
    return row


def change_recipients(
    *, actor: Actor, destination_id: uuid.UUID | str, recipients: Sequence[str], identity: str = ""
) -> Destination:
    """Decide anew who can open the backups: the keys are wrapped again, which takes milliseconds.

    Args:
        actor: needs "backups.restore".
        destination_id: which place.
        recipients: public keys, all of them.
        identity: a key that opens the repository; the stored one when left out.

    Raises:
        InvalidInput: a recipient cannot be used.
        AppError: the key is wrong, or the place cannot be reached.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    row = get_destination(actor=actor, destination_id=destination_id)
    wanted = _recipients(recipients)
    if not wanted:
        raise InvalidInput("Nobody could open the backups.", field="recipients", remedy="Enter at least one key.")
    before = list(row.recipients)
    repositories.change_recipients(row, recipients=wanted, identity=identity)
    with transaction.atomic():
        changed = {"recipients": wanted, "keys_changed_at": timezone.now()}
        Destination.objects.filter(Q(pk=row.pk) | Q(mirror_of=row)).update(**changed)
        record(actor, "backup.keys_changed", obj=row, before={"recipients": before}, after={"recipients": wanted})
    row.refresh_from_db()
    return row


def _name(name: str) -> str:
    clean = " ".join(name.split())
    if not 1 <= len(clean) <= 80:
        raise InvalidInput("The name is empty or too long.", field="name", remedy="Use 1 to 80 characters.")
    if Destination.objects.annotate(lower=Lower("name")).filter(lower=clean.lower()).exists():
        raise Conflict(f"There is a place '{clean}' already.", field="name", remedy="Choose another name.")
    return clean


def _price(price: Decimal | None) -> Decimal | None:
    if price is not None and not 0 <= price < 100_000:
        raise InvalidInput(
            "The price cannot be used.", field="price_gib_month", remedy="Enter what a GiB costs a month, 0 or more."
        )
    return price


def _currency(currency: str) -> str:
    clean = currency.strip().upper()
    if len(clean) != 3 or not (clean.isascii() and clean.isalpha()):
        raise InvalidInput(f"'{currency[:10]}' is no currency.", field="currency", remedy="Use three letters, USD.")
    return clean


def _folder(folder: str) -> str:
    """A path that cannot be one of the portal's own folders."""
    clean = folder.strip()
    if not clean or "\x00" in clean or len(clean) > 300:
        raise InvalidInput("The folder is empty or cannot be used.", field="folder", remedy="Enter a path.")
    data = Path(settings.DATA_DIR).resolve()
    path = (data / clean).resolve()
    own = path.relative_to(data).parts[:1] if path.is_relative_to(data) else ("",)
    if path == data or data.is_relative_to(path) or (own and own[0] in _FORBIDDEN):
        raise InvalidInput(
            f"{path} is used by the portal itself.",
            field="folder",
            remedy="Choose a folder of its own, best elsewhere.",
        )
    return clean


def _profile(profile_id: uuid.UUID | str | None) -> BackendProfile:
    try:
        key = uuid.UUID(str(profile_id))
    except ValueError:
        key = None
    found = BackendProfile.objects.filter(pk=key, kind="storage").first() if key else None
    if found is None:
        raise InvalidInput(
            "There is no such storage profile.", field="profile_id", remedy="Set one up under Backends and name it."
        )
    return found


def _prefix(prefix: str) -> str:
    clean = prefix.strip().strip("/")
    if len(clean) > 100 or ".." in clean.split("/") or "\\" in clean or "\x00" in clean:
        raise InvalidInput("The prefix cannot be used.", field="prefix", remedy="Use a short name such as backups.")
    return clean


def _recipients(recipients: Sequence[str]) -> list[str]:
    wanted: list[str] = []
    for each in recipients:
        text = each.strip()
        if not text:
            continue
        try:
            wanted.append(str(keys.parse_recipient(text)))
        except RepositoryError as error:
            raise InvalidInput(error.message, field="recipients", remedy=error.remedy) from error
    return list(dict.fromkeys(wanted))


def _recipient_of(identity: str) -> str:
    try:
        return keys.recipient_of(identity)
    except RepositoryError as error:
        raise InvalidInput(error.message, field="identity", remedy=error.remedy) from error


def _shown(row: Destination) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "folder": row.folder,
        "profile": str(row.profile_id or ""),
        "prefix": row.prefix,
        "enabled": row.enabled,
        "mirror_of": str(row.mirror_of_id or ""),
        "price_gib_month": "" if row.price_gib_month is None else f"{row.price_gib_month} {row.currency}",
    }


__all__ = [
    "change_recipients",
    "create_destination",
    "delete_destination",
    "forget_identity",
    "show_identity",
    "update_destination",
]
