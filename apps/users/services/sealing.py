"""Keeps small secrets of rows unreadable in the database; the sealing itself is `aiwriter.core.sealed`.

Every app names its sealed columns in `AppConfig.sealed_fields = {"app.Model": {"field": "purpose of the older form"}}`; the
rotation of keys goes through all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models

from aiwriter.core import sealed


@dataclass(frozen=True, slots=True)
class SealedField:
    """A column that holds sealed texts.

    Args:
        model: whose.
        name: of the field.
        older: the purpose under which the version before the keyring sealed it; "" when there was none.
    """

    model: type[models.Model]
    name: str
    older: str

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}"


def sealed_fields() -> Iterator[SealedField]:
    """All sealed columns of all apps."""
    for config in apps.get_app_configs():
        for label, fields in getattr(config, "sealed_fields", {}).items():
            for name, older in fields.items():
                yield SealedField(apps.get_model(label), name, older)


def place_of(row: models.Model, field: str) -> str:
    """Names the place where a secret stands: table, row, field."""
    return f"{row._meta.db_table}:{row.pk}:{field}"


def seal_into(row: models.Model, field: str, text: str) -> None:
    """Put a secret into a row's column, sealed for this place; the caller saves the row.

    Args:
        row: has its primary key already.
        field: one of the app's `sealed_fields`.
        text: the secret; "" empties the column.
    """
    setattr(row, field, sealed.seal(place_of(row, field), text, older=_older(row, field)) if text else "")


def open_sealed(row: models.Model, field: str) -> str:
    """The secret of a row's column; "" when it is empty.

    Raises:
        Unavailable: it was changed, comes from another row, or its key is missing.
    """
    text: Any = getattr(row, field)
    return sealed.unseal(place_of(row, field), text, older=_older(row, field)) if text else ""


def _older(row: models.Model, field: str) -> str:
    for each in sealed_fields():
        if each.model is type(row) and each.name == field:
            return each.older
    raise LookupError(f"{row._meta.label}.{field} is not listed. Add it to sealed_fields of the app's AppConfig.")


def seal(purpose: str, text: str) -> str:
    """Encrypt a text that belongs to no row of ours, bound to its purpose only.

    Args:
        purpose: "mfa"; a text sealed for another one does not open.
        text: any length that fits its column: the result is about 1.4 times as long, plus 60 characters.
    """
    return sealed.seal(purpose, text, older=purpose)


def unseal(purpose: str, text: str) -> str:
    """The text again.

    Raises:
        Unavailable: it was changed, or its key is missing.
    """
    return sealed.unseal(purpose, text, older=purpose)
