"""Barman with a PostgreSQL that its client programs know: Debian's. Both may be missing."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import textwrap
from pathlib import Path
from types import TracebackType

from tests.servers import pgbackrest
from tests.servers.postgres import Postgres

SERVER = "portal"


def install() -> Path | None:
    """A server's programs for it; None when something is missing."""
    if shutil.which("barman") is None or shutil.which("rsync") is None or shutil.which("pg_basebackup") is None:
        return None
    return next((path for path in pgbackrest.INSTALLS if (path / "bin" / "postgres").is_file()), None)


class Barman:
    """A server whose log is archived into Barman's folder, and its backups, for the time of a `with` block."""

    def __init__(self) -> None:
        found = install()
        assert found
        self.server = Postgres(install=found, durable=True)

    @property
    def config(self) -> Path:
        """The file that -c names."""
        return self.server.folder / "barman.conf"

    @property
    def home(self) -> Path:
        """Where it stores."""
        return self.server.folder / "barman"

    def __enter__(self) -> Barman:
        incoming = self.home / SERVER / "incoming"
        incoming.mkdir(parents=True)
        if self.server.user:
            shutil.chown(incoming, self.server.user)
        self.server._settings |= {"archive_mode": "on", "archive_command": f"cp %p {incoming}/%f"}
        self.server.__enter__()
        where = f"host=127.0.0.1 port={self.server.port} user=postgres dbname=postgres"
        self.config.write_text(
            textwrap.dedent(
                f"""\
                [barman]
                barman_user = {getpass.getuser()}
                barman_home = {self.home}
                log_file = {self.home}/barman.log
                [{SERVER}]
                description = A server of the tests
                conninfo = {where}
                streaming_conninfo = {where}
                backup_method = postgres
                archiver = on
                """
            )
        )
        try:
            self.run("switch-wal", "--force", "--archive", SERVER)
        except BaseException:
            self.server.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def run(self, *words: str) -> str:
        """A command of Barman."""
        done = subprocess.run(
            ["barman", "-c", str(self.config), *words], capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def back_up(self) -> None:
        """A backup, with the log that it needs."""
        self.run("backup", SERVER)
        self.run("switch-wal", "--force", "--archive", SERVER)
