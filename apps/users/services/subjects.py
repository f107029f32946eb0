"""Names of people in the audit record: unreadable without a key of that person's own, which an erasure destroys.

The record is chained, archived and handed to places outside, and nothing in it can be changed. So an event holds the id of
who acted and no name; what an act says about a person (an account's name, an address before and after a change, a reason) is
sealed with the person's key:

    p1:<id of the person>:<base64url of nonce (12) | ciphertext | tag (16)>

The seal is part of what is hashed. With the key gone the chain verifies as before, and the names are nobody's any more.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Unavailable
from apps.users.models import AuditEvent, Invitation, SubjectKey, User, Workspace
from apps.users.services.sealing import open_sealed, seal_into

MARK = "p1:"
_NONCE = 12
_FORM = re.compile(r"p1:([0-9a-f]{32}):([A-Za-z0-9_=-]*)")
# What an act says about a person, by the name under which it stands in `before` and `after`.
NAMES = frozenset({"email", "full_name", "name", "slug", "user", "admin", "account", "uid"})
_PERSON = "user:"


def subject_of(obj: models.Model | None) -> uuid.UUID | None:
    """Whom an object is about: an account, what belongs to one, a personal workspace, an invitation to one."""
    if isinstance(obj, User | Invitation):
        return uuid.UUID(str(obj.pk))
    found = obj.personal_of_id if isinstance(obj, Workspace) else getattr(obj, "user_id", None)
    return found if isinstance(found, uuid.UUID) else None


class Veil:
    """Seals texts of one event with the key of the person whom it is about; without one they stay as they are."""

    def __init__(self, obj: models.Model | None) -> None:
        self._subject = subject_of(obj)
        self._key: bytes | None = None
        self._asked = False

    def text(self, text: str) -> str:
        """One text."""
        if self._subject is None or not text:
            return text
        if not self._asked:
            self._key, self._asked = _key_for(self._subject), True
        head = f"{MARK}{self._subject.hex}:"
        if self._key is None:
            return head
        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._key).encrypt(nonce, text.encode(), head.encode())
        return head + base64.urlsafe_b64encode(sealed).decode("ascii")

    def values(self, values: dict[str, Any] | None) -> dict[str, Any] | None:
        """The values of an act; those that name a person are sealed."""
        if values is None or self._subject is None:
            return values
        return {
            key: self.text(value) if key in NAMES and isinstance(value, str) else value for key, value in values.items()
        }


def _key_for(subject: uuid.UUID) -> bytes | None:
    # Asked each time and kept nowhere: a key that was destroyed must not live on in some process.
    row = SubjectKey.objects.filter(pk=subject).first()
    if row is None:
        row = SubjectKey(pk=subject)
        fresh = os.urandom(32)
        seal_into(row, "sealed_key", fresh.hex())
        made = SubjectKey.objects.bulk_create([row], ignore_conflicts=True)
        row = SubjectKey.objects.get(pk=made[0].pk)
    return _opened(row)


def _opened(row: SubjectKey) -> bytes | None:
    return bytes.fromhex(open_sealed(row, "sealed_key")) if row.sealed_key else None


def destroy(subjects: Iterable[uuid.UUID]) -> int:
    """Make the names of people in the audit record unreadable for good. For services that have asked for permission.

    Args:
        subjects: ids; one without a key gets a destroyed one, so that none is made later.

    Returns:
        how many keys were destroyed now.
    """
    done = 0
    with transaction.atomic():
        for each in subjects:
            row, made = SubjectKey.objects.get_or_create(pk=each, defaults={"destroyed_at": timezone.now()})
            if not made and row.destroyed_at is None:
                SubjectKey.objects.filter(pk=each).update(sealed_key="", destroyed_at=timezone.now())
                done += 1
    return done


def named(events: Iterable[AuditEvent]) -> list[AuditEvent]:
    """Events for reading: names put in and seals opened, in this copy only; two queries for all of them.

    Args:
        events: not to be saved afterwards, which the database refuses.
    """
    rows = list(events)
    ids = {match.group(1) for row in rows for text in _texts(row) for match in [_FORM.fullmatch(text)] if match}
    found = {row.pk: row for row in SubjectKey.objects.filter(pk__in=ids)} if ids else {}
    actors = {row.actor_id.removeprefix(_PERSON) for row in rows if row.actor_id.startswith(_PERSON)}
    people = dict(User.objects.filter(pk__in=actors).values_list("pk", "email")) if actors else {}
    keys: dict[uuid.UUID, bytes | None] = {}
    for key_id, kept in found.items():
        try:
            keys[key_id] = _opened(kept)
        except Unavailable:
            continue
    for row in rows:
        if row.actor_id.startswith(_PERSON) and not row.actor_label:
            person = uuid.UUID(row.actor_id.removeprefix(_PERSON))
            row.actor_label = people.get(person) or _("erased person")
        row.object_label, row.reason = _shown(row.object_label, keys), _shown(row.reason, keys)
        row.before, row.after = _shown_values(row.before, keys), _shown_values(row.after, keys)
    return rows


def _texts(row: AuditEvent) -> list[str]:
    values = [*(row.before or {}).values(), *(row.after or {}).values()]
    return [row.object_label, row.reason, *(text for text in values if isinstance(text, str))]


def _shown_values(values: dict[str, Any] | None, keys: Mapping[uuid.UUID, bytes | None]) -> dict[str, Any] | None:
    if values is None:
        return None
    return {name: _shown(value, keys) if isinstance(value, str) else value for name, value in values.items()}


def _shown(text: str, keys: Mapping[uuid.UUID, bytes | None]) -> str:
    match = _FORM.fullmatch(text)
    if match is None:
        return text
    subject = uuid.UUID(match.group(1))
    if subject not in keys or not match.group(2):
        return str(_("erased person")) if not match.group(2) else str(_("cannot be read"))
    key = keys[subject]
    if key is None:
        return str(_("erased person"))
    try:
        sealed = base64.urlsafe_b64decode(match.group(2))
        head = f"{MARK}{match.group(1)}:".encode()
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], head).decode()
    except (InvalidTag, binascii.Error, ValueError):
        return str(_("cannot be read"))
