"""Rows of a set into a staging copy: read from the restored set, masked one by one, written. Originals are never written."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connections, models, transaction
from django.db.models import Exists, OuterRef

from aiwriter.core.datamap import Column, Rule, Staging, Table, data_map
from aiwriter.core.errors import Conflict
from aiwriter.core.leases import LeasedJob
from apps.backends.models import BackendProfile
from apps.backups.services.progress import Progress
from apps.backups.services.staging.files import Placeholders
from apps.backups.services.staging.masks import Masks
from apps.backups.services.staging.originals import Originals

_BATCH = 200
# What a rule makes of a text; the others are made in `_Columns`.
_TEXTS: Mapping[Rule, Callable[[Masks, str], str]] = {
    Rule.SHAPE: Masks.text,
    Rule.NAME: Masks.name,
    Rule.KEY: Masks.key,
    Rule.EMAIL: Masks.email,
    Rule.FILE: Masks.file,
    Rule.LANGUAGE: Masks.language,
    Rule.ZONE: Masks.zone,
    Rule.MIME: Masks.mime,
    Rule.CURRENCY: Masks.currency,
    Rule.MARKER: Masks.marker,
    Rule.SUBJECT: Masks.subject,
    Rule.DIGEST: Masks.digest,
}


def fill(
    source: str, target: str, *, masks: Masks, placeholders: Placeholders, originals: Originals, progress: Progress
) -> dict[str, int]:
    """Write every table that a copy has, in one transaction.

    Args:
        source: alias of the restored set.
        target: alias of the copy, as a new portal has it.
        masks: the copy's replacements.
        placeholders: what takes the place of files.
        originals: gathers what must not be found in the copy.
        progress: phases and stop.

    Returns:
        rows by table.

    Raises:
        Conflict: a table has no line in the data map.
    """
    tables = _tables()
    counts: dict[str, int] = {}
    total = sum(model._base_manager.using(source).count() for model, table in tables if table.staging == Staging.COPY)
    progress.phase("rows", total)
    done = 0
    with transaction.atomic(using=target):
        for model, table in reversed(tables):
            if table.staging != Staging.FRESH:
                model._base_manager.using(target).all()._raw_delete(target)
        left_out: dict[type[models.Model], set[Any]] = {}
        for model, table in tables:
            if table.staging != Staging.COPY:
                continue
            written = _Columns(model, table, masks, placeholders, originals)
            for batch in _batches(model, source, written, left_out):
                model._base_manager.using(target)._insert(
                    batch, fields=model._meta.concrete_fields, using=target, raw=True
                )
                done += len(batch)
                counts[model._meta.label] = counts.get(model._meta.label, 0) + len(batch)
                progress.progress("rows", done, total)
                progress.check()
            counts.setdefault(model._meta.label, 0)
            if model is BackendProfile and placeholders.profile is not None:
                placeholders.profile.save_base(raw=True, force_insert=True, using=target)
        _tidy(target, [model for model, table in tables if table.staging == Staging.COPY], counts)
    _renumber(target, [model for model, _ in tables])
    return counts


def shipped(target: str) -> set[str]:
    """Every text that the tables of a new portal hold: the product's own, which a copy may show."""
    found: set[str] = set()
    for model, _ in _tables():
        names = [field.attname for field in model._meta.concrete_fields if _is_text(field)]
        for row in model._base_manager.using(target).values_list(*names).iterator() if names else ():
            for value in row:
                _gather(value, found)
    return found


def _gather(value: Any, found: set[str]) -> None:
    if isinstance(value, str):
        found.add(value)
    elif isinstance(value, dict):
        for key, each in value.items():
            found.add(key)
            _gather(each, found)
    elif isinstance(value, list):
        for each in value:
            _gather(each, found)


def _tables() -> list[tuple[Any, Table]]:
    """Every table with its line of the map, those that others need first."""
    known = data_map()
    wanted = list(apps.get_models(include_auto_created=True))
    missing = [model._meta.label for model in wanted if model._meta.label not in known]
    if missing:
        raise Conflict(
            f"The table {missing[0]} is not in the data map, so nobody knows what of it may be shown.",
            remedy="Declare it in models/datamap.py of its app.",
        )
    left, ordered = list(wanted), list[Any]()
    while left:
        free = [
            model
            for model in left
            if not any(
                field.related_model in left and field.related_model is not model and not field.null
                for field in model._meta.concrete_fields
                if field.is_relation
            )
        ] or left[:1]
        ordered += free
        left = [model for model in left if model not in free]
    return [(model, known[model._meta.label]) for model in ordered]


def _batches(
    model: Any, source: str, columns: _Columns, left_out: dict[type[models.Model], set[Any]]
) -> Iterator[list[models.Model]]:
    """Masked rows. Left out are jobs that waited or ran, and what cannot stand without a row that was left out."""
    skipped: set[Any] = set()
    needed = [
        (place, left_out[field.related_model])
        for place, field in enumerate(model._meta.concrete_fields)
        if field.is_relation and not field.null and field.related_model in left_out
    ]
    parents = [
        place
        for place, field in enumerate(model._meta.concrete_fields)
        if field.is_relation and not field.null and data_map()[field.related_model._meta.label].staging == Staging.DROP
    ]
    states = (*model.WAITING_STATES, *model.HELD_STATES) if issubclass(model, LeasedJob) else ()
    names = [field.attname for field in model._meta.concrete_fields]
    key, state = names.index(model._meta.pk.attname), names.index("state") if states else 0
    batch: list[models.Model] = []
    for values in model._base_manager.using(source).order_by("pk").values_list(*names).iterator(chunk_size=_BATCH):
        waits = bool(states) and values[state] in states
        if waits or parents or any(values[place] in gone for place, gone in needed):
            skipped.add(values[key])
            continue
        batch.append(columns.masked(values))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
    if skipped:
        left_out[model] = skipped


