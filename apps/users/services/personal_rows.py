"""Finds rows about a person by the data map: which tables, which columns lead to them, what becomes of each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Q, QuerySet

from aiwriter.core.datamap import Table, data_map
from apps.users.services.privacy_parts import Person

# Their rows are seen to by name: the account itself goes last, the record must not change.
_APART = frozenset({"users.User", "users.Workspace", "users.AuditEvent", "users.PrivacyRequest"})


@dataclass(frozen=True, slots=True)
class Trace:
    """A table with rows about people.

    Args:
        table: its line in the map.
        model: its model.
        paths: columns that lead to a person; the first one is whose row it is.
    """

    table: Table
    model: type[models.Model]
    paths: tuple[str, ...]

    @property
    def label(self) -> str:
        """ "content.Document"."""
        return self.table.label

    @property
    def what(self) -> str:
        """For people: "documents"."""
        return str(self.model._meta.verbose_name_plural)

    def by(self, path: str, person: Person) -> Q:
        """Rows in which a column leads to the person."""
        field = _field(self.model, path)
        if field is None or field.is_relation or isinstance(field, models.UUIDField):
            return Q(**{path: person.id})
        return Q(**{f"{path}__in": [str(person.id), f"user:{person.id}", *person.names]})

    def whose(self, person: Person) -> QuerySet[Any]:
        """Rows that are the person's."""
        found: QuerySet[Any] = self.model._default_manager.filter(self.by(self.paths[0], person)).order_by()
        return found

    def of(self, person: Person) -> QuerySet[Any]:
        """Rows that lead to the person in any way, and rows of their personal workspace."""
        wanted = Q()
        for path in self.paths:
            wanted |= self.by(path, person)
        if person.rooms and _field(self.model, "workspace") is not None:
            wanted |= Q(workspace__in=person.rooms)
        found: QuerySet[Any] = self.model._default_manager.filter(wanted).order_by("pk")
        return found


def traces() -> Iterator[Trace]:
    """All tables with rows about people, in the map's order, without those that are seen to by name."""
    for label, table in data_map().items():
        if table.people and label not in _APART:
            yield Trace(table, apps.get_model(label), table.people)


def _field(model: type[models.Model], path: str) -> Any:
    try:
        return model._meta.get_field(path)
    except FieldDoesNotExist:
        return None
