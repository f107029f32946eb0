"""The database's server itself, where `DATABASE_URL` leads to a pooler such as pgbouncer in transaction mode.

A pooler lends a connection for one transaction. What lives longer needs the server: notifications, settings of a session,
VACUUM with them, dumps, the log, and databases beside the portal's own. Without a pooler both are the same.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, connections

_NAMES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")


def read(url: str) -> dict[str, Any]:
    """An address as the client library's parameters; it may name several hosts, of which one takes writes.

    Raises:
        ValueError: it is none.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        raise ValueError(str(error).strip()) from None
    if not found.get("host") or not found.get("dbname"):
        raise ValueError("host or name is missing")
    return found


def problem(url: str, kind: str = "read-write") -> str:
    """What is wrong with an address, or ""; it ends the sentence "AIWRITER_DATABASE_DIRECT_URL …".

    Args:
        kind: which of several hosts is meant: "read-write" or "standby".
    """
    example = f"Write for example postgres://user:password@host1:5432,host2:5432/name?target_session_attrs={kind}."
    if urlsplit(url).scheme not in ("postgres", "postgresql"):
        return f"is not an address of PostgreSQL. {example}"
    try:
        read(url)
    except ValueError:
        return f"cannot be read. {example}"
    return ""


def parameters(database: str = "") -> dict[str, Any]:
    """How to connect to the portal's server, for the client library and its programs.

    Args:
        database: another one on that server.
    """
    if given := settings.DATABASE_DIRECT:
        found = {**given}
    else:
        wanted = connection.get_connection_params()
        found = {name: wanted[name] for name in (*_NAMES, *_TLS) if wanted.get(name)}
    return {**found, **({"dbname": database} if database else {})}


def beside(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Django's settings of a connection, made to lead to the server and to belong to nobody's pool."""
    found = copy.deepcopy(dict(wanted))
    found["OPTIONS"] = {name: value for name, value in (found.get("OPTIONS") or {}).items() if name != "pool"}
    if given := settings.DATABASE_DIRECT:
        found |= {theirs: given[name] for name, theirs in _NAMES.items() if name in given}
        found["OPTIONS"] |= {name: value for name, value in given.items() if name not in _NAMES}
    return found


def standby(wanted: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Django's settings of a connection to a standby: one for each thread, and none that waits.

    Not from a pool and not through a pooler: both wait where a connection is refused, and the primary could have answered.
    """
    given = read(url)
    found = {
        **wanted,
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "HOST": "",
        "PORT": "",
        "PASSWORD": "",
    }
    found |= {theirs: given[name] for name, theirs in _NAMES.items() if name in given}
    options = {name: value for name, value in given.items() if name not in _NAMES}
    # A machine that is gone is noticed after seconds, by what was sent and not confirmed.
    found["OPTIONS"] = {"connect_timeout": 2, "tcp_user_timeout": 3000, **options}
    return found


def take_over() -> None:
    """From now on this process's own connection leads to the server: for a command such as `migrate`."""
    if settings.DATABASE_DIRECT:
        connection.close()
        connections["default"].settings_dict.update(beside(connections["default"].settings_dict))


@contextlib.contextmanager
def cursor() -> Iterator[Any]:
    """A cursor of the server, outside of any transaction."""
    if not settings.DATABASE_DIRECT:
        with connection.cursor() as found:
            yield found
        return
    import psycopg

    with (
        connection.wrap_database_errors,
        psycopg.connect(**parameters(), autocommit=True) as opened,
        opened.cursor() as found,
    ):
        yield found