class _Columns:
    """The columns of one table, with what becomes of each."""

    def __init__(
        self, model: Any, table: Table, masks: Masks, placeholders: Placeholders, originals: Originals
    ) -> None:
        self._model, self._masks, self._files, self._originals = model, masks, placeholders, originals
        self._fields = list(model._meta.concrete_fields)
        missing = {field.name for field in self._fields} ^ set(table.columns)
        if missing:
            raise Conflict(
                f"The data map and the table {table.label} differ in {', '.join(sorted(missing))}.",
                remedy="Declare every column in models/datamap.py of its app.",
            )
        self._columns = [table.columns[field.name] for field in self._fields]
        self._places = {field.name: place for place, field in enumerate(self._fields)}

    def masked(self, values: Sequence[Any]) -> models.Model:
        """The row of the copy."""
        made = list(values)
        later: list[tuple[int, Column]] = []
        for place, (field, column) in enumerate(zip(self._fields, self._columns, strict=True)):
            value = values[place]
            if column.rule == Rule.HASH:
                later.append((place, column))
                continue
            made[place] = self._one(field, column, value, values)
            if value and (_is_text(field) or isinstance(field, models.BinaryField)):
                self._originals.note(column, value, made[place])
        for place, column in later:
            text = "\0".join(str(made[self._places[name]]) for name in column.words)
            made[place] = _sha256(text)
            self._originals.note(column, values[place], made[place])
        row: models.Model = self._model()
        for field, value in zip(self._fields, made, strict=True):
            setattr(row, field.attname, value)
        return row

    def _one(self, field: Any, column: Column, value: Any, values: Sequence[Any]) -> Any:
        rule, masks = column.rule, self._masks
        if rule == Rule.DROP:
            return _empty(field)
        if value is None:
            return None
        if rule == Rule.KEEP:
            # A choice is kept while it is one: a word that no list in the code has may be anything.
            if field.choices and isinstance(value, str) and value not in dict(field.flatchoices):
                return masks.text(value)
            return value
        if rule in _TEXTS:
            return _TEXTS[rule](masks, value)[: field.max_length] if isinstance(value, str) else value
        if rule == Rule.JSON:
            return masks.json(value, column.words)
        if rule == Rule.IDS:
            return masks.json(value, column.words, ids=True)
        if rule == Rule.SCHEMA:
            return masks.schema(value, column.words)
        if rule == Rule.WORD:
            return value if value in column.words or value in masks.shipped else masks.text(value)
        if rule == Rule.PERSON:
            return masks.person(value, str(values[self._places["id"]]))
        if rule == Rule.OFF:
            own = values[self._places[column.words[0]]] if column.words else ""
            return bool(value and own and own in masks.shipped)
        if rule == Rule.TURN:
            turned = dict(pair.split("=") for pair in column.words).get(value)
            return turned if turned is not None else value if value in dict(field.flatchoices) else masks.text(value)
        if rule == Rule.UNUSABLE:
            return "!" + secrets.token_urlsafe(30)
        if rule == Rule.PROFILE:
            return self._files.profile_id
        return getattr(self._files.of(values[self._places["id"]]), field.name)


def _is_text(field: Any) -> bool:
    return isinstance(field, models.CharField | models.TextField | models.JSONField)


def _empty(field: Any) -> Any:
    """What an emptied column holds."""
    if field.null:
        return None
    if field.has_default():
        return field.get_default()
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.CharField | models.TextField):
        return ""
    return b"" if isinstance(field, models.BinaryField) else 0


def _tidy(target: str, written: Sequence[Any], counts: dict[str, int]) -> None:
    """Empty references to what was left out; a row that cannot stand without goes. Again until nothing changes."""
    changed = True
    while changed:
        changed = False
        for model in written:
            for field in model._meta.concrete_fields:
                if not field.is_relation:
                    continue
                there = field.related_model._base_manager.using(target).filter(pk=OuterRef(field.attname))
                lost = (
                    model._base_manager.using(target)
                    .exclude(**{f"{field.name}__isnull": True})
                    .filter(~Exists(there))
                    .values_list("pk", flat=True)
                )
                for start in iter(lambda lost=lost: list(lost[:_BATCH]), []):  # type: ignore[misc]
                    rows = model._base_manager.using(target).filter(pk__in=start)
                    changed = True
                    if field.null:
                        rows.update(**{field.attname: None})
                    else:
                        counts[model._meta.label] -= rows._raw_delete(target)


def _renumber(target: str, written: Sequence[Any]) -> None:
    """Let automatic ids go on after those that were written."""
    connection = connections[target]
    statements = connection.ops.sequence_reset_sql(no_style(), list(written))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


__all__ = ["fill", "shipped"]
