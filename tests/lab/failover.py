"""Two PostgreSQL servers behind a pgbouncer, and three sentinels over two Redis servers, as the topology ha has them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from tests.lab.deploytools import program
from tests.lab.portal import ROOT
from tests.servers import free_port
from tests.servers.postgres import Postgres, Standby

TAKEOVER = ROOT / "deploy" / "host" / "postgres" / "takeover.py"
INI = ROOT / "deploy" / "host" / "pgbouncer" / "pgbouncer.ini"
SENTINEL = ROOT / "deploy" / "host" / "redis" / "sentinel.conf"
# Debian's, as on a host; every change is acknowledged only when the standby has it, too.
SETTINGS = {
    "wal_log_hints": "on",
    "synchronous_commit": "on",
    "hot_standby_feedback": "on",
    "wal_level": "logical",
}
DATABASE = "portal"


def end(process: subprocess.Popen[bytes] | None) -> None:
    """TERM, then KILL."""
    if process is not None and process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Databases:
    """db1 and db2, and the pooler with the product's own file; `takeover()` runs the product's own script."""

    def __init__(self) -> None:
        self._pgbouncer = program("pgbouncer", "apt-get install pgbouncer")
        self.folder = Path(tempfile.mkdtemp(prefix="aiwriter-failover-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        # The new server's own binaries: Debian's psql speaks with it.
        self.servers: dict[str, Postgres] = {}

    def __enter__(self) -> Databases:
        try:
            first = Postgres(SETTINGS, durable=True)
            self.servers["db1"] = self._stack.enter_context(first)
            with psycopg.connect(first.url, autocommit=True) as opened:
                opened.execute(f"CREATE DATABASE {DATABASE}")
                # In its file: the recovery that pg_rewind begins with reads no command line, and would clear away the log.
                opened.execute("ALTER SYSTEM SET wal_keep_size = '256MB'")
            self.servers["db2"] = self._stack.enter_context(Standby(first, "db2", SETTINGS, durable=True))
            self.wait_for("db1", "db2")
            self._start_pooler()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for name, server in self.servers.items():
                print(f"--- {name}\n" + "\n".join((server.folder / "log").read_text().splitlines()[-12:]))
            with contextlib.suppress(OSError):
                print("--- pgbouncer\n" + "\n".join((self.folder / "pgbouncer.log").read_text().splitlines()[-12:]))
        end(self._process)
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ addresses
    @property
    def url(self) -> str:
        """By the pooler."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def read_url(self) -> str:
        """Of whichever is a standby."""
        return self.direct_url.replace("read-write", "standby")

    @property
    def direct_url(self) -> str:
        """Of whichever takes writes."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers.values())
        return f"postgres://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def ask(self, name: str, sql: str, *values: Any) -> Any:
        """One value, of a server itself."""
        server = self.servers[name]
        address = f"postgres://postgres@127.0.0.1:{server.port}/{DATABASE}"
        with psycopg.connect(address, autocommit=True, connect_timeout=3) as opened:
            found = opened.execute(sql, values).fetchone()
            return found[0] if found else None

    # ------------------------------------------------------------ pooler and script
    def _start_pooler(self) -> None:
        text, users = INI.read_text(), self.folder / "users.txt"
        users.write_text('"postgres" ""\n"pgbouncer" ""\n')
        for old, new in (
            ("host=10.20.0.21 port=5432", f"host=127.0.0.1 port={self.servers['db1'].port}"),
            ("listen_port = 6432", f"listen_port = {self.port}"),
            ("auth_type = scram-sha-256", "auth_type = trust"),
            ("/etc/pgbouncer/userlist.txt", str(users)),
            ("/var/log/postgresql", str(self.folder)),
            ("/run/postgresql", str(self.folder)),
        ):
            if old not in text:
                raise RuntimeError(f"pgbouncer.ini has no '{old}' any more")
            text = text.replace(old, new)
        self.ini = self.folder / "pgbouncer.ini"
        self.ini.write_text(text)
        user = self.servers["db1"].user
        if user:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        self._process = subprocess.Popen(
            [self._pgbouncer, "-q", str(self.ini)], user=user, cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(100):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"pgbouncer does not answer:\n{(self.folder / 'pgbouncer.log').read_text()}")
        psql = program("psql", "apt-get install postgresql-client")
        tables = ""
        for name, server in self.servers.items():
            ctl = [str(server.programs / "pg_ctl"), "-D", str(server.data), "-w"]
            if server.user:
                ctl = ["setpriv", f"--reuid={server.user}", "--clear-groups", *ctl]
            tables += (
                f'[[servers]]\nname = "{name}"\nhost = "127.0.0.1"\nport = {server.port}\nuser = "postgres"\n'
                f"stop = {[*ctl, 'stop', '-m', 'fast']!r}\npromote = {[*ctl, 'promote']!r}\n"
                # A process that was killed can answer nobody; where it still is, this fails, and nothing is promoted.
                f"fence = {['test', '!', '-e', str(server.data / 'postmaster.pid')]!r}\n"
            )
        admin = [psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", "pgbouncer", "pgbouncer"]
        self.file = self.folder / "takeover.toml"
        self.file.write_text(
            f'database = "{DATABASE}"\nnames = ["{DATABASE}"]\n{tables}'
            f'[[poolers]]\nadmin = {admin!r}\nfile = "{self.ini}"\n'
        )

    def takeover(self, *words: str) -> str:
        """Run the script to its end.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            [sys.executable, str(TAKEOVER), str(self.file), *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"takeover.py {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def watch(self) -> subprocess.Popen[str]:
        """Have the script look after the primary."""
        return subprocess.Popen(
            [sys.executable, "-u", str(TAKEOVER), str(self.file), "watch"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    # ------------------------------------------------------------ standbys
    def wait_for(self, primary: str, standby: str) -> None:
        """Until the standby streams; from then on nothing is acknowledged that it lacks."""
        where = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'"
        for _ in range(300):
            if self.ask(primary, where, standby):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{standby} does not stream from {primary}")
        self.ask_all(primary, f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'", "SELECT pg_reload_conf()")

    def ask_all(self, name: str, *statements: str) -> None:
        """Several, without an answer."""
        server = self.servers[name]
        with psycopg.connect(f"postgres://postgres@127.0.0.1:{server.port}/{DATABASE}", autocommit=True) as opened:
            for statement in statements:
                opened.execute(statement)

    def rejoin(self, name: str, primary: str, *, rewind: bool) -> None:
        """The old primary comes back as the standby, as the runbook says."""
        server, other = self.servers[name], self.servers[primary]
        conninfo = f"host=127.0.0.1 port={other.port} user=postgres application_name={name}"
        if rewind:
            server.run(
                server.programs / "pg_rewind",
                f"--target-pgdata={server.data}",
                f"--source-server={conninfo} dbname=postgres",
            )
        self.ask_all(primary, f"SELECT pg_create_physical_replication_slot('{name}') WHERE NOT EXISTS "
                     f"(SELECT FROM pg_replication_slots WHERE slot_name = '{name}')")  # fmt: skip
        text = f"\nprimary_conninfo = '{conninfo}'\nprimary_slot_name = '{name}'\nsynchronous_standby_names = ''\n"
        with (server.data / "postgresql.auto.conf").open("a") as file:
            file.write(text)
        signal = server.data / "standby.signal"
        signal.touch()
        if server.user:
            shutil.chown(signal, server.user)
        server.start()
        self.wait_for(primary, name)


class Redises:
    """A master, a replica, and three sentinels with the product's own file."""

    def __init__(self) -> None:
        self._server = program("redis-server", "apt-get install redis-server")
        self.folder = Path(tempfile.mkdtemp(prefix="aiwriter-sentinels-"))
        self.ports = {name: free_port() for name in ("redis1", "redis2")}
        self.sentinels = [free_port() for _ in range(3)]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """As REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"sentinel://:word@{hosts}/0?master=aiwriter"

    def __enter__(self) -> Redises:
        for name, port in self.ports.items():
            words = [
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--requirepass",
                "word",
                "--masterauth",
                "word",
            ]
            if name != "redis1":
                words += ["--replicaof", "127.0.0.1", str(self.ports["redis1"])]
            self._start(name, *words)
        time.sleep(1)
        for number, port in enumerate(self.sentinels):
            text = SENTINEL.read_text()
            for old, new in (
                ("bind 0.0.0.0", "bind 127.0.0.1"), ("port 26379", f"port {port}"), ("/var/lib/redis", str(self.folder)),
                ("10.20.0.31 6379", f"127.0.0.1 {self.ports['redis1']}"), ("PASSWORD\n", "word\n"),
            ):  # fmt: skip
                text = text.replace(old, new)
            config = self.folder / f"sentinel{number}.conf"
            config.write_text(text)
            self._start(f"sentinel{number}", str(config), "--sentinel")
        return self

    def _start(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            # Options after a file's name would be taken for its lines.
            self._processes[name] = subprocess.Popen([self._server, *words], stdout=log, stderr=log, cwd=self.folder)

    def ready(self, seconds: float = 30.0) -> None:
        """Until the sentinels know each other and the replica."""
        import redis

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(redis.RedisError):
                asked: list[Any] = [redis.Redis(port=port, socket_timeout=2) for port in self.sentinels]
                seen = [each.sentinel_master("aiwriter") for each in asked]
                if all(each["num-other-sentinels"] == 2 and each["num-slaves"] == 1 for each in seen):
                    return
            time.sleep(0.2)
        raise RuntimeError("the sentinels do not find each other")

    def kill_master(self) -> None:
        """kill -9."""
        self._processes["redis1"].kill()
        self._processes["redis1"].wait()

    def __exit__(self, *how: object) -> None:
        for process in reversed(self._processes.values()):
            end(process)
        shutil.rmtree(self.folder, ignore_errors=True)
