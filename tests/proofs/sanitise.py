"""A staging copy holds no original, in tables, files, log or vectors, and a portal runs on it: SQLite and PostgreSQL.

A portal is filled; then a word of its own is planted in every column of every table that can hold one, empty tables get a
row, and pictures hold one too. A copy is made with the command that people use. A search of this proof's own, which knows
nothing of how the copy was made, goes through every byte: the database's file and log or the server's whole data folder,
all files, each table read as rows. A portal is started on the copy, signed in to, a document opened, and when it has built
its vector index everything is searched again. A staging installation must refuse the original.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.canaries import plant, seen, seen_in, size_of
from tests.lab.portal import Portal
from tests.lab.shelf import fill, stop_schedules
from tests.proofs import expect
from tests.servers.postgres import Postgres

ENGINES = os.environ.get("ENGINES", "sqlite,postgresql").split(",")
_READ = "from apps.content.models import Source\nanswer = list(Source.objects.values_list('state', flat=True))"
_PEOPLE = """
from apps.users.models import Workspace
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.workspaces import add_member
actor = Actor.system_actor("proof")
room = Workspace.objects.order_by("created_at").first()
for name in ("Wilhelmina Zqxwarden", "Bartholomew Zqxkeeper"):
    person = create_user(actor=actor, email=name.split()[0].lower() + "@zqxharbour.example", full_name=name, password="a lamp in the fog 12")
    add_member(actor=actor, workspace=room, user=person)
answer = True
"""
_NAMES = (b"Wilhelmina", b"Bartholomew", b"zqxharbour", b"Zqxwarden", b"wilhelmina", b"bartholomew", b"Harbour lantern")
_STATE = """
from apps.backends.models import BackendProfile
from apps.content.models import Document, DocumentVersion, EmbeddingIndex, Source, SourceChunk, WebhookEndpoint
from apps.users.models import ApiToken, User
answer = {
    "documents": Document.objects.count(), "versions": DocumentVersion.objects.count(), "people": User.objects.count(),
    "chunks": SourceChunk.objects.count(), "vectors": SourceChunk.objects.exclude(vector=None).count(),
    "tokens": ApiToken.objects.count(), "hooks": WebhookEndpoint.objects.filter(enabled=True).count(),
    "outside": BackendProfile.objects.filter(enabled=True, managed="").count(),
    "secrets": sum(1 for row in BackendProfile.objects.all() if row.secret_refs or row.options),
    "indexed": EmbeddingIndex.objects.filter(state="ready").count(),
}
"""


def _picture_words(portal: Portal) -> list[bytes]:
    """Bytes in the middle of stored files: a picture tells its text in no column."""
    pieces = []
    for path in sorted((portal.folder / "files").rglob("*")):
        if path.is_file() and path.stat().st_size > 2_000:
            data = path.read_bytes()
            pieces.append(data[len(data) // 2 : len(data) // 2 + 24])
    return pieces


def _look(where: str, folders: list[Path], pieces: list[bytes], database: str = "") -> tuple[int, int]:
    """Fail when anything of the original is found. Returns files and bytes that were looked at."""
    found = seen_in(folders)
    expect(not found, f"{where}: planted words found: { {name: sorted(words)[:5] for name, words in found.items()} }")
    for folder in folders:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            data = path.read_bytes()
            for piece in (*_NAMES, *pieces):
                expect(piece not in data, f"{where}: {piece!r} stands in {path.relative_to(folder)}")
    if database:
        with contextlib.closing(psycopg.connect(database.replace("postgres://", "postgresql://"))) as opened:
            for (name,) in opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
                with opened.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
                    text = b"".join(bytes(row) for row in rows)
                expect(not seen(text), f"{where}: table {name} holds {sorted(seen(text))[:5]}")
                for piece in _NAMES:
                    expect(piece not in text, f"{where}: {piece!r} stands in table {name}")
    return size_of(folders)


def _one(engine: str, stack: contextlib.ExitStack) -> str:
    environment: dict[str, str] = {}
    target = ""
    server: Postgres | None = None
    if engine == "postgresql":
        source, server = stack.enter_context(Postgres()), stack.enter_context(Postgres())
        environment["DATABASE_URL"], target = source.url, server.url
        binaries = next(Path(p) for p in source.data.parent.rglob("bin") if (p / "pg_dump").is_file())
        environment["AIWRITER_PG_BIN"] = str(binaries)
    portal = stack.enter_context(Portal(environment, within=300))
    stop_schedules(portal)
    documents = fill(portal, documents=20, every=4)
    portal.shell(_PEOPLE)
    for _ in range(120):
        if set(portal.shell(_READ)) == {"ready"}:
            break
        time.sleep(1)
    expect(set(portal.shell(_READ)) == {"ready"}, f"sources were not read\n{portal.logs()}")
    before = portal.shell(_STATE)
    pieces = _picture_words(portal)
    expect(len(pieces) >= 5, "there are no pictures")
    portal.stop()
    planted, failed = plant(portal)
    expect(not failed, f"could not be planted: {failed}")
    made = portal.manage("backup", "--json", check=False)
    # The row of a content whose file is a planted word names no file: the set says so.
    expect(made.returncode in (0, 3), f"backup: {made.stdout}{made.stderr}")
    name = json.loads(made.stdout.splitlines()[-1])["result"]["set"]
    there = _originals(portal, environment.get("DATABASE_URL", ""))
    missing = set(planted) - there
    expect(not missing, f"the original lost {len(missing)} words: {[planted[word] for word in sorted(missing)][:5]}")

    parent = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiwriter-staging-")))
    folder = parent / "copy"
    address = parent / "database"
    address.write_text(target)
    begun = time.monotonic()
    options = ["--database", str(address)] if target else []
    done = portal.manage("backup", "staging", "--set", name, "--folder", str(folder), "--json", *options, check=False)
    seconds = time.monotonic() - begun
    expect(done.returncode == 0, f"staging: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    expect(report["scan"]["found"] == 0, f"the copy's own scan: {report['scan']}")
    folders = [folder, *([server.data] if server else [])]
    if server:
        with contextlib.closing(
            psycopg.connect(target.replace("postgres://", "postgresql://"), autocommit=True)
        ) as opened:
            opened.execute("CHECKPOINT")
    files, size = _look("the copy", folders, pieces, target)

    _refused(portal, environment)
    opened_title, state = _runs(folder, target, documents[0], before)
    _look("the copy after it ran", folders, pieces, target)
    return (
        f"{engine}: {len(planted)} words in {len(set(planted.values()))} columns, 0 found in {files} files ({size / 2**20:.0f} "
        f"MiB) nor after it ran with {state['vectors']} vectors; its own scan looked for {report['scan']['looked_for']:,}; "
        f"{report['result']['rows']:,} rows in {seconds:.0f} s; '{opened_title}' opened"
    )


def _originals(portal: Portal, database: str) -> set[str]:
    """The planted words that the original holds, as a check of the search itself."""
    if database:
        found: set[str] = set()
        with contextlib.closing(psycopg.connect(database.replace("postgres://", "postgresql://"))) as opened:
            for (name,) in opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
                with opened.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
                    found |= seen(b"".join(bytes(row) for row in rows))
        return found
    found = set()
    for ending in ("", "-wal"):
        path = Path(f"{portal.folder / 'aiwriter.sqlite3'}{ending}")
        found |= seen(path.read_bytes()) if path.is_file() else set()
    return found


def _refused(portal: Portal, environment: dict[str, str]) -> None:
    """A staging installation does not start on the original; the planted row of the mark's own table must go first."""
    portal.shell("from apps.backups.models import StagingMark\nanswer = StagingMark.objects.all().delete()[0]")
    portal.environment["AIWRITER_ENVIRONMENT"] = "staging"
    refused = portal.manage("bootstrap", check=False)
    expect(refused.returncode != 0, "a staging installation took the original")
    expect("not sanitised" in refused.stderr, f"it said {refused.stderr}")
    del portal.environment["AIWRITER_ENVIRONMENT"]


