"""PostgreSQL: an exported snapshot that the server's own `pg_dump` and our queries share.

`pg_dump` reads one consistent state whatever is written meanwhile, and its plain form stays the same where the rows
stay the same, so a second dump costs little in the repository.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from aiwriter import env
from aiwriter.core import direct
from aiwriter.core.errors import Unavailable
from aiwriter.core.late import psycopg, sql
from apps.backups.services.contents import DATABASE

if TYPE_CHECKING:
    from apps.backups.services.progress import Progress

# A lock on a table may hold `pg_dump` up for a minute, a checkpoint a base for some.
SILENCE = 1800.0
PIPE = 1024 * 1024
# A pipe that gave less than this gets so many seconds to fill: far fewer than it takes to fill all of it.
_SIP, _FILLING = 256 * 1024, 0.001
_END = b"PostgreSQL database dump complete"
# Text of rows depends on these; both measurements set them alike.
_STABLE = (
    "SET extra_float_digits = 1; SET bytea_output = 'hex'; SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; "
    "SET IntervalStyle = 'postgres'"
)


def parameters(database: str = "") -> dict[str, Any]:
    """How to connect to the portal's server."""
    return {**direct.parameters(database), "connect_timeout": 15}


def url_of(database: str) -> str:
    """`DATABASE_URL` of another database on the portal's server."""
    found = parameters(database)
    user = quote(str(found.get("user", "")), safe="")
    secret = f":{quote(str(found['password']), safe='')}" if found.get("password") else ""
    hosts, ports = str(found.get("host", "localhost")).split(","), str(found.get("port", "")).split(",")
    pairs = zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True)
    place = ",".join(quote(host, safe="") + (f":{port}" if port else "") for host, port in pairs)
    return f"postgres://{user}{secret}@{place}/{quote(database, safe='')}"


def server_major() -> int:
    """The server's major version."""
    with contextlib.closing(psycopg.connect(**parameters())) as opened:
        return opened.info.server_version // 10_000


def program(name: str, server: int) -> str:
    """Path of a client program that is not older than the server.

    Args:
        name: "pg_dump" or "psql".
        server: the server's major version.

    Raises:
        Unavailable: there is none, with the package to install.
    """
    folders = [settings.PG_BIN] if settings.PG_BIN else []
    folders += [f"/usr/lib/postgresql/{major}/bin" for major in range(server + 3, server - 1, -1)]
    candidates = [str(Path(folder) / name) for folder in folders]
    if (found := shutil.which(name)) is not None:
        candidates.append(found)
    newest = 0
    for path in candidates:
        major = major_of(path)
        if major >= server:
            return path
        newest = max(newest, major)
    have = f"The newest here is version {newest}" if newest else f"No {name} is installed here"
    raise Unavailable(
        f"{name} must not be older than the server, which is PostgreSQL {server}. {have}.",
        remedy=f"Install postgresql-client-{server}, or name its folder in AIWRITER_PG_BIN.",
    )


def major_of(path: str) -> int:
    """The version of a program of PostgreSQL; 0 when there is none."""
    if not Path(path).is_file():
        return 0
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(found[1]) if found else 0


def environment(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Connection for a client program; a password on the command line could be read by every user of the machine."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    names |= {name: f"PG{name.upper()}" for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")}
    names["target_session_attrs"] = "PGTARGETSESSIONATTRS"
    given = {names[name]: str(value) for name, value in wanted.items() if name in names}
    return {**env.process_environment(), **given, "PGCONNECT_TIMEOUT": "15", "PGCLIENTENCODING": "UTF8"}


