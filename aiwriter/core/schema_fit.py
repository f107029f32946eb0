"""Whether this code can work on the database as it is: asked with the code of the version before, after a migration.

Every table and column that the models name must be there; a column that they do not name must be filled by the database;
and none may have become stricter. That is read from the database itself, so it is a fact and not a guess about migrations.
"""

from __future__ import annotations

from typing import NamedTuple

from django.apps import apps
from django.db import connection


class _Column(NamedTuple):
    null_ok: bool
    default: str | None


def misfits() -> list[str]:
    """What does not fit, in words; empty when this code can read and write."""
    found: list[str] = []
    tables = _tables()
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if not meta.managed or meta.proxy or meta.swapped:
            continue
        if meta.db_table not in tables:
            found.append(f"table {meta.db_table} is not there")
            continue
        columns = tables[meta.db_table]
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


# One question for all tables. Django's own asks a table at a time, on SQLite with a parse of its whole SQL for the sake of
# collations, which nobody wants here: 1.5 s for what takes 0.02.
_ON_SQLITE = """
    SELECT m.name, c.name, NOT c."notnull", c.dflt_value
    FROM sqlite_master m, pragma_table_xinfo(m.name) c
    WHERE m.type IN ('table', 'view') AND c.hidden <> 1
"""


def _tables() -> dict[str, dict[str, _Column]]:
    """The columns of each table that is there."""
    found: dict[str, dict[str, _Column]] = {}
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_ON_SQLITE)
            for table, name, null_ok, default in cursor.fetchall():
                found.setdefault(table, {})[name] = _Column(bool(null_ok), default)
            return found
        for table in connection.introspection.table_names(cursor):
            described = connection.introspection.get_table_description(cursor, table)
            found[table] = {each.name: _Column(each.null_ok, each.default) for each in described}
    return found
