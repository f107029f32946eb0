"""Packages that are imported when they are first used, and not by every process that has a module which might use them.

`from aiwriter.core.late import psycopg` reads like the import that it stands for, in the checks of types too. A worker on
SQLite is ready with 114 MB instead of 133, and 0.3 s of processor time earlier.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["numpy", "psycopg", "sql"]


class _Late(ModuleType):
    """Stands for a package; the interpreter's own lock sees to it that threads which are first together import it once."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        # Kept: a search unpacks 100,000 vectors, and asking the import system took 2 µs each time.
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import numpy
    import psycopg
    from psycopg import sql
else:
    numpy = _Late("numpy")
    psycopg, sql = _Late("psycopg"), _Late("psycopg.sql")
