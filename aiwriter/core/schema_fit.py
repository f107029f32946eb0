"""Whether this code can work on the database as it is: asked with the code of the version before, after a migration.

Every table and column that the models name must be there; a column that they do not name must be filled by the database;
and none may have become stricter. That is read from the database itself, so it is a fact and not a guess about migrations.
"""

from __future__ import annotations

from django.apps import apps
from django.db import connection


def misfits() -> list[str]:
    """What does not fit, in words; empty when this code can read and write."""
    found: list[str] = []
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if not meta.managed or meta.proxy or meta.swapped:
                continue
            if meta.db_table not in tables:
                found.append(f"table {meta.db_table} is not there")
                continue
            columns = {c.name: c for c in connection.introspection.get_table_description(cursor, meta.db_table)}
            own = {field.column: field for field in meta.local_concrete_fields}
            for name, field in own.items():
                if name not in columns:
                    found.append(f"column {meta.db_table}.{name} is not there")
                elif field.null and not columns[name].null_ok:
                    found.append(f"column {meta.db_table}.{name} takes no NULL")
            for name, column in columns.items():
                if name not in own and not column.null_ok and column.default is None:
                    found.append(f"column {meta.db_table}.{name} must be given in each new row")
    return found
