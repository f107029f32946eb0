"""From every release so far a filled portal comes to this version, and the old one goes on serving on the new schema.

A release is a commit of `tests/data/releases.json`. Its code starts its own portal, fills its own database, and serves
readers and writers while this version's `migrate --phase expand` runs, and afterwards. Then this version starts on the same
data: no table has lost a row, every document, version and acknowledged change is there, the old password and the old token
still work, and a text is written. ONLY=commit picks releases, DATABASE=sqlite or postgres one database (both).
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from tests.lab.models import writer_token
from tests.lab.portal import ROOT, Portal
from tests.proofs import NotRun, expect, until
from tests.servers.postgres import Postgres

RELEASES: list[dict[str, str]] = json.loads((ROOT / "tests" / "data" / "releases.json").read_text())
DOCUMENTS = 20
AFTERWARDS_SECONDS = 6.0
# Tables that a portal empties by itself: counters, who is here now, and what is asked for anew.
PASSING = {
    "cache",
    "content_presence",
    "django_session",
    "monitoring_alert",  # one that has not lasted long enough goes when its cause has gone
    "monitoring_checkresult",
    "monitoring_heartbeat",
    "users_ratelimit",
    "usersessions_usersession",
}


def prove() -> str:
    """Upgrade each release on each database."""
    if not (ROOT / ".git").exists():
        raise NotRun("the code of the releases is in the project's history, and this is not a checkout with one")
    only = os.environ.get("ONLY", "")
    databases = [os.environ["DATABASE"]] if "DATABASE" in os.environ else ["sqlite", "postgres"]
    releases = [release for release in RELEASES if release["commit"].startswith(only)]
    expect(releases, f"no release begins with {only}")
    asked = wrote = 0
    longest = 0.0
    for database in databases:
        for release in releases:
            begun = time.monotonic()
            with _code(release["commit"]) as code:
                traffic, migrating = _upgrade(code, database)
            asked, wrote = asked + traffic.asked, wrote + len(traffic.acknowledged)
            longest = max(longest, traffic.longest)
            print(
                f"  {database}, {release['commit'][:7]} ({release['brought']}): migrated in {migrating:.1f} s beside "
                f"{traffic.asked} requests; {time.monotonic() - begun:.0f} s in all",
                flush=True,
            )
    return (
        f"{len(releases)} releases on {' and '.join(databases)}: 0 of {asked} requests to the old code failed (longest "
        f"{longest:.1f} s), {wrote} changes made meanwhile and all rows from before are in this version"
    )


@contextmanager
def _code(commit: str) -> Iterator[Path]:
    """The release's files."""
    with tempfile.TemporaryDirectory(prefix="awu-", dir="/tmp") as folder:
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
        if packed.returncode:
            raise NotRun(f"the history ends before {commit[:7]}: a shallow clone?")
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        yield Path(folder)


def _upgrade(code: Path, database: str) -> tuple[Traffic, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awd-", dir="/tmp")))
        variables = {"PYTHONDONTWRITEBYTECODE": ""}
        if "AIWRITER_API_TOKEN_RATE" in (code / "aiwriter" / "env.py").read_text():
            variables["AIWRITER_API_TOKEN_RATE"] = "100000"
        if database == "postgres":
            variables["DATABASE_URL"] = stack.enter_context(Postgres()).url
        # Its own plugins, too; they come before those that are installed.
        plugins = os.pathsep.join(str(path) for path in sorted((code / "plugins").glob("*/src")))
        command = [sys.executable, "-m", "aiwriter.supervisor", "--demo"]
        before = Portal({**variables, "PYTHONPATH": plugins}, folder=folder, checkout=code, command=command, within=240)
        with before:
            token = writer_token(before)
            traffic = Traffic(before, token)
            traffic.fill()
            seen, rows = look(before, token), _rows(folder, variables)
            traffic.start()
            until(lambda: traffic.asked > 20, 60, "the old version answers too slowly")
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "manage.py", "migrate", "--phase", "expand", "--no-input", "-v0"],
                cwd=ROOT,
                env={**before.environment, "PYTHONPATH": ""},
                capture_output=True,
                text=True,
                check=False,
            )
            migrating = time.monotonic() - begun
            expect(done.returncode == 0, f"the migration failed: {done.stderr[-3000:]}")
            time.sleep(AFTERWARDS_SECONDS)
            _write(before, token, "by the version before")
            traffic.stop()
            expect(not traffic.failed, f"{len(traffic.failed)} of {traffic.asked} failed: {traffic.failed[:5]}")
            expect(traffic.acknowledged, "nothing was changed beside the migration")
        after = Portal(variables, folder=folder, within=240)
        with after:
            after.email, after.password = before.email, before.password
            now = _rows(folder, variables)
            lost = {name: (count, now.get(name)) for name, count in rows.items() if now.get(name, -1) < count}
            lost = {name: counts for name, counts in lost.items() if name not in PASSING}
            expect(not lost, f"rows before and now: {lost}")
            found = look(after, token)
            traffic.compare(seen, found)
            after.sign_in()
            _write(after, token, "by this version")
            left = after.manage("migrate", "--check", check=False)
            expect(left.returncode == 0, f"migrations are left: {left.stdout}{left.stderr[-1000:]}")
    return traffic, migrating


