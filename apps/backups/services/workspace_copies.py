"""A workspace of a set as another workspace: every row gets an id of its own, and texts that name ids name the new ones."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models

from apps.backends.models import StoredBlob
from apps.backups.models import Restore

Rows = dict[type[models.Model], dict[Any, models.Model]]
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def renamed(restore: Restore, root: Any, rows: Rows) -> Rows:
    """The rows under new ids. The same restore gives the same ids again, so that one that was killed does nothing twice.

    What acts outside (webhooks, publications, schedules) and what lets people in (invitations, rules of groups) stays away: a
    copy must not send a second time. Contents of files are shared with the original; they never change.

    Args:
        restore: whose copy it is.
        root: the workspace, as the set has it.
        rows: it and all that belongs to it; changed in place.
    """
    left = [model for model in rows if model._meta.label in settings.BACKUP_COPY_LEFT]
    for model in left:
        del rows[model]
    ids = {
        key: uuid.uuid5(restore.pk, str(key))
        for model, found in rows.items()
        if model is not StoredBlob
        for key in found
        if isinstance(key, uuid.UUID)
    }
    made: Rows = {}
    for model, found in rows.items():
        if model is StoredBlob:
            made[model] = found
            continue
        made[model] = {}
        for number, row in enumerate(found.values()):
            for field in model._meta.concrete_fields:
                _rename(row, field, ids)
            # A key that the database counts is given by it anew.
            counted = isinstance(model._meta.pk, models.AutoField)
            if counted:
                row.pk = None
            made[model][f"new {number}" if counted else row.pk] = row
    _as_copy(restore, root)
    for row in made.get(apps.get_model("content.EmbeddingIndex"), {}).values():
        # The original's collection is the original's.
        row.collection = ""  # type: ignore[attr-defined]
    return made


def _rename(row: models.Model, field: Any, ids: dict[uuid.UUID, uuid.UUID]) -> None:
    value = getattr(row, field.attname)
    if isinstance(value, uuid.UUID):
        setattr(row, field.attname, ids.get(value, value))
    elif field.name == "idempotency_key":
        setattr(row, field.attname, None if field.null else "")
    elif isinstance(value, str | dict | list) and value:
        setattr(row, field.attname, _in(value, ids))


def _in(value: Any, ids: dict[uuid.UUID, uuid.UUID]) -> Any:
    """A text or a JSON value, with new ids where it named old ones."""
    if isinstance(value, str):
        return _ID.sub(lambda found: str(ids.get(uuid.UUID(found[0]), found[0])), value) if "-" in value else value
    if isinstance(value, dict):
        return {_in(key, ids): _in(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [_in(each, ids) for each in value]
    return value


def _as_copy(restore: Restore, root: Any) -> None:
    at = restore.moment or (restore.backup_set.created_at if restore.backup_set else restore.created_at)
    ending = f" ({at:%Y-%m-%d %H:%M})"
    root.name = root.name[: 120 - len(ending)] + ending
    root.slug = f"{root.slug[:50]}-{root.pk.hex[:8]}"
    root.personal_of_id = None