@contextlib.contextmanager
def not_for_ever(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a program that gives not one byte for `SILENCE` seconds: a backup that hangs looks like one that runs."""
    timer = threading.Timer(SILENCE, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def widen(process: subprocess.Popen[bytes]) -> None:
    """Let the pipe from a program hold a MiB: with the usual 64 KiB it stands still whenever we cut what it gave."""
    # Other systems than Linux have no such call, and a user who has many pipes may not widen one: slower, nothing else.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(cast("BinaryIO", process.stdout).fileno(), fcntl.F_SETPIPE_SZ, PIPE)


def stop(process: subprocess.Popen[bytes], patience: float = 20.0) -> None:
    """End a program that runs beside this one; one that does not listen is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class PostgresSnapshot:
    """An open transaction and the name under which `pg_dump` shares it.

    Args:
        clock_ahead: seconds by which the server's clock is ahead of this machine's.
    """

    connection: psycopg.Connection[Any]
    name: str
    version: str
    major: int
    size: int
    capture: dict[str, Any] = field(default_factory=dict)
    engine: str = "postgresql"
    clock_ahead: float = 0.0

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Read from the snapshot, some thousand rows at a time."""
        with self.connection.cursor(name="rows") as cursor:
            cursor.itersize = 5_000
            cursor.execute(query.encode())
            yield from cursor

    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows and digest of every table."""
        return _measure(self.connection)

    def write(self, writer: Any, progress: Progress) -> None:
        """Stream the dump into a set.

        Raises:
            Unavailable: `pg_dump` failed or ended before its last line.
        """
        progress.phase("database", self.size)
        command = [
            program("pg_dump", self.major),
            "--format=plain",
            "--no-owner",
            "--no-privileges",
            "--encoding=UTF8",
            f"--snapshot={self.name}",
            "--lock-wait-timeout=60s",
        ]
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env=environment(parameters())
            ) as process:
                try:
                    widen(process)
                    dump = Dump(cast("BinaryIO", process.stdout), process)
                    writer.add_stream(DATABASE["postgresql"], dump, chunking="content")
                except BaseException:
                    process.kill()
                    raise
            errors.seek(0)
            said = errors.read()[-600:].decode("utf-8", "replace").strip()
        if process.returncode or not dump.whole:
            raise Unavailable(
                f"pg_dump failed: {said or f'it ended with code {process.returncode} before its last line'}.",
                remedy="Nothing counts as a backup. Look at the server's log, then run the backup again.",
            )


class Dump:
    """The output of `pg_dump` as a file, remembering whether its last line came."""

    def __init__(self, stream: BinaryIO, process: subprocess.Popen[bytes]) -> None:
        self._stream, self._process, self._tail = stream, process, b""

    def read(self, size: int = -1) -> bytes:
        """Bytes of the dump; an error instead of the end when the program failed: half a dump is none."""
        with not_for_ever(self._process):
            piece = self._gather(size) if size > 0 else self._stream.read(size)
        self._tail = (self._tail + piece)[-400:]
        if not piece and size and (self._process.wait(60) or not self.whole):
            raise Unavailable(
                "pg_dump ended before its last line.", remedy="Look at the server's log, then run the backup again."
            )
        return piece

    def _gather(self, size: int) -> bytes:
        """So many bytes, fewer only at the end. The program writes 4 KiB at a time: woken for each, we would do nothing else."""
        parts: list[bytes] = []
        missing = size
        while missing and (part := os.read(self._stream.fileno(), min(missing, PIPE))):
            parts.append(part)
            missing -= len(part)
            if missing and len(part) < _SIP:
                time.sleep(_FILLING)
        return b"".join(parts)

    @property
    def whole(self) -> bool:
        """Whether the last line came."""
        return _END in self._tail


@contextlib.contextmanager
def snapshot(_scratch: Path) -> Iterator[PostgresSnapshot]:
    """Open a snapshot of the portal's database.

    Raises:
        Unavailable: the server does not answer, or no `pg_dump` fits it.
    """
    try:
        opened = psycopg.connect(**parameters(), autocommit=False)
    except psycopg.Error as error:
        raise Unavailable(f"The database does not answer: {error}.", remedy="Look at the health page.") from error
    with contextlib.closing(opened):
        opened.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        opened.read_only = True
        major = opened.info.server_version // 10_000
        program("pg_dump", major)
        name = opened.execute("SELECT pg_export_snapshot()").fetchone()[0]  # type: ignore[index]
        # Rows are counted by one process of the server: its helpers would take every processor from those who write.
        opened.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        version = opened.execute("SHOW server_version").fetchone()[0]  # type: ignore[index]
        size = opened.execute("SELECT pg_database_size(current_database())").fetchone()[0]  # type: ignore[index]
        begun = time.time()
        theirs = opened.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()[0]  # type: ignore[index]
        ahead = theirs - (begun + time.time()) / 2
        yield PostgresSnapshot(opened, name, version, major, size, clock_ahead=ahead)


def measure(database: str) -> dict[str, dict[str, Any]]:
    """Rows and digest of every table of a database on the portal's server."""
    with contextlib.closing(psycopg.connect(**parameters(database))) as opened:
        return _measure(opened)