def look(portal: Portal, token: str) -> dict[str, dict[str, Any]]:
    """Every document with its text and its versions, and every source, as the API shows them."""
    found: dict[str, dict[str, Any]] = {}
    with portal.api(token) as client:
        for kind in ("content", "sources"):
            for row in _all(client, f"/{kind}"):
                found[row["id"]] = {"title": row["title"]}
                if kind == "sources":
                    found[row["id"]] |= {"chunks": row["chunk_count"], "state": row["state"]}
                    continue
                found[row["id"]]["text"] = (
                    client.get(f"/content/{row['id']}").raise_for_status().json()["body_markdown"]
                )
                versions = _all(client, f"/content/{row['id']}/versions")
                found[row["id"]]["versions"] = {version["number"]: version["sha256"] for version in versions}
    return found


def _all(client: httpx2.Client, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (
            client.get(path, params={"limit": "100", **({"cursor": cursor} if cursor else {})})
            .raise_for_status()
            .json()
        )
        rows += page["data"]
        cursor = page["pagination"]["next_cursor"]
        if not cursor:
            return rows


def _write(portal: Portal, token: str, who: str) -> None:
    with portal.api(token) as client:
        answer = client.post("/generate/content", json={"topic": "What the sources say"}).raise_for_status().json()

        def state() -> str:
            value: str = client.get(f"/generations/{answer['id']}").raise_for_status().json()["state"]
            return value

        until(lambda: state() in ("succeeded", "failed", "stopped"), 90, f"no text was written {who}")
        expect(state() == "succeeded", f"a text that was asked for {who} ended as {state()}")


def _rows(folder: Path, variables: dict[str, str]) -> dict[str, int]:
    """How many rows each table has."""
    if url := variables.get("DATABASE_URL"):
        with psycopg.connect(url) as server:
            names = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            counted = {name: server.execute(f'SELECT count(*) FROM "{name}"').fetchone() for (name,) in names}
            return {name: count[0] for name, count in counted.items() if count}
    file = sqlite3.connect(folder / "aiwriter.sqlite3", timeout=30)
    try:
        # A search index is a virtual table, whose own tables begin with its name and are merged now and then.
        listed = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        indexes = tuple(f"{name}_" for name, sql in listed if sql and sql.startswith("CREATE VIRTUAL"))
        names = [
            name
            for name, sql in listed
            if sql and not sql.startswith("CREATE VIRTUAL") and not name.startswith((*indexes, "sqlite_"))
        ]
        return {name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    finally:
        file.close()


class Traffic(threading.Thread):
    """A writer's client and a browser at the old version: each answer must be good, and each change must last.

    Args:
        portal: the old version.
        token: of the writer.
    """

    def __init__(self, portal: Portal, token: str) -> None:
        super().__init__(daemon=True)
        self._portal, self._token = portal, token
        self._over = threading.Event()
        self.asked, self.longest = 0, 0.0
        self.failed: list[str] = []
        self.acknowledged: dict[str, str] = {}  # a document and its last text that was confirmed
        self._documents: list[str] = []

    def fill(self) -> None:
        """Make documents, each with two versions."""
        with self._portal.api(self._token) as client:
            for number in range(DOCUMENTS):
                made = client.post(
                    "/content", json={"title": f"Document {number}", "body_markdown": f"First text {number}."}
                )
                path = f"/content/{made.raise_for_status().json()['id']}"
                client.patch(path, json={"body_markdown": f"Second text {number}."}).raise_for_status()
                self._documents.append(path.rpartition("/")[2])

    def run(self) -> None:
        """Ask until told to stop."""
        browser = self._portal.sign_in()
        with self._portal.api(self._token) as client:
            number = 0
            while not self._over.is_set():
                number += 1
                document = self._documents[number % len(self._documents)]
                text = f"Written as number {number} while the schema changed."
                self._ask(browser, "GET", "/")
                self._ask(client, "GET", "/content")
                if self._ask(client, "PATCH", f"/content/{document}", {"body_markdown": text}):
                    self.acknowledged[document] = text
                if number % 5 == 0:
                    made = self._ask(client, "POST", "/content", {"title": f"New {number}", "body_markdown": text})
                    if made:
                        self.acknowledged[made.json()["id"]] = text
                self._over.wait(0.1)

    def _ask(
        self, client: httpx2.Client, method: str, path: str, values: dict[str, str] | None = None
    ) -> httpx2.Response | None:
        begun = time.monotonic()
        self.asked += 1
        try:
            answer = client.request(method, path, json=values)
        except httpx2.HTTPError as error:
            self.failed.append(f"{method} {path}: {error!r}")
            return None
        self.longest = max(self.longest, time.monotonic() - begun)
        if answer.status_code >= 400:
            self.failed.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        return answer

    def stop(self) -> None:
        """Stop asking."""
        self._over.set()
        self.join(60)

    def compare(self, seen: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> None:
        """What was there, and what was acknowledged since, is there."""
        for key, row in seen.items():
            expect(key in found, f"{row['title']} is missing")
            expected = {**row, **({"text": self.acknowledged[key]} if key in self.acknowledged else {})}
            versions = expected.pop("versions", {})
            have = found[key].get("versions", {})
            kept = {name: found[key][name] for name in expected}
            expect(kept == expected, f"{row['title']} is {kept}, not {expected}")
            expect(versions.items() <= have.items(), f"{row['title']} has the versions {have}, not {versions}")
        for key, text in self.acknowledged.items():
            expect(key in found and found[key]["text"] == text, f"a change of {key} that was confirmed is missing")
