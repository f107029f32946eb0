"""Where secrets stand that the keyring seals, and how each of them is sealed anew.

A secret is replaced only while it is still the one that was read: what somebody changes at the same moment stays theirs. A
reader meets the old text or the new one, and the keyring opens both, so no read fails meanwhile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import models, transaction
from django.utils.module_loading import import_string

from aiwriter.core import keyring, sealed, secretrefs
from aiwriter.core.errors import AppError
from aiwriter.core.wholefiles import write_whole
from apps.users.models import ApiToken, AuditCheckpoint, AuditEvent, AuditSegment, ProofPack
from apps.users.services.sealing import SealedField, place_of, sealed_fields

BATCH = 200
# Names that `secretrefs.store` gives: a file that an operator put there, or a mounted secret, is left as it is.
_OURS = re.compile(r".+-[0-9a-f]{12}$")


@dataclass(slots=True)
class Step:
    """What was done with one batch.

    Args:
        cursor: where the next one begins; "" when the place is done.
        done: how many were looked at.
        changed: how many were sealed anew.
        problems: what could not be opened, without the secret.
    """

    cursor: str
    done: int
    changed: int
    problems: list[str]


class Place(Protocol):
    """A kind of secret."""

    name: str

    def count(self) -> int:
        """How many there are."""

    def uses(self) -> Counter[str]:
        """How many each key opens; "" stands for the older form, "plain" for files in clear."""

    def step(self, cursor: str) -> Step:
        """Seal the next batch anew."""


class FieldPlace:
    """A sealed column of a table."""

    def __init__(self, field: SealedField) -> None:
        self.name = str(field)
        self._field = field
        self._rows: models.QuerySet[models.Model] = field.model._default_manager.exclude(**{field.name: ""}).order_by(
            "pk"
        )

    def count(self) -> int:
        """How many."""
        return self._rows.count()

    def uses(self) -> Counter[str]:
        """By key."""
        found: Counter[str] = Counter()
        for text in self._rows.values_list(self._field.name, flat=True).iterator():
            found[sealed.key_of(text)] += 1
        return found

    def step(self, cursor: str) -> Step:
        """The next rows."""
        rows = self._rows.filter(pk__gt=cursor) if cursor else self._rows
        batch = list(rows.only("pk", self._field.name)[:BATCH])
        changed, problems = 0, []
        active = keyring.active("field").id
        with transaction.atomic():
            for row in batch:
                text = getattr(row, self._field.name)
                if sealed.key_of(text) == active:
                    continue
                place = place_of(row, self._field.name)
                try:
                    fresh = sealed.seal(place, sealed.unseal(place, text, older=self._field.older))
                except AppError as error:
                    problems.append(f"{self.name} {row.pk}: {error.message}")
                    continue
                changed += self._field.model._default_manager.filter(pk=row.pk, **{self._field.name: text}).update(
                    **{self._field.name: fresh}
                )
        return Step(str(batch[-1].pk) if len(batch) == BATCH else "", len(batch), changed, problems)


class SecondFactors:
    """Secrets of authenticator apps and seeds of recovery codes, which allauth keeps in a JSON column."""

    name = "two-factor secrets"
    _fields = ("secret", "seed")

    def _texts(self, row: Authenticator) -> list[str]:
        data = row.data or {}
        single = [data[name] for name in self._fields if isinstance(data.get(name), str)]
        return [*single, *data.get("migrated_codes", [])]

    def count(self) -> int:
        """How many authenticators."""
        return Authenticator.objects.count()

    def uses(self) -> Counter[str]:
        """By key."""
        found: Counter[str] = Counter()
        for row in Authenticator.objects.iterator():
            for text in self._texts(row):
                if sealed.is_sealed(text):
                    found[sealed.key_of(text)] += 1
        return found

    def step(self, cursor: str) -> Step:
        """The next authenticators."""
        rows = list(
            Authenticator.objects.filter(pk__gt=int(cursor or 0)).order_by("pk").values_list("pk", flat=True)[:BATCH]
        )
        changed, problems = 0, []
        for key in rows:
            with transaction.atomic():
                row = Authenticator.objects.select_for_update().get(pk=key)
                try:
                    fresh = self._resealed(row)
                except AppError as error:
                    problems.append(f"{self.name} {key}: {error.message}")
                    continue
                if fresh != row.data:
                    row.data = fresh
                    row.save(update_fields=["data"])
                    changed += 1
        return Step(str(rows[-1]) if len(rows) == BATCH else "", len(rows), changed, problems)

    def _resealed(self, row: Authenticator) -> dict[str, object]:
        active = keyring.active("field").id

        def fresh(text: str) -> str:
            if not sealed.is_sealed(text) or sealed.key_of(text) == active:
                return text
            return sealed.seal("mfa", sealed.unseal("mfa", text, older="mfa"))

        data = dict(row.data or {})
        for name in self._fields:
            if isinstance(data.get(name), str):
                data[name] = fresh(data[name])
        if "migrated_codes" in data:
            data["migrated_codes"] = [fresh(code) for code in data["migrated_codes"]]
        return data


class SecretFiles:
    """Secrets that operators typed for backends and places: files of the secrets folder."""

    name = "secret files"

    def _files(self) -> list[Path]:
        folder = Path(settings.SECRETS_DIR)
        if not folder.is_dir():
            return []
        return sorted(
            path for path in folder.iterdir() if path.is_file() and not path.is_symlink() and _OURS.match(path.name)
        )

    def count(self) -> int:
        """How many."""
        return len(self._files())

    def uses(self) -> Counter[str]:
        """By key."""
        found: Counter[str] = Counter()
        for path in self._files():
            text = path.read_text(encoding="utf-8", errors="replace")
            found[sealed.key_of(text) if sealed.is_sealed(text) else "plain"] += 1
        return found

    def step(self, cursor: str) -> Step:
        """The next files."""
        batch = [path for path in self._files() if path.name > cursor][:BATCH]
        changed, problems = 0, []
        active = keyring.active("field").id
        for path in batch:
            try:
                text = path.read_text(encoding="utf-8")
                if sealed.key_of(text) == active:
                    continue
                write_whole(path, secretrefs.sealed_text(path.name, secretrefs.opened(path.name, text)).encode())
                changed += 1
            except AppError as error:
                problems.append(f"{self.name} {path.name}: {error.message}")
            except OSError as error:
                problems.append(f"{self.name} {path.name}: {error.strerror}")
        return Step(batch[-1].name if len(batch) == BATCH else "", len(batch), changed, problems)


def places() -> list[Place]:
    """Every kind of secret that can be sealed anew, in a fixed order."""
    fields: Iterator[Place] = (FieldPlace(field) for field in sorted(sealed_fields(), key=str))
    return [*fields, SecondFactors(), SecretFiles()]


def uses() -> Counter[str]:
    """How many things need each key, over all purposes; "" is the older form, "plain" a secret file in clear."""
    found: Counter[str] = Counter()
    for place in places():
        found.update(place.uses())
    for key_id, count in ApiToken.objects.order_by().values_list("pepper_id").annotate(n=models.Count("id")):
        if key_id:
            found[key_id] += count
    for key_id, count in (
        AuditEvent.objects.filter(seq__isnull=False)
        .order_by()
        .values_list("seal_key_id")
        .annotate(n=models.Count("id"))
    ):
        found[str(key_id)] += count
    for key_id, count in AuditCheckpoint.objects.order_by().values_list("key_id").annotate(n=models.Count("id")):
        found[key_id] += count
    for key_id, count in ProofPack.objects.order_by().values_list("key_id").annotate(n=models.Count("id")):
        if key_id:
            found[key_id] += count
    # Archived events are out of the table, and their keys stand in the files only. Any segment of after a key was made may
    # hold events that it sealed.
    for key in keyring.load().of("audit"):
        if key.state is keyring.State.DECRYPT_ONLY:
            found[key.id] += AuditSegment.objects.filter(released_at__isnull=False, created_at__gte=key.created).count()
    for name in settings.KEY_USES:
        found.update(import_string(name)())
    return found
