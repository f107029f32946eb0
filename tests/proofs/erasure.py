"""An erased person is gone: five canary words from database, files, vectors, logs and cache; 10,000 documents are exported in time.

A person with a personal workspace writes DOCUMENTS (default 10,000) documents, uploads a source that is read and indexed, has a
text written by a model, signs in, comments in a shared workspace. Five words of theirs are known: name, address, a text, a
file, a prompt. They ask for a copy of their data, which has to be there within five minutes and whole; then for an erasure, which an
administrator approves. When it is done the portal is stopped, and every byte is searched: SQLite's file and log, PostgreSQL's
tables and their files, the file storage, the vector store, log files, queue. The audit record must verify. ENGINES chooses.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.portal import Portal
from tests.proofs import expect
from tests.servers.postgres import Postgres

ENGINES = os.environ.get("ENGINES", "sqlite,postgresql").split(",")
DOCUMENTS = int(os.environ.get("DOCUMENTS", "10000"))
LIMIT_SECONDS = 300.0
PASSWORD = "a lamp in the fog 12"
EMAIL, NAME = "quorniva.blackmere@zqx-example.org", "Quorniva Blackmere"
CANARIES = {
    "name": b"Blackmere",
    "address": b"quorniva.blackmere",
    "text": b"harlequinadezqx",
    "file": b"obsidianfernzqx",
    "prompt": b"vermilliontidezqx",
}
_SET_UP = f"""
from apps.users.models import Workspace
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.workspaces import add_member, create_workspace
from apps.content.models import Document, DocumentVersion
from apps.content.services.documents import create_document
from apps.content.services.generation import start_generation
from apps.content.services.sources import add_file_source
from aiwriter.core.ids import uuid7
import hashlib, io
setup = Actor.system_actor("proof")
person = create_user(actor=setup, email={EMAIL!r}, full_name={NAME!r}, password={PASSWORD!r})
room = create_workspace(actor=setup, name="The room of {NAME}", personal_of=person)
shared = Workspace.objects.exclude(pk=room.pk).order_by("created_at").first()
add_member(actor=setup, workspace=shared, user=person)
actor = Actor.for_user(person)
body = "# Notes\\n\\n" + "The {CANARIES["text"].decode()} stands in the middle of a sentence of some length. " * 12
create_document(actor=actor, workspace=room, title="Notes of {NAME}", body_markdown=body)
add_file_source(actor=actor, workspace=room, name="ferns.txt", stream=io.BytesIO((("The {CANARIES["file"].decode()} grows in the shade of walls. ") * 60).encode()))
start_generation(actor=actor, workspace=room, kind="draft", brief={{"topic": "The {CANARIES["prompt"].decode()} and what it brings"}})
theirs = create_document(actor=setup, workspace=shared, title="Of all", body_markdown="# Of all\\n\\nA sentence to comment.\\n")
for at in range(0, {DOCUMENTS}, 1000):
    rows = [Document(workspace=room, owner=person, title=f"Paper {{n}}", slug=f"paper-{{n}}", body_markdown=f"{{body}} {{n}}", word_count=150) for n in range(at, min(at + 1000, {DOCUMENTS}))]
    Document.objects.bulk_create(rows)
    versions = [DocumentVersion(document=row, number=1, title=row.title, body_markdown=row.body_markdown, word_count=150, author=person, reason="manual", sha256=hashlib.sha256(row.body_markdown.encode()).hexdigest()) for row in rows]
    DocumentVersion.objects.bulk_create(versions)
answer = [str(person.pk), str(room.pk), str(theirs.pk)]
"""
_READY = """
from apps.content.models import Generation, Source, SourceChunk
from apps.content.retrieval import index
chunks = SourceChunk.objects.exclude(vector=None).count()
answer = [list(Source.objects.values_list("state", flat=True)), list(Generation.objects.values_list("state", flat=True)), chunks]
"""
_REQUEST = """
from apps.users.models import PrivacyRequest
row = PrivacyRequest.objects.order_by("-created_at").first()
answer = {"id": str(row.pk), "state": row.state, "phase": row.phase, "error": row.error, "report": row.report}
"""


def _until_done(portal: Portal, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while True:
        row: dict[str, Any] = portal.shell(_REQUEST)
        if row["state"] not in ("waiting", "queued", "running"):
            expect(row["state"] == "done", f"the request ended so: {row}\n{portal.logs()}")
            return row
        expect(time.monotonic() < end, f"not done after {seconds:.0f} s: {row}")
        time.sleep(2)


def _seen(data: bytes) -> list[str]:
    lower = data.lower()
    return [name for name, word in CANARIES.items() if word.lower() in lower]


def _search(folder: Path, *, leave: Iterable[str] = ()) -> dict[str, list[str]]:
    """Which canaries stand in which files below a folder."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
        if any(part in leave for part in path.relative_to(folder).parts):
            continue
        with contextlib.suppress(OSError):
            if names := _seen(path.read_bytes()):
                found[str(path.relative_to(folder))] = names
    return found


