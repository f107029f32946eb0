"""Drills of backups that pgBackRest or Barman makes: restored by it into a scratch folder, started, and every row read."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter import env
from aiwriter.core.errors import Conflict, InvalidInput, Unavailable
from aiwriter.core.late import psycopg
from apps.backups.models import Delegate, Drill
from apps.backups.selectors.delegates import get_delegate
from apps.backups.services import delegate_tools, delegates, jobs, postgres
from apps.backups.services.postgres_base import as_other_user, give_to, server_program, wait_for_server
from apps.backups.services.progress import Progress
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

_OWN = """# Written for a drill. Nothing of the configuration of the server of before is used.
listen_addresses = ''
unix_socket_directories = '{sockets}'
hot_standby = off
archive_mode = off
ssl = off
shared_preload_libraries = ''
max_connections = 20
fsync = off
full_page_writes = off
"""


def start_drill(*, actor: Actor, delegate_id: uuid.UUID | str, trigger: str = "person", wake: bool = True) -> Drill:
    """Ask for a drill of the newest backup that another tool made.

    Args:
        actor: needs "backups.run".
        delegate_id: whose.
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        InvalidInput: the tool cannot be drilled from here.
        Busy: a drill of it waits or runs already.
    """
    require(actor, "backups.run")
    row = get_delegate(actor=actor, delegate_id=delegate_id)
    if row.tool not in delegate_tools.RESTORING:
        raise InvalidInput(
            f"{row.get_tool_display()} cannot be drilled from here.",
            field="delegate_id",
            remedy="Rehearse a restore by the tool's own means, and write down when.",
        )
    with transaction.atomic():
        if Drill.objects.filter(delegate=row, state__in=("queued", "running")).exists():
            raise jobs.Busy("A drill is going on already.", remedy="Wait for it, or stop it.")
        drill = Drill.objects.create(delegate=row, trigger=trigger, requested_by=actor.user)
        record(actor, "backup.drill_requested", obj=drill, after={"delegate": row.name})
        if wake:
            jobs.wake(drill)
    return drill


def drill_due(row: Delegate, now: dt.datetime) -> bool:
    """Whether its schedule wants a drill now."""
    if not row.enabled or not row.drill_days or row.newest_at is None:
        return False
    last = Drill.objects.filter(delegate=row).order_by("-created_at").first()
    if last is None:
        return True
    wait = dt.timedelta(hours=6) if last.state == "failed" else dt.timedelta(days=row.drill_days)
    return last.is_final and now - last.created_at >= wait


def run_drill(drill: Drill, progress: Progress) -> None:
    """Restore, start, read. Folder and server are gone afterwards, however it ends.

    Raises:
        Unavailable: the tool did not restore, or the server did not start or could not be read.
    """
    row = drill.delegate
    if row is None:
        raise Conflict("This is no drill of another tool.")
    delegates.look(row)
    chosen = next((each for each in row.sets if each["good"] and each["finished"] and not each["note"]), None)
    if chosen is None:
        raise Unavailable(f"'{row.name}' has no finished backup. {row.problem}".strip(), remedy=row.remedy)
    begun = timezone.now()
    phases: dict[str, float] = {}
    # Sockets have short names, and a server that runs as somebody else must get in.
    with tempfile.TemporaryDirectory(prefix="aiwriter-drill-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir(mode=0o700)
        with _phase(phases, "restoring", progress):
            _restore(row, chosen["label"], data, progress)
        major = int((data / "PG_VERSION").read_text().split(".")[0])
        progress.phase("starting")
        started = time.monotonic()
        with _started(folder, major, row, progress) as where:
            phases["starting"] = round(time.monotonic() - started, 3)
            with _phase(phases, "reading", progress):
                findings = _read(where, major, progress)
    rto = round(phases["restoring"] + phases["starting"], 3)
    rpo = max(0.0, (begun - dt.datetime.fromisoformat(chosen["finished"])).total_seconds())
    Drill.objects.filter(pk=drill.pk).update(
        set_name=chosen["label"], phases=phases, findings=findings, rto_seconds=rto, rpo_seconds=rpo
    )
    for each in findings:
        progress.say(f"{'ok' if each['ok'] else 'WRONG'}: {each['what']}: {each['detail']}")
    progress.say(f"The server would have answered again after {rto:.1f} s.")


@contextmanager
def _phase(phases: dict[str, float], name: str, progress: Progress) -> Iterator[None]:
    progress.phase(name)
    begun = time.monotonic()
    try:
        yield
    finally:
        phases[name] = round(time.monotonic() - begun, 3)


def _restore(row: Delegate, label: str, data: Path, progress: Progress) -> None:
    """Let the tool restore. It goes on for as long as it needs and is ended with the drill."""
    name, command = row.get_tool_display(), delegate_tools.restoring(row, label, data)
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=env.process_environment(), cwd="/"
        ) as process:
            try:
                while process.poll() is None:
                    progress.check()
                    time.sleep(0.2)
            except BaseException:
                process.kill()
                raise
        output.seek(0)
        said = output.read()[-600:].decode("utf-8", "replace").strip()
    if process.returncode:
        raise Unavailable(
            f"{name} did not restore: {said}", remedy=f"Run: {delegate_tools.RESTORING[Delegate.Tool(row.tool)]}"
        )
    # Tablespaces would lie where the live server has its own; the tools map them only when told to.
    links = [path.name for path in (data / "pg_tblspc").iterdir()] if (data / "pg_tblspc").is_dir() else []
    if links:
        raise Unavailable("The server has tablespaces, which a drill cannot lay out.", remedy="Rehearse it by hand.")


@contextmanager
def _started(folder: Path, major: int, row: Delegate, progress: Progress) -> Iterator[dict[str, Any]]:
    """A scratch server on the restored folder; how to connect."""
    program = server_program(major)
    user = as_other_user(program)
    sockets = folder / "s"
    sockets.mkdir(exist_ok=True, mode=0o700)
    (folder / "postgresql.conf").write_text(_OWN.format(sockets=sockets), encoding="utf-8")
    (folder / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
    (folder / "pg_ident.conf").write_text("", encoding="ascii")
    if user is not None:
        give_to(user, folder)
    log = folder / "log"
    command = [program, "-D", str(folder / "data"), "-c", f"config_file={folder / 'postgresql.conf'}"]
    command += ["-c", f"hba_file={folder / 'pg_hba.conf'}", "-c", f"ident_file={folder / 'pg_ident.conf'}"]
    where = {"host": str(sockets), "port": 5432, "user": row.role, "dbname": "postgres"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd=folder)
    try:
        wait_for_server(server, log, where, progress)
        yield where
    finally:
        postgres.stop(server)


def _read(where: dict[str, Any], major: int, progress: Progress) -> list[dict[str, Any]]:
    """Read every row of every database, as a dump does."""
    with psycopg.connect(**where) as opened:
        names = [
            str(row[0])
            for row in opened.execute(
                "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
            )
        ]
    findings = [{"what": "The server starts", "ok": True, "detail": f"PostgreSQL {major} with {len(names)} databases"}]
    program = postgres.program("pg_dump", major)
    for name in names:
        progress.check()
        environment = postgres.environment({**where, "dbname": name})
        environment.pop("PGPASSWORD", None)
        with subprocess.Popen(
            [program, "--format=plain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdout  # noqa: S101  a pipe was asked for
            assert process.stderr  # noqa: S101
            size = tables = 0
            tail = b""
            while piece := process.stdout.read(1 << 20):
                size += len(piece)
                tables += len(re.findall(rb"(?m)^COPY ", tail + piece)) - len(re.findall(rb"(?m)^COPY ", tail))
                tail = piece[-5:]
            said = process.stderr.read()[-300:].decode("utf-8", "replace").strip()
        if process.returncode:
            raise Unavailable(f"The database {name} cannot be read: {said}", remedy="Do not count on this backup.")
        detail = f"{tables} tables read to the last row, {size / 2**20:,.1f} MiB"
        findings.append({"what": f"Database {name}", "ok": True, "detail": detail})
    return findings
