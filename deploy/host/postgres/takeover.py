#!/usr/bin/env python3
"""Two PostgreSQL servers exchange their parts behind pgbouncer.

    takeover.py FILE status              who is what
    takeover.py FILE planned             no write fails: requests wait while the standby takes over
    takeover.py FILE crashed             the primary is gone: cut it off, promote the standby
    takeover.py FILE watch               look each half second; when the primary is gone for --after seconds, the same

FILE as takeover.example.toml. Standard library and psql. `watch` is for sites that have no Patroni and no managed database;
it promotes nothing unless `fence` of the old primary ended with 0: two primaries are worse than none.
The old primary comes back as a standby by hand: deploy/runbooks/database-failover.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any


class Stopped(Exception):
    """It goes no further; the text says why, and what is the state."""


def run(command: list[str], seconds: float = 30.0, **variables: str) -> str:
    """A command's output.

    Raises:
        Stopped: it failed.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, env={**os.environ, **variables}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Stopped(f"{' '.join(command)[:200]}: {error}") from error
    if done.returncode:
        raise Stopped(f"{' '.join(command)[:200]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


class Server:
    """One of the two."""

    def __init__(self, values: dict[str, Any], database: str) -> None:
        self.name, self.host, self.port = str(values["name"]), str(values["host"]), int(values["port"])
        self._user, self._database = str(values["user"]), database
        self.commands: dict[str, list[str]] = {name: values[name] for name in ("stop", "promote", "fence")}

    def ask(self, sql: str, seconds: float = 3.0) -> str:
        """One value."""
        words = ["-h", self.host, "-p", str(self.port), "-U", self._user, "-d", self._database]
        return run(["psql", "-XAtq", *words, "-c", sql], seconds, PGCONNECT_TIMEOUT="2")

    def part(self) -> str:
        """ "primary", "standby" or "away"."""
        try:
            return "standby" if self.ask("SELECT pg_is_in_recovery()") == "t" else "primary"
        except Stopped:
            return "away"


class Pooler:
    """A pgbouncer and its file."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._admin, self._file = [str(each) for each in values["admin"]], Path(values["file"])

    def say(self, command: str, seconds: float = 60.0) -> None:
        """A word of its administration."""
        run([*self._admin, "-XAtq", "-c", command], seconds)

    def lead(self, names: list[str], server: Server) -> None:
        """Write where databases are; RELOAD takes it."""
        text = self._file.read_text()
        for name in names:
            found = re.search(rf"(?m)^{re.escape(name)}\s*=.*$", text)
            if found is None:
                raise Stopped(f"{self._file} has no database '{name}'.")
            line = re.sub(r"\bhost=\S+", f"host={server.host}", found[0])
            line = re.sub(r"\bport=\S+", f"port={server.port}", line)
            text = text.replace(found[0], line)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(self._file.stat().st_mode & 0o777)
        os.chown(fresh, self._file.stat().st_uid, self._file.stat().st_gid)
        fresh.replace(self._file)


class Takeover:
    """The work."""

    def __init__(self, file: Path) -> None:
        values = tomllib.loads(file.read_text())
        self._names = [str(each) for each in values["names"]]
        self.servers = [Server(each, values["database"]) for each in values["servers"]]
        self._poolers = [Pooler(each) for each in values["poolers"]]
        if len(self.servers) != 2:
            raise Stopped("Name two servers.")
        self._begun = time.monotonic()

    def tell(self, text: str) -> None:
        """A line with the time since the beginning."""
        print(f"{time.monotonic() - self._begun:6.2f} s  {text}", flush=True)

    def pair(self) -> tuple[Server, Server]:
        """Primary and standby.

        Raises:
            Stopped: it is not one of each.
        """
        parts = {server.part(): server for server in self.servers}
        if set(parts) != {"primary", "standby"}:
            raise Stopped(f"There is not one primary and one standby: {self.describe()}.")
        return parts["primary"], parts["standby"]

    def describe(self) -> str:
        """Who is what."""
        return ", ".join(f"{server.name} {server.part()}" for server in self.servers)

    def _lead(self, new: Server) -> None:
        for pooler in self._poolers:
            pooler.lead(self._names, new)
            pooler.say("RELOAD")

    def planned(self) -> None:
        """Writes wait, the old one ends cleanly, the new one has everything, then it is promoted."""
        old, new = self.pair()
        behind = int(old.ask(
            "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), -1)::bigint FROM pg_stat_replication "
            "WHERE state = 'streaming'"
        ))  # fmt: skip
        if not 0 <= behind < 64 * 2**20:
            raise Stopped(f"{new.name} is behind by {behind} bytes (-1: it receives nothing). Nothing was changed.")
        paused = []
        try:
            for pooler in self._poolers:
                for name in self._names:
                    paused.append((pooler, name))
                    pooler.say(f"PAUSE {name}")
            self.tell("writes wait")
            last = old.ask("SELECT pg_current_wal_flush_lsn()")
            run(old.commands["stop"], 60)
            self.tell(f"{old.name} is stopped")
            # A clean end sends its last record to the standby before; so nothing is missing when this is there.
            end = time.monotonic() + 30
            while new.ask(f"SELECT pg_last_wal_replay_lsn() >= '{last}'::pg_lsn") != "t":
                if time.monotonic() > end:
                    raise Stopped(f"{new.name} lacks what {old.name} had. Start {old.name} again.")
                time.sleep(0.05)
            self._promote(new)
            self._lead(new)
        finally:
            for pooler, name in paused:
                pooler.say(f"RESUME {name}")
        self.tell(f"{new.name} takes writes; bring {old.name} back as its standby")

    def _promote(self, new: Server) -> None:
        run(new.commands["promote"], 60)
        end = time.monotonic() + 60
        while new.part() != "primary":
            if time.monotonic() > end:
                raise Stopped(f"{new.name} was promoted and takes no writes.")
            time.sleep(0.05)
        self.tell(f"{new.name} is promoted")

    def crashed(self) -> None:
        """Cut off, promote, lead there."""
        standby = [server for server in self.servers if server.part() == "standby"]
        if len(standby) != 1:
            raise Stopped(f"There is no one standby to promote: {self.describe()}.")
        new = standby[0]
        old = next(server for server in self.servers if server is not new)
        run(old.commands["fence"], 60)
        self.tell(f"{old.name} is cut off")
        self._promote(new)
        self._lead(new)
        for pooler in self._poolers:
            # What leads to the old one may look alive for minutes.
            for name in self._names:
                pooler.say(f"RECONNECT {name}")
        self.tell(f"{new.name} takes writes")

    def watch(self, after: float) -> None:
        """Until the primary is gone, and then once."""
        primary, _ = self.pair()
        self.tell(f"{primary.name} is watched")
        seen = time.monotonic()
        while True:
            try:
                primary.ask("SELECT 1", 1.0)
                seen = time.monotonic()
            except Stopped as error:
                gone = time.monotonic() - seen
                if gone >= after:
                    self.tell(f"{primary.name} has not answered for {gone:.1f} s: {str(error)[-120:]}")
                    self.crashed()
                    return
            time.sleep(0.25)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("verb", choices=("status", "planned", "crashed", "watch"))
    parser.add_argument("--after", type=float, default=1.5, help="watch: seconds without an answer")
    given = parser.parse_args()
    try:
        work = Takeover(given.file)
        if given.verb == "status":
            print(work.describe())
        elif given.verb == "watch":
            work.watch(given.after)
        else:
            getattr(work, given.verb)()
    except (Stopped, OSError, KeyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
