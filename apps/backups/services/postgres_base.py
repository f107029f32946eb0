"""PostgreSQL as files: a server that is brought from a base to a moment.

The result is read out of a scratch server as a dump and goes on as every other restore; or the data directory is handed over.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings

from aiwriter.core.errors import Conflict, Unavailable
from aiwriter.core.late import psycopg
from apps.backups.repository.repository import Repository
from apps.backups.repository.segments import walk
from apps.backups.services import postgres, postgres_taking
from apps.backups.services.capture_postgres import START, file_name
from apps.backups.services.moments import Choice, as_time
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import control_of, told

_EARLY = "recovery ended before configured recovery target was reached"
# A server that replays a day of log needs its time; one that hangs must end.
_PATIENCE = 4 * 3600.0
_OWN = """# Written for a restore. Nothing of the configuration of the server of before is used.
listen_addresses = ''
unix_socket_directories = '{sockets}'
hot_standby = off
archive_mode = off
ssl = off
shared_preload_libraries = ''
max_connections = 20
fsync = off
full_page_writes = off
restore_command = 'cp "{wal}/%f" "%p"'
recovery_target_timeline = '{timeline}'
"""


# ------------------------------------------------------------ the way to a moment
def lay_out(
    repository: Repository, choice: Choice, reader: Any, folder: Path, progress: Progress, *, facts: Mapping[str, Any]
) -> Path:
    """A data directory with base and log, ready to be started.

    Args:
        repository: opened with a key.
        choice: how the moment is reached.
        reader: of the base.
        folder: an empty folder; gets `data` and `wal`.
        progress: phases and stop.
        facts: of the base.

    Raises:
        RepositoryProblem: something is lost or damaged; it is named.
    """
    data, wal = folder / "data", folder / "wal"
    for made in (data, wal):
        made.mkdir(mode=0o700)
    progress.phase("base", int(facts["bytes"]))
    with told():
        if facts.get("increment_of"):
            whole = repository.reader(str(facts["increment_of"]))
            postgres_taking.combine(whole, reader, data, int(facts["version"]) // 10_000, progress)
        else:
            postgres_taking.unpack(reader, data, progress)
    data.chmod(0o700)
    progress.phase("log", len(choice.segments))
    size, timeline = int(choice.line.detail["segment"]), int(choice.line.detail["timeline"])
    with told():
        for segment in walk(repository, choice.segments, control_of(progress)):
            (at,) = START.unpack_from(segment.body)
            _overlay(wal, data / "pg_wal", at, memoryview(segment.body)[START.size :], size, timeline)
    return data


def _overlay(wal: Path, first: Path, at: int, piece: memoryview, size: int, timeline: int) -> None:
    """Put a piece of the log where it belongs. What the base has of a file already is taken from there."""
    while piece:
        name = file_name(timeline, at, size)
        path = wal / name
        if not path.exists():
            if (first / name).exists():
                shutil.copyfile(first / name, path)
            else:
                with path.open("wb") as file:
                    file.truncate(size)
        count = min(len(piece), size - at % size)
        with path.open("r+b") as file:
            file.seek(at % size)
            file.write(piece[:count])
        piece, at = piece[count:], at + count


def prepare_server(folder: Path, choice: Choice, *, target: bool) -> None:
    """Write the scratch server's configuration. Nothing is taken from the one of before but the data."""
    data = folder / "data"
    (data / "postgresql.auto.conf").write_text("", encoding="ascii")
    (data / "recovery.signal").touch()
    (data / "standby.signal").unlink(missing_ok=True)
    text = _OWN.format(sockets=folder / "s", wal=folder / "wal", timeline=choice.line.detail["timeline"])
    if target:
        text += _until(choice, "promote")
    (folder / "postgresql.conf").write_text(text, encoding="utf-8")
    (folder / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
    (folder / "pg_ident.conf").write_text("", encoding="ascii")
    (folder / "s").mkdir(exist_ok=True, mode=0o700)


def _until(choice: Choice, action: str) -> str:
    at = as_time(choice.target)
    return f"recovery_target_time = '{at:%Y-%m-%d %H:%M:%S.%f}+00'\nrecovery_target_action = '{action}'\n"


def server_program(major: int) -> str:
    """The server itself, of exactly the version that the base is of.

    Raises:
        Unavailable: it is not on this machine.
    """
    path = shutil.which("postgres")
    folders = [settings.PG_BIN, f"/usr/lib/postgresql/{major}/bin"]
    for candidate in [*(str(Path(folder) / "postgres") for folder in folders if folder), *([path] if path else [])]:
        if postgres.major_of(candidate) == major:
            return candidate
    raise Unavailable(
        f"PostgreSQL {major} is not installed here: the data directory of a server opens only under its own version.",
        remedy=f"Install postgresql-{major}, or name its folder in AIWRITER_PG_BIN.",
    )


@contextlib.contextmanager
def recovered(repository: Repository, choice: Choice, reader: Any, progress: Progress) -> Iterator[BinaryIO]:
    """Bring a scratch server to a moment, and give the dump of the portal's database there. It is gone afterwards.

    Raises:
        Unavailable: it could not be started, or did not reach the moment.
        RepositoryProblem: something is lost or damaged; it is named.
    """
    facts = base_of(reader.info.extra)
    program = server_program(int(facts["version"]) // 10_000)
    # Sockets have short names, and a server that runs as somebody else must get in.
    with tempfile.TemporaryDirectory(prefix="aiwriter-moment-") as name:
        folder = Path(name)
        lay_out(repository, choice, reader, folder, progress, facts=facts)
        user = as_other_user(program)
        progress.phase("replay")
        try:
            server = _start(program, folder, choice, facts, user, progress, target=True)
        except _TooShort:
            # Nothing was committed between the moment and the end of what is captured: all of it is the state of the moment.
            server = _start(program, folder, choice, facts, user, progress, target=False)
        try:
            with _dumped(folder, facts) as stream:
                yield stream
        finally:
            postgres.stop(server)


class _TooShort(Exception):
    """The log ends before the moment."""


def base_of(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What a set says of its base.

    Raises:
        Conflict: it has none.
    """
    facts = (extra.get("capture") or {}).get("base")
    if not facts:
        raise Conflict("The set holds no base of a server.", remedy="Choose another moment.")
    return dict(facts)


def as_other_user(program: str) -> str | None:
    """A server refuses to run as root; then it runs as the first of two users who may run its program.

    Raises:
        Unavailable: neither may.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            subprocess.run([program, "--version"], user=name, cwd="/", check=True, capture_output=True, timeout=30)
        except (KeyError, OSError, subprocess.SubprocessError):
            continue
        return name
    raise Unavailable(
        f"The portal runs as root, a PostgreSQL server does not, and no other user may run {program}.",
        remedy="Run the portal as a user of its own, or make the folder of the programs readable.",
    )


def give_to(user: str, folder: Path) -> None:
    """Let a folder and all in it belong to a user."""
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    for root, folders, files in os.walk(folder):
        for each in (*folders, *files):
            os.chown(Path(root) / each, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _start(
    program: str,
    folder: Path,
    choice: Choice,
    facts: Mapping[str, Any],
    user: str | None,
    progress: Progress,
    *,
    target: bool,
) -> subprocess.Popen[bytes]:
    prepare_server(folder, choice, target=target)
    if user is not None:
        give_to(user, folder)
    log = folder / "log"
    command = [program, "-D", str(folder / "data"), "-c", f"config_file={folder / 'postgresql.conf'}"]
    command += ["-c", f"hba_file={folder / 'pg_hba.conf'}", "-c", f"ident_file={folder / 'pg_ident.conf'}"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd=folder)
    try:
        wait_for_server(server, log, _scratch(folder, facts), progress, early=target)
    except BaseException:
        postgres.stop(server)
        raise
    return server


def wait_for_server(
    server: subprocess.Popen[bytes], log: Path, where: Mapping[str, Any], progress: Progress, *, early: bool = False
) -> None:
    """Until a scratch server answers.

    Args:
        server: the process.
        log: what it writes.
        where: how to connect.
        progress: stop.
        early: a log that ends before the moment is told apart.

    Raises:
        Unavailable: it ended, or did not answer for hours.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        progress.check()
        if server.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace")
            if early and _EARLY in said:
                raise _TooShort
            wrong = [
                line for line in said.splitlines() if re.search(r"FATAL|PANIC|ERROR", line) and "system is" not in line
            ]
            words = " / ".join(wrong[-3:] or [said[-400:]])[-800:]
            raise Unavailable(f"The scratch server did not start: {words}", remedy="Use another moment or backup.")
        try:
            psycopg.connect(**where).close()
        except psycopg.OperationalError as error:
            if "does not exist" in str(error):
                raise Unavailable(
                    f"The scratch server lets nobody in: {error}.", remedy="Name another role."
                ) from error
            time.sleep(0.1)
        else:
            return
    raise Unavailable("The scratch server did not reach the moment in time.", remedy="Use a newer base.")


def _scratch(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"host": str(folder / "s"), "port": 5432, "user": facts["role"], "dbname": facts["database"]}


@contextlib.contextmanager
def _dumped(folder: Path, facts: Mapping[str, Any]) -> Iterator[BinaryIO]:
    command = [
        postgres.program("pg_dump", int(facts["version"]) // 10_000),
        "--format=plain",
        "--no-owner",
        "--no-privileges",
        "--encoding=UTF8",
    ]
    environment = postgres.environment(_scratch(folder, facts))
    environment.pop("PGPASSWORD", None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            yield postgres.Dump(cast("BinaryIO", process.stdout), process)  # type: ignore[misc]
        finally:
            if process.poll() is None:
                process.kill()


def hand_over(repository: Repository, choice: Choice, reader: Any, folder: Path, progress: Progress) -> str:
    """Lay a data directory out for an administrator who wants the whole server back.

    Returns:
        the command that starts it.

    Raises:
        Conflict: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty.", field="into", remedy="Name an empty folder.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = base_of(reader.info.extra)
    lay_out(repository, choice, reader, folder, progress, facts=facts)
    data = folder / "data"
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write(f'\nrestore_command = \'cp "{folder / "wal"}/%f" "%p"\'\n{_until(choice, "pause")}')
    (data / "recovery.signal").touch()
    return f"postgres -D {data}"
