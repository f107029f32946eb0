"""Variables that say where rows and counts are kept: the database, its standby, Redis."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiwriter.variables import Variable


def _database_problem(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme in ("sqlite", "postgres", "postgresql"):
        return ""
    return f"has the scheme '{scheme}'. Use sqlite:///absolute/path or postgres://user:password@host:5432/name."


def is_postgres(url: str) -> bool:
    return urlsplit(url).scheme in ("postgres", "postgresql")


def _direct_problem(url: str, kind: str = "read-write") -> str:
    from aiwriter.core import direct  # here: Django is not set up yet, and only few have a pooler

    return direct.problem(url, kind)


V = Variable
STORES: tuple[Variable, ...] = (
    V(
        name="DATABASE_URL",
        type="str",
        default="",
        secret=True,
        help="sqlite:///path or postgres://user:password@host:5432/name. Empty: SQLite in DATA_DIR.",
        check=lambda v: _database_problem(v) if v else "",
    ),
    V(
        name="AIWRITER_DATABASE_DIRECT_URL",
        type="str",
        default="",
        secret=True,
        help="The database's server itself, where DATABASE_URL leads to a pooler such as pgbouncer in transaction mode: for migrations, backups "
        "and notifications. Several hosts: postgres://user:password@host1:5432,host2:5432/name?target_session_attrs=read-write.",
        check=_direct_problem,
    ),
    V(
        name="AIWRITER_REPLICA_URL",
        type="str",
        default="",
        secret=True,
        help="A standby that is read where it has everything; not through a pooler. Empty: none. One of several that is a standby now: "
        "postgres://user:password@host1:5432,host2:5432/name?target_session_attrs=standby.",
        check=lambda v: _direct_problem(v, "standby"),
    ),
)