def _runs(folder: Path, database: str, document: str, before: dict[str, int]) -> tuple[str, dict[str, int]]:
    """Start a portal on the copy, sign in, open a document, search; wait until its vectors are indexed."""
    environment = {"AIWRITER_ENVIRONMENT": "staging", **({"DATABASE_URL": database} if database else {})}
    with Portal(environment, folder=folder, within=300) as copy:
        said = (folder / "sign-in.txt").read_text()
        email, password = re.findall(r"\S+\s+(\S+)", said)
        client = copy.sign_in(email, password)
        with contextlib.closing(client):
            page = client.get(f"/documents/{document}/")
            expect(page.status_code == 200, f"the document answers {page.status_code}")
            answer = client.get(f"/api/v1/content/{document}").json()
            expect(answer["body_html"].startswith("<h1"), f"the text is {answer['body_html'][:80]}")
            expect("admin" in client.get("/admin/").text, "the console does not open")
            listed = client.get("/documents/")
            expect(listed.status_code == 200, f"the list answers {listed.status_code}")
            word = answer["title"].split()[0]
            hits = client.get("/api/v1/content", params={"q": word})
            expect(hits.status_code == 200 and hits.json()["data"], f"the search answers {hits.text[:200]}")
        for _ in range(90):
            state: dict[str, int] = copy.shell(_STATE)
            if state["indexed"]:
                break
            time.sleep(1)
        expect(state["indexed"], f"no vector index was built: {state}\n{copy.logs()}")
        for name in ("documents", "versions"):
            expect(state[name] >= before[name], f"{name}: {state[name]} of {before[name]}")
        expect(state["vectors"] == state["chunks"] > 0, f"vectors: {state}")
        for name in ("tokens", "hooks", "outside", "secrets"):
            expect(state[name] == 0, f"{name}: {state[name]} in the copy")
    return answer["title"], state


def prove() -> str:
    """Each engine by itself."""
    told = []
    for engine in ENGINES:
        with contextlib.ExitStack() as stack:
            told.append(_one(engine, stack))
    return "; ".join(told)
