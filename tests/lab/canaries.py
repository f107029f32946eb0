"""A word of its own in every column of a portal that can hold one, and a search for such words in raw bytes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.lab.portal import Portal

# Begins like no word of any language; six digits follow, so that it fits the shortest columns.
_PLAIN = re.compile(rb"[zZ][qQ][xX]\d{5}")
_WIDE = re.compile(rb"z\0q\0x\0(?:\d\0){5}")
_HEX = re.compile(rb"7a7178(?:3\d){5}")
_BASE64 = re.compile(rb"enF4[A-Za-z0-9+/_-]{6}")
_PLANT = """
import datetime as dt, decimal, uuid
from django.apps import apps
from django.db import models, transaction
from django.utils import timezone
from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob

LEFT = {"auth", "contenttypes", "django_celery_beat"}
# Chained and sealed: a word that is planted there breaks the record, and the portal says so, as it should.
SEALED = {"users.LedgerHead", "users.AuditCheckpoint", "users.AuditSegment", "users.AuditDelivery", "users.KeyRecord"}
# The table's own rule lets in only what it lists.
LISTED = {"users.GroupRole.role"}
counter = [0]
planted, failed = {}, {}

def canary(where):
    counter[0] += 1
    word = f"zqx{counter[0]:05d}"
    planted[word] = where
    return word

def final(model):
    waiting = {*getattr(model, "WAITING_STATES", ()), *getattr(model, "HELD_STATES", ())} if issubclass(model, LeasedJob) else set()
    return [value for value, _ in model._meta.get_field("state").flatchoices if value not in waiting] if waiting else None

def value_for(field, depth):
    if field.is_relation:
        other = field.related_model
        row = other._base_manager.order_by("pk").first()
        return (row or made(other, depth + 1)).pk
    if field.choices:
        return field.flatchoices[0][0]
    kind = field.get_internal_type()
    if kind in ("CharField", "TextField", "SlugField"):
        return uuid.uuid4().hex[: min(field.max_length or 8, 8)]
    return {
        "UUIDField": uuid7, "JSONField": dict, "BooleanField": bool, "DateTimeField": timezone.now,
        "DateField": lambda: timezone.now().date(), "TimeField": lambda: dt.time(1), "DecimalField": lambda: decimal.Decimal(1),
        "FloatField": lambda: 1.0, "BinaryField": lambda: b"x", "GenericIPAddressField": lambda: "192.0.2.1",
    }.get(kind, lambda: 1)()

def made(model, depth=0):
    if depth > 6:
        raise RuntimeError("too deep")
    row = model()
    for field in model._meta.concrete_fields:
        if isinstance(field, (models.AutoField, models.BigAutoField)):
            continue
        if field.null and not field.is_relation:
            continue
        if field.has_default() and not field.is_relation and not field.primary_key and field.name != "state":
            continue
        if field.is_relation and field.null and field.name not in ("user", "profile", "document"):
            continue
        if getattr(row, field.attname) in (None, "") or field.is_relation:
            setattr(row, field.attname, value_for(field, depth))
    states = final(model)
    if states:
        row.state = states[-1]
    # What the rules of a table ask for beside the kinds of its fields.
    def other(name):
        return value_for(model._meta.get_field(name), depth)
    for name, value in {
        "users.Invitation": lambda: {"workspace_role": ""},
        "users.RoleRule": lambda: {"role": "auditor"},
        "users.GroupRole": lambda: {"role": "auditor"},
        "users.ElevationVote": lambda: {"requester_id": model.requester.field.related_model.objects.exclude(pk=row.voter_id).earliest("pk").pk},
        "users.ReviewItem": lambda: {"decision": ""},
        "users.Reduction": lambda: {"membership_id": other("membership")},
        "backups.Drill": lambda: {"destination_id": other("destination")},
        "monitoring.Budget": lambda: {"limit_tokens": 100},
    }.get(model._meta.label, dict)().items():
        setattr(row, name, value)
    if model._meta.label == "backups.Destination":
        row.enabled, row.profile, row.folder = False, None, "nowhere"
    if model._meta.label == "users.AuditEvent":
        # No row of the record can be changed, so it is made with its words.
        row.seq = model._base_manager.order_by("-seq").values_list("seq", flat=True).first() or 0
        row.seq += 1
        for field in texts(model):
            word = canary(f"{model._meta.label}.{field.name}")
            setattr(row, field.attname, {word: [word]} if isinstance(field, models.JSONField) else word)
    with transaction.atomic():
        row.save_base(raw=True, force_insert=True)
    return row

