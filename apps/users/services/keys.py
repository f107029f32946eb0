"""The keyring of this installation: made once, compared with what the database was used with, its keys replaced.

The database holds ids, states and dates of keys (`KeyRecord`). So a start without a key that something needs is refused with
its name, and a lost keyring is never silently replaced by a new one, which would open nothing.
"""

from __future__ import annotations

import datetime as dt

from django.db import OperationalError, ProgrammingError, transaction
from django.utils import timezone

from aiwriter.core import keyring
from aiwriter.core.errors import AppError
from apps.users.models import KeyRecord, User

WARN_DAYS = 14


def ensure_ring() -> None:
    """Make the keyring where this database has never had one, and note its keys. Safe to repeat; run at every start.

    Raises:
        KeyMissing: the keyring lacks keys that this database was used with; the message names them.
        RingProblem: it cannot be read or made.
    """
    if not keyring.exists():
        _refuse_lost_ring()
        # Whoever has accounts already was served by a version that sealed otherwise, and may be served by it again.
        keyring.create(stage="expand" if User.objects.exists() else "contract")
    check_ring()
    note_keys()


def check_ring() -> None:
    """Refuse a keyring that lacks something. Errors as for `ensure_ring`."""
    ring = keyring.load()
    missing = [row for row in KeyRecord.objects.exclude(state=keyring.State.DESTROYED) if row.pk not in ring.keys]
    if missing:
        names = "; ".join(_described(row) for row in missing)
        raise keyring.KeyMissing(
            f"The keyring {keyring.location()} lacks {'a key' if len(missing) == 1 else f'{len(missing)} keys'}: {names}.",
            key_id=missing[0].pk,
            remedy="Put the keyring of this installation back from the backup. Without it, what these keys sealed is lost.",
        )
    for name in keyring.PURPOSES:
        ring.active(name)


def start_problem() -> str:
    """Why a process must not start with this keyring; "" when it may, also before the database was ever prepared."""
    try:
        if not keyring.exists():
            _refuse_lost_ring()
            return ""
        check_ring()
    except (OperationalError, ProgrammingError):
        # No database, or none of this version yet: others say so better.
        return ""
    except AppError as error:
        return str(error)
    return ""


def note_keys() -> None:
    """Write down ids, states and dates of the keyring's keys."""
    known = {row.pk: row for row in KeyRecord.objects.all()}
    for key in keyring.load().keys.values():
        facts = {
            "purpose": key.purpose,
            "state": key.state.value,
            "rotate_by": key.rotate_by,
            "created_at": key.created,
        }
        row = known.get(key.id)
        if row is None or any(getattr(row, name) != value for name, value in facts.items()):
            KeyRecord.objects.update_or_create(pk=key.id, defaults=facts)


def installed_key(purpose: str) -> keyring.Key:
    """The active key of a purpose; makes the keyring of a portal that is used before its first start.

    Raises:
        Unavailable: there is none and there should be one.
    """
    try:
        return keyring.active(purpose)
    except keyring.RingMissing:
        with transaction.atomic():
            ensure_ring()
        return keyring.active(purpose)


def due(ring: keyring.Ring, today: dt.date | None = None) -> list[tuple[keyring.Key, int]]:
    """Active keys that are to be replaced within 14 days, or should have been, with the days that are left."""
    today = today or timezone.now().date()
    left = [(key, (key.rotate_by - today).days) for key in ring.keys.values() if key.state is keyring.State.ACTIVE]
    return sorted(((key, days) for key, days in left if days <= WARN_DAYS), key=lambda each: each[1])


def _refuse_lost_ring() -> None:
    known = list(KeyRecord.objects.exclude(state=keyring.State.DESTROYED).order_by("purpose", "created_at"))
    if known:
        names = "; ".join(_described(row) for row in known)
        raise keyring.RingMissing(
            f"The keyring {keyring.location()} is missing. It held {len(known)} keys: {names}.",
            remedy="Put it back from the backup (keys/keyring.json), or name the right file with AIWRITER_KEYRING.",
        )


def _described(row: KeyRecord) -> str:
    return f"{row.pk} (purpose {row.purpose}, {row.state}, made {row.created_at:%Y-%m-%d})"
