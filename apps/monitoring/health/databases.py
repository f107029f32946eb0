"""Checks of the database server: connections, long transactions, replication, bloat; of SQLite its write-ahead log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from aiwriter.core import replica
from apps.monitoring.services.checks import Result, check

CONNECTIONS_WARN = 0.80
LONG_SECONDS = 60.0
LAG_SECONDS = 5.0
DEAD_SHARE, DEAD_LEAST = 0.20, 10_000
WAL_BYTES = 256 * 2**20


def _row(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: tuple[Any, ...] = cursor.fetchone()
    return found


@check("database_connections", title="Database connections", interval=30, deadline=5, only="postgresql")
def connections() -> Result:
    """How many of the connections that the server allows are taken."""
    used, allowed = _row("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")
    data = {"used": float(used), "allowed": float(allowed)}
    message = f"{used} of {allowed} are taken."
    if used > allowed * CONNECTIONS_WARN:
        return Result(
            status="warn",
            message=message,
            remedy="Run fewer processes, put a pooler in front, or raise max_connections.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


@check("database_transactions", title="Long transactions", interval=30, deadline=5, only="postgresql")
def transactions() -> Result:
    """Whether a transaction has been open for more than a minute, and whether somebody waits for a lock."""
    oldest, waiting = _row(
        "SELECT coalesce(max(extract(epoch FROM now() - xact_start)) FILTER (WHERE backend_type = 'client backend'"
        " AND pid <> pg_backend_pid()), 0)::float, count(*) FILTER (WHERE wait_event_type = 'Lock')"
        " FROM pg_stat_activity WHERE datname = current_database()"
    )
    data = {"oldest_seconds": round(oldest, 1), "waiting_for_locks": float(waiting)}
    message = f"The oldest is {oldest:.0f} s old; {waiting} wait for a lock."
    if oldest > LONG_SECONDS:
        return Result(
            status="warn",
            message=message,
            remedy="Find it in pg_stat_activity; it keeps dead rows from being cleared away and may hold locks.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


@check("database_replication", title="Database replicas", interval=30, deadline=5, only="postgresql")
def replication() -> Result:
    """How far the server's replicas are behind, and whether the one that the portal is to read can be read."""
    count, lag = _row(
        "SELECT count(*), coalesce(max(extract(epoch FROM replay_lag)), 0)::float FROM pg_stat_replication"
    )
    data = {"replicas": float(count), "lag_seconds": round(lag, 2)}
    if settings.DATABASE_ROUTERS:
        # "It is behind" comes and goes by milliseconds; how far is told below.
        problem = replica.caught_up().replace("It is behind.", "")
        data["read"] = float(not problem)
        if problem:
            remedy = (
                "The primary answers everything meanwhile. Look at the standby of AIWRITER_REPLICA_URL, and at its log."
            )
            return Result(status="warn", message=f"The standby is not read: {problem}", remedy=remedy, data=data)
    if not count:
        return Result(status="ok", message="There is none.", data=data)
    message = f"{count} follow; the slowest is {lag:.1f} s behind."
    if lag > LAG_SECONDS:
        return Result(
            status="warn", message=message, remedy="Look at the replica's disk, network and long queries.", data=data
        )
    return Result(status="ok", message=message, data=data)


@check("database_bloat", title="Dead rows and slow queries", interval=300, deadline=10, only="postgresql")
def bloat() -> Result:
    """Whether tables hold many dead rows, how large the database is, and which query takes most of the time."""
    size, dead, live = _row(
        "SELECT pg_database_size(current_database())::float, coalesce(sum(n_dead_tup), 0)::float,"
        " coalesce(sum(n_live_tup), 0)::float FROM pg_stat_user_tables"
    )
    data = {"size_bytes": size, "dead_rows": dead, "live_rows": live}
    slow = slowest_query()
    message = f"{size / 2**20:.0f} MiB; {dead:,.0f} of {dead + live:,.0f} rows are dead.{slow}"
    if dead > DEAD_LEAST and dead > (dead + live) * DEAD_SHARE:
        return Result(
            status="warn",
            message=message,
            remedy="Look whether autovacuum runs and whether a long transaction holds it up; VACUUM clears them.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


def slowest_query() -> str:
    """The query that takes most of the server's time, as pg_stat_statements knows it: its shape, without values."""
    try:
        # A savepoint: without the extension the question fails, and must not take the transaction with it.
        with transaction.atomic():
            found = _row(
                "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 120), mean_exec_time, calls"
                " FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " ORDER BY total_exec_time DESC LIMIT 1"
            )
    except (DatabaseError, TypeError):
        return ""
    return f" Most time goes to: {found[0]} ({found[1]:.1f} ms, {found[2]} times)."


@check("database_log", title="Write-ahead log", interval=60, deadline=5, only="sqlite")
def wal() -> Result:
    """Whether SQLite's write-ahead log is emptied, and how much of the file is unused."""
    name = str(connection.settings_dict["NAME"])
    log = Path(f"{name}-wal")
    size = log.stat().st_size if log.exists() else 0
    (pages,), (unused,), (page_bytes,) = (
        _row(f"PRAGMA {each}") for each in ("page_count", "freelist_count", "page_size")
    )
    data = {
        "wal_bytes": float(size),
        "size_bytes": float(pages * page_bytes),
        "unused_bytes": float(unused * page_bytes),
    }
    message = (
        f"The log has {size / 2**20:.1f} MiB, the database {pages * page_bytes / 2**20:.1f} MiB, "
        f"{unused * page_bytes / 2**20:.1f} MiB of it unused."
    )
    if size > WAL_BYTES:
        return Result(
            status="warn",
            message=message,
            remedy="A process keeps a transaction open, so that the log cannot be emptied: restart the parts one by one.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)