def _measure(opened: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    opened.execute(_STABLE)
    names = [
        row[0]
        for row in opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    ]
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        query = sql.SQL(
            "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint::numeric), 0) "
            "FROM {} t"
        ).format(sql.Identifier("public", name))
        rows, total = opened.execute(query).fetchone()  # type: ignore[misc]
        found[name] = {"rows": rows, "digest": f"{int(total):x}"}
    return found


# ---------------------------------------------------------------- restoring
@contextlib.contextmanager
def _administration() -> Iterator[psycopg.Connection[Any]]:
    """A connection beside the portal's database, for making, renaming and dropping databases."""
    last: psycopg.Error | None = None
    for database in ("postgres", "template1"):
        try:
            opened = psycopg.connect(**parameters(database), autocommit=True)
        except psycopg.Error as error:
            last = error
            continue
        with contextlib.closing(opened):
            yield opened
        return
    raise Unavailable(
        f"The server lets nobody in beside the portal's database: {last}.",
        remedy="Let the portal's role connect to the database 'postgres'.",
    )


def create_database(name: str) -> None:
    """Make an empty database beside the portal's.

    Raises:
        Unavailable: the role may not.
    """
    with _administration() as opened:
        try:
            opened.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                "The portal's role may not make databases.",
                remedy=f"Run: ALTER ROLE {parameters().get('user', '…')} CREATEDB",
            ) from error
        except psycopg.Error as error:
            raise Unavailable(f"No database could be made: {error}.", remedy="See the server's log.") from error


def drop_database(name: str) -> None:
    """Remove a database that a drill or a restore made. Quiet when it is gone."""
    with _administration() as opened:
        opened.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def load(database: str, stream: Any) -> None:
    """Run a dump in an empty database, whole or not at all.

    Raises:
        Unavailable: `psql` failed.
    """
    with contextlib.closing(psycopg.connect(**parameters(database))) as opened:
        major = opened.info.server_version // 10_000
    command = [program("psql", major), "--no-psqlrc", "--quiet", "--single-transaction", "-v", "ON_ERROR_STOP=1"]
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=errors, env=environment(parameters(database))
        ) as process:
            assert process.stdin  # noqa: S101  a pipe was asked for
            try:
                # A psql that fails closes the pipe; its own words say more than "broken pipe".
                with contextlib.suppress(BrokenPipeError):
                    shutil.copyfileobj(stream, process.stdin, 1 << 20)
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        said = errors.read()[-600:].decode("utf-8", "replace").strip()
    if process.returncode:
        raise Unavailable(f"The dump could not be loaded: {said}.", remedy="Nothing of the portal was changed.")


def switch_to(database: str, before: str) -> None:
    """Let another database take the name of the portal's; the portal's gets the name `before`.

    Connections to both are ended, and pools open new ones, which find the other database under the old name.

    Raises:
        Unavailable: the server refused. Both have the names that they had.
    """
    current = str(parameters()["dbname"])
    connection.close()
    if getattr(connection, "pool", None):
        connection.close_pool()  # type: ignore[attr-defined]
    with _administration() as opened:
        with contextlib.suppress(psycopg.Error):
            # Nobody comes back between the end of the connections and the renaming.
            opened.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(current)))
        try:
            _end_connections(opened, current, database)
            opened.execute(_rename(current, before))
            try:
                _end_connections(opened, current, database)
                opened.execute(_rename(database, current))
            except psycopg.Error:
                opened.execute(_rename(before, current))
                raise
        except psycopg.Error as error:
            raise Unavailable(
                f"The databases could not be exchanged: {error}.",
                remedy="Nothing was changed. The portal's role must own both databases and may need CREATEDB.",
            ) from error
        finally:
            for name in (current, before):
                with contextlib.suppress(psycopg.Error):
                    opened.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def _rename(old: str, new: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))


def _end_connections(opened: psycopg.Connection[Any], *names: str) -> None:
    opened.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid()",
        [list(names)],
    )


def exists(database: str) -> bool:
    """Whether there is such a database."""
    with _administration() as opened:
        return opened.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is not None


__all__ = [
    "Dump",
    "PostgresSnapshot",
    "create_database",
    "drop_database",
    "environment",
    "exists",
    "load",
    "major_of",
    "measure",
    "parameters",
    "program",
    "snapshot",
    "stop",
    "switch_to",
    "url_of",
]