def _tables(url: str) -> dict[str, list[str]]:
    found = {}
    with contextlib.closing(psycopg.connect(url.replace("postgres://", "postgresql://"))) as opened:
        for (name,) in opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            with opened.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
                if names := _seen(b"".join(bytes(row) for row in rows)):
                    found[name] = names
    return found


def _everywhere(portal: Portal, server: Postgres | None) -> dict[str, list[str]]:
    found = _search(portal.folder)
    if server is not None:
        found |= _tables(server.url)
        # The server's own log is kept until its files are used again; the documentation says so.
        found |= _search(server.data, leave=("pg_wal", "log", "pg_log"))
    return found


def _one(engine: str, stack: contextlib.ExitStack) -> str:
    server = stack.enter_context(Postgres()) if engine == "postgresql" else None
    portal = stack.enter_context(Portal({"DATABASE_URL": server.url} if server else {}, within=400))
    person, _room, _theirs = portal.shell(_SET_UP)
    end = time.monotonic() + 300
    while True:
        sources, texts, vectors = portal.shell(_READY)
        if set(sources) == {"ready"} and set(texts) <= {"succeeded", "failed"} and vectors:
            break
        expect(time.monotonic() < end, f"not read in: {sources} {texts} {vectors}\n{portal.logs()}")
        time.sleep(2)
    browser = portal.sign_in(EMAIL, PASSWORD)
    # Wrong and right: both leave traces.
    with contextlib.suppress(RuntimeError):
        portal.sign_in(EMAIL, "not the right one")
    made = browser.post("/api/v1/tokens", json={"name": f"{NAME}'s script", "scopes": ["content.read"], "days": 3})
    expect(made.status_code == 201, f"a token: {made.status_code} {made.text[:300]}")
    before = set().union(*_everywhere(portal, server).values())
    expect(before == set(CANARIES), f"the search does not see what is there: {sorted(before)}")

    begun = time.monotonic()
    asked = browser.post("/api/v1/privacy/requests", json={"kind": "export"})
    expect(asked.status_code == 201, f"asking for a copy: {asked.status_code} {asked.text[:300]}")
    _until_done(portal, LIMIT_SECONDS + 60)
    took = time.monotonic() - begun
    copy = browser.get(f"/api/v1/privacy/requests/{asked.json()['id']}/file", timeout=300)
    expect(copy.status_code == 200, f"downloading it: {copy.status_code} {copy.text[:300]}")
    archive = zipfile.ZipFile(io.BytesIO(copy.content))
    texts = [name for name in archive.namelist() if name.startswith("documents/") and name.endswith(".md")]
    expect(len(texts) >= DOCUMENTS + 1, f"{len(texts)} of {DOCUMENTS + 1} documents are in the copy")
    whole = b"".join(archive.read(name) for name in archive.namelist() if not name.startswith("documents/paper"))
    expect(set(_seen(whole)) == set(CANARIES), f"the copy has only {_seen(whole)}")
    expect(took <= LIMIT_SECONDS, f"the copy took {took:.0f} s")

    asked = browser.post("/api/v1/privacy/requests", json={"kind": "erase", "wish": f"{NAME} asks for it"})
    expect(asked.status_code == 201, f"asking for erasure: {asked.status_code} {asked.text[:300]}")
    key = asked.json()["id"]
    own = browser.post(f"/api/v1/privacy/requests/{key}", json={"decision": "approve"})
    expect(own.status_code == 403, f"the person approves their own erasure: {own.status_code}")
    admin = portal.sign_in()
    begun = time.monotonic()
    agreed = admin.post(f"/api/v1/privacy/requests/{key}", json={"decision": "approve"})
    expect(agreed.status_code == 200, f"approving: {agreed.status_code} {agreed.text[:300]}")
    row = _until_done(portal, 900)
    erased = time.monotonic() - begun
    expect(browser.get("/api/v1/me").status_code == 401, "the person is still signed in")
    with contextlib.suppress(RuntimeError):
        portal.sign_in(EMAIL, PASSWORD)
        expect(False, "the person can still sign in")
    page = admin.get("/admin/users/auditevent/")
    expect(page.status_code == 200 and not _seen(page.content), f"the audit page shows {_seen(page.content)}")
    sealed = portal.manage("audit", "seal", check=False)
    verified = portal.manage("audit", "verify", "--json", check=False)
    expect(verified.returncode == 0, f"the audit: {sealed.stdout} {verified.stdout[-500:]}")
    portal.stop()
    left = _everywhere(portal, server)
    expect(not left, f"{engine}: still there: {left}\n{row['report']}")
    expect(person not in str(row["report"]["copies"]), "the report names the person")
    return f"{engine}: copy of {len(texts):,} documents in {took:.0f} s, erased in {erased:.0f} s"


def prove() -> str:
    """Export, erase and search on each database."""
    lines = []
    for engine in ENGINES:
        with contextlib.ExitStack() as stack:
            lines.append(_one(engine, stack))
            print(f"  {lines[-1]}", flush=True)
    return f"{len(CANARIES)} canary words gone; " + "; ".join(lines) + f" (limit of a copy {LIMIT_SECONDS:.0f} s)"
