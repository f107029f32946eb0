"""pgBackRest with a PostgreSQL that it knows: Debian's, because the package of pip is newer than it. Both may be missing."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers.postgres import Postgres

STANZA = "bench"
# pgBackRest 2.45, which Debian 12 has, knows servers up to 15.
INSTALLS = [Path(f"/usr/lib/postgresql/{major}") for major in (17, 16, 15, 14, 13)]


def install() -> Path | None:
    """A server's programs for it; None when something is missing."""
    if shutil.which("pgbackrest") is None:
        return None
    return next((path for path in INSTALLS if (path / "bin" / "postgres").is_file()), None)


class PgBackRest:
    """A server whose log is archived by pgBackRest, and its repository, for the time of a `with` block.

    Args:
        settings: added to the server's.
    """

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        found = install()
        assert found
        self.server = Postgres(install=found, durable=True)
        # As a drill's server runs: it has to read configuration and repository too.
        with contextlib.suppress(KeyError):
            self.server._user = self.server._user and pwd.getpwnam("postgres").pw_name
        self._given = settings or {}

    @property
    def config(self) -> Path:
        """The file that --config names."""
        return self.server.folder / "pgbackrest.conf"

    @property
    def repository(self) -> Path:
        """Where it stores."""
        return self.server.folder / "repository"

    def __enter__(self) -> PgBackRest:
        folder = self.server.folder
        for name in ("repository", "log", "lock", "spool"):
            path = folder / "pgbackrest" / name if name != "repository" else self.repository
            path.mkdir(parents=True)
        self.config.write_text(
            textwrap.dedent(
                f"""\
                [global]
                repo1-path={self.repository}
                repo1-retention-full=2
                log-path={folder}/pgbackrest/log
                lock-path={folder}/pgbackrest/lock
                spool-path={folder}/pgbackrest/spool
                log-level-console=warn
                log-level-file=off
                start-fast=y
                compress-type=zst
                process-max=2
                [{STANZA}]
                pg1-path={self.server.data}
                pg1-port={self.server.port}
                pg1-user=postgres
                pg1-database=postgres
                pg1-socket-path={folder}
                """
            )
        )
        if self.server.user:
            for root, folders, files in os.walk(folder):
                for each in (*folders, *files):
                    shutil.chown(Path(root) / each, self.server.user)
        self.server._settings |= {
            "archive_mode": "on",
            "unix_socket_directories": str(folder),
            "archive_command": f"pgbackrest --config={self.config} --stanza={STANZA} archive-push %p",
            **self._given,
        }
        self.server.__enter__()
        try:
            self.run("stanza-create")
        except BaseException:
            self.server.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def run(self, *words: str) -> str:
        """A command of pgBackRest, as the server's user."""
        done = subprocess.run(
            ["pgbackrest", f"--config={self.config}", f"--stanza={STANZA}", *words],
            capture_output=True,
            text=True,
            check=False,
            user=self.server.user,
            cwd="/",
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def info(self) -> Any:
        """What it says of its sets."""
        return json.loads(self.run("info", "--output=json"))