def texts(model):
    for field in model._meta.concrete_fields:
        if field.is_relation or field.choices or isinstance(field, models.UUIDField) or str(field) in LISTED:
            continue
        if isinstance(field, (models.CharField, models.TextField)) and (field.max_length or 99) >= 8:
            yield field
        elif isinstance(field, (models.JSONField, models.BinaryField)):
            yield field

for model in apps.get_models(include_auto_created=True):
    label = model._meta.label
    if model._meta.app_label in LEFT or label in SEALED:
        continue
    try:
        rows = model._base_manager.order_by("pk")
        states = final(model)
        if states:
            rows = rows.filter(state__in=states)
        if label == "backends.BackendProfile":
            rows = rows.filter(managed="")
        # The place for backups is used by the proof, so a second one gets the words.
        row = (None if label in ("backups.Destination", "users.AuditEvent") else rows.last()) or made(model)
        for field in texts(model) if label != "users.AuditEvent" else ():
            where = f"{label}.{field.name}"
            if field.primary_key:
                continue
            word = canary(where)
            old = getattr(row, field.attname)
            if isinstance(field, models.JSONField):
                deep = canary(where)
                new = {**old, word: [deep, {deep: word}]} if isinstance(old, dict) else [*(old or []), word, {deep: word}]
            elif isinstance(field, models.BinaryField):
                new = word.encode() + bytes(old or b"")[len(word):]
            elif isinstance(field, models.TextField):
                new = f"{old or ''}\\n\\nThe {word} sleeps, https://{word}.example.com/{word}?{word}=1 <{word}@{word}.org> [{word}](/pictures/{word}) `{word}`\\n"
            elif field.name == "email":
                new = f"{word}@example.com"
            else:
                new = word
            try:
                with transaction.atomic():
                    model._base_manager.filter(pk=row.pk).update(**{field.name: new})
            except Exception as error:
                failed[where] = str(error)[:200]
                del planted[word]
    except Exception as error:
        failed[label] = f"{type(error).__name__}: {error}"[:200]
answer = {"planted": planted, "failed": failed}
"""


def plant(portal: Portal) -> tuple[dict[str, str], dict[str, str]]:
    """Put a word into every column of every table that can hold one; empty tables get a row first.

    Returns:
        the words with their columns, and what could not be planted.
    """
    found: dict[str, dict[str, str]] = portal.shell(_PLANT)
    return found["planted"], found["failed"]


def seen(data: bytes) -> set[str]:
    """Planted words in some bytes, written plainly, wide, in hexadecimal or in base64; archives are opened."""
    found = {word.decode().lower() for word in _PLAIN.findall(data)}
    found |= {word.decode("utf-16-le") for word in _WIDE.findall(data)}
    found |= {bytes.fromhex(word.decode()).decode() for word in _HEX.findall(data)}
    found |= {f"base64 {word.decode()}" for word in _BASE64.findall(data)}
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                found |= seen(archive.read(name)) | seen(name.encode())
    for start in [each.start() for each in re.finditer(rb"\x78[\x01\x9c\xda]", data)][:2_000]:
        try:
            found |= {
                word.decode().lower() for word in _PLAIN.findall(zlib.decompressobj().decompress(data[start:], 1 << 20))
            }
        except zlib.error:
            continue
    return found


def seen_in(folders: Iterable[Path]) -> dict[str, set[str]]:
    """Planted words in every file below some folders, their names included."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            words = seen(path.name.encode())
            if path.is_file() and not path.is_symlink():
                words |= seen(path.read_bytes())
            if words:
                found[str(path.relative_to(folder))] = words
    return found


def size_of(folders: Iterable[Path]) -> tuple[int, int]:
    """Files and bytes below some folders."""
    sizes = [path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


__all__: list[Any] = ["plant", "seen", "seen_in", "size_of"]
